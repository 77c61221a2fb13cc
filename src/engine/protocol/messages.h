// The four messages on the wire (WireGuard paper, section 5.4; kernel messages.h), as structs of bytes.
//
// Every field is bytes, so the structs have no padding and no alignment. read() copies one out of a datagram that
// classify() took.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <type_traits>

#include "base/bytes.h"
#include "engine/crypto/aead.h"
#include "engine/crypto/blake2s.h"
#include "engine/protocol/packet.h"

namespace vpn::engine::protocol {

enum class MessageType : std::uint32_t {
  kHandshakeInitiation = 1,
  kHandshakeResponse = 2,
  kCookieReply = 3,
  kData = 4,
};

/// A little-endian number on the wire.
class Le32 {
 public:
  constexpr Le32() = default;
  Le32(std::uint32_t value) { store_le32(bytes_.data(), value); }
  operator std::uint32_t() const { return load_le32(bytes_.data()); }

 private:
  std::array<std::uint8_t, 4> bytes_{};
};

class Le64 {
 public:
  constexpr Le64() = default;
  Le64(std::uint64_t value) { store_le64(bytes_.data(), value); }
  operator std::uint64_t() const { return load_le64(bytes_.data()); }

 private:
  std::array<std::uint8_t, 8> bytes_{};
};

constexpr std::size_t kTimestampSize = 12;

struct HandshakeInitiation {
  static constexpr MessageType kType = MessageType::kHandshakeInitiation;
  Le32 type = static_cast<std::uint32_t>(kType);  ///< one byte of type, three that are zero
  Le32 sender_index;
  std::array<std::uint8_t, 32> ephemeral{};
  std::array<std::uint8_t, 32 + kTagSize> encrypted_static{};
  std::array<std::uint8_t, kTimestampSize + kTagSize> encrypted_timestamp{};
  crypto::Mac mac1{};
  crypto::Mac mac2{};
};

struct HandshakeResponse {
  static constexpr MessageType kType = MessageType::kHandshakeResponse;
  Le32 type = static_cast<std::uint32_t>(kType);
  Le32 sender_index;
  Le32 receiver_index;
  std::array<std::uint8_t, 32> ephemeral{};
  std::array<std::uint8_t, kTagSize> encrypted_nothing{};
  crypto::Mac mac1{};
  crypto::Mac mac2{};
};

struct CookieReply {
  static constexpr MessageType kType = MessageType::kCookieReply;
  Le32 type = static_cast<std::uint32_t>(kType);
  Le32 receiver_index;
  crypto::XAeadNonce nonce{};
  std::array<std::uint8_t, crypto::kMacSize + kTagSize> encrypted_cookie{};
};

/// What stands before the sealed inner packet.
struct DataHeader {
  static constexpr MessageType kType = MessageType::kData;
  Le32 type = static_cast<std::uint32_t>(kType);
  Le32 receiver_index;
  Le64 counter;
};

static_assert(sizeof(HandshakeInitiation) == 148 && alignof(HandshakeInitiation) == 1);
static_assert(sizeof(HandshakeResponse) == 92 && alignof(HandshakeResponse) == 1);
static_assert(sizeof(CookieReply) == 64 && alignof(CookieReply) == 1);
static_assert(sizeof(DataHeader) == kDataHeaderSize && alignof(DataHeader) == 1);

/// A data message with nothing inside, a keepalive, is the shortest.
constexpr std::size_t kMinDataMessageSize = sizeof(DataHeader) + kTagSize;

/// What a datagram is, by its type, reserved bytes and length alone; nothing when it is no WireGuard message.
/// Handshake messages have exactly their size, data messages at least kMinDataMessageSize (kernel receive.c).
inline std::optional<MessageType> classify(ByteView datagram) {
  if (datagram.size() < sizeof(Le32)) return std::nullopt;
  const auto type = static_cast<MessageType>(load_le32(datagram.data()));
  const auto when = [type](bool fits) { return fits ? std::optional(type) : std::nullopt; };
  switch (type) {
    case MessageType::kHandshakeInitiation:
      return when(datagram.size() == sizeof(HandshakeInitiation));
    case MessageType::kHandshakeResponse:
      return when(datagram.size() == sizeof(HandshakeResponse));
    case MessageType::kCookieReply:
      return when(datagram.size() == sizeof(CookieReply));
    case MessageType::kData:
      return when(datagram.size() >= kMinDataMessageSize);
  }
  return std::nullopt;
}

/// The message at the start of `from`, which classify() found to be a Message.
template <typename Message>
Message read(ByteView from) {
  static_assert(std::is_trivially_copyable_v<Message>);
  Message message;
  std::memcpy(&message, from.data(), sizeof message);
  return message;
}

/// The message's bytes on the wire.
template <typename Message>
ByteView bytes_of(const Message& message) {
  return {reinterpret_cast<const std::uint8_t*>(&message), sizeof message};
}
template <typename Message>
MutableBytes mutable_bytes_of(Message& message) {
  return {reinterpret_cast<std::uint8_t*>(&message), sizeof message};
}

}  // namespace vpn::engine::protocol
