#include "tunnel/kernel/device_writer.h"

#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <netinet/in.h>

#include <utility>

namespace vpn::tunnel {
namespace {

// What an attribute with so many bytes of payload takes, 0 for an opened nest.
constexpr std::size_t attribute_bytes(std::size_t payload_bytes) {
  return NLA_HDRLEN + NLA_ALIGN(payload_bytes);
}

constexpr std::size_t kAllowedIpBytes =
    attribute_bytes(0) + attribute_bytes(sizeof(std::uint16_t)) + attribute_bytes(16) + attribute_bytes(1);
// A peer with everything it may have and one allowed IP, with the nests around it.
constexpr std::size_t kPeerBytes = attribute_bytes(0) + attribute_bytes(0) + 2 * attribute_bytes(kKeySize) +
                                   attribute_bytes(sizeof(std::uint32_t)) + attribute_bytes(sizeof(std::uint16_t)) +
                                   attribute_bytes(sizeof(sockaddr_in6)) + attribute_bytes(0) + kAllowedIpBytes;

void put_allowed_ip(netlink::Request& message, const IpPrefix& prefix) {
  nlattr* entry = message.begin_nest(0);
  message.put_u16(WGALLOWEDIP_A_FAMILY, prefix.address.is_v4() ? AF_INET : AF_INET6);
  message.put(WGALLOWEDIP_A_IPADDR, prefix.address.bytes());
  message.put_u8(WGALLOWEDIP_A_CIDR_MASK, prefix.length);
  message.end_nest(entry);
}

}  // namespace

DeviceWriter::DeviceWriter(std::uint16_t family, unsigned index, Send send)
    : family_(family), index_(index), send_(std::move(send)) {}

void DeviceWriter::begin() {
  if (message_) return;
  message_ = std::make_unique<netlink::Request>(family_, 0, kMessageBytes);
  auto& header = message_->put_fixed_part<genlmsghdr>();
  header.cmd = WG_CMD_SET_DEVICE;
  header.version = WG_GENL_VERSION;
  message_->put_u32(WGDEVICE_A_IFINDEX, index_);
}

void DeviceWriter::set_private_key(const PrivateKey& key) {
  begin();
  message_->put(WGDEVICE_A_PRIVATE_KEY, key.reveal());
}

void DeviceWriter::set_listen_port(std::uint16_t port) {
  begin();
  message_->put_u16(WGDEVICE_A_LISTEN_PORT, port);
}

void DeviceWriter::set_fwmark(std::uint32_t mark) {
  begin();
  message_->put_u32(WGDEVICE_A_FWMARK, mark);
}

Status DeviceWriter::add(const PeerChange& change) {
  if (message_ && message_->room_bytes() < kPeerBytes) {
    if (Status sent = send(); !sent) return sent;
  }
  open_peer(change.public_key, change.flags);
  if (change.preshared_key) message_->put(WGPEER_A_PRESHARED_KEY, change.preshared_key->reveal());
  if (change.persistent_keepalive_s) {
    message_->put_u16(WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, *change.persistent_keepalive_s);
  }
  if (change.endpoint) {
    sockaddr_storage address{};
    const socklen_t size = change.endpoint.to_sockaddr(address);
    message_->put(WGPEER_A_ENDPOINT, &address, size);
  }
  if (Status added = add_allowed_ips(change); !added) return added;
  close_peer();
  return {};
}

// Those that do not fit follow in the next message, where the same peer is named again. Replacing was said before.
Status DeviceWriter::add_allowed_ips(const PeerChange& change) {
  if (change.allowed_ips.empty()) return {};
  nlattr* list = message_->begin_nest(WGPEER_A_ALLOWEDIPS);
  for (const IpPrefix& prefix : change.allowed_ips) {
    if (message_->room_bytes() < kAllowedIpBytes) {
      message_->end_nest(list);
      if (Status sent = send(); !sent) return sent;
      open_peer(change.public_key, WGPEER_F_UPDATE_ONLY);
      list = message_->begin_nest(WGPEER_A_ALLOWEDIPS);
    }
    put_allowed_ip(*message_, prefix);
  }
  message_->end_nest(list);
  return {};
}

Status DeviceWriter::finish() {
  return message_ ? send() : Status();
}

void DeviceWriter::open_peer(const PublicKey& key, std::uint32_t flags) {
  begin();
  if (peers_ == nullptr) peers_ = message_->begin_nest(WGDEVICE_A_PEERS);
  peer_ = message_->begin_nest(0);
  message_->put(WGPEER_A_PUBLIC_KEY, key.bytes);
  if (flags != 0) message_->put_u32(WGPEER_A_FLAGS, flags);
}

void DeviceWriter::close_peer() {
  message_->end_nest(peer_);
  peer_ = nullptr;
}

Status DeviceWriter::send() {
  if (peer_ != nullptr) close_peer();
  if (peers_ != nullptr) message_->end_nest(std::exchange(peers_, nullptr));
  const auto message = std::move(message_);
  return send_(*message);
}

}  // namespace vpn::tunnel
