// For tests of the device: machines that hold one each, on memory links.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <vector>

#include "engine/crypto/x25519.h"
#include "engine/device.h"
#include "engine/device_parts.h"
#include "engine/io/memory_link.h"
#include "engine/io/test_packets.h"

namespace vpn::engine {

constexpr std::chrono::milliseconds kPatience{10'000};

/// A machine: a device on memory links, with a key.
struct Machine {
  Machine(io::MemoryNetwork& network, const char* address, Random& random_source, std::size_t worker_count)
      : random(random_source), opener(network.opener(*IpAddress::parse(address))), workers(worker_count) {
    private_key = crypto::generate_private_key(random);
    public_key = crypto::derive_public_key(private_key);
    start();
  }

  // A new life with the same key, and nothing configured.
  void start() {
    device.reset();
    io::TunQueues queues;
    tuns.clear();
    while (queues.size() < workers) {
      auto queue = tuns.empty() ? std::make_unique<io::MemoryTun>("wg0", 1420) : std::make_unique<io::MemoryTun>(*tun);
      tuns.push_back(tun = queue.get());
      queues.push_back(std::move(queue));
    }
    auto opened = Device::assemble({std::move(queues), opener, std::nullopt}, clock, random, logger);
    EXPECT_TRUE(opened);
    device = std::move(*opened);
  }

  protocol::InterfaceUpdate own_key() const {
    protocol::InterfaceUpdate update;
    update.private_key = private_key;
    return update;
  }
  protocol::PeerUpdate as_peer(const char* allowed_ip) const {
    protocol::PeerUpdate peer;
    peer.public_key = public_key;
    peer.allowed_ips = {{*IpPrefix::parse(allowed_ip)}};
    return peer;
  }
  // The packets of the next write to the TUN device.
  std::vector<io::test::Bytes> next_written(std::chrono::milliseconds patience = kPatience) const {
    const auto packet = tun->next_written(patience);
    return packet ? io::test::expand(packet->bytes, packet->offload) : std::vector<io::test::Bytes>();
  }

  SystemClock clock;
  NullLogger logger;
  Random& random;
  io::UdpOpener opener;
  PrivateKey private_key;
  PublicKey public_key;
  std::size_t workers;
  std::vector<io::MemoryTun*> tuns;  ///< the device's queues, a worker's each
  io::MemoryTun* tun = nullptr;      ///< the last one, which is not the housekeeper's if there are several
  std::unique_ptr<Device> device;
};

}  // namespace vpn::engine
