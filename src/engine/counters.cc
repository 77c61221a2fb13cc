#include "engine/counters.h"

namespace vpn::engine {

std::string_view to_string(Counter counter) {
  switch (counter) {
    case Counter::kTunPacketsRead:
      return "tun_packets_read";
    case Counter::kTunBytesRead:
      return "tun_bytes_read";
    case Counter::kTunTcpSuperPacketsRead:
      return "tun_tcp_super_packets_read";
    case Counter::kTunUdpSuperPacketsRead:
      return "tun_udp_super_packets_read";
    case Counter::kTunMalformed:
      return "tun_malformed";
    case Counter::kTunWrites:
      return "tun_writes";
    case Counter::kTunBytesWritten:
      return "tun_bytes_written";
    case Counter::kTunTcpSuperPacketsWritten:
      return "tun_tcp_super_packets_written";
    case Counter::kTunUdpSuperPacketsWritten:
      return "tun_udp_super_packets_written";
    case Counter::kTunTcpResegmented:
      return "tun_tcp_resegmented";
    case Counter::kTunUdpResegmented:
      return "tun_udp_resegmented";
    case Counter::kTunWritesDropped:
      return "tun_writes_dropped";
    case Counter::kUdpDatagramsReceived:
      return "udp_datagrams_received";
    case Counter::kUdpBytesReceived:
      return "udp_bytes_received";
    case Counter::kUdpCoalescedReceives:
      return "udp_coalesced_receives";
    case Counter::kUdpDatagramsSent:
      return "udp_datagrams_sent";
    case Counter::kUdpSegmentedSends:
      return "udp_segmented_sends";
    case Counter::kUdpUnsegmented:
      return "udp_unsegmented";
    case Counter::kUdpSourceRetries:
      return "udp_source_retries";
    case Counter::kUdpSendsDropped:
      return "udp_sends_dropped";
    case Counter::kIcmpSent:
      return "icmp_sent";
    case Counter::kCount:
      break;
  }
  return "unknown";
}

CounterValues& CounterValues::operator+=(const CounterValues& other) {
  for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += other.counts[i];
  for (std::size_t i = 0; i < drops.size(); ++i) drops[i] += other.drops[i];
  return *this;
}

void Counters::add(const io::TunWriteReport& report) {
  add(Counter::kTunWrites, report.written);
  add(Counter::kTunTcpSuperPacketsWritten, report.super_packets.tcp);
  add(Counter::kTunUdpSuperPacketsWritten, report.super_packets.udp);
  add(Counter::kTunTcpResegmented, report.resegmented.tcp);
  add(Counter::kTunUdpResegmented, report.resegmented.udp);
  add(Counter::kTunWritesDropped, report.dropped);
}

void Counters::add(const io::UdpSendReport& report) {
  add(Counter::kUdpDatagramsSent, report.sent);
  add(Counter::kUdpSegmentedSends, report.segmented_sends);
  add(Counter::kUdpUnsegmented, report.unsegmented);
  add(Counter::kUdpSourceRetries, report.source_retries);
  add(Counter::kUdpSendsDropped, report.dropped);
}

CounterValues Counters::values() const {
  CounterValues values;
  for (std::size_t i = 0; i < counts_.size(); ++i) values.counts[i] = counts_[i].load(std::memory_order_relaxed);
  for (std::size_t i = 0; i < drops_.size(); ++i) values.drops[i] = drops_[i].load(std::memory_order_relaxed);
  return values;
}

}  // namespace vpn::engine
