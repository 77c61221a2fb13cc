#include "control/service/client_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "control/service/test_gated_store.h"
#include "control/service/test_log.h"
#include "control/service/test_strand.h"
#include "control/store/test_clients.h"
#include "tunnel/memory/memory_tunnel.h"

namespace vpn::control {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class ClientManagerTest : public testing::Test {
 protected:
  ~ClientManagerTest() override { store_.open(); }

  void start() {
    start_loading();
    strand_.run_until([this] { return !loaded_.empty(); });
    ASSERT_THAT(loaded_, ElementsAre("ok"));
    ASSERT_TRUE(manager_->ready());
  }
  void start_loading() {
    loaded_.clear();
    auto started = try_start();
    ASSERT_TRUE(started) << started.error().message;
    manager_ = std::move(*started);
  }

  Result<std::unique_ptr<ClientManager>> try_start() {
    ClientManager::Options options = options_;
    options.on_loaded = [this](const Status& status) { loaded_.push_back(contract::outcome(status)); };
    return ClientManager::start(std::move(options), store_, tunnel_, clock_, random_, strand_.post(), strand_.delay(),
                                log_);
  }

  void restart() {
    manager_->stop();
    strand_.run_posted();
    manager_.reset();
    start();
  }

  /// Asks, and remembers the answer: "create 1: ok 192.168.2.2".
  void ask_create(int number, std::string name = "") {
    ask_create({.public_key = contract::key(number), .preshared_key = std::nullopt, .name = std::move(name)},
               "create " + std::to_string(number));
  }
  void ask_create(NewClient request, std::string label) {
    manager_->create(std::move(request), [this, label](const Result<Client>& created) {
      answers_.push_back(label + ": " +
                         (created ? "ok " + to_string(created->address) : contract::outcome(fail(created.error()))));
      if (!created) last_message_ = created.error().message;
    });
    ++asked_;
  }
  void ask_remove(int number) { manager_->remove(contract::key(number), remember("remove " + std::to_string(number))); }
  void ask_enabled(int number, bool enabled) {
    manager_->set_enabled(contract::key(number), enabled,
                          remember((enabled ? "enable " : "disable ") + std::to_string(number)));
  }
  ClientService::StatusCallback remember(const std::string& label) {
    ++asked_;
    return [this, label](const Status& status) { answers_.push_back(label + ": " + contract::outcome(status)); };
  }

  /// Every answer since the last call.
  std::vector<std::string> answers() {
    strand_.run_until([this] { return answers_.size() == asked_; });
    asked_ = 0;
    return std::exchange(answers_, {});
  }

  /// "1 192.168.2.2/32" for each peer of the tunnel; its addresses with commas between.
  std::vector<std::string> peers() const {
    std::vector<std::string> lines;
    const auto tunnel = tunnel_.status();
    for (const tunnel::PeerStatus& status : tunnel->peers) {
      std::string line = std::to_string(status.peer.public_key.bytes[0]);
      char separator = ' ';
      for (const IpPrefix& prefix : status.peer.allowed_ips) line += std::exchange(separator, ',') + to_string(prefix);
      lines.push_back(std::move(line));
    }
    return lines;
  }

  static ClientManager::Options default_options() {
    ClientManager::Options options;
    options.network.gateway = *IpPrefix::parse("192.168.2.1/24");
    options.private_key.reveal_mutable()[0] = 200;
    return options;
  }

  ClientManager::Options options_ = default_options();
  GatedStore store_;
  tunnel::MemoryTunnel tunnel_;
  ManualClock clock_;
  SeededRandom random_{1};
  TestStrand strand_;
  TestLog log_;
  std::vector<std::string> answers_;
  std::vector<std::string> loaded_;  // what on_loaded was told
  std::string last_message_;         // of the last refused creation
  std::size_t asked_ = 0;
  std::unique_ptr<ClientManager> manager_;  // last: its thread uses the others
};

TEST_F(ClientManagerTest, CreatesInStoreMemoryAndTunnel) {
  start();
  PresharedKey preshared_key;
  preshared_key.reveal_mutable()[0] = 7;
  ask_create({.public_key = contract::key(1), .preshared_key = preshared_key, .name = "anna"}, "anna");
  EXPECT_THAT(answers(), ElementsAre("anna: ok 192.168.2.2"));

  const Client expected{.public_key = contract::key(1),
                        .preshared_key = preshared_key,
                        .address = *IpAddress::parse("192.168.2.2"),
                        .allowed_ips = "0.0.0.0/0,::/0",
                        .name = "anna",
                        .enabled = true,
                        .created_at = clock_.wall_now()};
  EXPECT_EQ(*manager_->find(contract::key(1)), expected);
  EXPECT_EQ(manager_->find_by_name("anna"), manager_->find(contract::key(1)));
  EXPECT_THAT(store_.load()->clients, ElementsAre(expected));
  const auto peers = tunnel_.status()->peers;
  ASSERT_EQ(peers.size(), 1u);
  EXPECT_EQ(peers[0].peer, (tunnel::Peer{.public_key = contract::key(1),
                                         .preshared_key = preshared_key,
                                         .allowed_ips = {*IpPrefix::parse("192.168.2.2/32")},
                                         .persistent_keepalive_s = 25}));
}

TEST_F(ClientManagerTest, GivesClientsAnIpv6AddressWhereTheVpnHasIpv6) {
  start();
  ask_create(1);
  ask_create(2);
  (void)answers();
  ask_enabled(2, false);
  (void)answers();
  EXPECT_THAT(peers(), ElementsAre("1 192.168.2.2/32"));

  options_.network.gateway6 = IpPrefix::parse("fd00:2::1/64");
  restart();
  EXPECT_THAT(peers(), ElementsAre("1 192.168.2.2/32,fd00:2::c0a8:202/128")) << "those of before, too";
  ask_enabled(2, true);
  ask_create(3);
  (void)answers();
  EXPECT_THAT(peers(),
              UnorderedElementsAre("1 192.168.2.2/32,fd00:2::c0a8:202/128", "2 192.168.2.3/32,fd00:2::c0a8:203/128",
                                   "3 192.168.2.4/32,fd00:2::c0a8:204/128"));

  options_.network.gateway = *IpPrefix::parse("192.168.0.1/16");
  restart();
  EXPECT_THAT(peers(), Contains("1 192.168.2.2/32,fd00:2::c0a8:202/128")) << "a larger subnet moves nobody";

  options_.network.gateway6.reset();
  restart();
  EXPECT_THAT(peers(), UnorderedElementsAre("1 192.168.2.2/32", "2 192.168.2.3/32", "3 192.168.2.4/32"));
}

TEST_F(ClientManagerTest, DisablesEnablesAndRemoves) {
  start();
  ask_create(1);
  ask_create(2);
  (void)answers();
  ask_enabled(1, false);
  ask_enabled(1, false);
  EXPECT_THAT(answers(), ElementsAre("disable 1: ok", "disable 1: ok"));
  EXPECT_THAT(peers(), ElementsAre("2 192.168.2.3/32"));
  EXPECT_FALSE(manager_->find(contract::key(1))->enabled);

  ask_create(3);
  EXPECT_THAT(answers(), ElementsAre("create 3: ok 192.168.2.4")) << "a disabled client keeps its address";
  ask_enabled(1, true);
  EXPECT_THAT(answers(), ElementsAre("enable 1: ok"));
  EXPECT_THAT(peers(), UnorderedElementsAre("1 192.168.2.2/32", "2 192.168.2.3/32", "3 192.168.2.4/32"));

  ask_remove(1);
  EXPECT_THAT(answers(), ElementsAre("remove 1: ok"));
  EXPECT_EQ(manager_->find(contract::key(1)), nullptr);
  ask_create(4);
  EXPECT_THAT(answers(), ElementsAre("create 4: ok 192.168.2.2")) << "a removed client's does not";
}

TEST_F(ClientManagerTest, MendsAPeerThatSomebodyElseTouched) {
  start();
  ask_create(1);
  ask_create(2);
  (void)answers();
  ASSERT_TRUE(tunnel_.apply({.set = {}, .remove = {contract::key(1)}}));
  ask_enabled(1, true);
  EXPECT_THAT(answers(), ElementsAre("enable 1: ok"));
  EXPECT_THAT(peers(), UnorderedElementsAre("1 192.168.2.2/32", "2 192.168.2.3/32"));

  const tunnel::Peer foreign{.public_key = contract::key(9),
                             .preshared_key = std::nullopt,
                             .allowed_ips = {*IpPrefix::parse("192.168.2.2/31"), *IpPrefix::parse("192.168.2.2/32")}};
  ASSERT_TRUE(tunnel_.apply({.set = {foreign}, .remove = {contract::key(2)}}));
  manager_->restore_tunnel();
  EXPECT_THAT(peers(), UnorderedElementsAre("1 192.168.2.2/32", "2 192.168.2.3/32", "9 192.168.2.2/31"))
      << "what is nobody's but theirs may stay";
}

TEST_F(ClientManagerTest, RefusesAnUnknownKey) {
  start();
  ask_remove(1);
  ask_enabled(1, true);
  ask_enabled(1, false);
  EXPECT_THAT(answers(), ElementsAre("remove 1: not found publicKey", "enable 1: not found publicKey",
                                     "disable 1: not found publicKey"));
  EXPECT_EQ(store_.inner().commit_count(), 0u);
}

TEST_F(ClientManagerTest, RefusesKeysThatNoClientMayHave) {
  start();
  PublicKey low_order;
  low_order.bytes[0] = 1;
  PublicKey own_again = manager_->server_key();
  own_again.bytes[31] ^= 0x80;  // the same point (RFC 7748 section 5)
  for (const PublicKey& key : {PublicKey(), manager_->server_key(), own_again, low_order}) {
    ask_create({.public_key = key, .preshared_key = std::nullopt, .name = ""}, "bad");
    EXPECT_THAT(answers(), ElementsAre("bad: invalid argument publicKey"));
  }
  ask_create(1, "two\nlines");
  EXPECT_THAT(answers(), ElementsAre("create 1: invalid argument name"));
  EXPECT_EQ(store_.inner().commit_count(), 0u);
}

TEST_F(ClientManagerTest, RefusesAKeyOrNameThatExists) {
  start();
  ask_create(1, "anna");
  (void)answers();
  ask_create(1);
  EXPECT_THAT(answers(), ElementsAre("create 1: already exists publicKey"));
  EXPECT_EQ(last_message_, "The client with public key " + to_string(contract::key(1)) + " exists");
  ask_create(2, "anna");
  EXPECT_THAT(answers(), ElementsAre("create 2: already exists name"));
  ask_create(2);
  ask_create(3);
  EXPECT_THAT(answers(), ElementsAre("create 2: ok 192.168.2.3", "create 3: ok 192.168.2.4")) << "no address was lost";
}

TEST_F(ClientManagerTest, LetsExactlyOneOfConcurrentCreationsWin) {
  start();
  store_.close();
  ask_create(9);
  store_.wait_for_commit();
  ask_create(1, "anna");
  ask_create(1);
  ask_create(2, "anna");
  store_.open();
  EXPECT_THAT(answers(), UnorderedElementsAre("create 9: ok 192.168.2.2", "create 1: ok 192.168.2.3",
                                              "create 1: already exists publicKey", "create 2: already exists name"));
  EXPECT_EQ(manager_->list().size(), 2u);
}

TEST_F(ClientManagerTest, OrdersWhatIsAskedOfAClientOnItsWay) {
  start();
  store_.close();
  ask_create(9);
  store_.wait_for_commit();
  ask_create(1);
  ask_enabled(1, false);
  ask_create(2);
  ask_remove(2);
  ask_remove(2);
  EXPECT_EQ(manager_->find(contract::key(1)), nullptr) << "not before it is durable";
  store_.open();
  EXPECT_THAT(answers(), ElementsAre("create 9: ok 192.168.2.2", "create 1: ok 192.168.2.3", "disable 1: ok",
                                     "create 2: ok 192.168.2.4", "remove 2: ok", "remove 2: not found publicKey"));
  EXPECT_FALSE(manager_->find(contract::key(1))->enabled);
  EXPECT_EQ(manager_->find(contract::key(2)), nullptr);
  EXPECT_THAT(peers(), ElementsAre("9 192.168.2.2/32"));
}

TEST_F(ClientManagerTest, FillsTheSubnetAndSaysHowManyItHolds) {
  start();
  NewClient request;
  for (std::uint32_t number = 0; number < 253; ++number) {
    store_be32(request.public_key.bytes.data(), 0x01020300 + number);
    ask_create(request, "create");
  }
  const auto created = answers();
  EXPECT_EQ(created.front(), "create: ok 192.168.2.2");
  EXPECT_EQ(created.back(), "create: ok 192.168.2.254");
  ask_create(1);
  EXPECT_THAT(answers(), ElementsAre("create 1: exhausted "));
  EXPECT_THAT(last_message_, HasSubstr("The subnet 192.168.2.0/24 holds 253 clients"));
  manager_->remove(request.public_key, remember("remove"));
  (void)answers();
  ask_create(1);
  EXPECT_THAT(answers(), ElementsAre("create 1: ok 192.168.2.254"));
}

TEST_F(ClientManagerTest, RefusesMoreClientsThanATunnelTakes) {
  options_.max_clients = 2;
  start();
  for (const int number : {1, 2, 3}) ask_create(number);
  EXPECT_THAT(answers(),
              UnorderedElementsAre("create 1: ok 192.168.2.2", "create 2: ok 192.168.2.3", "create 3: exhausted "));
  EXPECT_THAT(last_message_, HasSubstr("2 clients"));
}

TEST_F(ClientManagerTest, ListsInOrderOfAddress) {
  start();
  for (const int number : {30, 20, 10}) ask_create(number);
  (void)answers();
  ask_remove(20);
  (void)answers();
  ask_create(40);
  (void)answers();
  std::vector<int> numbers;
  for (const Client* client : manager_->list()) numbers.push_back(client->public_key.bytes[0]);
  EXPECT_THAT(numbers, ElementsAre(30, 40, 10));
}

TEST_F(ClientManagerTest, RefusesWhileTheStoreFailsAndLeavesEverythingAsItWas) {
  options_.committer.probe_interval = std::chrono::milliseconds(1);
  start();
  ask_create(1);
  (void)answers();
  store_.inner().fail_with("disk full");
  ask_create(2, "anna");
  ask_enabled(1, false);
  ask_remove(1);
  EXPECT_THAT(answers(), ElementsAre("create 2: unavailable ", "disable 1: unavailable ", "remove 1: unavailable "));
  strand_.run_until([this] { return !manager_->health().ok(); });
  EXPECT_EQ(manager_->health().store_detail, "disk full");
  EXPECT_TRUE(manager_->health().tunnel_ok);
  EXPECT_THAT(peers(), ElementsAre("1 192.168.2.2/32")) << "the data plane goes on";
  EXPECT_TRUE(manager_->find(contract::key(1))->enabled);

  store_.inner().fail_with(std::nullopt);
  strand_.run_until([this] { return manager_->health().ok(); });
  ask_create(2, "anna");
  EXPECT_THAT(answers(), ElementsAre("create 2: ok 192.168.2.3")) << "key, name and address were given back";
}

TEST_F(ClientManagerTest, AnswersSuccessWhenOnlyTheTunnelFailsAndCatchesUp) {
  start();
  tunnel_.fail_next(2, {ErrorCode::kUnavailable, "the interface is down"});
  ask_create(1);
  EXPECT_THAT(answers(), ElementsAre("create 1: ok 192.168.2.2"));
  EXPECT_FALSE(manager_->health().tunnel_ok);
  EXPECT_EQ(manager_->health().tunnel_detail, "the interface is down");
  strand_.advance(std::chrono::seconds(60));
  EXPECT_TRUE(manager_->health().ok());
  EXPECT_THAT(peers(), ElementsAre("1 192.168.2.2/32"));
}

TEST_F(ClientManagerTest, TakesUpWhereItStopped) {
  start();
  for (const int number : {1, 2, 3}) ask_create(number, "client " + std::to_string(number));
  ask_remove(1);
  ask_enabled(3, false);
  (void)answers();
  ASSERT_TRUE(
      tunnel_.apply({.set = {{.public_key = contract::key(77), .preshared_key = std::nullopt, .allowed_ips = {}}},
                     .remove = {contract::key(2)}}));
  restart();
  EXPECT_THAT(peers(), ElementsAre("2 192.168.2.3/32")) << "the tunnel is what the store says";
  EXPECT_FALSE(manager_->find_by_name("client 3")->enabled);
  ask_create(2);
  ask_create(4, "client 3");
  ask_create(5);
  EXPECT_THAT(answers(), ElementsAre("create 2: already exists publicKey", "create 4: already exists name",
                                     "create 5: ok 192.168.2.2"));
}

TEST_F(ClientManagerTest, KeepsButDoesNotServeClientsWhoseAddressIsNotForClients) {
  std::vector<Mutation> stored;
  for (int number = 1; number <= 30; ++number) {
    Client client = contract::client(number);
    client.address = IpAddress::v4(0x0a000000u + static_cast<std::uint32_t>(number));
    stored.emplace_back(InsertClient{client});
  }
  Client gateway = contract::client(31), inside = contract::client(32), broadcast = contract::client(33);
  gateway.address = options_.network.gateway.address;
  broadcast.address = *IpAddress::parse("192.168.2.255");
  stored.emplace_back(InsertClient{gateway});
  stored.emplace_back(InsertClient{inside});
  stored.emplace_back(InsertClient{broadcast});
  for (const Status& status : store_.inner().commit(stored)) ASSERT_TRUE(status);

  start();
  EXPECT_THAT(peers(), ElementsAre("32 192.168.2.32/32"));
  EXPECT_EQ(manager_->list().size(), 33u);
  EXPECT_EQ(log_.lines().size(), 11u) << "ten by name and the count of the others";
  EXPECT_THAT(log_.lines().front(), HasSubstr("its address 10.0.0.1 is outside the subnet 192.168.2.0/24"));
  EXPECT_THAT(log_.lines().back(), HasSubstr("count=22"));
  EXPECT_EQ(manager_->health().faults.size(), kMaxFaultsTold + 1);
  EXPECT_EQ(manager_->health().faults.front(), "client " + to_string(contract::key(1)) +
                                                   " is not served: its address 10.0.0.1 is outside the subnet "
                                                   "192.168.2.0/24");
  EXPECT_EQ(manager_->health().faults.back(), "and 22 more");
  EXPECT_TRUE(manager_->health().ok());
  EXPECT_EQ(manager_->obstacle(gateway), "its address 192.168.2.1 is the gateway's own");
  EXPECT_EQ(manager_->obstacle(broadcast), "its address 192.168.2.255 is no host's in the subnet 192.168.2.0/24");
  EXPECT_EQ(manager_->obstacle(inside), "");
  ask_enabled(1, false);
  ask_enabled(1, true);
  ask_remove(2);
  EXPECT_THAT(answers(), UnorderedElementsAre("disable 1: ok", "enable 1: conflict ", "remove 2: ok"));
  ask_enabled(31, true);
  EXPECT_THAT(answers(), ElementsAre("enable 31: conflict "));
  EXPECT_FALSE(manager_->find(contract::key(1))->enabled);
  EXPECT_THAT(peers(), ElementsAre("32 192.168.2.32/32"));
}

TEST_F(ClientManagerTest, SaysWhoHoldsTheGatewaysAddress) {
  Client gateway = contract::client(1);
  gateway.address = options_.network.gateway.address;
  ASSERT_TRUE(store_.inner().commit(std::vector<Mutation>{InsertClient{gateway}})[0]);
  start();
  EXPECT_THAT(log_.lines(), ElementsAre(HasSubstr("its address 192.168.2.1 is the gateway's own")));
  EXPECT_THAT(peers(), IsEmpty());
  EXPECT_THAT(manager_->health().faults, ElementsAre(HasSubstr("its address 192.168.2.1 is the gateway's own")));
  std::string refusal;
  manager_->set_enabled(contract::key(1), true, [&](const Status& status) { refusal = status.error().message; });
  EXPECT_EQ(refusal, "Client with public key " + to_string(contract::key(1)) +
                         " cannot be served: its address 192.168.2.1 is the gateway's own. Delete it and create it "
                         "anew for another");
  ask_remove(1);
  EXPECT_THAT(answers(), ElementsAre("remove 1: ok"));
  EXPECT_THAT(manager_->health().faults, IsEmpty());
}

TEST_F(ClientManagerTest, RefusesToStartOnAStoreItCannotUse) {
  options_.network.gateway = *IpPrefix::parse("192.168.2.1/31");
  EXPECT_EQ(try_start().error().field, "WG_SUBNET");
  options_.network.gateway = *IpPrefix::parse("192.168.2.1/24");
  store_.inner().fail_with("not what we wrote", ErrorCode::kCorrupt);
  start_loading();
  strand_.run_until([this] { return !loaded_.empty(); });
  EXPECT_THAT(loaded_, ElementsAre("corrupt "));
  ask_create(1);
  EXPECT_THAT(answers(), ElementsAre("create 1: unavailable ")) << "nothing is served until the process ends";
}

TEST_F(ClientManagerTest, WaitsForAStoreThatIsAwayAtTheStartAndAnswersNothingFromEmptiness) {
  options_.committer.probe_interval = std::chrono::milliseconds(1);
  ASSERT_TRUE(store_.inner().commit(std::vector<Mutation>{InsertClient{contract::client(7)}})[0]);
  store_.inner().fail_with("away");
  start_loading();
  EXPECT_FALSE(manager_->health().ok()) << "not before the first answer of the store, either";
  strand_.run_until([this] { return !log_.lines().empty(); });
  ask_create(2);
  ask_remove(7);
  ask_enabled(9, true);
  EXPECT_THAT(answers(), ElementsAre("create 2: unavailable ", "remove 7: unavailable ", "enable 9: unavailable "));
  EXPECT_EQ(manager_->ready().error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(manager_->health().store_detail, HasSubstr("away"));
  EXPECT_THAT(loaded_, IsEmpty());

  store_.inner().fail_with(std::nullopt);
  strand_.run_until([this] { return manager_->health().ok(); });
  EXPECT_THAT(loaded_, ElementsAre("ok"));
  EXPECT_THAT(peers(), ElementsAre("7 192.168.2.7/32"));
  EXPECT_THAT(log_.lines(), ElementsAre(HasSubstr("away"), HasSubstr("works again"))) << "said once";
}

TEST_F(ClientManagerTest, AnswersWhatWasAcceptedBeforeAStop) {
  start();
  ask_create(1);
  manager_->stop();
  ask_create(2);
  EXPECT_THAT(answers(), ElementsAre("create 2: unavailable ", "create 1: ok 192.168.2.2"));
  EXPECT_EQ(store_.load()->clients.size(), 1u);
}

TEST_F(ClientManagerTest, AppliesABatchToTheTunnelAsOneDelta) {
  start();
  store_.close();
  ask_create(9);
  store_.wait_for_commit();
  for (const int number : {1, 2, 3}) ask_create(number);
  store_.open();
  strand_.run_until([this] { return answers_.size() == 1; });
  tunnel_.fail_next(
      1, {ErrorCode::kUnavailable, "down"});  // one delta, one failure: afterwards none of the three is there
  EXPECT_EQ(answers().size(), 4u);
  EXPECT_THAT(peers(), ElementsAre("9 192.168.2.2/32"));
}

}  // namespace
}  // namespace vpn::control
