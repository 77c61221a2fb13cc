// Linux UDP sockets: recvmmsg and sendmmsg, UDP_GRO and UDP_SEGMENT (udp(7)), sticky source addresses (ip(7):
// IP_PKTINFO), and SO_REUSEPORT (socket(7)) where several share a port.
//
// Safe from any thread. Owned by the device while the link is up.
#pragma once

#include "base/unique_fd.h"
#include "engine/io/offloads.h"
#include "engine/io/refused_paths.h"
#include "engine/io/udp.h"

namespace vpn::engine::io {

class LinuxUdp final : public Udp {
 public:
  /// As UdpOpener says. Without IPv6 in the kernel, IPv4 alone. `offloads` are of those that available() gives.
  static Result<UdpSockets> open(std::uint16_t port, std::uint32_t fwmark, std::size_t count, Offloads offloads);

  /// What of gso and gro this kernel has.
  static Offloads available();

  std::uint16_t port() const override { return port_; }
  int fd(IpFamily family) const override { return family == IpFamily::kV6 ? v6_.get() : v4_.get(); }
  Status set_fwmark(std::uint32_t fwmark) override;
  void receive(IpFamily family, UdpReadBatch& batch) override;
  UdpSendReport send(std::span<const OutgoingDatagram> datagrams) override;

 private:
  LinuxUdp(UniqueFd v4, UniqueFd v6, std::uint16_t port, Offloads offloads);
  static Result<std::shared_ptr<LinuxUdp>> open_first(std::uint16_t port, std::uint32_t fwmark, Offloads offloads);

  std::size_t run_length(std::span<const OutgoingDatagram> datagrams);
  void send_slowly(std::span<const OutgoingDatagram> datagrams, int error, UdpSendReport& report);
  int send_one_message(std::span<const OutgoingDatagram> datagrams, bool with_source) const;

  UniqueFd v4_;
  UniqueFd v6_;
  std::uint16_t port_;
  Offloads offloads_;
  RefusedPaths refused_;  ///< where UDP_SEGMENT does not work
};

}  // namespace vpn::engine::io
