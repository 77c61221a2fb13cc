#include "engine/protocol/cookie.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/encoding.h"
#include "engine/crypto/x25519.h"
#include "engine/protocol/constants.h"

namespace vpn::engine::protocol {
namespace {

using namespace std::chrono_literals;

class CookieTest : public testing::Test {
 protected:
  CookieTest() {
    checker_.set_public_key(responder_);
    random_.fill(message_);
    generator_.add_macs(message_, now_);
  }

  PublicKey random_public_key() {
    PublicKey key;
    random_.fill(key.bytes);
    return key;
  }

  CookieReply reply(const Endpoint& source) { return checker_.make_reply(message_, 0x12345678, source, now_, random_); }
  bool mac2_holds(const Endpoint& source) { return checker_.verify_mac2(message_, source, now_, random_); }
  ByteView mac2() const { return ByteView(message_).last(16); }
  /// The sender obtains a cookie for `source_` and writes its message anew.
  void exchange_cookie() {
    ASSERT_TRUE(generator_.consume(reply(source_), now_));
    generator_.add_macs(message_, now_);
  }

  SeededRandom random_{3};
  Instant now_{1h};
  PublicKey responder_ = random_public_key();
  CookieChecker checker_;
  CookieGenerator generator_{responder_};
  const Endpoint source_ = *Endpoint::parse("192.0.2.1:51820");
  std::vector<std::uint8_t> message_ = std::vector<std::uint8_t>(sizeof(HandshakeInitiation));
};

TEST_F(CookieTest, Mac1ProvesWhomTheMessageIsFor) {
  EXPECT_TRUE(checker_.verify_mac1(message_));
  CookieChecker other;
  other.set_public_key(random_public_key());
  EXPECT_FALSE(other.verify_mac1(message_));
}

TEST_F(CookieTest, Mac1CoversEveryBitBeforeIt) {
  const std::size_t bits = (message_.size() - 16) * 8;
  for (std::size_t bit = 0; bit < bits; ++bit) {
    auto changed = message_;
    changed[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
    ASSERT_FALSE(checker_.verify_mac1(changed)) << bit;
  }
}

TEST_F(CookieTest, Mac2IsZeroWithoutACookieAndProvesNothing) {
  EXPECT_TRUE(std::ranges::all_of(mac2(), [](std::uint8_t byte) { return byte == 0; }));
  EXPECT_FALSE(mac2_holds(source_));
}

TEST_F(CookieTest, ACookieProvesItsSourcesAddressAndPort) {
  exchange_cookie();
  EXPECT_TRUE(checker_.verify_mac1(message_));
  EXPECT_TRUE(mac2_holds(source_));
  EXPECT_FALSE(mac2_holds(*Endpoint::parse("192.0.2.1:51821")));
  EXPECT_FALSE(mac2_holds(*Endpoint::parse("192.0.2.2:51820")));
  EXPECT_FALSE(mac2_holds(*Endpoint::parse("[2001:db8::1]:51820")));
}

TEST_F(CookieTest, WorksOverIpv6AndForResponses) {
  message_.resize(sizeof(HandshakeResponse));
  generator_.add_macs(message_, now_);
  EXPECT_TRUE(checker_.verify_mac1(message_));
  const Endpoint source = *Endpoint::parse("[2001:db8::1]:51820");
  ASSERT_TRUE(generator_.consume(reply(source), now_));
  generator_.add_macs(message_, now_);
  EXPECT_TRUE(mac2_holds(source));
  EXPECT_FALSE(mac2_holds(*Endpoint::parse("[2001:db8::2]:51820")));
}

TEST_F(CookieTest, Mac2CoversMac1AndEveryBitBefore) {
  exchange_cookie();
  for (std::size_t bit = 0; bit < message_.size() * 8; bit += 5) {
    message_[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
    ASSERT_FALSE(mac2_holds(source_)) << bit;
    message_[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
  }
}

TEST_F(CookieTest, TheSenderUsesACookieForLessThan115Seconds) {
  exchange_cookie();
  now_ += 115s - 1ns;
  generator_.add_macs(message_, now_);
  EXPECT_TRUE(mac2_holds(source_));
  now_ += 1ns;
  generator_.add_macs(message_, now_);
  EXPECT_TRUE(std::ranges::all_of(mac2(), [](std::uint8_t byte) { return byte == 0; }));
}

TEST_F(CookieTest, TheSecretChangesAfter120Seconds) {
  exchange_cookie();
  now_ += 120s - 1ns;
  EXPECT_TRUE(mac2_holds(source_));
  now_ += 1ns;
  EXPECT_FALSE(mac2_holds(source_));
}

TEST_F(CookieTest, AnswersTheSendersIndex) {
  EXPECT_EQ(reply(source_).receiver_index, 0x12345678u);
  EXPECT_EQ(reply(source_).type, 3u);
  EXPECT_NE(reply(source_).nonce, reply(source_).nonce);
}

TEST_F(CookieTest, TakesAReplyOnceAndOnlyWhenOneIsAwaited) {
  CookieGenerator idle(responder_);
  EXPECT_FALSE(idle.consume(reply(source_), now_));

  EXPECT_TRUE(generator_.consume(reply(source_), now_));
  EXPECT_FALSE(generator_.consume(reply(source_), now_));
  generator_.add_macs(message_, now_);
  EXPECT_TRUE(generator_.consume(reply(source_), now_));
}

TEST_F(CookieTest, RefusesAReplyToAnEarlierMessage) {
  const CookieReply late = reply(source_);
  message_[20] ^= 1;
  generator_.add_macs(message_, now_);
  EXPECT_FALSE(generator_.consume(late, now_));
}

TEST_F(CookieTest, RefusesEveryFlippedBitOfTheSealAndStillTakesTheRealReply) {
  const CookieReply good = reply(source_);
  // The type and the index are not the cookie's to prove: the caller looks them up.
  for (std::size_t bit = 8 * 8; bit < sizeof(CookieReply) * 8; ++bit) {
    CookieReply forged = good;
    mutable_bytes_of(forged)[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
    ASSERT_FALSE(generator_.consume(forged, now_)) << bit;
  }
  EXPECT_TRUE(generator_.consume(good, now_));
}

TEST_F(CookieTest, AForgedReplyLeavesTheCookieThatWas) {
  exchange_cookie();
  CookieReply forged = reply(source_);
  forged.encrypted_cookie[0] ^= 1;
  EXPECT_FALSE(generator_.consume(forged, now_));
  generator_.add_macs(message_, now_);
  EXPECT_TRUE(mac2_holds(source_));
}

TEST_F(CookieTest, RefusesAReplyOfAnotherResponder) {
  CookieChecker other;
  other.set_public_key(random_public_key());
  EXPECT_FALSE(generator_.consume(other.make_reply(message_, 1, source_, now_, random_), now_));
}

TEST_F(CookieTest, IsSmallInEveryPeer) {
  EXPECT_LE(sizeof(CookieGenerator), 80u);
}

// Made with tests/interop/noise_ikpsk2.py (role cookie_reply): public key 00 01 .. 1f, message 00 01 .. 93,
// nonce 00 01 .. 17, secret 32 times 0xee, source 192.0.2.1 port 51820.
TEST(CookieVectors, AgreeWithTheIndependentImplementation) {
  class Script final : public Random {
   public:
    void fill(MutableBytes out) override {
      if (out.size() == 32) {
        std::ranges::fill(out, std::uint8_t{0xee});
      } else {
        for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::uint8_t>(i);
      }
    }
  } random;
  PublicKey key;
  for (std::size_t i = 0; i < key.bytes.size(); ++i) key.bytes[i] = static_cast<std::uint8_t>(i);
  std::vector<std::uint8_t> message(sizeof(HandshakeInitiation));
  for (std::size_t i = 0; i < message.size(); ++i) message[i] = static_cast<std::uint8_t>(i);
  CookieChecker checker;
  checker.set_public_key(key);
  const CookieReply reply =
      checker.make_reply(message, 0x07060504, *Endpoint::parse("192.0.2.1:51820"), Instant{1h}, random);
  EXPECT_EQ(hex_encode(bytes_of(reply)),
            "0300000004050607000102030405060708090a0b0c0d0e0f1011121314151617"
            "e4a52d8307993a5b5e848204206fc29f74b88a9331c3c90fe4ac65f93526a3fc");
}

}  // namespace
}  // namespace vpn::engine::protocol
