#include "engine/protocol/noise.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace vpn::engine::protocol {
namespace {

using namespace std::chrono_literals;

/// Two sides, and the steps between them.
class NoiseTest : public testing::Test {
 protected:
  StaticIdentity identity() {
    const PrivateKey key = crypto::generate_private_key(random);
    return {key, crypto::derive_public_key(key)};
  }
  PrivateKey ephemeral() { return crypto::generate_private_key(random); }
  Tai64n stamp(int number) { return Tai64n::from(WallTime(std::chrono::seconds(1'700'000'000 + number))); }

  HandshakeInitiation initiate(int time = 1) {
    HandshakeInitiation message;
    EXPECT_TRUE(to_responder.create_initiation(initiator, ephemeral(), stamp(time), 11, message));
    return message;
  }
  DropReason accept(const HandshakeInitiation& message, Instant now = Instant(1h)) {
    auto opened = OpenedInitiation::open(responder, message);
    return opened ? std::move(*opened).accept(responder, message, to_initiator, now) : DropReason::kInvalidHandshake;
  }
  HandshakeResponse respond() {
    HandshakeResponse message;
    EXPECT_TRUE(to_initiator.create_response(ephemeral(), 22, message));
    return message;
  }

  SeededRandom random{5};
  StaticIdentity initiator = identity();
  StaticIdentity responder = identity();
  Handshake to_responder{responder.public_key};
  Handshake to_initiator{initiator.public_key};
};

TEST_F(NoiseTest, BothSidesDeriveTheSameKeysOnce) {
  ASSERT_EQ(accept(initiate()), DropReason::kNone);
  ASSERT_TRUE(to_responder.consume_response(initiator, respond()));
  EXPECT_EQ(to_responder.remote_index(), 22u);
  EXPECT_EQ(to_initiator.remote_index(), 11u);
  const auto ours = to_responder.derive_session_keys();
  const auto theirs = to_initiator.derive_session_keys();
  ASSERT_TRUE(ours && theirs);
  EXPECT_EQ(ours->sending, theirs->receiving);
  EXPECT_EQ(ours->receiving, theirs->sending);
  EXPECT_FALSE(ours->sending == ours->receiving);
  EXPECT_FALSE(to_responder.derive_session_keys());
  EXPECT_EQ(to_responder.state(), Handshake::State::kZeroed);
}

TEST_F(NoiseTest, ResponseCountsOnlyAfterAnInitiation) {
  ASSERT_EQ(accept(initiate()), DropReason::kNone);
  const HandshakeResponse response = respond();
  Handshake never_began(responder.public_key);
  EXPECT_FALSE(never_began.consume_response(initiator, response));
  ASSERT_TRUE(to_responder.consume_response(initiator, response));
  EXPECT_FALSE(to_responder.consume_response(initiator, response));
}

TEST_F(NoiseTest, ResponseIsCreatedOnlyAfterAnInitiation) {
  HandshakeResponse message;
  EXPECT_FALSE(to_initiator.create_response(ephemeral(), 1, message));
  initiate();
  EXPECT_FALSE(to_responder.create_response(ephemeral(), 1, message));
}

TEST_F(NoiseTest, TimestampMustGrow) {
  ASSERT_EQ(accept(initiate(5), Instant(1h)), DropReason::kNone);
  EXPECT_EQ(accept(initiate(5), Instant(2h)), DropReason::kReplayedInitiation);
  EXPECT_EQ(accept(initiate(4), Instant(2h)), DropReason::kReplayedInitiation);
  to_initiator.clear();  // a wiped handshake still knows the newest time
  EXPECT_EQ(accept(initiate(5), Instant(2h)), DropReason::kReplayedInitiation);
  EXPECT_EQ(accept(initiate(6), Instant(2h)), DropReason::kNone);
}

TEST_F(NoiseTest, AtMostFiftyInitiationsASecond) {
  ASSERT_EQ(accept(initiate(1), Instant(1h)), DropReason::kNone);
  EXPECT_EQ(accept(initiate(2), Instant(1h + 19ms)), DropReason::kInitiationFlood);
  EXPECT_EQ(accept(initiate(3), Instant(1h + 20ms)), DropReason::kNone);
}

TEST_F(NoiseTest, DifferentPresharedKeysDoNotMeet) {
  PresharedKey key;
  random.fill(key.reveal_mutable());
  to_initiator.set_preshared_key(key);
  ASSERT_EQ(accept(initiate()), DropReason::kNone);
  const HandshakeResponse response = respond();
  EXPECT_FALSE(to_responder.consume_response(initiator, response));
  to_responder.set_preshared_key(key);  // and the failed try has changed nothing
  EXPECT_TRUE(to_responder.consume_response(initiator, response));
}

TEST_F(NoiseTest, LowOrderPointsAbort) {
  // 0, 1 and p - 1 (RFC 7748 section 6.1: their shared secret is zero).
  std::array<PublicKey, 3> points{};
  points[1].bytes[0] = 1;
  points[2].bytes.fill(0xff);
  points[2].bytes[0] = 0xec;
  points[2].bytes[31] = 0x7f;
  for (const PublicKey& point : points) {
    Handshake to_low_order(point);
    HandshakeInitiation message;
    EXPECT_FALSE(to_low_order.create_initiation(initiator, ephemeral(), stamp(1), 1, message));
    HandshakeInitiation low_ephemeral = initiate();
    low_ephemeral.ephemeral = point.bytes;
    EXPECT_FALSE(OpenedInitiation::open(responder, low_ephemeral));
  }
  ASSERT_EQ(accept(initiate()), DropReason::kNone);
  HandshakeResponse response = respond();
  response.ephemeral = points[1].bytes;
  EXPECT_FALSE(to_responder.consume_response(initiator, response));
}

TEST_F(NoiseTest, EveryFlippedBitOfEitherMessageIsRefused) {
  const HandshakeInitiation initiation = initiate();
  const std::size_t proved = sizeof initiation - 2 * crypto::kMacSize;
  for (std::size_t byte = 8; byte < proved;
       ++byte) {  // type and sender's index are proved by mac1, which is cookie.h's
    HandshakeInitiation flipped = initiation;
    mutable_bytes_of(flipped)[byte] ^= 0x10;
    EXPECT_NE(accept(flipped), DropReason::kNone) << byte;
  }
  ASSERT_EQ(accept(initiation), DropReason::kNone);
  const HandshakeResponse response = respond();
  for (std::size_t byte = 12; byte < sizeof response - 2 * crypto::kMacSize; ++byte) {
    HandshakeResponse flipped = response;
    mutable_bytes_of(flipped)[byte] ^= 0x10;
    EXPECT_FALSE(to_responder.consume_response(initiator, flipped)) << byte;
  }
  EXPECT_TRUE(to_responder.consume_response(initiator, response));
}

TEST_F(NoiseTest, NewIdentityForgetsTheOldSecrets) {
  ASSERT_EQ(accept(initiate(1)), DropReason::kNone);
  const StaticIdentity other = identity();
  to_responder.forget_identity();
  EXPECT_EQ(to_responder.state(), Handshake::State::kZeroed);
  HandshakeInitiation message;
  ASSERT_TRUE(to_responder.create_initiation(other, ephemeral(), stamp(9), 1, message));
  const auto opened = OpenedInitiation::open(responder, message);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->remote_static(), other.public_key);
  Handshake to_other(other.public_key);
  EXPECT_EQ(OpenedInitiation(*opened).accept(responder, message, to_other, Instant(1h)), DropReason::kNone);
}

}  // namespace
}  // namespace vpn::engine::protocol
