// A gateway of four workers under traffic of eight clients both ways, while peers and its port come and go. What the
// workers share the sanitizer judges in `./check --tsan`; what any build sees is that nothing arrives twice or at the
// wrong machine, and that all get through again in the end.
#include <atomic>

#include "base/thread.h"
#include "engine/protocol/test_arrivals.h"
#include "engine/test_machine.h"

namespace vpn::engine {
namespace {

using io::test::Bytes;
using io::test::make_packet;
using protocol::InterfaceUpdate;
using namespace std::chrono_literals;

constexpr std::size_t kClients = 8;
constexpr std::size_t kWorkers = 4;
constexpr std::size_t kPacketsAtATime = 8;
constexpr std::uint32_t kSequenceStep = 1000;  // no packet follows its forerunner: each stays a packet of its own

std::uint32_t number_of(const Bytes& packet) {
  return load_be32(&packet[24]) / kSequenceStep;
}

struct Client {
  Client(io::MemoryNetwork& network, std::size_t number, Random& random)
      : inner("10.0.0." + std::to_string(2 + number)),
        machine(network, ("192.0.2." + std::to_string(2 + number)).c_str(), random, 1) {}

  std::string inner;
  Machine machine;
  protocol::Arrivals to_client, to_gateway;
  std::thread traffic;
};

class DeviceWorkersTest : public testing::Test {
 protected:
  DeviceWorkersTest() {
    InterfaceUpdate own = gateway_.own_key();
    own.listen_port = 51820;
    EXPECT_TRUE(gateway_.device->configure(own));
    for (std::size_t i = 0; i < kClients; ++i) {
      Client& client = *clients_.emplace_back(std::make_unique<Client>(network_, i, random_));
      add(client);
      InterfaceUpdate update = client.machine.own_key();
      update.peers = {gateway_.as_peer("10.0.0.1/32")};
      update.peers[0].endpoint = *Endpoint::parse("192.0.2.1:51820");
      EXPECT_TRUE(client.machine.device->configure(update));
    }
    for (std::size_t i = 0; i < kClients; ++i) {
      clients_[i]->traffic = start_thread("client-" + std::to_string(i), [this, i] { exchange(*clients_[i], i); });
    }
    site_ = start_thread("site", [this] { receive_at_site(); });
  }
  ~DeviceWorkersTest() override {
    stopping_ = true;
    for (const auto& client : clients_) client->traffic.join();
    site_.join();
  }

  void add(Client& client) {
    InterfaceUpdate update;
    update.peers = {client.machine.as_peer((client.inner + "/32").c_str())};
    EXPECT_TRUE(gateway_.device->configure(update));
  }
  void remove(Client& client) {
    InterfaceUpdate update;
    update.peers = {{.public_key = client.machine.public_key, .remove = true}};
    EXPECT_TRUE(gateway_.device->configure(update));
  }

  /// Until `packets` more have come through, each way, for every client.
  void await_packets(std::size_t packets) {
    for (const auto& client : clients_) {
      const std::size_t in = client->to_gateway.count() + packets;
      const std::size_t out = client->to_client.count() + packets;
      while (client->to_gateway.count() < in || client->to_client.count() < out) std::this_thread::yield();
    }
  }

  SystemRandom random_;
  io::MemoryNetwork network_;
  Machine gateway_{network_, "192.0.2.1", random_, kWorkers};
  std::vector<std::unique_ptr<Client>> clients_;

 private:
  // The client's machine, and the site's machine that it talks to: each by one flow, so by one queue of the gateway.
  void exchange(Client& client, std::size_t number) {
    io::MemoryTun& queue = *gateway_.tuns[number % kWorkers];
    for (std::uint32_t next = 0; !stopping_; next += kPacketsAtATime) {
      for (std::uint32_t i = next; i < next + kPacketsAtATime; ++i) {
        const std::uint32_t sequence = i * kSequenceStep;
        client.machine.tun->inject(
            {make_packet({.source = client.inner, .destination = "10.0.0.1", .sequence = sequence}), {}});
        queue.inject({make_packet({.source = "10.0.0.1", .destination = client.inner, .sequence = sequence}), {}});
      }
      // Paced by what arrives; what is lost while the gateway does not know the client is not waited for.
      for (std::size_t arrived = 0; arrived < kPacketsAtATime; ++arrived) {
        const auto packets = client.machine.next_written(20ms);
        if (packets.empty()) break;
        for (const Bytes& packet : packets) {
          if (packet[9] != io::kProtocolTcp) continue;  // unreachable, meanwhile
          EXPECT_EQ(
              packet,
              make_packet({.source = "10.0.0.1", .destination = client.inner, .sequence = load_be32(&packet[24])}));
          client.to_client.note(number_of(packet));
        }
      }
    }
  }

  void receive_at_site() {
    while (!stopping_) {
      for (const Bytes& packet : gateway_.next_written(20ms)) {
        if (packet[9] != io::kProtocolTcp) continue;
        const std::size_t number = packet[15] - 2u;
        ASSERT_LT(number, kClients);
        clients_[number]->to_gateway.note(number_of(packet));
      }
    }
  }

  std::atomic<bool> stopping_ = false;
  std::thread site_;
};

TEST_F(DeviceWorkersTest, AllGetThroughWhilePeersComeAndGo) {
  await_packets(50);
  for (int round = 0; round < 5; ++round) {
    for (const auto& client : clients_) {
      remove(*client);
      (void)gateway_.device->snapshot();
      (void)gateway_.device->counters();
      add(*client);
    }
    await_packets(20);
  }
}

TEST_F(DeviceWorkersTest, AllGetThroughWhileThePortComesAndGoes) {
  await_packets(50);
  for (int round = 0; round < 20; ++round) {
    for (const std::uint16_t port : {std::uint16_t{51821}, std::uint16_t{51820}}) {
      InterfaceUpdate update;
      update.listen_port = port;
      ASSERT_TRUE(gateway_.device->configure(update));
    }
    await_packets(5);
  }
}

TEST_F(DeviceWorkersTest, EachWorkerHasItsClients) {
  await_packets(50);
  for (std::size_t i = 0; i < kWorkers; ++i) {
    const CounterValues values = gateway_.device->worker_counters(i);
    EXPECT_GE(values[Counter::kUdpDatagramsReceived], 2 * 50u) << i;
    EXPECT_GE(values[Counter::kTunPacketsRead], 2 * 50u) << i;
  }
}

}  // namespace
}  // namespace vpn::engine
