// The original enabler's collection, opened in place; and what we write, as the original can read it.
#include <gmock/gmock.h>

#include <array>

#include "base/encoding.h"
#include "control/store/mongodb/test_stores.h"
#include "control/store/test_clients.h"
#include "control/store/test_feed.h"

namespace vpn::control::mongodb {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// As the original 1.1.0 wrote them. The last two are one key posted twice, then disabled: that touched the first.
std::vector<std::string> original_documents() {
  const auto document = [](const char* id, const char* key, const char* preshared, const char* address, bool enabled) {
    return std::string("{ \"_id\" : { \"$oid\" : \"") + id + "\" }, \"clientPublicKey\" : \"" + key +
           "\", \"presharedKey\" : \"" + preshared + "\", \"clientIP\" : { \"$numberDouble\" : \"" + address +
           "\" }, \"allowedIPs\" : \"0.0.0.0/0,::/0\", \"enabled\" : " + (enabled ? "true" : "false") + " }";
  };
  return {document("6b03fc5c828b21cda6291cde", "SlRAAN0hIlDFeahEXDdmdEaaVH43IGqKPVNUuQHSqdI=",
                   "5/ZSPM2qs3emg6Za9lOSVLLETRlKQ28bPGjb6Hef3W0=", "3232247894.0", true),
          document("6b03fc5c828b21cda6291cdf", "PApGYdKhzhwrHnIZ4hqh6+0s0cI3lwhuz7pVc8pB/2Q=",
                   "jbjw5wMcjZHuu4RFgcypCG5JneCRlBQbJ8P4fMVN7dc=", "3232254662.0", true),
          document("6b03fc72828b21cda6291ce4", "TBO5i9VC7NjP+nsunATB/peHa6pZioIrpIgQpDXbh2E=",
                   "KZJmko02oVVa+xf/qt0aFo9TWmLeNZW0+wiv+lpCxsc=", "3232266245.0", false),
          document("6b03fc72828b21cda6291ce5", "TBO5i9VC7NjP+nsunATB/peHa6pZioIrpIgQpDXbh2E=",
                   "KZJmko02oVVa+xf/qt0aFo9TWmLeNZW0+wiv+lpCxsc=", "3232271292.0", true)};
}

const PublicKey kFirst = *PublicKey::parse("SlRAAN0hIlDFeahEXDdmdEaaVH43IGqKPVNUuQHSqdI=");
const PublicKey kTwice = *PublicKey::parse("TBO5i9VC7NjP+nsunATB/peHa6pZioIrpIgQpDXbh2E=");

class OriginalData : public testing::Test {
 protected:
  void store_documents(const std::vector<std::string>& documents) { insert_json(uri_, database_, "peers", documents); }
  std::vector<std::string> documents() { return dump_json(uri_, database_, "peers"); }
  std::unique_ptr<MongoStore> open() { return make_store(uri_, database_); }

  static Contents load(MongoStore& store) {
    auto contents = store.load();
    EXPECT_TRUE(contents) << contents.error().message;
    return contents ? std::move(*contents) : Contents{};
  }
  static std::optional<Client> find(MongoStore& store, const PublicKey& key) {
    for (Client& client : load(store).clients) {
      if (client.public_key == key) return client;
    }
    return std::nullopt;
  }
  static std::string commit(MongoStore& store, Mutation mutation) {
    return contract::outcome(store.commit(std::span(&mutation, 1)).at(0));
  }

  const std::string uri_ = standalone().uri();
  const std::string database_ = fresh_database();
};

TEST_F(OriginalData, OpensAsItIsWithTheLastEnabledDocumentOfAKey) {
  store_documents(original_documents());
  const auto store = open();
  const Contents contents = load(*store);
  EXPECT_EQ(contents.clients.size(), 3u);
  EXPECT_TRUE(contents.faults.empty());
  const auto first = find(*store, kFirst), twice = find(*store, kTwice);
  ASSERT_TRUE(first && twice);
  EXPECT_EQ(to_string(first->address), "192.168.48.86");
  EXPECT_EQ(reveal_base64(*first->preshared_key), "5/ZSPM2qs3emg6Za9lOSVLLETRlKQ28bPGjb6Hef3W0=");
  EXPECT_EQ(first->allowed_ips, "0.0.0.0/0,::/0");
  EXPECT_TRUE(first->enabled && twice->enabled);
  EXPECT_EQ(to_string(twice->address), "192.168.139.188");
}

TEST_F(OriginalData, StaysByteForByteWhileOthersAreAddedChangedAndRemoved) {
  store_documents(original_documents());
  const auto store = open();
  load(*store);
  EXPECT_EQ(commit(*store, InsertClient{contract::client(1)}), "ok");
  EXPECT_EQ(commit(*store, SetClientEnabled{contract::key(1), false}), "ok");
  std::vector<std::string> left = documents();
  ASSERT_EQ(left.size(), 5u);
  left.pop_back();
  EXPECT_EQ(left, original_documents());
  EXPECT_EQ(commit(*store, RemoveClient{contract::key(1)}), "ok");
  EXPECT_EQ(documents(), original_documents());
}

TEST_F(OriginalData, KeepsItsKeysAndAddressesFromNewClients) {
  store_documents(original_documents());
  const auto store = open();
  Client same_key = contract::client(1), same_address = contract::client(2);
  same_key.public_key = kFirst;
  same_address.address = *IpAddress::parse("192.168.48.86");
  EXPECT_EQ(commit(*store, InsertClient{same_key}), "already exists publicKey");
  EXPECT_EQ(commit(*store, InsertClient{same_address}), "already exists clientIP");
  // The address of a document that does not hold its key's client is free.
  same_address.address = *IpAddress::parse("192.168.120.5");
  EXPECT_EQ(commit(*store, InsertClient{same_address}), "ok");
}

TEST_F(OriginalData, ADisabledDuplicateKeepsItsAddressOverReloads) {
  store_documents(original_documents());
  for (const bool enabled : {false, true, false}) {
    EXPECT_EQ(commit(*open(), SetClientEnabled{kTwice, enabled}), "ok");
    const auto client = find(*open(), kTwice);
    ASSERT_TRUE(client);
    EXPECT_EQ(client->enabled, enabled);
    EXPECT_EQ(to_string(client->address), "192.168.139.188");
  }
  // Where the first of two is the enabled one, it stays the holder though the second is newer.
  const std::string other = fresh_database();
  std::vector<std::string> swapped = original_documents();
  swapped.erase(swapped.begin(), swapped.begin() + 2);
  std::swap(swapped[0], swapped[1]);
  insert_json(uri_, other, "peers", swapped);
  const auto store = make_store(uri_, other);
  EXPECT_EQ(commit(*store, SetClientEnabled{kTwice, false}), "ok");
  EXPECT_EQ(to_string(find(*store, kTwice)->address), "192.168.139.188");
  for (const std::string& document : dump_json(uri_, other, "peers")) {
    EXPECT_THAT(document, HasSubstr("\"enabled\" : false"));
  }
}

TEST_F(OriginalData, AnEnabledDocumentOfTheOriginalsGoesBeforeADisabledOneOfOurs) {
  const auto store = open();
  Client ours = contract::client(1);
  ours.public_key = kTwice;
  EXPECT_EQ(commit(*store, InsertClient{ours}), "ok");
  // Gone back to the original: it adds the key once more, and disables the first that it finds.
  store_documents({original_documents()[3]});
  EXPECT_EQ(to_string(find(*store, kTwice)->address), "192.168.139.188") << "of two enabled the last";
  run_command(uri_, database_,
              R"({"update": "peers", "updates": [{"q": {"clientPublicKey": ")" + to_string(kTwice) +
                  R"("}, "u": {"$set": {"enabled": false}}}]})");
  EXPECT_EQ(to_string(find(*store, kTwice)->address), "192.168.139.188");
  EXPECT_TRUE(find(*store, kTwice)->enabled);
}

TEST_F(OriginalData, OpensBesideIndexesAndNamesThatAreNotOurs) {
  run_command(uri_, database_,
              R"({"createIndexes": "peers", "indexes": [{"name": "clientPublicKey_1", "key": {"clientPublicKey": 1}},)"
              R"({"name": "mine", "key": {"clientIP": 1, "_id": 1}}, {"name": "clientIP_1", "key": {"clientIP": 1}},)"
              R"({"name": "name_1", "key": {"name": 1}}]})");
  std::vector<std::string> stored = original_documents();
  for (std::string& document : stored) document.insert(document.rfind('}'), R"(, "name": null)");
  store_documents(stored);
  const auto store = open();
  EXPECT_EQ(load(*store).clients.size(), 3u);
  EXPECT_EQ(commit(*store, InsertClient{contract::client(1)}), "ok");
  EXPECT_EQ(commit(*store, RemoveClient{kTwice}), "ok");
}

// Stands for a client that others never cease to change: no write of ours can name the stamp that is there.
TEST_F(OriginalData, AClientThatIsContendedForIsRefusedAloneAndTheStoreIsWell) {
  const std::string key = to_string(contract::key(1));
  store_documents({"{\"clientPublicKey\": \"" + key + R"(", "presharedKey": "undefined", "clientIP": 2.0, )" +
                   R"("allowedIPs": "", "enabled": true, "writeId": "x"})"});
  const auto store = open();
  load(*store);
  EXPECT_EQ(commit(*store, RemoveClient{contract::key(1)}), "conflict ");
  EXPECT_EQ(commit(*store, InsertClient{contract::client(2)}), "ok");
}

TEST_F(OriginalData, RemovingRemovesEveryDocumentOfTheKey) {
  store_documents(original_documents());
  EXPECT_EQ(commit(*open(), RemoveClient{kTwice}), "ok");
  EXPECT_EQ(documents().size(), 2u);
  EXPECT_EQ(find(*open(), kTwice), std::nullopt);
}

TEST_F(OriginalData, NumbersOfEveryKindAreAddressesAndUndefinedIsNoKey) {
  const auto document = [](int number, const std::string& address) {
    return "{\"clientPublicKey\": \"" + to_string(contract::key(number)) +
           "\", \"presharedKey\": \"undefined\", \"clientIP\": " + address +
           ", \"allowedIPs\": \"\", \"enabled\": true}";
  };
  store_documents({document(1, R"({"$numberDouble": "3232235778.0"})"), document(2, R"({"$numberInt": "167772162"})"),
                   document(3, R"({"$numberLong": "3232235779"})")});
  const auto store = open();
  const Contents contents = load(*store);
  EXPECT_TRUE(contents.faults.empty());
  EXPECT_EQ(to_string(find(*store, contract::key(1))->address), "192.168.1.2");
  EXPECT_EQ(to_string(find(*store, contract::key(2))->address), "10.0.0.2");
  EXPECT_EQ(to_string(find(*store, contract::key(3))->address), "192.168.1.3");
  for (const Client& client : contents.clients) EXPECT_EQ(client.preshared_key, std::nullopt);
}

TEST_F(OriginalData, NamesFaultyDocumentsLeavesThemAndServesTheRest) {
  std::vector<std::string> stored = original_documents();
  const auto add = [&](const std::string& fields) {
    stored.push_back("{\"_id\": " + std::to_string(stored.size()) + ", " + fields + "}");
  };
  const std::string rest = R"(, "presharedKey": "undefined", "allowedIPs": "", "enabled": true)";
  const std::string key = "\"clientPublicKey\": \"" + to_string(contract::key(7)) + "\"";
  add(R"("clientPublicKey": "$(touch /tmp/pwned)x", "clientIP": 1.0)" + rest);
  add(R"("clientIP": 2.0)" + rest);
  add(key + rest);
  add(key + R"(, "clientIP": "192.168.2.2")" + rest);
  add(key + R"(, "clientIP": -1.0)" + rest);
  add(key + R"(, "clientIP": 1.5)" + rest);
  add(key + R"(, "clientIP": 4294967296.0)" + rest);
  add(key + R"(, "clientIP": 3.0, "allowedIPs": "", "enabled": true)");
  add(key + R"(, "clientIP": 3.0, "presharedKey": "undefined", "allowedIPs": "", "enabled": "yes")");
  add(key + R"(, "clientIP": 3.0, "name": "a\nb")" + rest);
  add(key + R"(, "clientIP": 3232247894.0)" + rest);  // the address of the first
  store_documents(stored);
  const std::vector<std::string> before = documents();
  const auto store = open();
  const Contents contents = load(*store);
  EXPECT_EQ(contents.clients.size(), 3u);
  EXPECT_EQ(contents.faults.size(), 11u);
  EXPECT_THAT(contents.faults, testing::Contains(HasSubstr("clientIP is missing")));
  EXPECT_THAT(contents.faults, testing::Contains(HasSubstr("address 192.168.48.86 of another")));
  EXPECT_EQ(documents(), before);
}

TEST_F(OriginalData, ADamagedDocumentOfOursKeepsItsKeyUntilItIsRemoved) {
  const std::string key = to_string(contract::key(1));
  store_documents({"{\"_id\": \"" + key + "\", \"clientPublicKey\": \"" + key +
                   R"(", "presharedKey": "undefined", "clientIP": 2.0, "allowedIPs": "", "enabled": "x", )" +
                   R"("createdAt": {"$numberLong": "5"}})"});
  const auto store = open();
  EXPECT_EQ(commit(*store, InsertClient{contract::client(1)}), "already exists publicKey");
  EXPECT_EQ(commit(*store, RemoveClient{contract::key(1)}), "ok");
  EXPECT_EQ(commit(*store, InsertClient{contract::client(1)}), "ok");
}

TEST_F(OriginalData, ADocumentThatIsNotServedStaysSoWhateverIsSetInIt) {
  const auto document = [](int number) {
    return "{\"clientPublicKey\": \"" + to_string(contract::key(number)) +
           R"(", "presharedKey": "undefined", "clientIP": 2.0, "allowedIPs": "", "enabled": true})";
  };
  store_documents({document(1), document(2)});
  const auto store = open(), other = open();
  EXPECT_EQ(load(*store).clients.size(), 1u);
  EXPECT_EQ(load(*other).clients.size(), 1u);
  EXPECT_EQ(commit(*store, SetClientEnabled{contract::key(2), true}), "not found publicKey");
  const auto read = other->read(std::array{contract::key(2), contract::key(1)});
  ASSERT_TRUE(read);
  EXPECT_EQ(read->at(0), std::nullopt);
  EXPECT_TRUE(read->at(1));
  EXPECT_EQ(load(*store).faults.size(), 1u);

  // Added anew at an address of its own, it is a client like any other.
  EXPECT_EQ(commit(*store, RemoveClient{contract::key(2)}), "ok");
  EXPECT_EQ(commit(*store, InsertClient{contract::client(2)}), "ok");
  EXPECT_EQ(other->read(std::array{contract::key(2)})->at(0), contract::client(2));
  EXPECT_EQ(commit(*other, RemoveClient{contract::key(2)}), "ok");
  store_documents({document(2)});
  EXPECT_EQ(load(*store).clients.size(), 1u);

  EXPECT_EQ(commit(*store, RemoveClient{contract::key(1)}), "ok");
  EXPECT_TRUE(find(*store, contract::key(2)));
  EXPECT_EQ(commit(*store, SetClientEnabled{contract::key(2), false}), "ok");
}

TEST_F(OriginalData, WhatWeWriteHasTheFiveFieldsAndTheirTypes) {
  const auto store = open();
  Client bare = contract::client(2);
  bare.preshared_key.reset();
  Client full = contract::client(1);
  full.preshared_key.emplace().reveal_mutable()[0] = 1;
  ASSERT_EQ(commit(*store, InsertClient{full}), "ok");
  ASSERT_EQ(commit(*store, InsertClient{bare}), "ok");
  ASSERT_EQ(commit(*store, SetClientEnabled{bare.public_key, false}), "ok");
  const std::vector<std::string> written = documents();
  ASSERT_EQ(written.size(), 2u);
  EXPECT_THAT(written[0], HasSubstr("\"clientPublicKey\" : \"" + to_string(full.public_key) + "\""));
  EXPECT_THAT(written[0], HasSubstr("\"presharedKey\" : \"" + reveal_base64(*full.preshared_key) + "\""));
  EXPECT_THAT(written[0], HasSubstr("\"clientIP\" : { \"$numberDouble\" : \"3232236033.0\" }"));
  EXPECT_THAT(written[0], HasSubstr("\"allowedIPs\" : \"0.0.0.0/0,::/0\""));
  EXPECT_THAT(written[0], HasSubstr("\"enabled\" : true"));
  // WireGuard takes a preshared key of zeros as none; the original could not do without one.
  EXPECT_THAT(written[1], HasSubstr("\"presharedKey\" : \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\""));
  EXPECT_THAT(written[1], HasSubstr("\"enabled\" : false"));
}

TEST(OriginalDataTrace, OfAnInsertionThatWasTakenBackIsNoClientForUsNorForTheOriginal) {
  const Mongod server({"--setParameter", "enableTestCommands=1"});
  const auto store = make_store(server.uri(), "wireguard");
  const auto commit = [&](Mutation mutation) {
    return contract::outcome(store->commit(std::span(&mutation, 1)).at(0));
  };
  ASSERT_TRUE(store->load());
  // The connection breaks instead of an insertion.
  run_command(server.uri(), "admin",
              R"({"configureFailPoint": "failCommand", "mode": {"times": 1}, )"
              R"("data": {"failCommands": ["insert"], "closeConnection": true}})");
  EXPECT_EQ(commit(InsertClient{contract::client(1)}), "unavailable ");
  ASSERT_TRUE(store->probe());

  const std::vector<std::string> left = dump_json(server.uri(), "wireguard", "peers");
  ASSERT_EQ(left.size(), 1u);
  EXPECT_THAT(left[0], AllOf(HasSubstr("takenBack"), HasSubstr(to_string(contract::key(1)))));
  EXPECT_THAT(left[0], testing::Not(testing::AnyOf(HasSubstr("clientIP"), HasSubstr("enabled"))));
  // What the original asks for at its start (db/client.js, getEnabledClients).
  const Document enabled = run_command(server.uri(), "wireguard", R"({"count": "peers", "query": {"enabled": true}})");
  EXPECT_EQ(integer_of(*enabled.get(), "n"), 0);

  const auto other = make_store(server.uri(), "wireguard")->load();
  ASSERT_TRUE(other);
  EXPECT_TRUE(other->clients.empty());
  EXPECT_TRUE(other->faults.empty());
  EXPECT_EQ(store->read(std::array{contract::key(1)})->at(0), std::nullopt);
  EXPECT_EQ(commit(SetClientEnabled{contract::key(1), true}), "not found publicKey");
  EXPECT_EQ(commit(RemoveClient{contract::key(1)}), "not found publicKey");
  EXPECT_EQ(commit(InsertClient{contract::client(1)}), "ok");
  EXPECT_EQ(store->read(std::array{contract::key(1)})->at(0), contract::client(1));
}

TEST_F(OriginalData, AChangeOfAnOriginalsDocumentIsFollowed) {
  const std::string uri = replica_set().uri();
  insert_json(uri, database_, "peers", original_documents());
  const auto first = make_store(uri, database_), second = make_store(uri, database_);
  load(*first);
  auto feed = first->follow();
  ASSERT_TRUE(feed) << feed.error().message;
  ASSERT_EQ(commit(*second, SetClientEnabled{kFirst, false}), "ok");
  const auto changes = (*feed)->next();
  ASSERT_TRUE(changes);
  EXPECT_EQ(changes->keys, std::vector{kFirst});
}

TEST_F(OriginalData, ADocumentThatIsMendedOrBrokenIsNewsForTheListOfFaults) {
  const std::string uri = replica_set().uri();
  std::vector<std::string> stored = original_documents();
  const std::string ours = to_string(contract::key(1));
  stored.push_back("{\"_id\": \"" + ours + "\", \"clientPublicKey\": \"" + ours +
                   R"(", "presharedKey": "undefined", "clientIP": 2.0, "allowedIPs": "", "enabled": true})");
  insert_json(uri, database_, "peers", stored);
  const auto store = make_store(uri, database_);
  const auto set = [&](const std::string& key, const std::string& fields) {
    run_command(uri, database_,
                R"({"update": "peers", "updates": [{"q": {"clientPublicKey": ")" + key + R"("}, "u": {"$set": )" +
                    fields + "}}]}");
  };
  EXPECT_TRUE(load(*store).faults.empty());
  FollowedFeed feed(*store);
  // As the gateway does: what is told by its key is read, and that may be news for the whole.
  for (const auto& [key, well] : {std::pair{to_string(kFirst), R"({"clientIP": 3.0, "enabled": true})"},
                                  std::pair{ours, R"({"clientIP": 4.0, "enabled": true})"}}) {
    for (const char* fields : {R"({"enabled": "yes"})", R"({"clientIP": "x"})", well}) {
      const std::size_t before = feed.everythings();
      set(key, fields);
      ASSERT_TRUE(feed.tells({*PublicKey::parse(key)}));
      if (feed.everythings() == before) {
        ASSERT_TRUE(store->read(std::array{*PublicKey::parse(key)}));
        EXPECT_TRUE(feed.tells({contract::key(99)}, std::chrono::seconds(10))) << key << fields;
      }
      load(*store);
    }
  }
  EXPECT_TRUE(load(*store).faults.empty());
  // One that was well and is well is no such news.
  const std::size_t before = feed.everythings();
  set(ours, R"({"clientIP": 5.0})");
  ASSERT_TRUE(feed.tells({contract::key(1)}));
  ASSERT_TRUE(store->read(std::array{contract::key(1)}));
  set(ours, R"({"clientIP": 6.0})");
  ASSERT_TRUE(feed.tells({contract::key(1)}));
  EXPECT_EQ(feed.everythings(), before);
}

TEST_F(OriginalData, OwnChangesAreNotTold) {
  const auto store = make_store(replica_set().uri(), database_), other = make_store(replica_set().uri(), database_);
  auto feed = store->follow();
  ASSERT_TRUE(feed) << feed.error().message;
  ASSERT_EQ(commit(*store, InsertClient{contract::client(1)}), "ok");
  ASSERT_EQ(commit(*other, InsertClient{contract::client(2)}), "ok");
  const auto changes = (*feed)->next();
  ASSERT_TRUE(changes);
  EXPECT_EQ(changes->keys, std::vector{contract::key(2)});
}

}  // namespace
}  // namespace vpn::control::mongodb
