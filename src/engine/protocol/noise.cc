#include "engine/protocol/noise.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "engine/crypto/kdf.h"
#include "engine/protocol/constants.h"

namespace vpn::engine::protocol {
namespace {

constexpr std::string_view kConstruction = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
constexpr std::string_view kIdentifier = "WireGuard v1 zx2c4 Jason@zx2c4.com";

ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

using Secrets = HandshakeSecrets;

void mix_hash(Secrets& secrets, ByteView data) {
  secrets.hash = crypto::blake2s(secrets.hash, data);
}

/// C := HASH(construction), H := HASH(HASH(C || identifier) || responder's static key).
void init(Secrets& secrets, const PublicKey& responder_static) {
  const crypto::Hash chaining_key = crypto::blake2s(as_bytes(kConstruction));
  std::copy(chaining_key.begin(), chaining_key.end(), secrets.chaining_key.reveal_mutable().begin());
  secrets.hash = crypto::blake2s(chaining_key, as_bytes(kIdentifier));
  mix_hash(secrets, responder_static.bytes);
}

void mix_ephemeral(Secrets& secrets, const PublicKey& ephemeral) {
  mix_hash(secrets, ephemeral.bytes);
  crypto::kdf1(secrets.chaining_key, secrets.chaining_key, ephemeral.bytes);
}

void mix_secret(Secrets& secrets, crypto::AeadKey& key, const crypto::SharedSecret& shared) {
  crypto::kdf2(secrets.chaining_key, key, secrets.chaining_key, shared.reveal());
}

[[nodiscard]] bool mix_dh(Secrets& secrets, crypto::AeadKey& key, const PrivateKey& ours, const PublicKey& theirs) {
  crypto::SharedSecret shared;
  if (!crypto::x25519(shared, ours, theirs)) return false;
  mix_secret(secrets, key, shared);
  return true;
}

void mix_preshared_key(Secrets& secrets, crypto::AeadKey& key, const PresharedKey& preshared_key) {
  Secret<32> temporary;
  crypto::kdf3(secrets.chaining_key, temporary, key, secrets.chaining_key, preshared_key.reveal());
  mix_hash(secrets, temporary.reveal());
}

void seal_and_mix(Secrets& secrets, const crypto::AeadKey& key, ByteView plaintext, MutableBytes sealed) {
  crypto::aead_seal(key, 0, secrets.hash, plaintext, sealed);
  mix_hash(secrets, sealed);
}

[[nodiscard]] bool open_and_mix(Secrets& secrets, const crypto::AeadKey& key, ByteView sealed, MutableBytes plaintext) {
  if (!crypto::aead_open(key, 0, secrets.hash, sealed, plaintext)) return false;
  mix_hash(secrets, sealed);
  return true;
}

}  // namespace

void Handshake::begin(std::unique_ptr<HandshakeSecrets> secrets, State state) {
  secrets_ = std::move(secrets);
  state_ = state;
}

void Handshake::forget_identity() {
  static_static_.reset();
  clear();
}

void Handshake::clear() {
  secrets_.reset();
  remote_index_ = 0;
  state_ = State::kZeroed;
}

const crypto::SharedSecret* Handshake::static_static(const StaticIdentity& identity) {
  if (!static_static_) {
    auto shared = std::make_unique<crypto::SharedSecret>();
    if (!crypto::x25519(*shared, identity.private_key, remote_static_)) return nullptr;
    static_static_ = std::move(shared);
  }
  return static_static_.get();
}

bool Handshake::create_initiation(const StaticIdentity& identity, const PrivateKey& ephemeral, const Tai64n& timestamp,
                                  std::uint32_t local_index, HandshakeInitiation& message) {
  const crypto::SharedSecret* shared_static = static_static(identity);
  if (shared_static == nullptr) return false;

  auto secrets = std::make_unique<Secrets>();
  secrets->ephemeral_private = ephemeral;
  init(*secrets, remote_static_);
  message = {};
  message.sender_index = local_index;

  // e
  message.ephemeral = crypto::derive_public_key(ephemeral).bytes;
  mix_ephemeral(*secrets, PublicKey{message.ephemeral});
  // es
  crypto::AeadKey key;
  if (!mix_dh(*secrets, key, ephemeral, remote_static_)) return false;
  // s
  seal_and_mix(*secrets, key, identity.public_key.bytes, message.encrypted_static);
  // ss
  mix_secret(*secrets, key, *shared_static);
  // {t}
  seal_and_mix(*secrets, key, timestamp.bytes, message.encrypted_timestamp);

  begin(std::move(secrets), State::kCreatedInitiation);
  return true;
}

std::optional<OpenedInitiation> OpenedInitiation::open(const StaticIdentity& identity,
                                                       const HandshakeInitiation& message) {
  OpenedInitiation opened;
  Secrets& secrets = opened.secrets_;
  init(secrets, identity.public_key);
  // e
  secrets.remote_ephemeral.bytes = message.ephemeral;
  mix_ephemeral(secrets, secrets.remote_ephemeral);
  // es
  crypto::AeadKey key;
  if (!mix_dh(secrets, key, identity.private_key, secrets.remote_ephemeral)) return std::nullopt;
  // s
  if (!open_and_mix(secrets, key, message.encrypted_static, opened.remote_static_.bytes)) return std::nullopt;
  return opened;
}

DropReason OpenedInitiation::accept(const StaticIdentity& identity, const HandshakeInitiation& message,
                                    Handshake& handshake, Instant now) && {
  // ss
  const crypto::SharedSecret* shared_static = handshake.static_static(identity);
  if (shared_static == nullptr) return DropReason::kInvalidHandshake;
  crypto::AeadKey key;
  mix_secret(secrets_, key, *shared_static);
  // {t}
  Tai64n timestamp;
  if (!open_and_mix(secrets_, key, message.encrypted_timestamp, timestamp.bytes)) return DropReason::kInvalidHandshake;

  if (timestamp <= handshake.latest_timestamp_) return DropReason::kReplayedInitiation;
  const bool flood =
      handshake.last_initiation_ != Instant::min() && now - handshake.last_initiation_ < kInitiationInterval;
  if (flood) return DropReason::kInitiationFlood;

  handshake.latest_timestamp_ = timestamp;
  handshake.last_initiation_ = now;
  handshake.remote_index_ = message.sender_index;
  handshake.begin(std::make_unique<Secrets>(secrets_), Handshake::State::kConsumedInitiation);
  return DropReason::kNone;
}

bool Handshake::create_response(const PrivateKey& ephemeral, std::uint32_t local_index, HandshakeResponse& message) {
  if (state_ != State::kConsumedInitiation) return false;
  auto secrets = std::make_unique<Secrets>(*secrets_);
  message = {};
  message.sender_index = local_index;
  message.receiver_index = remote_index_;

  // e
  message.ephemeral = crypto::derive_public_key(ephemeral).bytes;
  mix_ephemeral(*secrets, PublicKey{message.ephemeral});
  // ee, se
  crypto::AeadKey key;
  if (!mix_dh(*secrets, key, ephemeral, secrets->remote_ephemeral)) return false;
  if (!mix_dh(*secrets, key, ephemeral, remote_static_)) return false;
  // psk
  mix_preshared_key(*secrets, key, preshared_key_);
  // {}
  seal_and_mix(*secrets, key, {}, message.encrypted_nothing);

  begin(std::move(secrets), State::kCreatedResponse);
  return true;
}

bool Handshake::consume_response(const StaticIdentity& identity, const HandshakeResponse& message) {
  if (state_ != State::kCreatedInitiation) return false;
  auto secrets = std::make_unique<Secrets>(*secrets_);
  // e
  secrets->remote_ephemeral.bytes = message.ephemeral;
  mix_ephemeral(*secrets, secrets->remote_ephemeral);
  // ee, se
  crypto::AeadKey key;
  if (!mix_dh(*secrets, key, secrets->ephemeral_private, secrets->remote_ephemeral)) return false;
  if (!mix_dh(*secrets, key, identity.private_key, secrets->remote_ephemeral)) return false;
  // psk
  mix_preshared_key(*secrets, key, preshared_key_);
  // {}
  if (!open_and_mix(*secrets, key, message.encrypted_nothing, {})) return false;

  remote_index_ = message.sender_index;
  begin(std::move(secrets), State::kConsumedResponse);
  return true;
}

std::optional<SessionKeys> Handshake::derive_session_keys() {
  const bool initiator = state_ == State::kConsumedResponse;
  if (!initiator && state_ != State::kCreatedResponse) return std::nullopt;
  SessionKeys keys;
  // The first output is the initiator's sending key.
  crypto::kdf2(initiator ? keys.sending : keys.receiving, initiator ? keys.receiving : keys.sending,
               secrets_->chaining_key, {});
  secrets_.reset();
  state_ = State::kZeroed;
  return keys;
}

}  // namespace vpn::engine::protocol
