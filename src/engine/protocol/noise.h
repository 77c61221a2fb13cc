// The handshake: Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s (kernel noise.c; WireGuard paper, section 5.4; row numbers of
// the messages as in messages.h).
//
//   initiator                                                     responder
//   create_initiation()   --- e, es, s, ss, {t} --->   OpenedInitiation::open(), accept()
//   consume_response()    <--- e, ee, se, psk, {} ---   create_response()
//   derive_session_keys()                               derive_session_keys()
//
// Pure over a Handshake: no clock, no random call (ephemerals are passed in), no lock. A Handshake belongs to its peer
// and is guarded by the interface's slow-path mutex. A failed step leaves it unchanged.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "base/key.h"
#include "engine/crypto/aead.h"
#include "engine/crypto/blake2s.h"
#include "engine/crypto/x25519.h"
#include "engine/protocol/drop_reason.h"
#include "engine/protocol/messages.h"
#include "engine/protocol/tai64n.h"

namespace vpn::engine::protocol {

/// The interface's own key pair; absent: no handshake is possible.
struct StaticIdentity {
  PrivateKey private_key;
  PublicKey public_key;
};

/// The two keys of a session, as seen from one side (paper, section 5.4.5).
struct SessionKeys {
  crypto::AeadKey sending;
  crypto::AeadKey receiving;
};

/// A running handshake's secrets: made when it begins, wiped and freed when it ends, so that an idle peer holds none.
struct HandshakeSecrets {
  PrivateKey ephemeral_private;
  PublicKey remote_ephemeral;
  crypto::Hash hash{};
  Secret<32> chaining_key;
};

/// What one peer's handshakes need and leave behind (kernel struct noise_handshake).
class Handshake {
 public:
  enum class State : std::uint8_t {
    kZeroed,
    kCreatedInitiation,
    kConsumedInitiation,
    kCreatedResponse,
    kConsumedResponse
  };

  explicit Handshake(const PublicKey& remote_static) : remote_static_(remote_static) {}

  const PublicKey& remote_static() const { return remote_static_; }
  State state() const { return state_; }
  /// The other side's index, from its last message.
  std::uint32_t remote_index() const { return remote_index_; }

  const PresharedKey& preshared_key() const { return preshared_key_; }
  /// Counts from the next message on.
  void set_preshared_key(const PresharedKey& key) { preshared_key_ = key; }
  /// Our own key changed: what was precomputed with it is forgotten, and a running handshake with it.
  void forget_identity();
  /// Wipes a running handshake; timestamps stay, so that no old initiation is taken again.
  void clear();

  /// Initiator, first message. False when the peer's key is a low-order point. macs are left zero (cookie.h writes
  /// them).
  [[nodiscard]] bool create_initiation(const StaticIdentity& identity, const PrivateKey& ephemeral,
                                       const Tai64n& timestamp, std::uint32_t local_index,
                                       HandshakeInitiation& message);
  /// Initiator, second message: only in kCreatedInitiation (row 8). On success the state is kConsumedResponse.
  [[nodiscard]] bool consume_response(const StaticIdentity& identity, const HandshakeResponse& message);
  /// Responder, second message: only in kConsumedInitiation. macs are left zero.
  [[nodiscard]] bool create_response(const PrivateKey& ephemeral, std::uint32_t local_index,
                                     HandshakeResponse& message);
  /// After consume_response() or create_response(), once: the keys; the handshake is wiped. None in any other state.
  std::optional<SessionKeys> derive_session_keys();

 private:
  friend class OpenedInitiation;

  void begin(std::unique_ptr<HandshakeSecrets> secrets, State state);
  /// The static-static secret, computed at first use: at start, 100,000 of them would take 3 s. Null for a low-order
  /// key.
  const crypto::SharedSecret* static_static(const StaticIdentity& identity);

  const PublicKey remote_static_;
  PresharedKey preshared_key_;
  std::unique_ptr<crypto::SharedSecret> static_static_;
  std::unique_ptr<HandshakeSecrets> secrets_;
  Tai64n latest_timestamp_{};
  Instant last_initiation_{Instant::min()};
  std::uint32_t remote_index_ = 0;
  State state_ = State::kZeroed;
};

/// A received initiation whose sender is known but not yet proved: the static key is decrypted, the timestamp is not.
class OpenedInitiation {
 public:
  /// None when the message was not made for us.
  static std::optional<OpenedInitiation> open(const StaticIdentity& identity, const HandshakeInitiation& message);

  const PublicKey& remote_static() const { return remote_static_; }

  /// Proves the sender and moves its handshake to kConsumedInitiation (row 7: strictly greater timestamp, at most 50 a
  /// second). kNone on success, else the reason, and `handshake` unchanged.
  DropReason accept(const StaticIdentity& identity, const HandshakeInitiation& message, Handshake& handshake,
                    Instant now) &&;

 private:
  OpenedInitiation() = default;
  HandshakeSecrets secrets_;
  PublicKey remote_static_;
};

}  // namespace vpn::engine::protocol
