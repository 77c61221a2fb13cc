#include "engine/crypto/blake2s.h"

#include <vector>

#include "engine/crypto/test_bytes.h"

namespace vpn::engine::crypto {
namespace {

std::vector<std::uint8_t> hash_of(std::size_t digest_size, ByteView key, ByteView input) {
  std::vector<std::uint8_t> digest(digest_size);
  Blake2s(digest_size, key).update(input).finish(digest);
  return digest;
}

/// The deterministic input of RFC 7693, appendix E.
std::vector<std::uint8_t> self_test_sequence(std::size_t size) {
  std::vector<std::uint8_t> bytes(size);
  std::uint32_t a = 0xdead4bad * static_cast<std::uint32_t>(size);
  std::uint32_t b = 1;
  for (std::uint8_t& byte : bytes) {
    const std::uint32_t t = a + b;
    a = b;
    b = t;
    byte = static_cast<std::uint8_t>(t >> 24);
  }
  return bytes;
}

TEST(Blake2s, HashesAbcAsRfc7693AppendixB) {
  EXPECT_EQ(hex_encode(blake2s(as_bytes("abc"))), "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982");
}

TEST(Blake2s, PassesTheSelfTestOfRfc7693AppendixE) {
  Blake2s all;
  for (const std::size_t digest_size : {16u, 20u, 28u, 32u}) {
    for (const std::size_t input_size : {0u, 3u, 64u, 65u, 255u, 1024u}) {
      const auto input = self_test_sequence(input_size);
      all.update(hash_of(digest_size, {}, input));
      all.update(hash_of(digest_size, self_test_sequence(digest_size), input));
    }
  }
  Hash digest;
  all.finish(digest);
  EXPECT_EQ(hex_encode(digest), "6a411f08ce25adcdfb02aba641451cec53c598b24f4fc787fbdc88797f4c1dfe");
}

TEST(Blake2s, DoesNotDependOnHowTheInputIsCut) {
  const auto input = counting_bytes(200);
  const auto whole = hash_of(32, {}, input);
  for (std::size_t cut = 0; cut <= input.size(); ++cut) {
    Hash digest;
    Blake2s().update(ByteView(input).first(cut)).update(ByteView(input).subspan(cut)).finish(digest);
    ASSERT_EQ(hex_encode(digest), hex_encode(whole)) << cut;
    ASSERT_EQ(blake2s(ByteView(input).first(cut), ByteView(input).subspan(cut)), digest) << cut;
  }
}

// The next three were made with Python's hashlib and hmac.

TEST(Blake2sMac, IsKeyedBlake2sOf16Bytes) {
  EXPECT_EQ(hex_encode(blake2s_mac(counting_bytes(32), as_bytes("abc"))), "61ba5f165c194692e09d12520cc4c74a");
  EXPECT_EQ(hex_encode(blake2s_mac(counting_bytes(16), as_bytes("abc"))), "75296c2d2c0f51210b383f386bc8b1ff");
}

TEST(HmacBlake2s, IsHmacAndNotKeyedBlake2s) {
  EXPECT_EQ(hex_encode(hmac_blake2s(as_bytes("Jefe"), as_bytes("what do ya want for nothing?"))),
            "90b6281e2f3038c9056af0b4a7e763cae6fe5d9eb4386a0ec95237890c104ff0");
}

TEST(HmacBlake2s, JoinsItsTwoInputs) {
  EXPECT_EQ(hmac_blake2s(as_bytes("key"), as_bytes("one"), as_bytes("two")),
            hmac_blake2s(as_bytes("key"), as_bytes("onetwo")));
}

}  // namespace
}  // namespace vpn::engine::crypto
