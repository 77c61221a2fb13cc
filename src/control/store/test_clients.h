// Clients for tests, each with a number, and a store's answers as text. Pure.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "control/model/client.h"
#include "control/store/store.h"

namespace vpn::control {

namespace contract {

inline PublicKey key(int number) {
  PublicKey key;
  key.bytes.fill(static_cast<std::uint8_t>(number));
  return key;
}

/// A client whose key, address and name differ from those of every other number.
inline Client client(int number) {
  return {.public_key = key(number),
          .preshared_key = std::nullopt,
          .address = IpAddress::v4(0xc0a80200u + static_cast<std::uint32_t>(number)),
          .allowed_ips = "0.0.0.0/0,::/0",
          .name = "client " + std::to_string(number),
          .enabled = true,
          .created_at = WallTime(std::chrono::nanoseconds(1'700'000'000'123'456'789))};
}

/// The same for tests that need more than 255: numbers up to 2^24, and no name.
inline Client many_client(int number) {
  Client many = client(0);
  store_be32(many.public_key.bytes.data() + 28, static_cast<std::uint32_t>(number));
  many.public_key.bytes[0] = 1;  // no key of client()
  many.address = IpAddress::v4(0x0a000000u + static_cast<std::uint32_t>(number));
  many.name.clear();
  return many;
}

inline std::vector<Client> sorted(std::vector<Client> clients) {
  std::sort(clients.begin(), clients.end(),
            [](const Client& a, const Client& b) { return a.public_key < b.public_key; });
  return clients;
}

/// "ok", or the code and the field at fault.
inline std::string outcome(const Status& status) {
  if (status) return "ok";
  return std::string(to_string(status.error().code)) + " " + status.error().field;
}

}  // namespace contract

}  // namespace vpn::control
