// On a real Elasticsearch 7.16.3, behind a gateway as the LTSE's: one of each for the whole program, an index of its
// own for each case.
#include "control/store/ltse/ltse_store.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "control/store/ltse/test_replica.h"
#include "control/store/shared_store_contract_test.h"
#include "control/store/store_contract_test.h"

namespace vpn::control {
namespace {

namespace json = boost::json;

// A store is loaded before it is used: to make the indices takes longer than a commit may on a busy machine.

class LtseUnderTest final : public StoreUnderTest {
 public:
  LtseUnderTest() { EXPECT_TRUE(replica_->store->load()); }
  Store& store() override { return *replica_->store; }
  void reopen() override { replica_ = std::make_unique<Replica>(index_); }

 private:
  std::string index_ = fresh_index();
  std::unique_ptr<Replica> replica_ = std::make_unique<Replica>(index_);
};

class TwoReplicas final : public SharedStoreUnderTest {
 public:
  TwoReplicas() { EXPECT_TRUE(first_.store->load()); }
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

// --- The original's index: the facts of one that the original wrote.

constexpr const char* kOriginalMapping =
    R"({"mappings":{"properties":{"allowedIPs":{"type":"text","fields":{"keyword":{"type":"keyword","ignore_above":256)"
    R"(}}},"clientIP":{"type":"long"},"clientPublicKey":{"type":"text","fields":{"keyword":{"type":"keyword",)"
    R"("ignore_above":256}}},"enabled":{"type":"boolean"},"presharedKey":{"type":"text","fields":{"keyword":{"type":)"
    R"("keyword","ignore_above":256}}}}}})";
constexpr const char* kOriginalKeys[] = {
    "9TjcVJHPDh8h0/Qxy4Hf5x77cm70LNwc7Bbcj3tUAgk=", "9WftXw7v4fEX6ThmMNinU/B/q7gXP/dLnApwe9HJOD8=",
    "zkGExWC69z6gQquPZSXXbHsOfnrCdNfXfgBbL//olxU=", "ySM9u1meojyIR9xQjupavYie2Cn6gyKCVJeBtdBkiUE="};
constexpr const char* kOriginalIds[] = {"Cn6bB6IBZ26LDcKvYZ1l", "C36bB6IBZ26LDcKvZ50b", "DH6bB6IBZ26LDcKvbJ0e",
                                        "DX6bB6IBZ26LDcKvcp1N"};
constexpr std::uint32_t kOriginalAddresses[] = {3232236091, 3232236233, 3232236255, 3232236175};

PublicKey original_key(int i) {
  return *PublicKey::parse(kOriginalKeys[i]);
}

std::string original_source(const std::string& key, std::uint32_t address, bool enabled = true) {
  return R"({"clientPublicKey":")" + key +
         R"(","presharedKey":"6u1/EnjRYa2XUdKS/ksEJr/yNxoHkqaSz4nADNaGaFY=","clientIP":)" + std::to_string(address) +
         R"(,"allowedIPs":"0.0.0.0/0,::/0","enabled":)" + (enabled ? "true}" : "false}");
}

class OriginalsIndex : public testing::Test {
 protected:
  OriginalsIndex() {
    gateway().direct("PUT", "/" + index_, kOriginalMapping);
    for (int i = 0; i < 4; ++i) put(kOriginalIds[i], original_source(kOriginalKeys[i], kOriginalAddresses[i]));
  }
  void put(const std::string& id, const std::string& source) {
    gateway().direct("PUT", "/" + index_ + "/_doc/" + id, source);
  }
  json::value document(const std::string& id) {
    return json::parse(gateway().direct("GET", "/" + index_ + "/_doc/" + id));
  }
  /// How the original finds a client.
  static std::int64_t found_by_the_original(const std::string& index, const PublicKey& key) {
    gateway().direct("POST", "/" + index + "/_refresh");
    const json::value answer = json::parse(gateway().direct(
        "POST", "/" + index + "/_search",
        R"({"query":{"bool":{"filter":{"term":{"clientPublicKey.keyword":")" + to_string(key) + R"("}}}}})"));
    return answer.at_pointer("/hits/total/value").to_number<std::int64_t>();
  }

  std::string index_ = fresh_index();
  Replica replica_{index_};
};

TEST_F(OriginalsIndex, IsOpenedAsItIsAndLeftUntouched) {
  const std::vector<Client> clients = replica_.clients();
  ASSERT_EQ(clients.size(), 4u);
  for (int i = 0; i < 4; ++i) {
    const auto client =
        std::find_if(clients.begin(), clients.end(), [&](const Client& c) { return c.public_key == original_key(i); });
    ASSERT_NE(client, clients.end());
    EXPECT_EQ(client->address, IpAddress::v4(kOriginalAddresses[i]));
    EXPECT_TRUE(client->enabled);
    EXPECT_TRUE(client->preshared_key);
    EXPECT_EQ(document(kOriginalIds[i]).at("_version"), 1);
  }
  EXPECT_EQ(json::parse(gateway().direct("GET", "/" + index_ + "/_mapping")).at(index_), json::parse(kOriginalMapping));
  EXPECT_EQ(replica_.store->read({{original_key(2), contract::key(9), original_key(0)}})->at(2)->public_key,
            original_key(0));
}

TEST_F(OriginalsIndex, ItsClientsAreHonoured) {
  ASSERT_EQ(replica_.clients().size(), 4u);
  Client same_key = contract::client(1), same_address = contract::client(2);
  same_key.public_key = original_key(0);
  same_address.address = IpAddress::v4(kOriginalAddresses[1]);
  EXPECT_EQ(contract::outcome(replica_.commit(InsertClient{same_key})), "already exists publicKey");
  EXPECT_EQ(contract::outcome(replica_.commit(InsertClient{same_address})), "already exists clientIP");

  EXPECT_TRUE(replica_.commit(SetClientEnabled{original_key(0), false}));
  EXPECT_EQ(document(kOriginalIds[0]).at("_source"),
            json::parse(original_source(kOriginalKeys[0], kOriginalAddresses[0], false)));
  EXPECT_TRUE(replica_.commit(SetClientEnabled{original_key(0), true}));
  EXPECT_TRUE(replica_.commit(RemoveClient{original_key(1)}));
  EXPECT_EQ(document(kOriginalIds[1]).at("found"), false);
  EXPECT_TRUE(replica_.commit(InsertClient{same_address})) << "its address is free again";
  EXPECT_EQ(replica_.clients().size(), 4u);
}

TEST_F(OriginalsIndex, WhatWeWriteTheOriginalReads) {
  Client ours = contract::client(1);
  ours.preshared_key.emplace().reveal_mutable()[0] = 7;
  ASSERT_TRUE(replica_.commit(InsertClient{ours}));
  EXPECT_EQ(found_by_the_original(index_, ours.public_key), 1);
  const json::value source = document(ltse::document_id(ours.public_key)).at("_source");
  EXPECT_EQ(source.at("clientPublicKey"), json::string(to_string(ours.public_key)));
  EXPECT_EQ(source.at("presharedKey"), json::string(reveal_base64(*ours.preshared_key)));
  EXPECT_EQ(source.at("clientIP"), ours.address.v4_host_order());
  EXPECT_EQ(source.at("allowedIPs"), "0.0.0.0/0,::/0");
  EXPECT_EQ(source.at("enabled"), true);

  const std::string index_of_our_making = fresh_index();
  Replica fresh(index_of_our_making);
  ASSERT_TRUE(fresh.store->load());
  ASSERT_TRUE(fresh.commit(InsertClient{ours}));
  EXPECT_EQ(found_by_the_original(index_of_our_making, ours.public_key), 1);
}

TEST_F(OriginalsIndex, OfAClientStoredTwiceTheLastEnabledIsServedAndBothObey) {
  put("twice-1", original_source(to_string(contract::key(1)), 3232236001));
  put("twice-2", original_source(to_string(contract::key(1)), 3232236002));
  put("twice-3", original_source(to_string(contract::key(1)), 3232236003, false));
  auto contents = replica_.store->load();
  ASSERT_TRUE(contents);
  EXPECT_EQ(contents->clients.size(), 5u);
  EXPECT_EQ(contents->faults.size(), 2u);
  const auto served = [&] { return replica_.store->read({{contract::key(1)}})->front(); };
  EXPECT_EQ(served()->address, IpAddress::v4(3232236002));

  Replica other(index_);
  ASSERT_EQ(other.clients().size(), 5u);
  EXPECT_TRUE(other.commit(SetClientEnabled{contract::key(1), false}));
  ASSERT_TRUE(replica_.store->load());
  EXPECT_FALSE(served()->enabled) << "no duplicate comes up in its place";
  EXPECT_TRUE(replica_.commit(RemoveClient{contract::key(1)}));
  EXPECT_EQ(other.clients().size(), 4u);
}

TEST_F(OriginalsIndex, OfTwoClientsWithOneAddressTheUnservedIsAnsweredAsUnknownUntilTheOtherGoes) {
  put("first", original_source(to_string(contract::key(1)), 3232236001));
  put("second", original_source(to_string(contract::key(2)), 3232236001));
  Replica other(index_);
  const auto is_served = [](Replica& replica, int number) {
    const std::vector<Client> clients = replica.clients();
    return std::any_of(clients.begin(), clients.end(),
                       [&](const Client& c) { return c.public_key == contract::key(number); });
  };
  for (Replica* each : {&replica_, &other}) {
    EXPECT_TRUE(is_served(*each, 2));
    EXPECT_FALSE(is_served(*each, 1));
    EXPECT_EQ(contract::outcome(each->commit(SetClientEnabled{contract::key(1), true})), "not found publicKey");
    EXPECT_EQ(contract::outcome(each->commit(SetClientEnabled{contract::key(1), false})), "not found publicKey");
  }
  FollowedFeed feed(*replica_.store), own_feed(*other.store);
  ASSERT_TRUE(other.commit(RemoveClient{contract::key(2)}));
  EXPECT_TRUE(feed.tells({contract::key(2)}));
  EXPECT_TRUE(own_feed.tells({contract::key(2)}));
  EXPECT_EQ(feed.everythings(), 1u) << "its key alone tells nothing of the one that waits for its address";
  EXPECT_EQ(own_feed.everythings(), 1u);
  EXPECT_TRUE(is_served(replica_, 1));
}

TEST_F(OriginalsIndex, AClientThatWasNotServedIsMadeAnewAndServed) {
  const Client client = contract::client(1);
  ASSERT_TRUE(replica_.commit(InsertClient{client}));
  put("again", original_source(to_string(client.public_key), 3232236001));
  ASSERT_EQ(replica_.store->load()->faults.size(), 1u);
  ASSERT_TRUE(replica_.commit(RemoveClient{client.public_key}));
  ASSERT_TRUE(replica_.commit(InsertClient{client}));
  EXPECT_EQ(replica_.store->read({{client.public_key}})->front(), client);
  EXPECT_TRUE(replica_.commit(SetClientEnabled{client.public_key, true}));
}

TEST_F(OriginalsIndex, ADuplicateThatIsNotServedKeepsNoAddressFromOthers) {
  put("other", original_source(to_string(contract::key(2)), 3232236001));
  put("twice-1", original_source(to_string(contract::key(1)), 3232236001));
  put("twice-2", original_source(to_string(contract::key(1)), 3232236002));
  const auto contents = replica_.store->load();
  ASSERT_TRUE(contents);
  EXPECT_EQ(contents->clients.size(), 6u);
  EXPECT_EQ(contents->faults.size(), 1u);
}

TEST_F(OriginalsIndex, DocumentsWithFaultsAreNamedAndLeft) {
  put("no-key", R"x({"clientPublicKey":"$(reboot)","clientIP":1,"allowedIPs":"","enabled":true})x");
  put("no-address", R"({"clientPublicKey":"zkGExWC69z6gQquPZSXXbHsOfnrCdNfXfgBbL//olxU=","enabled":true})");
  const auto contents = replica_.store->load();
  ASSERT_TRUE(contents);
  EXPECT_EQ(contents->clients.size(), 4u);
  ASSERT_EQ(contents->faults.size(), 2u);
  EXPECT_NE((contents->faults[0] + contents->faults[1]).find("no-key"), std::string::npos);
  EXPECT_EQ(document("no-key").at("_version"), 1);
}

TEST_F(OriginalsIndex, AFeedTellsOfItsClients) {
  ASSERT_EQ(replica_.clients().size(), 4u);
  FollowedFeed feed(*replica_.store);
  Replica other(index_);
  ASSERT_EQ(other.clients().size(), 4u);
  ASSERT_TRUE(other.commit(SetClientEnabled{original_key(3), false}));
  EXPECT_TRUE(feed.tells({original_key(3)}));
}

// --- The feed: what a search does not find any more.

class LtseFeed : public testing::Test {
 protected:
  LtseFeed() {
    EXPECT_TRUE(other_.store->load());
    for (int i = 1; i <= 3; ++i) EXPECT_TRUE(other_.commit(InsertClient{contract::client(i)}));
    EXPECT_EQ(replica_.clients().size(), 3u);
  }

  std::string index_ = fresh_index();
  Replica replica_{index_}, other_{index_};
};

TEST_F(LtseFeed, TellsOfADeletionByItsKeyAlone) {
  FollowedFeed feed(*replica_.store);
  ASSERT_TRUE(other_.commit(RemoveClient{contract::key(1)}));
  EXPECT_TRUE(feed.tells({contract::key(1)}));
  EXPECT_EQ(replica_.store->read({{contract::key(1)}})->front(), std::nullopt);
  // All at once, of whatever kind.
  const std::vector<Mutation> several{InsertClient{contract::client(1)},         RemoveClient{contract::key(1)},
                                      SetClientEnabled{contract::key(2), false}, RemoveClient{contract::key(3)},
                                      SetClientEnabled{contract::key(2), true},  RemoveClient{contract::key(2)}};
  for (const Status& status : other_.store->commit(several)) EXPECT_TRUE(status) << status.error().message;
  EXPECT_TRUE(feed.tells({contract::key(1), contract::key(2), contract::key(3)}));
  EXPECT_EQ(feed.everythings(), 0u);
}

TEST_F(LtseFeed, TellsOfAnInsertionThatWasTakenBackByItsKeyAlone) {
  FollowedFeed feed(*replica_.store);
  gateway().fail_next(ltse::Fault::kLoseAnswer, "_bulk");
  EXPECT_FALSE(other_.commit(InsertClient{contract::client(4)}));
  ASSERT_TRUE(other_.store->probe());
  EXPECT_TRUE(feed.tells({contract::key(4)}));
  EXPECT_EQ(feed.everythings(), 0u);
}

TEST_F(LtseFeed, TellsOfADeletionThatNobodyToldAsOfEverything) {
  FollowedFeed feed(*replica_.store);
  gateway().direct("DELETE", "/" + index_ + "/_doc/" + ltse::document_id(contract::key(1)));
  EXPECT_TRUE(feed.tells({contract::key(1)}));
  EXPECT_EQ(feed.everythings(), 1u);
}

TEST_F(LtseFeed, TellsOfADeletionOfAnOriginalsClientByItsKeyAlone) {
  gateway().direct("PUT", "/" + index_ + "/_doc/original", original_source(kOriginalKeys[0], kOriginalAddresses[0]));
  ASSERT_EQ(replica_.clients().size(), 4u);
  ASSERT_EQ(other_.clients().size(), 4u);
  FollowedFeed feed(*replica_.store);
  ASSERT_TRUE(other_.commit(RemoveClient{original_key(0)}));
  EXPECT_TRUE(feed.tells({original_key(0)}));
  EXPECT_EQ(feed.everythings(), 0u);
  EXPECT_EQ(replica_.store->read({{original_key(0)}})->front(), std::nullopt);
}

TEST_F(LtseFeed, TellsEverythingWhereAFaultComesAndWhereItGoes) {
  const std::string place = "/" + index_ + "/_doc/" + ltse::document_id(contract::key(1));
  const std::string whole = json::serialize(ltse::to_source(contract::client(1), "attempt"));
  FollowedFeed feed(*replica_.store);
  gateway().direct("PUT", place, R"({"clientPublicKey":")" + to_string(contract::key(1)) + R"("})");
  EXPECT_TRUE(feed.tells({contract::key(1)}));
  EXPECT_EQ(feed.everythings(), 1u);
  EXPECT_EQ(replica_.store->load()->faults.size(), 1u);
  gateway().direct("PUT", place, whole);
  EXPECT_TRUE(feed.tells({contract::key(1)}));
  EXPECT_EQ(feed.everythings(), 2u);
}

// --- Documents that hold what their `_id` does not say.

TEST(LtseDocument, ADamagedOneUnderAKeysIdCanBeDeleted) {
  const std::string index = fresh_index();
  Replica replica(index);
  ASSERT_TRUE(replica.store->load());
  gateway().direct("PUT", "/" + index + "/_doc/" + ltse::document_id(contract::key(1)), R"({"clientPublicKey":"?"})");
  EXPECT_EQ(contract::outcome(replica.commit(InsertClient{contract::client(1)})), "already exists publicKey");
  EXPECT_EQ(contract::outcome(replica.commit(SetClientEnabled{contract::key(1), true})), "not found publicKey");
  EXPECT_TRUE(replica.commit(RemoveClient{contract::key(1)}));
  EXPECT_TRUE(replica.commit(InsertClient{contract::client(1)}));
}

TEST(LtseDocument, OfAnotherClientUnderAKeysIdIsThatOthers) {
  const std::string index = fresh_index();
  Replica replica(index);
  gateway().direct("PUT", "/" + index + "/_doc/" + ltse::document_id(contract::key(1)),
                   original_source(to_string(contract::key(2)), 3232236001));
  ASSERT_EQ(replica.clients().size(), 1u);
  EXPECT_EQ(contract::outcome(replica.commit(SetClientEnabled{contract::key(1), false})), "not found publicKey");
  EXPECT_EQ(contract::outcome(replica.commit(RemoveClient{contract::key(1)})), "not found publicKey");
  EXPECT_TRUE(replica.commit(SetClientEnabled{contract::key(2), false}));
  EXPECT_TRUE(replica.commit(RemoveClient{contract::key(2)}));
}

// --- Reservations.

TEST(Reservation, OfAnInsertionThatNeverFinishedIsTakenAfterAWhile) {
  const std::string index = fresh_index();
  Replica replica(index);
  ASSERT_TRUE(replica.store->load());
  gateway().direct("PUT", "/" + index + "-gateway/_doc/ip%20192.168.2.1", R"({"holder":"gone","attempt":"a"})");
  EXPECT_EQ(contract::outcome(replica.commit(InsertClient{contract::client(1)})), "already exists clientIP");
  EXPECT_TRUE(replica.clients().empty());
  replica.clock.moved += ltse::kOrphanAge;
  EXPECT_TRUE(replica.commit(InsertClient{contract::client(1)}));
  EXPECT_EQ(replica.clients(), std::vector{contract::client(1)});
}

TEST(Reservation, OfAClientThatIsThereIsNeverTaken) {
  Replica replica(fresh_index());
  ASSERT_TRUE(replica.store->load());
  ASSERT_TRUE(replica.commit(InsertClient{contract::client(1)}));
  Client heir = contract::client(2);
  heir.address = contract::client(1).address;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(contract::outcome(replica.commit(InsertClient{heir})), "already exists clientIP");
    replica.clock.moved += ltse::kOrphanAge;
  }
}

TEST(Reservation, OfAnEarlierInsertionOfTheSameClientIsTakenAfterAWhile) {
  const std::string index = fresh_index();
  Replica replica(index);
  ASSERT_TRUE(replica.store->load());
  const Client client = contract::client(1);
  gateway().direct("PUT", "/" + index + "-gateway/_doc/name%20client%201",
                   R"({"holder":")" + ltse::document_id(client.public_key) + R"(","attempt":"earlier"})");
  EXPECT_EQ(contract::outcome(replica.commit(InsertClient{client})), "already exists name");
  replica.clock.moved += ltse::kOrphanAge;
  EXPECT_TRUE(replica.commit(InsertClient{client}));
  EXPECT_EQ(replica.clients(), std::vector{client});
}

// As a gateway that is killed leaves them: its own insertion, and a reservation of another's that came to nothing.
TEST(Reservation, ThatNoClientUsesHidesNobody) {
  const std::string index = fresh_index();
  Replica replica(index);
  ASSERT_TRUE(replica.store->load());
  const Client client = contract::client(1);
  gateway().direct("PUT", "/" + index + "/_doc/" + ltse::document_id(client.public_key),
                   json::serialize(ltse::to_source(client, "killed")));
  gateway().direct("PUT", "/" + index + "-gateway/_doc/ip%20192.168.2.1", R"({"holder":"gone","attempt":"other"})");
  EXPECT_EQ(replica.clients(), std::vector{client});
  EXPECT_EQ(replica.store->read({{client.public_key}})->front(), client) << "load() and read() serve the same";
}

TEST(Reservation, ADocumentThatLostItsAddressToAnotherIsNotServed) {
  const std::string index = fresh_index();
  Replica replica(index);
  ASSERT_TRUE(replica.store->load());
  ASSERT_TRUE(replica.commit(InsertClient{contract::client(1)}));
  Client loser = contract::client(2);
  loser.address = contract::client(1).address;
  gateway().direct("PUT", "/" + index + "/_doc/" + ltse::document_id(loser.public_key),
                   json::serialize(ltse::to_source(loser, "lost")));
  EXPECT_EQ(replica.store->read({{loser.public_key}})->front(), std::nullopt);
  EXPECT_EQ(contract::outcome(replica.commit(SetClientEnabled{loser.public_key, true})), "not found publicKey");
  EXPECT_EQ(replica.clients(), std::vector{contract::client(1)});
}

}  // namespace
}  // namespace vpn::control
