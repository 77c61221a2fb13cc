// The constants of the protocol. Those of the WireGuard paper (section 6) first, then the kernel's own.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace vpn::engine::protocol {

using namespace std::chrono_literals;

// WireGuard paper, section 6.1 (table); kernel messages.h.
constexpr std::uint64_t kRekeyAfterMessages = 1ull << 60;
/// 2^64 - 2^13 - 1, as the paper writes it. The kernel stops at 2^64 - 8130 (messages.h: COUNTER_WINDOW_SIZE = 8128),
/// wireguard-go at 2^64 - 8193; a counter between them is never reached in earnest.
constexpr std::uint64_t kRejectAfterMessages = UINT64_MAX - (1ull << 13);
constexpr auto kRekeyAfterTime = 120s;
constexpr auto kRejectAfterTime = 180s;
constexpr auto kRekeyTimeout = 5s;
constexpr auto kKeepaliveTimeout = 10s;

/// After 18 retries, 90 s, an initiator gives up (paper, section 6.4: Rekey-Attempt-Time; kernel messages.h:
/// MAX_TIMER_HANDSHAKES).
constexpr unsigned kMaxHandshakeAttempts = 90 / 5;
/// Random delay added to a retry, so that two initiators do not stay in step (kernel messages.h:
/// REKEY_TIMEOUT_JITTER_MAX_JIFFIES = HZ / 3).
constexpr std::chrono::nanoseconds kRekeyTimeoutJitterMax = std::chrono::nanoseconds(1s) / 3;
/// Every key of a silent peer is wiped after three lifetimes (kernel timers.c: wg_timers_session_derived).
constexpr auto kZeroKeysAfter = 3 * kRejectAfterTime;

/// At most 50 initiations per second are taken from one peer (kernel messages.h: INITIATIONS_PER_SECOND).
constexpr auto kInitiationInterval = 1000ms / 50;

// Cookies: paper, section 5.4.7; kernel messages.h.
constexpr auto kCookieSecretMaxAge = 120s;
constexpr auto kCookieSecretLatency = 5s;

// Queues: kernel messages.h (MAX_QUEUED_INCOMING_HANDSHAKES, MAX_STAGED_PACKETS) and receive.c.
constexpr std::size_t kMaxQueuedHandshakes = 4096;
constexpr std::size_t kUnderLoadQueueLength = kMaxQueuedHandshakes / 8;
constexpr auto kUnderLoadSticky = 1s;
constexpr std::size_t kMaxStagedPackets = 128;

constexpr std::size_t kMaxPeers = 1u << 20;
constexpr std::size_t kPaddingMultiple = 16;

}  // namespace vpn::engine::protocol
