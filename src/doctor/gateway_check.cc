#include "doctor/gateway_check.h"

#include <string>

namespace vpn::doctor {

Finding judge_gateway(const Result<cli::HealthAnswer>& answer) {
  const char* const name = "gateway";
  if (answer && answer->well) return {name, State::kOk, "serves, process " + std::to_string(answer->process_id)};
  if (answer) {
    return {name, State::kBroken, "serves, and is not well: " + answer->body,
            command("journalctl --unit vpn-enabler --lines 20")};
  }
  const std::string& message = answer.error().message;
  switch (answer.error().code) {
    case ErrorCode::kNotFound:
      return {name, State::kNote, "serves not; the rest is what `vpn-enabler serve` would find"};
    case ErrorCode::kPermissionDenied:
      return {name, State::kNote, "could not be asked: " + message, command("sudo vpn-enabler doctor")};
    case ErrorCode::kUnavailable:
      return {name, State::kBroken, "listens, and does not answer", command("systemctl restart vpn-enabler")};
    default:
      return {name, State::kBroken, message, setting("API_SOCKET=/run/vpn-enabler/other.sock")};
  }
}

}  // namespace vpn::doctor
