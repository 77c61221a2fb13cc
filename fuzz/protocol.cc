// The protocol core against a peer that has the right keys and means ill: every message of WireGuard, right or changed,
// in any order, at any time, while the interface is configured anew.
//
// An input is a list of steps. Datagrams gather until a step says that they come, and come as one batch. Checked:
// nothing is accepted twice, what is delivered lies within its datagram, what is sent opens at its receiver, and no
// more sessions are kept than there may be.
#include <array>
#include <map>
#include <optional>
#include <set>

#include "base/check.h"
#include "base/clock.h"
#include "base/random.h"
#include "engine/crypto/x25519.h"
#include "engine/icmp.h"
#include "engine/protocol/interface.h"
#include "engine/protocol/ip_packet.h"
#include "fuzz/input.h"

namespace vpn::fuzz {
namespace {

using namespace engine::protocol;
namespace crypto = engine::crypto;
using InVerdict = InboundDatagram::Verdict;
using OutVerdict = OutboundPacket::Verdict;

constexpr int kMaxSteps = 100;
constexpr std::size_t kMaxBatch = 64;
constexpr std::size_t kMaxSessionsPerPeer = 4;  // the handshake's index and three keypairs
const Endpoint kAdversaryAddress = *Endpoint::parse("192.0.2.2:1000");
const Endpoint kOtherAddress = *Endpoint::parse("[2001:db8::2]:1001");

StaticIdentity make_identity(std::uint64_t seed) {
  SeededRandom random(seed);
  const PrivateKey key = crypto::generate_private_key(random);
  return {key, crypto::derive_public_key(key)};
}

// Once for all inputs: they cost more than most inputs do.
const StaticIdentity kAdversary = make_identity(1);
const std::array<StaticIdentity, 2> kGateways = {make_identity(2), make_identity(3)};
const PresharedKey kPresharedKey(kAdversary.public_key.bytes);

/// What the peer knows and can make.
class Adversary {
 public:
  explicit Adversary(const StaticIdentity& gateway) : handshake_(gateway.public_key), macs_(gateway.public_key) {
    handshake_.set_preshared_key(kPresharedKey);
    cookies_.set_public_key(kAdversary.public_key);
  }

  Bytes initiate(Moment now) {
    HandshakeInitiation message;
    local_index_ = random_.next_u32();
    CHECK(handshake_.create_initiation(kAdversary, crypto::generate_private_key(random_), Tai64n::from(now.wall),
                                       local_index_, message));
    macs_.add_macs(mutable_bytes_of(message), now.boot);
    return copy_of(bytes_of(message));
  }

  /// The answer to the gateway's last initiation; nothing when there was none, or it was answered.
  Bytes respond(Moment now) {
    if (!initiation_) return {};
    const HandshakeInitiation initiation = *std::exchange(initiation_, std::nullopt);
    auto opened = OpenedInitiation::open(kAdversary, initiation);
    if (!opened || std::move(*opened).accept(kAdversary, initiation, handshake_, now.boot) != DropReason::kNone)
      return {};
    HandshakeResponse message;
    local_index_ = random_.next_u32();
    if (!handshake_.create_response(crypto::generate_private_key(random_), local_index_, message)) return {};
    begin_session();
    macs_.add_macs(mutable_bytes_of(message), now.boot);
    return copy_of(bytes_of(message));
  }

  /// A cookie for the gateway's last handshake message.
  Bytes give_cookie(Moment now) {
    if (last_handshake_.empty() || !cookies_.verify_mac1(last_handshake_)) return {};
    return copy_of(bytes_of(
        cookies_.make_reply(last_handshake_, load_le32(&last_handshake_[4]), kOtherAddress, now.boot, random_)));
  }

  /// A data packet of a session, the newest first; nothing without one.
  Bytes seal(std::size_t age, std::optional<std::uint64_t> counter, ByteView inner) {
    if (age >= order_.size()) return {};
    Session& session = sessions_.at(order_[order_.size() - 1 - age]);
    DataHeader header;
    header.receiver_index = session.remote_index;
    header.counter = counter ? *counter : session.next_counter++;
    Bytes datagram = copy_of(bytes_of(header));
    datagram.resize(kDataHeaderSize + inner.size() + kTagSize);
    crypto::aead_seal(session.keys.sending, header.counter, {}, inner, MutableBytes(datagram).subspan(kDataHeaderSize));
    return datagram;
  }

  /// Takes what the gateway sent.
  void take(ByteView datagram, Moment now) {
    const auto type = classify(datagram);
    CHECK(type);
    switch (*type) {
      case MessageType::kHandshakeInitiation:
        initiation_ = read<HandshakeInitiation>(datagram);
        last_handshake_ = copy_of(datagram);
        break;
      case MessageType::kHandshakeResponse:
        last_handshake_ = copy_of(datagram);
        if (handshake_.consume_response(kAdversary, read<HandshakeResponse>(datagram))) begin_session();
        break;
      case MessageType::kCookieReply:
        macs_.consume(read<CookieReply>(datagram), now.boot);
        break;
      case MessageType::kData:
        open(datagram);
        break;
    }
  }

  /// Makes a changed handshake message pass for one of ours. From now on the gateway may believe what never was.
  void sign_again(MutableBytes message, Moment now) {
    macs_.add_macs(message, now.boot);
    forged_ = true;
  }

 private:
  struct Session {
    SessionKeys keys;
    std::uint32_t remote_index = 0;
    std::uint64_t next_counter = 0;
  };

  void begin_session() {
    auto keys = handshake_.derive_session_keys();
    CHECK(keys);
    sessions_.insert_or_assign(local_index_, Session{*keys, handshake_.remote_index()});
    order_.push_back(local_index_);
  }

  void open(ByteView datagram) {
    const auto session = sessions_.find(load_le32(datagram.data() + 4));
    // The gateway's session with an initiation that was changed on its way is with an index of nobody's.
    if (session == sessions_.end()) return;
    Bytes plaintext(datagram.size() - kMinDataMessageSize);
    const bool opened = crypto::aead_open(session->second.keys.receiving, load_le64(datagram.data() + 8), {},
                                          datagram.subspan(kDataHeaderSize), plaintext);
    CHECK(opened || forged_);
  }

  SeededRandom random_{4};
  Handshake handshake_;
  CookieGenerator macs_;
  CookieChecker cookies_;
  std::uint32_t local_index_ = 0;
  std::optional<HandshakeInitiation> initiation_;
  Bytes last_handshake_;
  std::map<std::uint32_t, Session> sessions_;  // by our index
  std::vector<std::uint32_t> order_;           // of their beginning
  bool forged_ = false;
};

class World {
 public:
  explicit World(Input input) : input_(input) {
    set_identity(0);
    add_peer();
    interface_.set_up(true, now(), actions_);
    collect();
  }

  void run() {
    for (int step = 0; step < kMaxSteps && !input_.empty(); ++step) take_step();
    flush();
  }

 private:
  enum class Step { kRaw, kInitiate, kRespond, kGiveCookie, kSeal, kReplay, kFlood, kSend, kWait, kConfigure, kCount };
  enum class Change {
    kAllowedIps,
    kRemovePeer,
    kAddPeer,
    kIdentity,
    kReplicas,
    kUpOrDown,
    kMtu,
    kForgetSources,
    kLook,
    kCount
  };

  Moment now() const { return {clock_.now(), clock_.wall_now()}; }

  void take_step() {
    const std::uint8_t step = input_.u8();
    const bool waits = (step & 0x80) != 0;  // for others of its batch
    switch (static_cast<Step>((step & 0x7f) % static_cast<int>(Step::kCount))) {
      case Step::kRaw:
        arrive(copy_of(input_.block()));
        break;
      case Step::kInitiate:
        arrive(tampered(adversary_->initiate(now())));
        break;
      case Step::kRespond:
        arrive(tampered(adversary_->respond(now())));
        break;
      case Step::kGiveCookie:
        arrive(tampered(adversary_->give_cookie(now())));
        break;
      case Step::kSeal:
        arrive(tampered(seal()));
        break;
      case Step::kReplay:
        arrive(tampered(arrived_before()));
        break;
      case Step::kFlood:
        flood();
        break;
      case Step::kSend:
        send();
        break;
      case Step::kWait:
        wait();
        break;
      case Step::kConfigure:
        flush();
        change();
        break;
      case Step::kCount:
        CHECK(false);
    }
    if (!waits || batch_.size() >= kMaxBatch) flush();
  }

  // --- From the network ---

  Bytes seal() {
    const std::uint8_t how = input_.u8();
    // Near the ends of what counters there are, or the next.
    constexpr std::array<std::uint64_t, 4> kBases = {0, 1ull << 60, UINT64_MAX - (1ull << 13), UINT64_MAX};
    std::optional<std::uint64_t> counter;
    if ((how & 4) != 0)
      counter = kBases[how >> 6] + static_cast<std::uint64_t>(input_.u16()) - ((how & 8) != 0 ? 9000 : 0);
    return adversary_->seal(how & 3, counter, input_.block());
  }

  Bytes arrived_before() {
    const std::uint8_t age = input_.u8();
    return age < history_.size() ? history_[history_.size() - 1 - age] : Bytes();
  }

  Bytes tampered(Bytes datagram) {
    const std::uint8_t how = input_.u8();
    for (int i = 0; i < (how & 3) && !datagram.empty(); ++i) {
      const std::size_t position = input_.u16() % datagram.size();
      datagram[position] ^= input_.u8();
    }
    if ((how & 4) != 0) datagram.resize(input_.u8());
    const auto type = classify(datagram);
    const bool has_macs = type == MessageType::kHandshakeInitiation || type == MessageType::kHandshakeResponse;
    if ((how & 8) != 0 && has_macs) adversary_->sign_again(datagram, now());
    return datagram;
  }

  void arrive(Bytes datagram) {
    if (datagram.empty()) return;
    history_.push_back(datagram);
    batch_.push_back(std::move(datagram));
  }

  // More handshakes than a gateway takes that is not under load.
  void flood() {
    const Bytes datagram = tampered(arrived_before());
    flush();
    if (!datagram.empty()) batch_.assign(kUnderLoadQueueLength + 1, datagram);
  }

  void flush() {
    const std::uint8_t traffic_class = batch_.empty() ? 0 : input_.u8();
    const Path path{(traffic_class & 4) != 0 ? kOtherAddress : kAdversaryAddress, {}, 0};
    std::vector<InboundDatagram> datagrams;
    for (Bytes& bytes : batch_)
      datagrams.push_back({.bytes = bytes, .path = &path, .traffic_class = traffic_class, .inner = {}});
    const std::vector<Bytes> sealed = batch_;
    interface_.receive(datagrams, now(), aead_, actions_);
    for (std::size_t i = 0; i < datagrams.size(); ++i) check_arrival(datagrams[i], sealed[i]);
    batch_.clear();
    collect();
    while (interface_.process_handshakes(kMaxBatch, now(), actions_) > 0) collect();
    collect();
    expire();
  }

  void check_arrival(const InboundDatagram& datagram, const Bytes& sealed) {
    const bool accepted = datagram.verdict == InVerdict::kDeliver || datagram.verdict == InVerdict::kKeepalive;
    if (accepted) CHECK(accepted_.insert(sealed).second);
    if (datagram.verdict != InVerdict::kDeliver) return;
    CHECK(datagram.inner.data() == datagram.bytes.data() + kDataHeaderSize);
    CHECK(datagram.inner.size() <= datagram.bytes.size() - kMinDataMessageSize);
    CHECK(inner_length(datagram.inner) == datagram.inner.size());
  }

  // --- From the tunnel device ---

  void send() {
    const ByteView inner = input_.block();
    Bytes buffer(kSealHeadroom + inner.size() + kSealTailroom);
    std::copy(inner.begin(), inner.end(), buffer.begin() + kSealHeadroom);
    OutboundPacket packet;
    packet.inner = MutableBytes(buffer).subspan(kSealHeadroom, inner.size());
    interface_.send({&packet, 1}, now(), aead_, actions_);
    if (packet.verdict == OutVerdict::kSend) {
      CHECK(packet.datagram.data() == buffer.data());
      CHECK(packet.datagram.size() <= buffer.size());
      CHECK(packet.datagram.size() >= kMinDataMessageSize + inner.size());
      adversary_->take(packet.datagram, now());
    } else if (packet.verdict == OutVerdict::kDropped) {
      const Bytes dropped = copy_of(inner);
      std::array<std::uint8_t, engine::kMaxIcmpBytes> answer;
      CHECK(engine::build_unreachable(dropped, answer) <= answer.size());
    }
    collect();
    expire();
  }

  // --- Time and configuration ---

  void wait() {
    constexpr std::array<std::chrono::milliseconds, 4> kUnits = {
        std::chrono::milliseconds(1), std::chrono::milliseconds(20), std::chrono::seconds(1), std::chrono::seconds(10)};
    const std::uint8_t how = input_.u8();
    clock_.advance(kUnits[how & 3] * (how >> 2));
    expire();
  }

  void expire() {
    while (interface_.next_deadline() <= now().boot) {
      interface_.expire(now(), actions_);
      collect();
    }
    CHECK(interface_.session_count() <= kMaxSessionsPerPeer);
  }

  void change() {
    switch (static_cast<Change>(input_.u8() % static_cast<int>(Change::kCount))) {
      case Change::kAllowedIps:
        return change_allowed_ips();
      case Change::kRemovePeer:
        return configure_peer({.public_key = kAdversary.public_key, .remove = true});
      case Change::kAddPeer:
        return add_peer();
      case Change::kIdentity:
        return set_identity(input_.u8() % kGateways.size());
      case Change::kReplicas:
        return configure({.has_replicas = input_.flag()});
      case Change::kUpOrDown:
        interface_.set_up(input_.flag(), now(), actions_);
        return collect();
      case Change::kMtu:
        return interface_.set_mtu(input_.u16());
      case Change::kForgetSources:
        return interface_.forget_sources();
      case Change::kLook:
        CHECK(interface_.snapshot().peers.size() <= 1);
        CHECK(interface_.take_learned_endpoints().size() <= 1);
        return;
      case Change::kCount:
        CHECK(false);
    }
  }

  void set_identity(std::size_t index) {
    configure({.private_key = kGateways[index].private_key});
    adversary_.emplace(kGateways[index]);
    collect();
  }

  void add_peer() {
    const std::uint8_t how = input_.u8();
    PeerUpdate peer{.public_key = kAdversary.public_key, .preshared_key = kPresharedKey};
    if ((how & 1) != 0) peer.endpoint = kAdversaryAddress;
    peer.endpoint_is_learned = (how & 2) != 0;
    if ((how & 4) != 0) peer.persistent_keepalive_s = input_.u8();
    peer.allowed_ips = {{*IpPrefix::parse("10.0.0.2/32")}, {*IpPrefix::parse("fd00::2/128")}};
    configure_peer(std::move(peer));
  }

  void change_allowed_ips() {
    const std::uint8_t how = input_.u8();
    PeerUpdate peer{.public_key = kAdversary.public_key, .replace_allowed_ips = (how & 1) != 0};
    std::array<std::uint8_t, 16> address{};
    const ByteView bytes = input_.take((how & 2) != 0 ? 16 : 4);
    std::copy(bytes.begin(), bytes.end(), address.begin());
    const IpAddress parsed =
        (how & 2) != 0 ? IpAddress::v6_from_bytes(address.data()) : IpAddress::v4_from_bytes(address.data());
    const auto length = static_cast<std::uint8_t>(input_.u8() % (parsed.bit_count() + 1));
    peer.allowed_ips.push_back({IpPrefix{parsed, length}.masked(), (how & 4) != 0});
    configure_peer(std::move(peer));
  }

  void configure_peer(PeerUpdate peer) {
    InterfaceUpdate update;
    update.peers.push_back(std::move(peer));
    configure(update);
  }

  void configure(const InterfaceUpdate& update) {
    CHECK(interface_.configure(update, now(), actions_));
    collect();
  }

  // What the interface sends of its own reaches the peer.
  void collect() {
    for (std::size_t i = 0; i < actions_.datagram_count() && adversary_; ++i) {
      adversary_->take(copy_of(actions_.datagram(i).bytes), now());
    }
    actions_.clear();
  }

  Input input_;
  ManualClock clock_;
  SeededRandom random_{5};
  crypto::Aead aead_;
  Actions actions_;
  Interface interface_{random_};
  std::optional<Adversary> adversary_;
  std::vector<Bytes> batch_;    // of what comes next
  std::vector<Bytes> history_;  // of what came, and comes next
  std::set<Bytes> accepted_;
};

}  // namespace
}  // namespace vpn::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  vpn::fuzz::World(vpn::fuzz::Input({data, size})).run();
  return 0;
}
