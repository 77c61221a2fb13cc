// How many handshakes an interface answers, and how much of the processor that takes it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/error.h"
#include "base/ip.h"
#include "base/key.h"

namespace vpn::bench {

struct Question {
  Endpoint called;
  PublicKey public_key;
  std::uint32_t callers = 0;
  std::uint32_t rounds = 0;
  /// The process that answers.
  pid_t pid = 0;
};

struct Answers {
  std::uint32_t calls = 0;
  std::uint32_t answered = 0;  ///< authentic responses
  std::uint32_t cookies = 0;   ///< calls made again with a cookie, as the interface wanted it
  std::uint32_t lost = 0;
  double seconds = 0;
  double processor_seconds = 0;  ///< of all threads of the process
};

/// Makes the calls and judges the responses outside of the time that is measured. Ends when the interface has been
/// silent for a second three times.
Result<Answers> ask(const Question& question);

}  // namespace vpn::bench
