#include "tunnel/kernel/device_reader.h"

#include <linux/genetlink.h>
#include <linux/time_types.h>
#include <linux/wireguard.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <iterator>
#include <utility>

#include "netlink/attributes.h"

namespace vpn::tunnel {
namespace {

using netlink::bytes_of;
using netlink::read_into;
using netlink::type_of;

PresharedKey read_preshared_key(const nlattr& attribute) {
  PresharedKey key;
  const ByteView bytes = bytes_of(attribute);
  if (bytes.size() == kKeySize) std::ranges::copy(bytes, key.reveal_mutable().begin());
  return key;
}

Endpoint read_endpoint(const nlattr& attribute) {
  sockaddr_storage address{};
  const ByteView bytes = bytes_of(attribute);
  std::memcpy(&address, bytes.data(), std::min(bytes.size(), sizeof address));
  return Endpoint::from_sockaddr(address);
}

WallTime read_time(const nlattr& attribute) {
  __kernel_timespec time{};
  read_into(time, attribute);
  return WallTime(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
}

std::optional<IpPrefix> read_allowed_ip(const nlattr& nest) {
  std::uint16_t family = 0;
  ByteView address;
  IpPrefix prefix;
  netlink::for_each_attribute(nest, [&](const nlattr& attribute) {
    switch (type_of(attribute)) {
      case WGALLOWEDIP_A_FAMILY:
        return read_into(family, attribute);
      case WGALLOWEDIP_A_IPADDR:
        address = bytes_of(attribute);
        return;
      case WGALLOWEDIP_A_CIDR_MASK:
        return read_into(prefix.length, attribute);
      default:
        return;
    }
  });
  if (family == AF_INET && address.size() == 4) prefix.address = IpAddress::v4_from_bytes(address.data());
  if (family == AF_INET6 && address.size() == 16) prefix.address = IpAddress::v6_from_bytes(address.data());
  if (!prefix.address) return std::nullopt;
  return prefix;
}

// A peer, or the continuation of one: then only its key and more of its allowed IPs.
PeerStatus read_peer(const nlattr& nest) {
  PeerStatus status;
  Peer& peer = status.peer;
  netlink::for_each_attribute(nest, [&](const nlattr& attribute) {
    switch (type_of(attribute)) {
      case WGPEER_A_PUBLIC_KEY:
        return read_into(peer.public_key.bytes, attribute);
      case WGPEER_A_PRESHARED_KEY:
        if (const PresharedKey key = read_preshared_key(attribute); !key.is_zero()) peer.preshared_key = key;
        return;
      case WGPEER_A_ENDPOINT:
        status.endpoint = read_endpoint(attribute);
        return;
      case WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL:
        return read_into(peer.persistent_keepalive_s, attribute);
      case WGPEER_A_LAST_HANDSHAKE_TIME:
        status.last_handshake = read_time(attribute);
        return;
      case WGPEER_A_RX_BYTES:
        return read_into(status.rx_bytes, attribute);
      case WGPEER_A_TX_BYTES:
        return read_into(status.tx_bytes, attribute);
      case WGPEER_A_ALLOWEDIPS:
        netlink::for_each_attribute(attribute, [&peer](const nlattr& entry) {
          if (const auto prefix = read_allowed_ip(entry)) peer.allowed_ips.push_back(*prefix);
        });
        return;
      default:
        return;
    }
  });
  return status;
}

}  // namespace

DeviceReader DeviceReader::device_only() {
  DeviceReader reader;
  reader.device_only_ = true;
  return reader;
}

DeviceReader DeviceReader::one_peer(const PublicKey& key) {
  DeviceReader reader;
  reader.only_ = key;
  return reader;
}

// The first message alone tells of the device itself.
bool DeviceReader::read(const nlmsghdr& message) {
  netlink::for_each_attribute(message, sizeof(genlmsghdr), [this](const nlattr& attribute) {
    switch (type_of(attribute)) {
      case WGDEVICE_A_PRIVATE_KEY:
        if (bytes_of(attribute).size() == kKeySize) {
          std::ranges::copy(bytes_of(attribute), status_.private_key.reveal_mutable().begin());
        }
        return;
      case WGDEVICE_A_PUBLIC_KEY:
        return read_into(status_.public_key.bytes, attribute);
      case WGDEVICE_A_LISTEN_PORT:
        return read_into(status_.listen_port, attribute);
      case WGDEVICE_A_FWMARK:
        return read_into(status_.fwmark, attribute);
      case WGDEVICE_A_PEERS:
        return read_peers(attribute);
      default:
        return;
    }
  });
  return !device_only_ && !passed_;
}

void DeviceReader::read_peers(const nlattr& peers) {
  if (device_only_) return;
  netlink::for_each_attribute(peers, [this](const nlattr& nest) { add(read_peer(nest)); });
}

// The parts of a peer follow one another.
void DeviceReader::add(PeerStatus part) {
  if (only_ && part.peer.public_key != *only_) {
    passed_ = !status_.peers.empty();
    return;
  }
  if (status_.peers.empty() || status_.peers.back().peer.public_key != part.peer.public_key) {
    status_.peers.push_back(std::move(part));
    return;
  }
  std::ranges::move(part.peer.allowed_ips, std::back_inserter(status_.peers.back().peer.allowed_ips));
}

}  // namespace vpn::tunnel
