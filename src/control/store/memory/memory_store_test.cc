#include "control/store/memory/memory_store.h"

#include <gtest/gtest.h>

#include "control/store/store_contract_test.h"
#include "control/store/test_clients.h"

namespace vpn::control {
namespace {

class MemoryStoreUnderTest final : public StoreUnderTest {
 public:
  Store& store() override { return store_; }
  void reopen() override {}

 private:
  MemoryStore store_;
};

INSTANTIATE_TEST_SUITE_P(Memory, StoreContract, testing::Values([]() -> std::unique_ptr<StoreUnderTest> {
                           return std::make_unique<MemoryStoreUnderTest>();
                         }));

TEST(MemoryStore, FailsAsToldAndRecovers) {
  MemoryStore store;
  const std::vector<Mutation> batch{InsertClient{contract::client(2)}};
  store.fail_with("disk full");
  EXPECT_EQ(store.commit(batch)[0].error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(store.probe().error().message, "disk full");
  store.fail_with(std::nullopt);
  EXPECT_TRUE(store.probe());
  EXPECT_TRUE(store.load()->clients.empty());
  EXPECT_TRUE(store.commit(batch)[0]);
}

}  // namespace
}  // namespace vpn::control
