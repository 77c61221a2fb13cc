#include "engine/protocol/messages.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/encoding.h"
#include "base/random.h"

namespace vpn::engine::protocol {
namespace {

std::vector<std::uint8_t> datagram_of(std::uint8_t type, std::size_t size) {
  std::vector<std::uint8_t> bytes(size, 0xee);
  const std::uint8_t header[] = {type, 0, 0, 0};
  std::copy_n(header, std::min(size, sizeof header), bytes.begin());
  return bytes;
}

struct Kind {
  MessageType type;
  std::size_t size;
  bool or_longer;
};
constexpr Kind kKinds[] = {
    {MessageType::kHandshakeInitiation, 148, false},
    {MessageType::kHandshakeResponse, 92, false},
    {MessageType::kCookieReply, 64, false},
    {MessageType::kData, 32, true},
};

TEST(Classify, TakesEachTypeAtItsLengthsAlone) {
  for (const Kind& kind : kKinds) {
    for (std::size_t size = 0; size < 300; ++size) {
      const bool fits = kind.or_longer ? size >= kind.size : size == kind.size;
      const auto found = classify(datagram_of(static_cast<std::uint8_t>(kind.type), size));
      EXPECT_EQ(found, fits ? std::optional(kind.type) : std::nullopt) << size;
    }
  }
}

TEST(Classify, RefusesEveryOtherTypeAndEveryReservedBit) {
  for (const std::size_t size : {32u, 64u, 92u, 148u}) {
    for (unsigned type = 0; type < 256; ++type) {
      if (type >= 1 && type <= 4) continue;
      EXPECT_EQ(classify(datagram_of(static_cast<std::uint8_t>(type), size)), std::nullopt) << type;
    }
  }
  for (const Kind& kind : kKinds) {
    for (unsigned bit = 8; bit < 32; ++bit) {
      auto bytes = datagram_of(static_cast<std::uint8_t>(kind.type), kind.size);
      bytes[bit / 8] |= static_cast<std::uint8_t>(1u << (bit % 8));
      EXPECT_EQ(classify(bytes), std::nullopt) << bit;
    }
  }
}

TEST(Classify, ReadsNothingBehindAShortDatagram) {
  for (std::size_t size = 0; size < 4; ++size) {
    const auto bytes = std::make_unique<std::uint8_t[]>(size);  // its end is watched by the address sanitizer
    EXPECT_EQ(classify({bytes.get(), size}), std::nullopt);
  }
}

TEST(Messages, LieOnTheWireAsThePaperDrawsThem) {
  HandshakeInitiation initiation;
  initiation.sender_index = 0x04030201;
  initiation.ephemeral.fill(0xaa);
  initiation.mac1.fill(0xbb);
  initiation.mac2.fill(0xcc);
  const std::string text = hex_encode(bytes_of(initiation));
  EXPECT_EQ(text.substr(0, 2 * 8), "0100000001020304");
  EXPECT_EQ(text.substr(2 * 8, 2 * 33), std::string(64, 'a') + "00");
  EXPECT_EQ(text.substr(2 * 116), std::string(32, 'b') + std::string(32, 'c'));

  HandshakeResponse response;
  response.sender_index = 0x04030201;
  response.receiver_index = 0x08070605;
  EXPECT_EQ(hex_encode(bytes_of(response)).substr(0, 24), "020000000102030405060708");

  CookieReply reply;
  reply.receiver_index = 0x04030201;
  reply.nonce.fill(0xdd);
  EXPECT_EQ(hex_encode(bytes_of(reply)).substr(0, 2 * 33), "0300000001020304" + std::string(48, 'd') + "00");

  DataHeader header;
  header.receiver_index = 0x04030201;
  header.counter = 0x0c0b0a0908070605;
  EXPECT_EQ(hex_encode(bytes_of(header)), "040000000102030405060708090a0b0c");
}

template <typename Message>
void expect_read_keeps_every_byte(Random& random) {
  std::vector<std::uint8_t> bytes(sizeof(Message));
  random.fill(bytes);
  const Message message = read<Message>(bytes);
  EXPECT_EQ(hex_encode(bytes_of(message)), hex_encode(bytes));
}

TEST(Messages, AreReadBackAsTheyWere) {
  SeededRandom random(1);
  expect_read_keeps_every_byte<HandshakeInitiation>(random);
  expect_read_keeps_every_byte<HandshakeResponse>(random);
  expect_read_keeps_every_byte<CookieReply>(random);
  expect_read_keeps_every_byte<DataHeader>(random);
}

}  // namespace
}  // namespace vpn::engine::protocol
