// A session's keys with their counter and window (kernel struct noise_keypair), and the three that a peer holds.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "engine/crypto/aead.h"
#include "engine/protocol/constants.h"
#include "engine/protocol/replay_window.h"

namespace vpn::engine::protocol {

/// Immutable but for the members that say otherwise. Shared by its peer and by the batches in flight; the last one
/// wipes the keys.
struct Keypair {
  crypto::AeadKey sending_key;
  crypto::AeadKey receiving_key;
  std::uint32_t local_index = 0;   ///< what the other side writes into its data packets
  std::uint32_t remote_index = 0;  ///< what we write into ours
  Instant created{};
  bool initiator = false;  ///< we began the handshake, so we begin the next (row 19)

  // Guarded by the peer's mutex.
  std::uint64_t next_counter = 0;
  ReplayWindow window;
  bool may_send =
      true;  ///< false once it is exhausted, or our identity changed: it opens what is under way, and seals nothing

  /// Reject-After-Time has passed: nothing is sealed or opened any more.
  bool expired(Instant now) const;
  /// True when `count` more packets may be sealed: neither old, nor spent, nor forbidden (row 18:
  /// Reject-After-Messages).
  bool can_seal(std::size_t count, Instant now) const;
  /// Row 19: who began a session begins the next when it sends and 120 s have passed; and either side after 2^60
  /// packets.
  bool wants_rekey_on_send(Instant now) const;
  /// Row 21: and in time before a session that only receives would end.
  bool wants_rekey_on_receive(Instant now) const;
};

/// Current, previous and next (row 10). A responder's new session is `next` until the first packet proves that the
/// initiator has it too. Guarded by the peer's mutex. Methods return the local indices that are free now.
class Keypairs {
 public:
  using Indices = std::vector<std::uint32_t>;

  const std::shared_ptr<Keypair>& current() const { return current_; }
  std::shared_ptr<Keypair> find(std::uint32_t local_index) const;

  /// kernel noise.c: add_new_keypair.
  Indices add(std::shared_ptr<Keypair> keypair);
  /// A packet was authenticated with `keypair`. When it is `next`, it becomes current: `confirmed` is set to true.
  /// kernel noise.c: wg_noise_received_with_keypair.
  Indices received_with(const Keypair& keypair, bool& confirmed);
  /// No more sealing with what we have (kernel noise.c: wg_noise_expire_current_peer_keypairs).
  void expire_sending();
  Indices clear();

 private:
  std::shared_ptr<Keypair> current_;
  std::shared_ptr<Keypair> previous_;
  std::shared_ptr<Keypair> next_;
};

}  // namespace vpn::engine::protocol
