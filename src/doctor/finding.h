// What the doctor says of one thing that it looked at. Plain values.
#pragma once

#include <string>
#include <utility>

namespace vpn::doctor {

enum class State {
  kOk,
  kNote,     ///< worth knowing, or could not be looked at
  kWarning,  ///< works, but not well or not for all
  kBroken,   ///< `serve` does not start, or clients do not get through
};

struct Cure {
  enum class Kind {
    kNone,
    kCommand,  ///< of a shell on this machine, as root
    kSetting,  ///< NAME=value of `serve`
    kAdvice,   ///< what neither can do
  };
  Kind kind = Kind::kNone;
  std::string text;
  std::string container;  ///< the same for a container or a pod, where that differs; advice
};

inline Cure command(std::string text, std::string container = {}) {
  return {Cure::Kind::kCommand, std::move(text), std::move(container)};
}
inline Cure setting(std::string text) {
  return {Cure::Kind::kSetting, std::move(text), {}};
}
inline Cure advice(std::string text) {
  return {Cure::Kind::kAdvice, std::move(text), {}};
}

struct Finding {
  std::string check;  ///< its name: lower case, a stable part of --json
  State state = State::kOk;
  std::string message;
  Cure cure = {};
};

}  // namespace vpn::doctor
