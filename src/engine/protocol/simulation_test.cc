// Two interfaces over a bad link, and a hostile third on it, for more than a million virtual seconds.
//
//      client  <---- loses, duplicates, delays, reorders; outages; roaming ---->  gateway (restarts now and then)
//                                        |
//                                     hostile: replays, flips, cuts, makes up;
//                                     and is a peer of the gateway, with an address of its own that it lies about
//
// Checked at every step: no packet is delivered twice; none past its session's lifetime; none with another's source;
// sessions go when it is time; and after every outage one comes back within half a minute, or a retry later for each
// time that the ends' initiations crossed.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <queue>
#include <set>

#include "engine/protocol/test_node.h"

namespace vpn::engine::protocol {
namespace {

constexpr const char* kClientEndpoint = "192.0.2.2:1000";
constexpr const char* kGatewayEndpoint = "192.0.2.1:51820";
constexpr const char* kHostileEndpoint = "203.0.113.66:666";
const Endpoint kHostile = *Endpoint::parse(kHostileEndpoint);
/// What the hostile peer writes where others write a packet's number.
constexpr std::uint64_t kHonest = UINT64_MAX;
constexpr std::uint64_t kSpoofed = UINT64_MAX - 1;

// A peer has one handshake at a time, in the kernel (noise.h: struct noise_handshake) as here: of two initiations that
// cross, each undoes the other's, and both ends try again. With this round trip and a third of a second of jitter, that
// happens some times in a row.
constexpr std::uint32_t kLongestDelay_ms = 120;
constexpr auto kRoundTrip = 2 * std::chrono::milliseconds(kLongestDelay_ms);
constexpr auto kRetry = kRekeyTimeout + kRekeyTimeoutJitterMax;

/// A datagram under way.
struct InFlight {
  Instant arrives;
  std::uint64_t order = 0;
  TestDatagram datagram;
  bool hostile = false;

  bool operator<(const InFlight& other) const {  // std::priority_queue puts the greatest first
    return std::tie(other.arrives, other.order) < std::tie(arrives, order);
  }
};

/// What the link does to a datagram, in parts per thousand.
struct LinkQuality {
  std::uint32_t loss = 0;
  std::uint32_t duplication = 0;
  std::uint32_t long_delay = 0;
  bool hostile = false;
  bool down = false;
};

/// One end with what is checked about it.
struct End {
  std::unique_ptr<TestNode> node;
  const char* inner_peer = nullptr;
  std::map<std::uint64_t, Instant> waiting;  ///< inner packets sent and not delivered at the other end
  std::map<std::uint32_t, Instant> born;     ///< when each session began here, by receiver index
  Instant last_handshake{};                  ///< when it last sent a handshake message, or took a response
  Instant last_initiation{};                 ///< when it last sent one
};

class Simulation {
 public:
  explicit Simulation(std::uint64_t seed) : random_(seed) {
    client_.node = std::make_unique<TestNode>(random_.next_u32(), kClientEndpoint, "10.0.0.2", now());
    client_.inner_peer = "10.0.0.1";
    gateway_.inner_peer = "10.0.0.2";
    hostile_ = std::make_unique<TestNode>(random_.next_u32(), kHostileEndpoint, "10.0.0.3", now());
    gateway_key_ = crypto::generate_private_key(random_);
    restart_gateway();
    client_.node->add_peer(*gateway_.node, true, now());
    hostile_->add_peer(*gateway_.node, true, now());
  }

  void run(std::chrono::seconds duration) {
    const Instant end = clock_.now() + duration;
    while (clock_.now() < end && !testing::Test::HasFailure()) run_phase();
  }

  std::uint64_t lies_refused() const { return lies_refused_; }
  std::uint64_t delivered() const { return delivered_; }
  std::uint64_t hostile_datagrams() const { return hostile_datagrams_; }
  std::uint64_t recoveries() const { return recoveries_; }

 private:
  Moment now() const { return {clock_.now(), clock_.wall_now()}; }
  std::uint32_t in(std::uint32_t low, std::uint32_t high) { return low + random_.below(high - low); }

  /// Some time of one kind of weather, then the proof that a session comes back.
  void run_phase() {
    quality_ = {in(0, 300), in(0, 100), in(0, 20), random_.below(2) == 0, random_.below(4) == 0};
    // Silence longer than keys live, or traffic dense enough to rekey by time.
    const bool silent = random_.below(4) == 0;
    if (random_.below(5) == 0) restart_gateway();
    if (random_.below(3) == 0) roam();
    const std::uint32_t gap_ms = silent ? 10'000'000 : in(50, 4000);
    run_until(clock_.now() + std::chrono::seconds(in(10, silent ? 1500 : 400)), gap_ms);
    prove_recovery();
  }

  void prove_recovery() {
    quality_ = {};
    const Instant begin = clock_.now();
    client_.waiting.clear();
    gateway_.waiting.clear();
    const std::uint64_t first_probe = next_id_;
    bool both = false;
    crossings_ = 0;
    while (!both && clock_.now() < begin + 30s + crossings_ * kRetry && !testing::Test::HasFailure()) {
      send_inner(client_);
      if (gateway_.node->interface.snapshot_of(client_.node->public_key)->endpoint) send_inner(gateway_);
      run_until(clock_.now() + 1s, 0);
      both = arrived_since(client_, first_probe) && arrived_since(gateway_, first_probe);
    }
    EXPECT_TRUE(both) << "no session came back at " << clock_.now().time_since_epoch().count();
    ++recoveries_;
  }

  bool arrived_since(const End& sender, std::uint64_t first_id) const {
    const auto position = last_delivered_.find(&sender);
    return position != last_delivered_.end() && position->second >= first_id;
  }

  /// `gap_ms` is the mean time between two inner packets; 0: none.
  void run_until(Instant end, std::uint32_t gap_ms) {
    Instant next_packet = gap_ms == 0 ? kNever : clock_.now() + std::chrono::milliseconds(in(0, 2 * gap_ms));
    Instant next_attack = quality_.hostile ? clock_.now() : kNever;
    while (!testing::Test::HasFailure()) {
      const Instant arrival = in_flight_.empty() ? kNever : in_flight_.top().arrives;
      const Instant deadline =
          std::min(client_.node->interface.next_deadline(), gateway_.node->interface.next_deadline());
      const Instant next = std::min({end, next_packet, next_attack, arrival, deadline});
      if (next > clock_.now()) clock_.advance(next - clock_.now());
      for (End* one : {&client_, &gateway_}) {
        one->node->expire(now());
        after_event(*one);
      }
      if (!in_flight_.empty() && in_flight_.top().arrives <= clock_.now()) arrive();
      if (clock_.now() >= next_packet) {
        send_inner(random_.below(2) == 0 ? client_ : gateway_);
        next_packet = clock_.now() + std::chrono::milliseconds(in(0, 2 * gap_ms));
      }
      if (clock_.now() >= next_attack) {
        attack();
        next_attack = clock_.now() + std::chrono::milliseconds(in(0, 3000));
      }
      if (clock_.now() >= end) return;
    }
  }

  void send_inner(End& from) {
    Bytes payload(8 + random_.below(64));
    const std::uint64_t id = next_id_++;
    store_le64(payload.data(), id);
    const auto packet = from.node->send(make_ipv4(from.node->inner_address.c_str(), from.inner_peer, payload), now());
    if (packet.verdict != OutboundPacket::Verdict::kDropped) from.waiting[id] = clock_.now();
    after_event(from);
  }

  /// Puts what an end wants sent onto the link, and checks that its keys do not outlive their time.
  void after_event(End& one) {
    for (TestDatagram& datagram : std::exchange(one.node->outbox, {})) {
      const MessageType type = *classify(datagram.bytes);
      if (type != MessageType::kData) one.last_handshake = clock_.now();
      if (type == MessageType::kHandshakeInitiation) {
        one.born.erase(load_le32(&datagram.bytes[4]));  // used again
        one.last_initiation = clock_.now();
      }
      if (type == MessageType::kHandshakeResponse) one.born[load_le32(&datagram.bytes[4])] = clock_.now();
      transmit(std::move(datagram));
    }
    // 540 s after the last session, or after an initiator gave up, which it does some 6 s after its last try.
    if (clock_.now() > one.last_handshake + 540s + 6s) {
      EXPECT_EQ(one.node->interface.session_count(), 0u) << (&one == &client_ ? "client" : "gateway");
    }
  }

  void transmit(TestDatagram datagram) {
    if (quality_.down || random_.below(1000) < quality_.loss) return;
    const int copies = random_.below(1000) < quality_.duplication ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
      auto delay = std::chrono::milliseconds(in(5, kLongestDelay_ms));
      if (random_.below(1000) < quality_.long_delay) delay = std::chrono::milliseconds(in(1000, 250'000));
      in_flight_.push({clock_.now() + delay, order_++, datagram, false});
    }
  }

  void arrive() {
    const InFlight flying = in_flight_.top();
    in_flight_.pop();
    if (flying.datagram.to == kHostile) return hostile_receives(flying.datagram);
    End* to = flying.datagram.to == client_.node->address    ? &client_
              : flying.datagram.to == gateway_.node->address ? &gateway_
                                                             : nullptr;
    if (to == nullptr) return;  // the client has moved on
    End& from = to == &client_ ? gateway_ : client_;
    if (to == &gateway_ && classify(flying.datagram.bytes) == MessageType::kHandshakeInitiation &&
        clock_.now() - gateway_.last_initiation < kRoundTrip) {
      ++crossings_;
    }
    const auto outcome = to->node->receive(flying.datagram, now());
    const auto type = classify(flying.datagram.bytes);
    if (!flying.hostile && outcome.verdict == InboundDatagram::Verdict::kHandshakeQueued) {
      to->last_handshake = clock_.now();
      if (type == MessageType::kHandshakeResponse)
        to->born.try_emplace(load_le32(&flying.datagram.bytes[8]), clock_.now());
    }
    if (outcome.verdict == InboundDatagram::Verdict::kDeliver) {
      check_delivery(from, *to, flying);
    } else if (outcome.reason == DropReason::kSourceNotAllowed) {
      ++lies_refused_;
    } else if (!flying.hostile) {
      EXPECT_NE(outcome.reason, DropReason::kAuthenticationFailed);
    }
    // Only what has arrived is replayed: a relay that is faster than the link may take over an endpoint, by WireGuard's
    // design.
    if (!flying.hostile && random_.below(4) == 0) capture(flying);
    after_event(*to);
  }

  void check_delivery(End& from, End& to, const InFlight& flying) {
    ASSERT_EQ(to.node->delivered.size(), 1u);
    const std::uint64_t id = load_le64(&to.node->delivered[0][20]);
    to.node->delivered.clear();
    if (id == kHonest) return;
    EXPECT_NE(id, kSpoofed) << "a packet with another's source was delivered";
    const auto session = to.born.find(load_le32(&flying.datagram.bytes[4]));
    ASSERT_NE(session, to.born.end());
    EXPECT_LT(clock_.now() - session->second, kRejectAfterTime) << "delivered past its session's lifetime";
    EXPECT_TRUE(seen_.insert(id).second) << "packet " << id << " delivered twice";
    from.waiting.erase(id);
    last_delivered_[&from] = std::max(last_delivered_[&from], id);
    ++delivered_;
  }

  void capture(const InFlight& flying) {
    if (captured_.size() < 256) {
      captured_.push_back(flying);
    } else {
      captured_[random_.below(256)] = flying;
    }
  }

  /// A lie, or an honest packet that keeps the session alive.
  void hostile_sends() {
    const bool lies = random_.below(2) == 0;
    Bytes payload(8);
    store_le64(payload.data(), lies ? kSpoofed : kHonest);
    hostile_->send(make_ipv4(lies ? "10.0.0.2" : "10.0.0.3", "10.0.0.1", payload), now());
    hostile_transmits();
  }
  void hostile_receives(const TestDatagram& datagram) {
    hostile_->receive(datagram, now());
    hostile_->delivered.clear();
    hostile_transmits();
  }
  void hostile_transmits() {
    hostile_->expire(now());
    for (TestDatagram& datagram : std::exchange(hostile_->outbox, {})) {
      in_flight_.push({clock_.now() + 1ms, order_++, std::move(datagram), true});
    }
  }

  void attack() {
    if (random_.below(3) == 0) return hostile_sends();
    InFlight attack;
    if (captured_.empty() || random_.below(4) == 0) {
      attack.datagram = {kHostile, gateway_.node->address, Bytes(in(0, 200)), 0};
      random_.fill(attack.datagram.bytes);
      if (attack.datagram.bytes.size() > 4) store_le32(attack.datagram.bytes.data(), in(1, 5));
    } else {
      attack = captured_[random_.below(static_cast<std::uint32_t>(captured_.size()))];
      Bytes& bytes = attack.datagram.bytes;
      if (random_.below(2) == 0) attack.datagram.from = kHostile;
      if (random_.below(2) == 0) {
        const std::uint32_t at = random_.below(static_cast<std::uint32_t>(bytes.size()));
        bytes[at] = static_cast<std::uint8_t>(bytes[at] ^ (1u << random_.below(8)));
      }
      if (random_.below(8) == 0) bytes.resize(random_.below(static_cast<std::uint32_t>(bytes.size())));
    }
    attack.arrives = clock_.now();
    attack.order = order_++;
    attack.hostile = true;
    in_flight_.push(attack);
    ++hostile_datagrams_;
  }

  /// The gateway's next life: its key and its clients, no session.
  void restart_gateway() {
    gateway_.node = std::make_unique<TestNode>(random_.next_u32(), kGatewayEndpoint, "10.0.0.1", now());
    gateway_.node->configure({.private_key = gateway_key_}, now());
    gateway_.node->public_key = crypto::derive_public_key(gateway_key_);
    gateway_.node->add_peer(*client_.node, false, now());
    gateway_.node->add_peer(*hostile_, false, now());
    gateway_.born.clear();
    gateway_.waiting.clear();
  }

  void roam() {
    client_.node->address =
        *Endpoint::parse("198.51.100." + std::to_string(in(1, 255)) + ":" + std::to_string(in(1024, 65535)));
  }

  SeededRandom random_;
  ManualClock clock_;
  End client_;
  End gateway_;
  std::unique_ptr<TestNode> hostile_;
  PrivateKey gateway_key_;
  LinkQuality quality_;
  std::priority_queue<InFlight> in_flight_;
  std::vector<InFlight> captured_;
  std::set<std::uint64_t> seen_;
  std::map<const End*, std::uint64_t> last_delivered_;
  std::uint64_t next_id_ = 1;
  std::uint64_t order_ = 0;
  std::uint64_t delivered_ = 0;
  std::uint64_t hostile_datagrams_ = 0;
  std::uint64_t recoveries_ = 0;
  int crossings_ = 0;  ///< since the last recovery began
  std::uint64_t lies_refused_ = 0;
};

class SimulationTest : public testing::TestWithParam<std::uint64_t> {};

TEST_P(SimulationTest, HoldsEveryInvariantForThreeHundredThousandSeconds) {
  Simulation simulation(GetParam());
  simulation.run(300'000s);
  // The weather was worth the name.
  EXPECT_GT(simulation.delivered(), 10'000u);
  EXPECT_GT(simulation.hostile_datagrams(), 10'000u);
  EXPECT_GT(simulation.recoveries(), 300u);
  EXPECT_GT(simulation.lies_refused(), 1'000u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, SimulationTest, testing::Values(1, 2, 3, 4), testing::PrintToStringParamName());

}  // namespace
}  // namespace vpn::engine::protocol
