// The contracts, on a mongod that stands alone and on a replica set.
#include "control/store/mongodb/mongo_store.h"

#include "control/store/mongodb/test_stores.h"
#include "control/store/shared_store_contract_test.h"
#include "control/store/store_contract_test.h"

namespace vpn::control {
namespace {

using mongodb::make_store;

class OneStore final : public StoreUnderTest {
 public:
  explicit OneStore(std::string uri) : uri_(std::move(uri)) { reopen(); }
  Store& store() override { return *store_; }
  void reopen() override { store_ = make_store(uri_, database_); }

 private:
  const std::string uri_;
  const std::string database_ = mongodb::fresh_database();
  std::unique_ptr<MongoStore> store_;
};

class TwoStores final : public SharedStoreUnderTest {
 public:
  explicit TwoStores(const std::string& uri)
      : first_(make_store(uri, database_)), second_(make_store(uri, database_)) {}
  SharedStore& first() override { return *first_; }
  SharedStore& second() override { return *second_; }

 private:
  const std::string database_ = mongodb::fresh_database();
  std::unique_ptr<MongoStore> first_, second_;
};

std::string standalone_uri() {
  return mongodb::standalone().uri();
}
std::string replica_set_uri() {
  return mongodb::replica_set().uri();
}

INSTANTIATE_TEST_SUITE_P(Standalone, StoreContract, testing::Values([]() -> std::unique_ptr<StoreUnderTest> {
                           return std::make_unique<OneStore>(standalone_uri());
                         }));
INSTANTIATE_TEST_SUITE_P(ReplicaSet, StoreContract, testing::Values([]() -> std::unique_ptr<StoreUnderTest> {
                           return std::make_unique<OneStore>(replica_set_uri());
                         }));
INSTANTIATE_TEST_SUITE_P(Standalone, SharedStoreContract,
                         testing::Values([]() -> std::unique_ptr<SharedStoreUnderTest> {
                           return std::make_unique<TwoStores>(standalone_uri());
                         }));
INSTANTIATE_TEST_SUITE_P(ReplicaSet, SharedStoreContract,
                         testing::Values([]() -> std::unique_ptr<SharedStoreUnderTest> {
                           return std::make_unique<TwoStores>(replica_set_uri());
                         }));

}  // namespace
}  // namespace vpn::control
