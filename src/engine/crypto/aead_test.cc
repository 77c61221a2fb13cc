#include "engine/crypto/aead.h"

#include <vector>

#include "base/random.h"
#include "engine/crypto/test_bytes.h"

namespace vpn::engine::crypto {
namespace {

// RFC 8439, appendix A.5: its nonce has the four leading zeros that WireGuard's have.
constexpr std::string_view kRfcKey = "1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0";
constexpr std::uint64_t kRfcCounter = 0x0807060504030201;
constexpr std::string_view kRfcAad = "f33388860000000000004e91";
constexpr std::string_view kRfcPlaintext =
    "Internet-Drafts are draft documents valid for a maximum of six months and may be updated, replaced, or obsoleted "
    "by "
    "other documents at any time. It is inappropriate to use Internet-Drafts as reference material or to cite them "
    "other "
    "than as /\xe2\x80\x9cwork in progress./\xe2\x80\x9d";
constexpr std::string_view kRfcSealed =
    "64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb24c6cfc18755d43eea09ee94e382d26b0bdb7"
    "b73c321b0100d4f03b7f355894cf332f830e710b97ce98c8a84abd0b948114ad176e008d33bd60f982b1ff37c8559797a06e"
    "f4f0ef61c186324e2b3506383606907b6a7c02b0f9f6157b53c867e4b9166c767b804d46a59b5216cde7a4e99040c5a40433"
    "225ee282a1b0a06c523eaf4534d7f83fa1155b0047718cbc546a0d072b04b3564eea1b422273f548271a0bb2316053fa7699"
    "1955ebd63159434ecebb4e466dae5a1073a6727627097a1049e617d91d361094fa68f0ff77987130305beaba2eda04df997b"
    "714d6c6f2c29a6ad5cb4022b02709beead9d67890cbb22392336fea1851f38";

// draft-irtf-cfrg-xchacha-03, appendix A.3.1.
constexpr std::string_view kDraftKey = "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f";
constexpr std::string_view kDraftNonce = "404142434445464748494a4b4c4d4e4f5051525354555657";
constexpr std::string_view kDraftAad = "50515253c0c1c2c3c4c5c6c7";
constexpr std::string_view kDraftPlaintext =
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be "
    "it.";
constexpr std::string_view kDraftSealed =
    "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216"
    "cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff921f9664c97637da9768812f615c68b13"
    "b52ec0875924c1c7987947deafd8780acf49";

std::vector<std::uint8_t> random_bytes(Random& random, std::size_t size) {
  std::vector<std::uint8_t> bytes(size);
  random.fill(bytes);
  return bytes;
}

AeadKey random_key(Random& random) {
  AeadKey key;
  random.fill(key.reveal_mutable());
  return key;
}

TEST(AeadSeal, GivesTheCiphertextOfRfc8439) {
  std::vector<std::uint8_t> sealed(kRfcPlaintext.size() + kAeadTagSize);
  aead_seal(secret_from_hex<AeadKey>(kRfcKey), kRfcCounter, from_hex(kRfcAad), as_bytes(kRfcPlaintext), sealed);
  EXPECT_EQ(hex_encode(sealed), kRfcSealed);
}

TEST(AeadOpen, GivesThePlaintextOfRfc8439) {
  std::vector<std::uint8_t> plaintext(kRfcPlaintext.size());
  EXPECT_TRUE(
      aead_open(secret_from_hex<AeadKey>(kRfcKey), kRfcCounter, from_hex(kRfcAad), from_hex(kRfcSealed), plaintext));
  EXPECT_EQ(hex_encode(plaintext), hex_encode(as_bytes(kRfcPlaintext)));
}

TEST(AeadOpen, RefusesEveryFlippedBitAndLeavesNoPlaintext) {
  const AeadKey key = secret_from_hex<AeadKey>(kRfcKey);
  const auto aad = from_hex(kRfcAad);
  const auto sealed = from_hex(kRfcSealed);
  const std::vector<std::uint8_t> zeros(kRfcPlaintext.size());
  std::vector<std::uint8_t> plaintext(kRfcPlaintext.size());
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    auto forged = sealed;
    forged[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
    plaintext.assign(plaintext.size(), 0xaa);
    ASSERT_FALSE(aead_open(key, kRfcCounter, aad, forged, plaintext)) << bit;
    ASSERT_EQ(plaintext, zeros) << bit;
  }
  EXPECT_FALSE(aead_open(key, kRfcCounter, {}, sealed, plaintext));
  EXPECT_FALSE(aead_open(key, kRfcCounter + 1, aad, sealed, plaintext));
}

TEST(AeadSeal, WorksInPlace) {
  SeededRandom random(1);
  const AeadKey key = random_key(random);
  const auto plaintext = random_bytes(random, 100);
  std::vector<std::uint8_t> apart(plaintext.size() + kAeadTagSize);
  aead_seal(key, 7, {}, plaintext, apart);
  auto in_place = plaintext;
  in_place.resize(apart.size());
  aead_seal(key, 7, {}, ByteView(in_place).first(plaintext.size()), in_place);
  EXPECT_EQ(in_place, apart);
  ASSERT_TRUE(aead_open(key, 7, {}, in_place, MutableBytes(in_place).first(plaintext.size())));
  EXPECT_TRUE(std::equal(plaintext.begin(), plaintext.end(), in_place.begin()));
}

TEST(XAead, SealsAndOpensTheVectorOfTheDraft) {
  const AeadKey key = secret_from_hex<AeadKey>(kDraftKey);
  const auto nonce = array_from_hex<24>(kDraftNonce);
  const auto aad = from_hex(kDraftAad);
  std::vector<std::uint8_t> sealed(kDraftPlaintext.size() + kAeadTagSize);
  xaead_seal(key, nonce, aad, as_bytes(kDraftPlaintext), sealed);
  EXPECT_EQ(hex_encode(sealed), kDraftSealed);

  std::vector<std::uint8_t> plaintext(kDraftPlaintext.size());
  EXPECT_TRUE(xaead_open(key, nonce, aad, sealed, plaintext));
  EXPECT_EQ(hex_encode(plaintext), hex_encode(as_bytes(kDraftPlaintext)));
}

TEST(XAead, RefusesAnotherNonceInEachByte) {
  const AeadKey key = secret_from_hex<AeadKey>(kDraftKey);
  std::vector<std::uint8_t> plaintext(kDraftPlaintext.size());
  for (std::size_t i = 0; i < 24; ++i) {
    auto nonce = array_from_hex<24>(kDraftNonce);
    nonce[i] ^= 1;
    EXPECT_FALSE(xaead_open(key, nonce, from_hex(kDraftAad), from_hex(kDraftSealed), plaintext)) << i;
  }
}

TEST(Aead, SealsWhatTheOracleOpens) {
  Aead aead;
  SeededRandom random(4);
  const AeadKey key = random_key(random);
  auto buffer = random_bytes(random, 1420 + kAeadTagSize);
  const auto plaintext = std::vector<std::uint8_t>(buffer.begin(), buffer.begin() + 1420);
  const SealJob seal{&key, UINT64_MAX, buffer};
  aead.seal({&seal, 1});
  std::vector<std::uint8_t> opened(1420);
  EXPECT_TRUE(aead_open(key, UINT64_MAX, {}, buffer, opened));
  EXPECT_EQ(opened, plaintext);
  OpenJob open{&key, UINT64_MAX, buffer};
  aead.open({&open, 1});
  EXPECT_TRUE(open.ok);
}

}  // namespace
}  // namespace vpn::engine::crypto
