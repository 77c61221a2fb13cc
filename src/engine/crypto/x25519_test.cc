#include "engine/crypto/x25519.h"

#include <utility>

#include "engine/crypto/test_bytes.h"

namespace vpn::engine::crypto {
namespace {

PublicKey public_from_hex(std::string_view text) {
  return PublicKey{array_from_hex<32>(text)};
}

std::string shared_hex(std::string_view scalar, std::string_view u) {
  SharedSecret shared;
  EXPECT_TRUE(x25519(shared, secret_from_hex<PrivateKey>(scalar), public_from_hex(u)));
  return reveal_hex(shared);
}

TEST(X25519, GivesTheVectorsOfRfc7748Section5) {
  EXPECT_EQ(shared_hex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
                       "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"),
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
  EXPECT_EQ(shared_hex("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
                       "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493"),
            "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957");
}

TEST(X25519, GivesTheIterationsOfRfc7748Section5) {
  auto k = array_from_hex<32>("0900000000000000000000000000000000000000000000000000000000000000");
  auto u = k;
  for (int i = 1; i <= 1000; ++i) {
    SharedSecret shared;
    ASSERT_TRUE(x25519(shared, PrivateKey(k), PublicKey{u}));
    u = std::exchange(k, array_from_hex<32>(reveal_hex(shared)));
    if (i == 1) {
      ASSERT_EQ(hex_encode(k), "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
    }
  }
  EXPECT_EQ(hex_encode(k), "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
}

TEST(X25519, GivesTheExchangeOfRfc7748Section6) {
  constexpr std::string_view kAlicePrivate = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a";
  constexpr std::string_view kAlicePublic = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";
  constexpr std::string_view kBobPrivate = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb";
  constexpr std::string_view kBobPublic = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f";
  constexpr std::string_view kShared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
  EXPECT_EQ(hex_encode(derive_public_key(secret_from_hex<PrivateKey>(kAlicePrivate)).bytes), kAlicePublic);
  EXPECT_EQ(hex_encode(derive_public_key(secret_from_hex<PrivateKey>(kBobPrivate)).bytes), kBobPublic);
  EXPECT_EQ(shared_hex(kAlicePrivate, kBobPublic), kShared);
  EXPECT_EQ(shared_hex(kBobPrivate, kAlicePublic), kShared);
}

TEST(X25519, AgreesForBothSidesOfRandomKeys) {
  SeededRandom random(5);
  for (int i = 0; i < 20; ++i) {
    const PrivateKey a = generate_private_key(random);
    const PrivateKey b = generate_private_key(random);
    SharedSecret of_a;
    SharedSecret of_b;
    ASSERT_TRUE(x25519(of_a, a, derive_public_key(b)));
    ASSERT_TRUE(x25519(of_b, b, derive_public_key(a)));
    EXPECT_TRUE(of_a == of_b);
  }
}

TEST(X25519, ClampsAPrivateKeyThatIsNot) {
  const auto loose = secret_from_hex<PrivateKey>("ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff");
  const auto clamped = secret_from_hex<PrivateKey>("f8ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f");
  EXPECT_EQ(derive_public_key(loose), derive_public_key(clamped));
}

TEST(GeneratePrivateKey, IsClampedAndNewEachTime) {
  SeededRandom random(6);
  const PrivateKey first = generate_private_key(random);
  const PrivateKey second = generate_private_key(random);
  EXPECT_FALSE(first == second);
  for (const PrivateKey* key : {&first, &second}) {
    EXPECT_EQ(key->reveal()[0] & 7, 0);
    EXPECT_EQ(key->reveal()[31] & 0xc0, 0x40);
  }
}

// The points whose order divides 8, on the curve and on its twist, with their other spellings; each follows from its
// order.
constexpr std::string_view kLowOrderPoints[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
};

TEST(X25519, RefusesLowOrderPointsAndLeavesNothing) {
  SeededRandom random(7);
  const PrivateKey key = generate_private_key(random);
  for (const std::string_view point : kLowOrderPoints) {
    PublicKey peer = public_from_hex(point);
    for (const bool high_bit : {false, true}) {
      if (high_bit) peer.bytes[31] |= 0x80;  // which X25519 ignores
      SharedSecret shared = secret_from_hex<SharedSecret>(kLowOrderPoints[2]);
      EXPECT_FALSE(x25519(shared, key, peer)) << point;
      EXPECT_TRUE(shared.is_zero()) << point;
      EXPECT_TRUE(is_low_order(peer)) << point;
    }
  }
}

TEST(IsLowOrder, AgreesWithX25519OneBitAway) {
  SeededRandom random(9);
  const PrivateKey key = generate_private_key(random);
  for (const std::string_view point : kLowOrderPoints) {
    for (std::size_t bit = 0; bit < 256; ++bit) {
      PublicKey peer = public_from_hex(point);
      peer.bytes[bit / 8] = static_cast<std::uint8_t>(peer.bytes[bit / 8] ^ (1u << bit % 8));
      SharedSecret shared;
      EXPECT_EQ(is_low_order(peer), !x25519(shared, key, peer)) << point << " bit " << bit;
    }
  }
}

TEST(IsLowOrder, LetsOrdinaryKeysPass) {
  SeededRandom random(8);
  for (int i = 0; i < 20; ++i) {
    EXPECT_FALSE(is_low_order(derive_public_key(generate_private_key(random))));
    PublicKey any;  // half of these are on the twist
    random.fill(any.bytes);
    EXPECT_FALSE(is_low_order(any));
  }
}

}  // namespace
}  // namespace vpn::engine::crypto
