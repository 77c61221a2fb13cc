// For tests: the servers of one test program, and a gateway's store on them, in an index of its own for each case.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "control/store/ltse/ltse_store.h"
#include "control/store/ltse/test_server.h"
#include "control/store/test_clients.h"

namespace vpn::control {

/// Started before the first case and ended after the last.
struct Servers {
  ltse::TestElasticsearch elasticsearch;
  ltse::TestGateway gateway{elasticsearch};
};

class ServersForAll final : public testing::Environment {
 public:
  void SetUp() override { servers = std::make_unique<Servers>(); }
  void TearDown() override { servers.reset(); }
  std::unique_ptr<Servers> servers;
};

inline auto* const kServers =
    static_cast<ServersForAll*>(testing::AddGlobalTestEnvironment(std::make_unique<ServersForAll>().release()));

inline ltse::TestElasticsearch& elasticsearch() {
  return kServers->servers->elasticsearch;
}

inline ltse::TestGateway& gateway() {
  return kServers->servers->gateway;
}

inline std::string fresh_index() {
  static int count = 0;
  return "vpn-enabler-" + std::to_string(++count);
}

/// A clock that also moves when told.
class MovedClock final : public Clock {
 public:
  Instant now() const override { return SystemClock().now() + moved; }
  WallTime wall_now() const override { return SystemClock().wall_now(); }
  std::chrono::nanoseconds moved{};
};

/// A replica's store, and what it needs.
struct Replica {
  explicit Replica(const std::string& index, const std::string& url = gateway().url()) {
    auto created = LtseStore::create({url, index}, clock, random, logger);
    EXPECT_TRUE(created) << created.error().message;
    store = std::move(*created);
  }
  Status commit(Mutation mutation) { return store->commit({&mutation, 1}).front(); }
  std::vector<Client> clients() {
    auto contents = store->load();
    EXPECT_TRUE(contents) << contents.error().message;
    return contents ? contract::sorted(std::move(contents->clients)) : std::vector<Client>{};
  }

  MovedClock clock;
  SystemRandom random;
  NullLogger logger;
  std::unique_ptr<LtseStore> store;
};

}  // namespace vpn::control
