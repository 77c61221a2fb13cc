// SERVER_IP, the address or name that clients are told to call: whether it leads here from outside.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/ip.h"
#include "doctor/finding.h"

namespace vpn::doctor {

struct ServerIpFacts {
  std::string given;  ///< SERVER_IP; empty: detected
  /// The detected address, or those of the name; kUnavailable when the name servers do not answer in time.
  Result<std::vector<IpAddress>> addresses;
};

/// May take long: a name server that hangs is waited for.
ServerIpFacts look_at_server_ip(const std::string& given);

/// Pure.
Finding judge_server_ip(const ServerIpFacts& facts);

}  // namespace vpn::doctor
