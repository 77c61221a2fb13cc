#include "engine/crypto/aead.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "engine/crypto/aead_engine.h"

namespace vpn::engine::crypto {
namespace {

using MakeEngine = std::unique_ptr<AeadEngine> (*)();

/// Seals a batch of many sizes as the one-by-one calls do, and opens it again.
bool agrees_with_openssl(AeadEngine& engine) {
  constexpr std::array<std::size_t, 20> kSizes = {0,   1,   15,  16,  17,   63,   64,   65,   100,  400,
                                                  511, 512, 513, 900, 1300, 1416, 1419, 1420, 1424, 2000};
  AeadKey key;
  std::ranges::fill(key.reveal_mutable(), std::uint8_t{0xc5});
  std::vector<std::vector<std::uint8_t>> expected, packets;
  for (const std::size_t size : kSizes) {
    packets.emplace_back(size + kAeadTagSize, static_cast<std::uint8_t>(size));
    aead_seal(key, UINT64_MAX - size, {}, ByteView(packets.back()).first(size), expected.emplace_back(packets.back()));
  }
  std::vector<SealJob> seals;
  std::vector<OpenJob> opens;
  for (std::size_t i = 0; i < packets.size(); ++i) {
    seals.push_back({&key, UINT64_MAX - kSizes[i], packets[i]});
    opens.push_back({&key, UINT64_MAX - kSizes[i], packets[i]});
  }
  engine.seal(seals);
  if (packets != expected) return false;
  engine.open(opens);
  return std::ranges::all_of(opens, &OpenJob::ok);
}

/// The fastest that the processor has, if it does here what it shall: a processor or an emulator that claims more than
/// it can do must cost speed, not packets.
MakeEngine choose_engine() {
  for (const MakeEngine make : {make_avx512_engine, make_avx2_engine, make_ipsec_mb_engine}) {
    const auto engine = make();
    if (engine && agrees_with_openssl(*engine)) return make;
  }
  return make_openssl_engine;
}

std::unique_ptr<AeadEngine> make_engine() {
  static const MakeEngine make = choose_engine();  // for all workers; the processor stays the same
  return make();
}

void quarter_round(std::uint32_t& a, std::uint32_t& b, std::uint32_t& c, std::uint32_t& d) {
  a += b, d = std::rotl(d ^ a, 16);
  c += d, b = std::rotl(b ^ c, 12);
  a += b, d = std::rotl(d ^ a, 8);
  c += d, b = std::rotl(b ^ c, 7);
}

/// HChaCha20 (draft-irtf-cfrg-xchacha-03, section 2.2) of the nonce's first 16 bytes.
AeadKey hchacha20(const AeadKey& key, const XAeadNonce& nonce) {
  std::array<std::uint32_t, 16> state = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
  for (std::size_t i = 0; i < 8; ++i) state[4 + i] = load_le32(key.reveal().data() + 4 * i);
  for (std::size_t i = 0; i < 4; ++i) state[12 + i] = load_le32(nonce.data() + 4 * i);
  for (int double_round = 0; double_round < 10; ++double_round) {
    for (std::size_t i = 0; i < 4; ++i) quarter_round(state[i], state[4 + i], state[8 + i], state[12 + i]);
    for (std::size_t i = 0; i < 4; ++i) {
      quarter_round(state[i], state[4 + (i + 1) % 4], state[8 + (i + 2) % 4], state[12 + (i + 3) % 4]);
    }
  }
  AeadKey subkey;
  const auto out = subkey.reveal_mutable();
  for (std::size_t i = 0; i < 4; ++i) {
    store_le32(out.data() + 4 * i, state[i]);
    store_le32(out.data() + 16 + 4 * i, state[12 + i]);
  }
  wipe(state.data(), sizeof state);
  return subkey;
}

/// What HChaCha20 leaves of the nonce takes the counter's place (section 2.3).
std::uint64_t nonce_tail(const XAeadNonce& nonce) {
  return load_le64(nonce.data() + 16);
}

}  // namespace

Aead::Aead() : engine_(make_engine()) {}
Aead::~Aead() = default;
const char* Aead::name() const {
  return engine_->name();
}
void Aead::seal(std::span<const SealJob> jobs) {
  engine_->seal(jobs);
}
void Aead::open(std::span<OpenJob> jobs) {
  engine_->open(jobs);
}

void xaead_seal(const AeadKey& key, const XAeadNonce& nonce, ByteView aad, ByteView plaintext, MutableBytes sealed) {
  aead_seal(hchacha20(key, nonce), nonce_tail(nonce), aad, plaintext, sealed);
}

bool xaead_open(const AeadKey& key, const XAeadNonce& nonce, ByteView aad, ByteView sealed, MutableBytes plaintext) {
  return aead_open(hchacha20(key, nonce), nonce_tail(nonce), aad, sealed, plaintext);
}

}  // namespace vpn::engine::crypto
