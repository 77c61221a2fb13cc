// Several client managers over one shared store, under random requests and failures: they agree at the end.
#include <array>
#include <map>
#include <set>

#include "control/service/test_replicas.h"

namespace vpn::control {
namespace {

// Three replicas under random requests and failures. A client's possible states are followed through the answers: what
// was acknowledged must hold, and an unanswered change may or may not have happened, but an unanswered creation not.
class Confusion : public ReplicasTest, public testing::WithParamInterface<std::uint64_t> {
 protected:
  enum State { kAbsent, kEnabled, kDisabled };

  void ask(Replica& replica, int number) {
    busy_.insert(number);
    const auto key = contract::key(number);
    const std::uint32_t what = dice_.below(4);
    if (what == 0) {
      return replica.manager->create({key, std::nullopt, dice_.below(2) == 0 ? "name " + std::to_string(number) : ""},
                                     [this, number](const Result<Client>& created) {
                                       if (created) return settle(number, {kEnabled});
                                       if (created.error().code == ErrorCode::kUnavailable) undone_.insert(number);
                                       settle(number, possible(number));
                                     });
    }
    const State wanted = what == 1 ? kAbsent : what == 2 ? kEnabled : kDisabled;
    const auto done = [this, number, wanted](const Status& status) {
      if (status) return settle(number, {wanted});
      std::set<State> states = possible(number);
      if (status.error().code == ErrorCode::kUnavailable && states != std::set{kAbsent}) states.insert(wanted);
      if (status.error().code == ErrorCode::kNotFound) {
        EXPECT_TRUE(states.contains(kAbsent) || undone_.contains(number)) << number << " was acknowledged, and lost";
        states = {kAbsent};
      }
      settle(number, states);
    };
    if (wanted == kAbsent) return replica.manager->remove(key, done);
    replica.manager->set_enabled(key, wanted == kEnabled, done);
  }
  std::set<State> possible(int number) const {
    const auto found = possible_.find(number);
    return found == possible_.end() ? std::set{kAbsent} : found->second;
  }
  /// A creation that was refused may be seen by another replica until it is taken back.
  void settle(int number, std::set<State> states) {
    if (undone_.contains(number)) states.insert(kAbsent);
    possible_[number] = std::move(states);
    busy_.erase(number);
  }

  void disturb(Replica& replica) {
    switch (dice_.below(6)) {
      case 0:
        return replica.store.fail_with(kAway);
      case 1:
        return replica.store.lose_next_answer(dice_.below(4));
      case 2:
        return replica.store.fail_feed(true);
      case 3:
        return replica.store.hold_feed(true);
      case 4:
        return database_.lose_feeds();
      default:
        return heal(replica);
    }
  }
  static void heal(Replica& replica) {
    replica.store.fail_with(std::nullopt);
    replica.store.fail_feed(false);
    replica.store.hold_feed(false);
  }

  SeededRandom dice_{GetParam()};
  std::set<int> busy_, undone_;
  std::map<int, std::set<State>> possible_;
  Replica c_{database_};
};

TEST_P(Confusion, EndsWithStoreMemoriesTunnelsAndAnswersInAgreement) {
  options_.network.gateway = *IpPrefix::parse("192.168.2.1/26");  // 61 addresses for 80 clients
  start_both();
  start(c_);
  const std::array replicas{&a_, &b_, &c_};
  for (int step = 0; step < 1500; ++step) {
    Replica& replica = *replicas.at(dice_.below(3));
    const int number = 2 + static_cast<int>(dice_.below(80));
    if (!busy_.contains(number)) ask(replica, number);
    if (dice_.below(20) == 0) disturb(*replicas.at(dice_.below(3)));
    if (dice_.below(3) == 0) strand_.run_posted();
    if (dice_.below(50) == 0) strand_.advance(std::chrono::seconds(5));
  }
  for (Replica* replica : replicas) heal(*replica);
  strand_.run_until([&] { return busy_.empty(); });
  strand_.run_until([&] {
    return std::ranges::all_of(
        replicas, [this](Replica* replica) { return replica->manager->health().ok() && agrees(*replica); });
  });

  std::map<int, State> stored;
  std::set<IpAddress> addresses;
  for (const Client& client : database_.clients()) {
    stored[client.public_key.bytes[0]] = client.enabled ? kEnabled : kDisabled;
    EXPECT_TRUE(addresses.insert(client.address).second);
  }
  for (int number = 2; number < 82; ++number) {
    const State state = stored.contains(number) ? stored[number] : kAbsent;
    EXPECT_TRUE(possible(number).contains(state)) << "client " << number << " is in state " << state;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Confusion, testing::Range<std::uint64_t>(1, 9));

}  // namespace
}  // namespace vpn::control
