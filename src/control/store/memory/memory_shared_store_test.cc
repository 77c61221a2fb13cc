#include "control/store/memory/memory_shared_store.h"

#include <gtest/gtest.h>

#include "control/store/shared_store_contract_test.h"
#include "control/store/store_contract_test.h"
#include "control/store/test_clients.h"

namespace vpn::control {
namespace {

class MemorySharedStores final : public StoreUnderTest, public SharedStoreUnderTest {
 public:
  Store& store() override { return first_; }
  void reopen() override {}
  SharedStore& first() override { return first_; }
  SharedStore& second() override { return second_; }

 private:
  MemoryDatabase database_;
  MemorySharedStore first_{database_}, second_{database_};
};

INSTANTIATE_TEST_SUITE_P(MemoryShared, StoreContract, testing::Values([]() -> std::unique_ptr<StoreUnderTest> {
                           return std::make_unique<MemorySharedStores>();
                         }));
INSTANTIATE_TEST_SUITE_P(MemoryShared, SharedStoreContract,
                         testing::Values([]() -> std::unique_ptr<SharedStoreUnderTest> {
                           return std::make_unique<MemorySharedStores>();
                         }));

TEST(MemorySharedStore, TakesBackAnInsertionWhoseAnswerWasLostAndNoLaterOne) {
  MemoryDatabase database;
  MemorySharedStore first(database), second(database);
  first.lose_next_answer(2);
  const std::vector<Mutation> batch{InsertClient{contract::client(2)}, InsertClient{contract::client(3)},
                                    InsertClient{contract::client(4)}};
  for (const Status& status : first.commit(batch)) EXPECT_EQ(contract::outcome(status), "unavailable ");
  EXPECT_EQ(database.clients().size(), 2u) << "the break came after two of three";
  EXPECT_EQ(contract::outcome(first.probe()), "unavailable ");

  const std::vector<Mutation> anew{RemoveClient{contract::key(2)}, InsertClient{contract::client(2)}};
  for (const Status& status : second.commit(anew)) EXPECT_TRUE(status);
  first.fail_with(std::nullopt);
  EXPECT_EQ(first.load()->clients, std::vector{contract::client(2)});
}

}  // namespace
}  // namespace vpn::control
