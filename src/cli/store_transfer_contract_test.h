// From every kind of store into every other, as tests; whoever has more kinds instantiates them with these.
//
//   INSTANTIATE_TEST_SUITE_P(Mongodb, StoreTransferContract,
//                            testing::Combine(testing::ValuesIn(kinds), testing::ValuesIn(kinds)), pair_name);
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <tuple>
#include <vector>

#include "base/random.h"
#include "cli/store_transfer.h"
#include "cli/test_snapshots.h"
#include "control/store/test_clients.h"
#include "engine/crypto/x25519.h"

namespace vpn::cli {

/// A fresh, empty store with a place for its gateway's key, and all that they need to live.
class StoreEndUnderTest {
 public:
  virtual ~StoreEndUnderTest() = default;
  virtual const StoreEnd& end() = 0;
};

struct StoreKindUnderTest {
  std::string name;
  std::function<std::unique_ptr<StoreEndUnderTest>()> make;
};

/// For gtest: a kind by its name.
inline void PrintTo(const StoreKindUnderTest& kind, std::ostream* out) {
  *out << kind.name;
}

inline std::vector<control::Client> clients_of(const StoreEnd& end) {
  auto contents = end.store->load();
  EXPECT_TRUE(contents) << contents.error().message;
  return contents ? control::contract::sorted(std::move(contents->clients)) : std::vector<control::Client>();
}

class StoreTransferContract : public testing::TestWithParam<std::tuple<StoreKindUnderTest, StoreKindUnderTest>> {
 protected:
  const StoreEnd& source() { return source_->end(); }
  const StoreEnd& target() { return target_->end(); }

  /// Puts clients and a key into the source.
  void fill_source(const std::vector<control::Client>& clients) {
    const auto filled = transfer({clients, {}, key_}, source());
    ASSERT_TRUE(filled) << filled.error().message;
    ASSERT_TRUE(filled->complete());
  }
  Snapshot snapshot() {
    auto taken = take_snapshot(source());
    EXPECT_TRUE(taken) << taken.error().message;
    return taken ? std::move(*taken) : Snapshot();
  }
  TransferReport bring(const Snapshot& snapshot, bool dry_run = false) {
    auto report = transfer(snapshot, target(), {.dry_run = dry_run});
    EXPECT_TRUE(report) << report.error().message;
    return report ? std::move(*report) : TransferReport();
  }

  SeededRandom random_{7};
  const PrivateKey key_ = engine::crypto::generate_private_key(random_);

 private:
  const std::unique_ptr<StoreEndUnderTest> source_ = std::get<0>(GetParam()).make();
  const std::unique_ptr<StoreEndUnderTest> target_ = std::get<1>(GetParam()).make();
};

/// "MemoryToSqlite".
inline std::string pair_name(const testing::TestParamInfo<StoreTransferContract::ParamType>& info) {
  return std::get<0>(info.param).name + "To" + std::get<1>(info.param).name;
}

TEST_P(StoreTransferContract, BringsEveryFieldAndTheKey) {
  const auto clients = random_clients(300, random_);
  fill_source(clients);
  const TransferReport report = bring(snapshot());
  EXPECT_TRUE(report.complete());
  EXPECT_EQ(report.copied, 300u);
  EXPECT_EQ(report.key, KeyOutcome::kCopied);
  EXPECT_EQ(clients_of(target()), control::contract::sorted(clients));
  EXPECT_EQ(clients_of(source()), control::contract::sorted(clients));
  EXPECT_EQ(target().server_key(PrivateKey()).value(), key_);
}

TEST_P(StoreTransferContract, BringsThemByAFileAsWell) {
  const auto clients = random_clients(300, random_);
  fill_source(clients);
  const auto read = imported(exported(snapshot()));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_TRUE(bring(*read).complete());
  EXPECT_EQ(clients_of(target()), control::contract::sorted(clients));
  EXPECT_EQ(target().server_key(PrivateKey()).value(), key_);
}

TEST_P(StoreTransferContract, DoesNothingTheSecondTime) {
  const auto clients = random_clients(20, random_);
  fill_source(clients);
  bring(snapshot());
  const TransferReport again = bring(snapshot());
  EXPECT_TRUE(again.complete());
  EXPECT_EQ(again.copied, 0u);
  EXPECT_EQ(again.present, 20u);
  EXPECT_EQ(again.key, KeyOutcome::kPresent);
}

TEST_P(StoreTransferContract, OverwritesNothing) {
  using control::contract::client;
  control::Client same_key = client(1), same_address = client(12), same_name = client(13);
  same_key.enabled = false;
  same_address.address = client(2).address;
  same_name.name = client(3).name;
  const std::vector<control::Client> there{same_key, same_address, same_name};
  ASSERT_TRUE(transfer({there, {}, {}}, target())->complete());
  fill_source({client(1), client(2), client(3), client(4)});

  const TransferReport report = bring(snapshot());
  EXPECT_FALSE(report.complete());
  EXPECT_EQ(report.copied, 1u);
  EXPECT_EQ(report.conflicts.size(), 3u);
  EXPECT_EQ(clients_of(target()), control::contract::sorted({same_key, same_address, same_name, client(4)}));
}

TEST_P(StoreTransferContract, ADryRunOnlyReads) {
  fill_source(random_clients(20, random_));
  const TransferReport report = bring(snapshot(), true);
  EXPECT_EQ(report.copied, 20u);
  EXPECT_EQ(report.key, KeyOutcome::kCopied);
  EXPECT_TRUE(clients_of(target()).empty());
  EXPECT_EQ(target().server_key(PrivateKey()).error().code, ErrorCode::kNotFound);
}

TEST_P(StoreTransferContract, KeepsAnotherKeyThatIsThere) {
  fill_source({control::contract::client(1)});
  const PrivateKey other = engine::crypto::generate_private_key(random_);
  ASSERT_EQ(target().server_key(other).value(), other);
  const TransferReport report = bring(snapshot());
  EXPECT_EQ(report.key, KeyOutcome::kDifferent);
  EXPECT_EQ(report.key_there, engine::crypto::derive_public_key(other));
  EXPECT_FALSE(report.complete());
  EXPECT_EQ(report.copied, 1u);
  EXPECT_EQ(target().server_key(PrivateKey()).value(), other);
}

}  // namespace vpn::cli
