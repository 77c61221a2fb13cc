// What every store promises that several gateways share (store.h, SharedStore), as tests; each implementation's own
// test instantiates them beside StoreContract.
//
//   INSTANTIATE_TEST_SUITE_P(MongoDb, SharedStoreContract, testing::Values([] { return ...; }));
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <barrier>
#include <functional>
#include <future>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "control/store/store.h"
#include "control/store/test_clients.h"
#include "control/store/test_feed.h"

namespace vpn::control {

/// Two gateways' stores on one fresh, empty database, and all that they need to live.
class SharedStoreUnderTest {
 public:
  virtual ~SharedStoreUnderTest() = default;
  virtual SharedStore& first() = 0;
  virtual SharedStore& second() = 0;
};

class SharedStoreContract : public testing::TestWithParam<std::function<std::unique_ptr<SharedStoreUnderTest>()>> {
 protected:
  SharedStore& first() { return subject_->first(); }
  SharedStore& second() { return subject_->second(); }

  static std::vector<std::string> commit(SharedStore& store, const std::vector<Mutation>& mutations) {
    std::vector<std::string> outcomes;
    for (const Status& status : store.commit(mutations)) outcomes.push_back(contract::outcome(status));
    return outcomes;
  }

  /// The outcomes of one batch on each gateway, committed at the same moment.
  static std::array<std::vector<std::string>, 2> commit_at_once(SharedStore& one, const std::vector<Mutation>& to_one,
                                                                SharedStore& other,
                                                                const std::vector<Mutation>& to_other) {
    std::barrier start(2);
    auto answer = std::async(std::launch::async, [&] {
      start.arrive_and_wait();
      return commit(one, to_one);
    });
    start.arrive_and_wait();
    std::vector<std::string> others = commit(other, to_other);
    return {answer.get(), std::move(others)};
  }

  static std::vector<Client> load(SharedStore& store) {
    auto contents = store.load();
    EXPECT_TRUE(contents) << contents.error().message;
    return contents ? contract::sorted(std::move(contents->clients)) : std::vector<Client>{};
  }

  static std::vector<std::optional<Client>> read(SharedStore& store, const std::vector<PublicKey>& keys) {
    auto clients = store.read(keys);
    EXPECT_TRUE(clients) << clients.error().message;
    return clients ? std::move(*clients) : std::vector<std::optional<Client>>{};
  }

  std::unique_ptr<SharedStoreUnderTest> subject_ = GetParam()();
};

using Answers = std::vector<std::string>;

TEST_P(SharedStoreContract, GivesAKeyThatIsAddedThroughBothAtOnceToOne) {
  for (int round = 0; round < 20; ++round) {
    Client one = contract::many_client(2 * round), other = contract::many_client(2 * round + 1);
    other.public_key = one.public_key;
    const auto [first_answer, second_answer] =
        commit_at_once(first(), {InsertClient{one}}, second(), {InsertClient{other}});
    EXPECT_EQ((std::multiset{first_answer.at(0), second_answer.at(0)}),
              (std::multiset<std::string>{"ok", "already exists publicKey"}));
    EXPECT_EQ(read(first(), {one.public_key}).at(0), first_answer.at(0) == "ok" ? one : other);
  }
}

TEST_P(SharedStoreContract, GivesTheLastAddressAndANameToOne) {
  for (int round = 0; round < 20; ++round) {
    Client one = contract::many_client(4 * round), other = contract::many_client(4 * round + 1);
    other.address = one.address;
    const auto [first_answer, second_answer] =
        commit_at_once(first(), {InsertClient{one}}, second(), {InsertClient{other}});
    EXPECT_EQ((std::multiset{first_answer.at(0), second_answer.at(0)}),
              (std::multiset<std::string>{"ok", "already exists clientIP"}));

    Client named = contract::many_client(4 * round + 2), namesake = contract::many_client(4 * round + 3);
    named.name = namesake.name = "laptop " + std::to_string(round);
    const auto [first_named, second_named] =
        commit_at_once(first(), {InsertClient{named}}, second(), {InsertClient{namesake}});
    EXPECT_EQ((std::multiset{first_named.at(0), second_named.at(0)}),
              (std::multiset<std::string>{"ok", "already exists name"}));
  }
}

TEST_P(SharedStoreContract, GivesNoAddressTwiceInAThousandInsertionsThroughBoth) {
  constexpr int kEach = 500, kBatch = 25;
  const auto insertions = [](int from, int first_address) {
    std::vector<Mutation> batch;
    for (int i = 0; i < kBatch; ++i) {
      Client client = contract::many_client(from + i);
      client.address = contract::many_client(first_address + i).address;
      batch.emplace_back(InsertClient{client});
    }
    return batch;
  };
  std::size_t accepted = 0;
  for (int i = 0; i < kEach; i += kBatch) {
    // Every other batch of the second gateway wants the addresses that the first one wants at the same moment.
    const bool contested = i / kBatch % 2 == 0;
    const auto answers =
        commit_at_once(first(), insertions(i, i), second(), insertions(kEach + i, contested ? i : kEach + i));
    for (const Answers& each : answers) {
      for (const std::string& answer : each) {
        EXPECT_TRUE(answer == "ok" || answer == "already exists clientIP") << answer;
        accepted += answer == "ok" ? 1u : 0u;
      }
    }
  }
  std::set<IpAddress> addresses;
  const std::vector<Client> clients = load(first());
  for (const Client& client : clients) addresses.insert(client.address);
  EXPECT_EQ(clients.size(), accepted);
  EXPECT_EQ(addresses.size(), accepted);
  EXPECT_EQ(accepted, std::size_t{kEach + kEach / 2});
}

TEST_P(SharedStoreContract, ReadsWhatTheOtherHasJustAcknowledged) {
  for (int i = 0; i < 20; ++i) {
    Client client = contract::many_client(i);
    ASSERT_EQ(commit(first(), {InsertClient{client}}), Answers{"ok"});
    EXPECT_EQ(read(second(), {client.public_key}).at(0), client);
    ASSERT_EQ(commit(second(), {SetClientEnabled{client.public_key, false}}), Answers{"ok"});
    client.enabled = false;
    EXPECT_EQ(read(first(), {client.public_key}).at(0), client);
    ASSERT_EQ(commit(first(), {RemoveClient{client.public_key}}), Answers{"ok"});
    EXPECT_EQ(read(second(), {client.public_key}).at(0), std::nullopt);
    EXPECT_EQ(commit(second(), {RemoveClient{client.public_key}}), Answers{"not found publicKey"});
  }
}

TEST_P(SharedStoreContract, ReadsInTheOrderAsked) {
  const Client one = contract::client(1), two = contract::client(2);
  ASSERT_EQ(commit(first(), {InsertClient{one}, InsertClient{two}}), (Answers{"ok", "ok"}));
  EXPECT_EQ(read(second(), {two.public_key, contract::key(9), one.public_key, two.public_key}),
            (std::vector<std::optional<Client>>{two, std::nullopt, one, two}));
  EXPECT_TRUE(read(second(), {}).empty());
}

TEST_P(SharedStoreContract, ReadsAsManyAsAFeedTells) {
  std::vector<Mutation> insertions;
  std::vector<PublicKey> keys;
  std::vector<std::optional<Client>> clients;
  for (int i = 0; i < static_cast<int>(kMaxChangedKeys); ++i) {
    clients.emplace_back(contract::many_client(i));
    keys.push_back(clients.back()->public_key);
    insertions.emplace_back(InsertClient{*clients.back()});
  }
  ASSERT_EQ(commit(first(), insertions), Answers(kMaxChangedKeys, "ok"));
  EXPECT_EQ(read(second(), keys), clients);
}

TEST_P(SharedStoreContract, LoadsTheSameThroughBoth) {
  ASSERT_EQ(commit(first(), {InsertClient{contract::client(1)}, InsertClient{contract::client(2)}}),
            (Answers{"ok", "ok"}));
  ASSERT_EQ(commit(second(), {InsertClient{contract::client(3)}, RemoveClient{contract::key(1)}}),
            (Answers{"ok", "ok"}));
  EXPECT_EQ(load(first()), (std::vector{contract::client(2), contract::client(3)}));
  EXPECT_EQ(load(second()), load(first()));
}

TEST_P(SharedStoreContract, AddsAnewWhatTheOtherHasRemoved) {
  Client anew = contract::client(1);
  anew.address = contract::client(2).address;
  ASSERT_EQ(commit(first(), {InsertClient{contract::client(1)}}), Answers{"ok"});
  ASSERT_EQ(commit(second(), {RemoveClient{contract::key(1)}}), Answers{"ok"});
  ASSERT_EQ(commit(first(), {InsertClient{anew}}), Answers{"ok"});
  EXPECT_EQ(read(second(), {contract::key(1)}).at(0), anew);
}

TEST_P(SharedStoreContract, FollowsEachChangeThatTheOtherMakes) {
  ASSERT_EQ(commit(first(), {InsertClient{contract::client(1)}}), Answers{"ok"});
  FollowedFeed feed(first());
  feed.forget();

  ASSERT_EQ(commit(second(), {InsertClient{contract::client(2)}}), Answers{"ok"});
  EXPECT_TRUE(feed.tells({contract::key(2)}));
  ASSERT_EQ(commit(second(), {SetClientEnabled{contract::key(2), false}}), Answers{"ok"});
  EXPECT_TRUE(feed.tells({contract::key(2)}));
  ASSERT_EQ(commit(second(), {RemoveClient{contract::key(2)}, SetClientEnabled{contract::key(1), false}}),
            (Answers{"ok", "ok"}));
  EXPECT_TRUE(feed.tells({contract::key(1), contract::key(2)}));
}

TEST_P(SharedStoreContract, MissesNoChangeFromTheReturnOfFollowOn) {
  auto feed = first().follow();
  ASSERT_TRUE(feed) << feed.error().message;
  ASSERT_EQ(commit(second(), {InsertClient{contract::client(1)}}), Answers{"ok"});
  FollowedFeed followed(std::move(*feed));
  EXPECT_TRUE(followed.tells({contract::key(1)}));
}

TEST_P(SharedStoreContract, FollowsMoreChangesThanOneBatchMayTell) {
  FollowedFeed feed(first());
  std::vector<Mutation> insertions;
  std::vector<PublicKey> keys;
  for (int i = 0; i < static_cast<int>(kMaxChangedKeys) + 200; ++i) {
    insertions.emplace_back(InsertClient{contract::many_client(i)});
    keys.push_back(contract::many_client(i).public_key);
  }
  ASSERT_EQ(commit(second(), insertions), Answers(keys.size(), "ok"));
  EXPECT_TRUE(feed.tells(keys));
  EXPECT_LE(feed.largest_batch(), kMaxChangedKeys);
}

TEST_P(SharedStoreContract, StoppingEndsTheWaitForChangesWithinASecond) {
  auto feed = first().follow();
  ASSERT_TRUE(feed) << feed.error().message;
  std::promise<void> waiting;
  auto ended = std::async(std::launch::async, [&] {
    waiting.set_value();
    // It may first say something, or nothing, by itself: only after stop() it must not wait.
    for (int i = 0; i < 3; ++i) (void)(*feed)->next();
    return std::chrono::steady_clock::now();
  });
  waiting.get_future().wait();
  const auto stopped = std::chrono::steady_clock::now();
  (*feed)->stop();
  EXPECT_LT(ended.get() - stopped, std::chrono::seconds(1));
}

TEST_P(SharedStoreContract, KeepsTheFirstServerKeyForBoth) {
  PrivateKey one, other;
  one.reveal_mutable()[0] = 1;
  other.reveal_mutable()[0] = 2;
  EXPECT_EQ(first().server_key(PrivateKey()).error().code, ErrorCode::kNotFound) << "to look keeps nothing";
  std::barrier start(2);
  auto concurrent = std::async(std::launch::async, [&] {
    start.arrive_and_wait();
    return first().server_key(one);
  });
  start.arrive_and_wait();
  const auto seen_by_second = second().server_key(other);
  const auto seen_by_first = concurrent.get();
  ASSERT_TRUE(seen_by_first) << seen_by_first.error().message;
  ASSERT_TRUE(seen_by_second) << seen_by_second.error().message;
  EXPECT_TRUE(*seen_by_first == *seen_by_second);
  EXPECT_TRUE(*seen_by_first == one || *seen_by_first == other);

  PrivateKey late;
  late.reveal_mutable()[0] = 3;
  const auto seen_later = first().server_key(late);
  ASSERT_TRUE(seen_later);
  EXPECT_TRUE(*seen_later == *seen_by_first);
  EXPECT_TRUE(*second().server_key(PrivateKey()) == *seen_by_first);
  EXPECT_TRUE(load(first()).empty());
}

}  // namespace vpn::control
