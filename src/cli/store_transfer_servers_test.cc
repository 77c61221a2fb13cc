// From every kind of store into every other, those of the network on real servers.
#include "cli/test_store_ends.h"
#include "control/store/ltse/test_replica.h"
#include "control/store/mongodb/test_stores.h"

namespace vpn::cli {
namespace {

class SharedEnd : public StoreEndUnderTest {
 public:
  const StoreEnd& end() override { return end_; }

 protected:
  explicit SharedEnd(std::unique_ptr<control::SharedStore> store)
      : end_{std::move(store), [this](const PrivateKey& fresh) { return end_.store->shared()->server_key(fresh); }} {}

 private:
  StoreEnd end_;
};

class MongodbEnd final : public SharedEnd {
 public:
  MongodbEnd()
      : SharedEnd(
            control::mongodb::make_store(control::mongodb::standalone().uri(), control::mongodb::fresh_database())) {}
};

class LtseEnd final : public SharedEnd {
 public:
  LtseEnd() : SharedEnd(open()) {}

 private:
  static std::unique_ptr<control::LtseStore> open() {
    static const SystemClock clock;
    static SystemRandom random;
    static NullLogger logger;
    auto store = control::LtseStore::create({control::gateway().url(), control::fresh_index()}, clock, random, logger);
    CHECK(store);
    return std::move(*store);
  }
};

const StoreKindUnderTest kKinds[] = {
    {"Memory", [] { return std::make_unique<MemoryEnd>(); }},
    {"Sqlite", [] { return std::make_unique<SqliteEnd>(); }},
    {"Mongodb", [] { return std::make_unique<MongodbEnd>(); }},
    {"Ltse", [] { return std::make_unique<LtseEnd>(); }},
};

INSTANTIATE_TEST_SUITE_P(AllPairs, StoreTransferContract,
                         testing::Combine(testing::ValuesIn(kKinds), testing::ValuesIn(kKinds)), pair_name);

}  // namespace
}  // namespace vpn::cli
