// For tests: a kernel that refuses what is offloaded, with an error of the test's choice. The program that this is
// linked into has sendmmsg(), sendmsg() and writev() of its own, which make the system call unless it is to be refused.
//
// Safe from any thread.
#pragma once

#include <cstddef>

namespace vpn::engine::io::test {

/// Refuses while it lives. One of each kind at a time.
class Refusal {
 public:
  enum class Of {
    kSegmentedSends,     ///< messages with UDP_SEGMENT
    kSuperPacketWrites,  ///< writes to a TUN device whose virtio-net header says so
  };
  Refusal(Of what, int error);
  ~Refusal();
  Refusal(const Refusal&) = delete;
  Refusal& operator=(const Refusal&) = delete;

  /// How many were refused.
  std::size_t count() const;

 private:
  Of what_;
};

}  // namespace vpn::engine::io::test
