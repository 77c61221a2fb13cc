// On a real Elasticsearch 7.16.3, behind a gateway as the LTSE's: one of each for the whole program, an index of its
// own for each case.
#include "control/store/ltse/ltse_store.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <chrono>
#include <cstdio>
#include <thread>

#include "control/store/ltse/test_server.h"
#include "control/store/shared_store_contract_test.h"
#include "control/store/store_contract_test.h"

namespace vpn::control {
namespace {

namespace json = boost::json;
using ltse::Fault;
using std::chrono::milliseconds;
using std::chrono::seconds;

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

auto* const kServers =
    static_cast<ServersForAll*>(testing::AddGlobalTestEnvironment(std::make_unique<ServersForAll>().release()));

ltse::TestGateway& gateway() {
  return kServers->servers->gateway;
}

std::string fresh_index() {
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

class LtseUnderTest final : public StoreUnderTest {
 public:
  Store& store() override { return *replica_->store; }
  void reopen() override { replica_ = std::make_unique<Replica>(index_); }

 private:
  std::string index_ = fresh_index();
  std::unique_ptr<Replica> replica_ = std::make_unique<Replica>(index_);
};

class TwoReplicas final : public SharedStoreUnderTest {
 public:
  SharedStore& first() override { return *first_.store; }
  SharedStore& second() override { return *second_.store; }

 private:
  std::string index_ = fresh_index();
  Replica first_{index_}, second_{index_};
};

INSTANTIATE_TEST_SUITE_P(Ltse, StoreContract, testing::Values([]() -> std::unique_ptr<StoreUnderTest> {
                           return std::make_unique<LtseUnderTest>();
                         }));
INSTANTIATE_TEST_SUITE_P(Ltse, SharedStoreContract, testing::Values([]() -> std::unique_ptr<SharedStoreUnderTest> {
                           return std::make_unique<TwoReplicas>();
                         }));

}  // namespace
}  // namespace vpn::control
