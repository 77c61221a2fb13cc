#include "engine/protocol/keypair.h"

#include <utility>

namespace vpn::engine::protocol {
namespace {

void release(std::shared_ptr<Keypair> keypair, Keypairs::Indices& freed) {
  if (keypair) freed.push_back(keypair->local_index);
}

}  // namespace

bool Keypair::expired(Instant now) const {
  return now - created >= kRejectAfterTime;
}

bool Keypair::can_seal(std::size_t count, Instant now) const {
  return may_send && !expired(now) && next_counter <= kRejectAfterMessages &&
         count <= kRejectAfterMessages - next_counter;
}

bool Keypair::wants_rekey_on_send(Instant now) const {
  return next_counter > kRekeyAfterMessages || (initiator && now - created >= kRekeyAfterTime);
}

bool Keypair::wants_rekey_on_receive(Instant now) const {
  return may_send && initiator && now - created >= kRejectAfterTime - kKeepaliveTimeout - kRekeyTimeout;
}

std::shared_ptr<Keypair> Keypairs::find(std::uint32_t local_index) const {
  for (const auto* slot : {&current_, &next_, &previous_}) {
    if (*slot && (*slot)->local_index == local_index) return *slot;
  }
  return nullptr;
}

Keypairs::Indices Keypairs::add(std::shared_ptr<Keypair> keypair) {
  Indices freed;
  if (keypair->initiator) {
    // The response has come, so both sides have the keys: it is current at once. A session of the other side's making
    // that still waits for its proof is kept as the previous one, as it is the newer.
    if (next_) {
      release(std::exchange(previous_, std::exchange(next_, nullptr)), freed);
      release(std::exchange(current_, std::move(keypair)), freed);
    } else {
      release(std::exchange(previous_, std::exchange(current_, std::move(keypair))), freed);
    }
  } else {
    release(std::exchange(next_, std::move(keypair)), freed);
    release(std::exchange(previous_, nullptr), freed);
  }
  return freed;
}

Keypairs::Indices Keypairs::received_with(const Keypair& keypair, bool& confirmed) {
  Indices freed;
  confirmed = next_.get() == &keypair;
  if (confirmed) release(std::exchange(previous_, std::exchange(current_, std::exchange(next_, nullptr))), freed);
  return freed;
}

void Keypairs::expire_sending() {
  for (const auto* slot : {&current_, &next_}) {
    if (*slot) (*slot)->may_send = false;
  }
}

Keypairs::Indices Keypairs::clear() {
  Indices freed;
  for (auto* slot : {&current_, &previous_, &next_}) release(std::exchange(*slot, nullptr), freed);
  return freed;
}

}  // namespace vpn::engine::protocol
