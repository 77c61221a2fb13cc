#include "doctor/clock_check.h"

#include <sys/timex.h>

#include <chrono>

namespace vpn::doctor {
namespace {

// What a build machine's clock may be ahead.
constexpr std::chrono::hours kTolerance{24};

}  // namespace

ClockFacts look_at_clock(const Clock& clock) {
  timex request{};  // no modes: it only asks
  const int state = ::adjtimex(&request);
  return {clock.wall_now(), WallTime(std::chrono::seconds(VPN_BUILD_TIME)),
          state >= 0 && (request.status & STA_UNSYNC) == 0};
}

Finding judge_clock(const ClockFacts& facts) {
  const std::string name = "clock";
  const Cure cure = command("timedatectl set-ntp true", "the same on the node: a container has no clock of its own");
  if (facts.now + kTolerance < facts.built) {
    return {
        name, State::kWarning,
        "is before the day this program was built: peers refuse handshakes that carry an earlier time than the last, "
        "and TLS fails",
        cure};
  }
  if (!facts.synchronized) {
    return {name, State::kWarning,
            "is not synchronized: peers refuse handshakes that carry an earlier time than the last, should it go back",
            cure};
  }
  return {name, State::kOk, "is synchronized"};
}

}  // namespace vpn::doctor
