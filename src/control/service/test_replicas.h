// For tests: client managers over one shared store, two of them to begin with, on one strand.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "control/service/client_manager.h"
#include "control/service/test_log.h"
#include "control/service/test_strand.h"
#include "control/store/memory/memory_shared_store.h"
#include "control/store/test_clients.h"
#include "tunnel/memory/memory_tunnel.h"

namespace vpn::control {

inline const Error kAway{ErrorCode::kUnavailable, "no primary"};

struct Replica {
  explicit Replica(MemoryDatabase& database) : store(database) {}

  std::vector<PublicKey> peers() const {
    std::vector<PublicKey> keys;
    const auto status = tunnel.status();
    for (const tunnel::PeerStatus& peer : status->peers) keys.push_back(peer.peer.public_key);
    std::ranges::sort(keys);
    return keys;
  }
  std::vector<Client> clients() const {
    std::vector<Client> clients;
    for (const Client* client : manager->list()) clients.push_back(*client);
    return contract::sorted(std::move(clients));
  }
  bool serves(int number) const { return std::ranges::binary_search(peers(), contract::key(number)); }

  MemorySharedStore store;
  tunnel::MemoryTunnel tunnel;
  TestLog log;
  std::vector<std::string> loaded;
  std::unique_ptr<ClientManager> manager;  // last: its threads use the others
};

class ReplicasTest : public testing::Test {
 protected:
  static ClientManager::Options default_options() {
    ClientManager::Options options;
    options.network.gateway = *IpPrefix::parse("192.168.2.1/24");
    options.private_key.reveal_mutable()[0] = 200;
    options.committer.probe_interval = std::chrono::milliseconds(1);
    return options;
  }

  void start_loading(Replica& replica) {
    ClientManager::Options options = options_;
    options.on_loaded = [&replica](const Status& status) { replica.loaded.push_back(contract::outcome(status)); };
    if (!options.on_key) options.on_key = [](const PrivateKey&) { return Status(); };
    auto started = ClientManager::start(std::move(options), replica.store, replica.tunnel, clock_, random_,
                                        strand_.post(), strand_.delay(), replica.log);
    ASSERT_TRUE(started) << started.error().message;
    replica.manager = std::move(*started);
  }
  void start(Replica& replica) {
    start_loading(replica);
    strand_.run_until([&] { return !replica.loaded.empty(); });
    ASSERT_THAT(replica.loaded, testing::ElementsAre("ok"));
  }
  void start_both() {
    start(a_);
    start(b_);
  }

  void ask_create(Replica& replica, int number, std::string name = "") {
    ++asked_;
    replica.manager->create(
        {contract::key(number), std::nullopt, std::move(name)}, [this](const Result<Client>& created) {
          answers_.push_back(created ? "ok " + to_string(created->address) : contract::outcome(fail(created.error())));
        });
  }
  void ask_remove(Replica& replica, int number) { replica.manager->remove(contract::key(number), remember()); }
  void ask_enabled(Replica& replica, int number, bool enabled) {
    replica.manager->set_enabled(contract::key(number), enabled, remember());
  }
  ClientService::StatusCallback remember() {
    ++asked_;
    return [this](const Status& status) { answers_.push_back(contract::outcome(status)); };
  }
  std::vector<std::string> answers() {
    strand_.run_until([this] { return answers_.size() == asked_; });
    asked_ = 0;
    return std::exchange(answers_, {});
  }

  /// Whether memory and tunnel of a replica are what the database holds.
  bool agrees(const Replica& replica) const {
    const std::vector<Client> stored = database_.clients();
    std::vector<PublicKey> enabled;
    for (const Client& client : stored) {
      if (client.enabled) enabled.push_back(client.public_key);
    }
    return replica.clients() == stored && replica.peers() == enabled;
  }
  void await_agreement() {
    strand_.run_until([this] { return agrees(a_) && agrees(b_); });
  }

  ClientManager::Options options_ = default_options();
  MemoryDatabase database_;
  ManualClock clock_;
  SeededRandom random_{1};
  TestStrand strand_;
  std::vector<std::string> answers_;
  std::size_t asked_ = 0;
  Replica a_{database_}, b_{database_};  // last: their threads use the others
};

}  // namespace vpn::control
