#include "doctor/firewall/xt_match.h"

#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_state.h>
#include <linux/netfilter/xt_tcpudp.h>

#include <algorithm>
#include <cstring>
#include <optional>

namespace vpn::doctor::firewall {
namespace {

template <typename T>
std::optional<T> info_of(const Match& match) {
  if (match.info.size() < sizeof(T)) return std::nullopt;
  T info;
  std::memcpy(&info, match.info.data(), sizeof info);
  return info;
}

std::optional<std::uint16_t> port_at(const Packet& packet, std::size_t offset) {
  const auto bytes = packet.transport.get(offset, 2);
  return bytes ? std::optional(load_be16(bytes->data())) : std::nullopt;
}

/// Ports `range[0]` to `range[1]`.
Answer port_is_within(const Packet& packet, std::size_t offset, const std::uint16_t (&range)[2], bool invert) {
  const bool any = range[0] == 0 && range[1] == 0xffff;
  const auto port = port_at(packet, offset);
  const Answer within = any     ? Answer::kYes
                        : !port ? Answer::kUnknown
                                : answer_of(*port >= range[0] && *port <= range[1]);
  return inverted(within, invert);
}

Answer tcp(const Match& match, const Packet& packet) {
  const auto info = info_of<xt_tcp>(match);
  if (!info) return Answer::kUnknown;
  if (packet.protocol != IPPROTO_TCP) return Answer::kNo;
  const Answer ports = both(port_is_within(packet, 0, info->spts, (info->invflags & XT_TCP_INV_SRCPT) != 0),
                            port_is_within(packet, 2, info->dpts, (info->invflags & XT_TCP_INV_DSTPT) != 0));
  const auto flags = packet.transport.get(13, 1);
  const Answer flagged = flags ? answer_of((flags->front() & info->flg_mask) == info->flg_cmp) : Answer::kUnknown;
  const Answer option = info->option == 0 ? Answer::kYes : Answer::kUnknown;
  return both(both(ports, option), inverted(flagged, (info->invflags & XT_TCP_INV_FLAGS) != 0));
}

Answer udp(const Match& match, const Packet& packet) {
  const auto info = info_of<xt_udp>(match);
  if (!info) return Answer::kUnknown;
  if (packet.protocol != IPPROTO_UDP) return Answer::kNo;
  return both(port_is_within(packet, 0, info->spts, (info->invflags & XT_UDP_INV_SRCPT) != 0),
              port_is_within(packet, 2, info->dpts, (info->invflags & XT_UDP_INV_DSTPT) != 0));
}

/// Destination ports alone: of the others we know nothing.
Answer multiport(const Match& match, const Packet& packet) {
  const auto info = info_of<xt_multiport_v1>(match);
  const auto port = port_at(packet, 2);
  if (match.revision != 1 || !info || !port || info->flags != XT_MULTIPORT_DESTINATION) return Answer::kUnknown;
  bool found = false;
  const std::size_t count = std::min<std::size_t>(info->count, XT_MULTI_PORTS);
  for (std::size_t i = 0; i < count; ++i) {
    const bool is_range = info->pflags[i] != 0 && i + 1 < count;
    found |= is_range ? *port >= info->ports[i] && *port <= info->ports[i + 1] : *port == info->ports[i];
    if (is_range) ++i;
  }
  return answer_of(found != (info->invert != 0));
}

/// Of revisions 2 and 3, which begin alike; the state alone.
Answer conntrack(const Match& match, const Packet& packet) {
  const auto info = info_of<xt_conntrack_mtinfo2>(match);
  if (!info || match.revision < 2) return Answer::kUnknown;
  if ((info->match_flags & ~(XT_CONNTRACK_STATE | XT_CONNTRACK_STATE_ALIAS)) != 0) return Answer::kUnknown;
  return answer_of(((info->state_mask & packet.state) != 0) != ((info->invert_flags & XT_CONNTRACK_STATE) != 0));
}

Answer state(const Match& match, const Packet& packet) {
  const auto info = info_of<xt_state_info>(match);
  return info ? answer_of((info->statemask & packet.state) != 0) : Answer::kUnknown;
}

/// What the destination is to this machine.
Answer addrtype(const Match& match, const Packet& packet) {
  const auto info = info_of<xt_addrtype_info_v1>(match);
  if (!info || match.revision != 1 || info->source != 0) return Answer::kUnknown;
  if ((info->flags & (XT_ADDRTYPE_LIMIT_IFACE_IN | XT_ADDRTYPE_LIMIT_IFACE_OUT)) != 0) return Answer::kUnknown;
  const unsigned type = packet.to_this_machine ? XT_ADDRTYPE_LOCAL : XT_ADDRTYPE_UNICAST;
  return answer_of(((info->dest & type) != 0) != ((info->flags & XT_ADDRTYPE_INVERT_DEST) != 0));
}

}  // namespace

Answer matches(const Match& match, const Packet& packet) {
  if (match.name == "comment") return Answer::kYes;
  if (match.name == "tcp") return tcp(match, packet);
  if (match.name == "udp") return udp(match, packet);
  if (match.name == "icmp" || match.name == "icmp6") return Answer::kNo;
  if (match.name == "multiport") return multiport(match, packet);
  if (match.name == "conntrack") return conntrack(match, packet);
  if (match.name == "state") return state(match, packet);
  if (match.name == "addrtype") return addrtype(match, packet);
  return Answer::kUnknown;
}

}  // namespace vpn::doctor::firewall
