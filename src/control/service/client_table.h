// Every client in memory: by public key, by name, and in order of address.
//
// About 270 bytes a client: the map's node holds the client once, the indices hold pointers to it.
//
// A value of the control strand. A Client stays where it is until it is erased.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/error.h"
#include "control/model/client.h"

namespace vpn::control {

class ClientTable {
 public:
  /// kAlreadyExists (store/store_error.h) when another client holds the key, the address or the name; then nothing
  /// changes.
  Status insert(Client client);
  void erase(const PublicKey& key);
  /// Null when unknown.
  Client* find(const PublicKey& key) const;
  Client* find_by_name(std::string_view name) const;
  const Client* find_by_address(const IpAddress& address) const;

  std::size_t size() const { return by_address_.size(); }
  /// In order of address.
  std::vector<const Client*> list() const;

 private:
  // Hash and equality of pointers to clients by one of their fields, which may also stand for the client in a look-up.
  struct ByKey {
    using is_transparent = void;
    static const PublicKey& of(const PublicKey& key) { return key; }
    static const PublicKey& of(const Client* client) { return client->public_key; }
    std::size_t operator()(const auto& x) const noexcept { return std::hash<PublicKey>{}(of(x)); }
    bool operator()(const auto& a, const auto& b) const noexcept { return of(a) == of(b); }
  };
  struct ByName {
    using is_transparent = void;
    static std::string_view of(std::string_view name) { return name; }
    static std::string_view of(const Client* client) { return client->name; }
    std::size_t operator()(const auto& x) const noexcept { return std::hash<std::string_view>{}(of(x)); }
    bool operator()(const auto& a, const auto& b) const noexcept { return of(a) == of(b); }
  };

  std::map<std::uint32_t, Client> by_address_;
  std::unordered_set<Client*, ByKey, ByKey> by_key_;
  std::unordered_set<Client*, ByName, ByName> by_name_;  // those that have one
};

}  // namespace vpn::control
