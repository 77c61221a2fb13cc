#include "cli/store_transfer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/store_transfer_contract_test.h"
#include "cli/test_store_ends.h"

namespace vpn::cli {
namespace {

using control::contract::client;
using testing::ElementsAre;

const StoreKindUnderTest kKinds[] = {
    {"Memory", [] { return std::make_unique<MemoryEnd>(); }},
    {"Sqlite", [] { return std::make_unique<SqliteEnd>(); }},
};

INSTANTIATE_TEST_SUITE_P(Pairs, StoreTransferContract,
                         testing::Combine(testing::ValuesIn(kKinds), testing::ValuesIn(kKinds)), pair_name);

TEST(StoreTransfer, BringsTheRestWhenItIsRunAgainAfterAFailure) {
  Snapshot snapshot;
  for (int i = 1; i <= 2500; ++i) snapshot.clients.push_back(control::contract::many_client(i));
  MemoryEnd target;
  target.store().commits_left = 1;
  const auto broken = transfer(snapshot, target.end());
  ASSERT_TRUE(broken);
  EXPECT_EQ(broken->failure->code, ErrorCode::kUnavailable);
  EXPECT_EQ(broken->copied, kTransferBatch);
  EXPECT_EQ(broken->left(), 1500u);
  EXPECT_FALSE(broken->complete());

  target.store().mend();
  const auto again = transfer(snapshot, target.end());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->present, kTransferBatch);
  EXPECT_EQ(again->copied, 1500u);
  EXPECT_TRUE(again->complete());
  EXPECT_EQ(clients_of(target.end()), control::contract::sorted(snapshot.clients));
}

TEST(StoreTransfer, TellsHowFarItIs) {
  Snapshot snapshot;
  for (int i = 1; i <= 2500; ++i) snapshot.clients.push_back(control::contract::many_client(i));
  MemoryEnd target;
  std::vector<std::size_t> steps;
  ASSERT_TRUE(transfer(snapshot, target.end(), {.progress = [&](std::size_t done, std::size_t all) {
                         EXPECT_EQ(all, 2500u);
                         steps.push_back(done);
                       }}));
  EXPECT_THAT(steps, ElementsAre(1000, 2000, 2500));
}

TEST(StoreTransfer, NamesWhatDiffersButNoSecret) {
  control::Client there = client(1);
  there.enabled = false;
  there.preshared_key.emplace().reveal_mutable()[0] = 1;
  MemoryEnd target;
  ASSERT_TRUE(transfer({{there}, {}, {}}, target.end())->complete());
  const auto report = transfer({{client(1)}, {}, {}}, target.end());
  ASSERT_TRUE(report);
  EXPECT_THAT(report->conflicts, ElementsAre("client " + to_string(client(1).public_key) +
                                             " (192.168.2.1): it is there with another presharedKey, enabled"));
}

TEST(StoreTransfer, ATargetThatCannotBeReadIsNotTouched) {
  MemoryEnd target;
  target.store().commits_left = 0;
  ASSERT_FALSE(target.store().commit(std::vector<control::Mutation>{control::InsertClient{client(9)}})[0]);
  SeededRandom random(1);
  const auto report = transfer({{client(1)}, {}, engine::crypto::generate_private_key(random)}, target.end());
  EXPECT_EQ(report.error().code, ErrorCode::kUnavailable);
  EXPECT_FALSE(target.end().server_key(PrivateKey()));
}

TEST(StoreTransfer, AKeyThatIsTheSameToClientsIsTheSame) {
  SeededRandom random(1);
  PrivateKey unclamped;
  random.fill(unclamped.reveal_mutable());
  unclamped.reveal_mutable()[0] |= 7;
  MemoryEnd target;
  ASSERT_TRUE(target.end().server_key(engine::crypto::clamp(unclamped)));
  EXPECT_EQ(transfer({{}, {}, unclamped}, target.end())->key, KeyOutcome::kPresent);
}

TEST(StoreTransfer, WithoutTheSourcesKeyTheTargetsStays) {
  MemoryEnd target;
  const auto report = transfer({{client(1)}, {}, {}}, target.end());
  EXPECT_EQ(report->key, KeyOutcome::kUnknown);
  EXPECT_TRUE(report->complete());
  EXPECT_FALSE(target.end().server_key(PrivateKey()));
}

}  // namespace
}  // namespace vpn::cli
