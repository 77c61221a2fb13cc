#include "engine/crypto/kdf.h"

#include "engine/crypto/test_bytes.h"

namespace vpn::engine::crypto {
namespace {

// Made with Python's hmac over hashlib.blake2s: chaining key 00 01 .. 1f, input "input key material".
constexpr std::string_view kFirst = "93e2a65883e34ac95485f5d0aa4b09163a4e944dab8cf9406d3a138e362851c6";
constexpr std::string_view kSecond = "dd6fae42afdb2a41170f44dc5b885ec4cfd17c8dd324d38b390c548630dd0a83";
constexpr std::string_view kThird = "4125e0adfa9b7e736615e99dde6f3f0b64b949d8b480e82cab2e685dc286e45d";

class Kdf : public testing::Test {
 protected:
  Secret<32> chaining_key_ = secret_from_hex<Secret<32>>(hex_encode(counting_bytes(32)));
  ByteView input_ = as_bytes("input key material");
  Secret<32> first_;
  Secret<32> second_;
  Secret<32> third_;
};

TEST_F(Kdf, GivesOneTwoOrThreeOutputsOfOneChain) {
  kdf1(first_, chaining_key_, input_);
  EXPECT_EQ(reveal_hex(first_), kFirst);

  kdf2(first_, second_, chaining_key_, input_);
  EXPECT_EQ(reveal_hex(first_), kFirst);
  EXPECT_EQ(reveal_hex(second_), kSecond);

  kdf3(first_, second_, third_, chaining_key_, input_);
  EXPECT_EQ(reveal_hex(first_), kFirst);
  EXPECT_EQ(reveal_hex(second_), kSecond);
  EXPECT_EQ(reveal_hex(third_), kThird);
}

TEST_F(Kdf, MayOverwriteTheChainingKey) {
  kdf2(chaining_key_, second_, chaining_key_, input_);
  EXPECT_EQ(reveal_hex(chaining_key_), kFirst);
  EXPECT_EQ(reveal_hex(second_), kSecond);
}

TEST_F(Kdf, MayOverwriteTheInput) {
  Secret<32> secret = chaining_key_;
  kdf2(first_, second_, chaining_key_, secret.reveal());
  kdf2(secret, third_, chaining_key_, secret.reveal());
  EXPECT_EQ(reveal_hex(secret), reveal_hex(first_));
  EXPECT_EQ(reveal_hex(third_), reveal_hex(second_));
}

}  // namespace
}  // namespace vpn::engine::crypto
