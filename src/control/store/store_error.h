// The refusals that every store words alike; a caller of the API reads them as they are. Pure.
#pragma once

#include <string>

#include "base/error.h"
#include "base/ip.h"
#include "base/key.h"

namespace vpn::control {

inline Error client_exists(const PublicKey& key) {
  return {ErrorCode::kAlreadyExists, "The client with public key " + to_string(key) + " exists", "publicKey"};
}

inline Error address_taken(const IpAddress& address) {
  return {ErrorCode::kAlreadyExists, "The address " + to_string(address) + " belongs to another client", "clientIP"};
}

inline Error name_taken(const std::string& name) {
  return {ErrorCode::kAlreadyExists, "The client named \"" + name + "\" exists", "name"};
}

inline Error client_not_found(const PublicKey& key) {
  return {ErrorCode::kNotFound, "Client with public key " + to_string(key) + " not found", "publicKey"};
}

}  // namespace vpn::control
