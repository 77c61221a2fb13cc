// What every store promises (store.h), as tests; each implementation's own test instantiates them.
//
//   INSTANTIATE_TEST_SUITE_P(Sqlite, StoreContract, testing::Values([] { return ...; }));
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "control/store/store.h"
#include "control/store/test_clients.h"

namespace vpn::control {

/// A fresh, empty store, and all that it needs to live.
class StoreUnderTest {
 public:
  virtual ~StoreUnderTest() = default;
  virtual Store& store() = 0;
  /// Closes and opens it again on the same data.
  virtual void reopen() = 0;
};

class StoreContract : public testing::TestWithParam<std::function<std::unique_ptr<StoreUnderTest>()>> {
 protected:
  Store& store() { return subject_->store(); }
  void reopen() { subject_->reopen(); }

  std::vector<std::string> commit(const std::vector<Mutation>& mutations) {
    std::vector<std::string> outcomes;
    for (const Status& status : store().commit(mutations)) outcomes.push_back(contract::outcome(status));
    return outcomes;
  }

  std::vector<Client> load() {
    auto contents = store().load();
    EXPECT_TRUE(contents) << contents.error().message;
    return contents ? contract::sorted(std::move(contents->clients)) : std::vector<Client>{};
  }

  std::unique_ptr<StoreUnderTest> subject_ = GetParam()();
};

using Outcomes = std::vector<std::string>;

TEST_P(StoreContract, IsEmptyAtFirst) {
  EXPECT_TRUE(load().empty());
  EXPECT_TRUE(store().probe());
  EXPECT_TRUE(store().commit({}).empty());
  EXPECT_FALSE(store().description().empty());
}

TEST_P(StoreContract, KeepsEveryFieldOverAReopening) {
  Client full = contract::client(1);
  full.preshared_key.emplace().reveal_mutable()[31] = 0xff;
  full.allowed_ips = "10.0.0.0/8";
  full.name = "J\xc3\xbcrgen's \"laptop\"; DROP TABLE clients;--";
  Client bare = contract::client(2);
  bare.address = IpAddress::v4(0xfffffffe);
  bare.name.clear();
  bare.enabled = false;
  bare.created_at = {};
  EXPECT_EQ(commit({InsertClient{full}, InsertClient{bare}}), (Outcomes{"ok", "ok"}));
  EXPECT_EQ(load(), (std::vector{full, bare}));
  reopen();
  EXPECT_EQ(load(), (std::vector{full, bare}));
}

TEST_P(StoreContract, RefusesASecondHolderOfAKeyAnAddressOrAName) {
  Client same_key = contract::client(2), same_address = contract::client(3), same_name = contract::client(4);
  same_key.public_key = contract::key(1);
  same_address.address = contract::client(1).address;
  same_name.name = contract::client(1).name;
  ASSERT_EQ(commit({InsertClient{contract::client(1)}}), Outcomes{"ok"});
  EXPECT_EQ(commit({InsertClient{same_key}, InsertClient{same_address}, InsertClient{same_name}}),
            (Outcomes{"already exists publicKey", "already exists clientIP", "already exists name"}));
  EXPECT_EQ(commit({InsertClient{contract::client(1)}}), Outcomes{"already exists publicKey"});
  EXPECT_EQ(load(), std::vector{contract::client(1)});
}

TEST_P(StoreContract, TellsNamesApartByTheirBytesAndLetsManyHaveNone) {
  Client lower = contract::client(1), upper = contract::client(2), none = contract::client(3),
         none_either = contract::client(4);
  lower.name = "laptop";
  upper.name = "Laptop";
  none.name.clear();
  none_either.name.clear();
  EXPECT_EQ(commit({InsertClient{lower}, InsertClient{upper}, InsertClient{none}, InsertClient{none_either}}),
            (Outcomes{"ok", "ok", "ok", "ok"}));
  EXPECT_EQ(load().size(), 4u);
}

TEST_P(StoreContract, AnswersEachMutationOfABatchByItself) {
  ASSERT_EQ(commit({InsertClient{contract::client(1)}}), Outcomes{"ok"});
  EXPECT_EQ(
      commit({InsertClient{contract::client(2)}, InsertClient{contract::client(1)}, RemoveClient{contract::key(9)},
              SetClientEnabled{contract::key(9), true}, InsertClient{contract::client(3)}}),
      (Outcomes{"ok", "already exists publicKey", "not found publicKey", "not found publicKey", "ok"}));
  reopen();
  EXPECT_EQ(load(), (std::vector{contract::client(1), contract::client(2), contract::client(3)}));
}

TEST_P(StoreContract, AppliesABatchInOrder) {
  Client heir = contract::client(2);
  heir.address = contract::client(1).address;
  heir.name = contract::client(1).name;
  EXPECT_EQ(commit({InsertClient{contract::client(1)}, SetClientEnabled{contract::key(1), false},
                    RemoveClient{contract::key(1)}, InsertClient{heir}, SetClientEnabled{heir.public_key, false}}),
            (Outcomes{"ok", "ok", "ok", "ok", "ok"}));
  heir.enabled = false;
  reopen();
  EXPECT_EQ(load(), std::vector{heir});
}

TEST_P(StoreContract, SetsEnabledAsOftenAsAsked) {
  ASSERT_EQ(commit({InsertClient{contract::client(1)}}), Outcomes{"ok"});
  EXPECT_EQ(commit({SetClientEnabled{contract::key(1), true}}), Outcomes{"ok"});
  EXPECT_EQ(commit({SetClientEnabled{contract::key(1), false}}), Outcomes{"ok"});
  EXPECT_EQ(commit({SetClientEnabled{contract::key(1), false}}), Outcomes{"ok"});
  reopen();
  EXPECT_FALSE(load().at(0).enabled);
}

TEST_P(StoreContract, ForgetsWhatIsRemoved) {
  ASSERT_EQ(commit({InsertClient{contract::client(1)}, InsertClient{contract::client(2)}}), (Outcomes{"ok", "ok"}));
  EXPECT_EQ(commit({RemoveClient{contract::key(1)}}), Outcomes{"ok"});
  EXPECT_EQ(commit({RemoveClient{contract::key(1)}}), Outcomes{"not found publicKey"});
  reopen();
  EXPECT_EQ(load(), std::vector{contract::client(2)});
  EXPECT_EQ(commit({InsertClient{contract::client(1)}}), Outcomes{"ok"});
}

TEST_P(StoreContract, ProbingChangesNothing) {
  ASSERT_EQ(commit({InsertClient{contract::client(1)}}), Outcomes{"ok"});
  EXPECT_TRUE(store().probe());
  reopen();
  EXPECT_TRUE(store().probe());
  EXPECT_EQ(load(), std::vector{contract::client(1)});
}

}  // namespace vpn::control
