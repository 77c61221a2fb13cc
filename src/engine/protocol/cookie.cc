#include "engine/protocol/cookie.h"

#include <algorithm>
#include <string_view>

#include "base/check.h"
#include "engine/protocol/constants.h"

namespace vpn::engine::protocol {
namespace {

constexpr std::string_view kLabelMac1 = "mac1----";
constexpr std::string_view kLabelCookie = "cookie--";

crypto::Hash derive_key(std::string_view label, const PublicKey& key) {
  return crypto::blake2s({reinterpret_cast<const std::uint8_t*>(label.data()), label.size()}, key.bytes);
}

/// No secret: whoever knows the public key can make it.
crypto::AeadKey cookie_key(const PublicKey& key) {
  return crypto::AeadKey(derive_key(kLabelCookie, key));
}

/// A handshake message in its three parts.
template <typename Bytes>
struct Parts {
  explicit Parts(Bytes message)
      : body(message.first(message.size() - 2 * crypto::kMacSize)),
        mac1(message.subspan(body.size(), crypto::kMacSize)),
        mac2(message.last(crypto::kMacSize)),
        body_and_mac1(message.first(body.size() + crypto::kMacSize)) {}
  Bytes body;
  Bytes mac1;
  Bytes mac2;
  Bytes body_and_mac1;
};
using MessageParts = Parts<ByteView>;
using MutableMessageParts = Parts<MutableBytes>;

bool is_handshake_size(ByteView message) {
  return message.size() == sizeof(HandshakeInitiation) || message.size() == sizeof(HandshakeResponse);
}

}  // namespace

void CookieChecker::set_public_key(const PublicKey& own) {
  mac1_key_ = derive_key(kLabelMac1, own);
  cookie_key_ = cookie_key(own);
}

bool CookieChecker::verify_mac1(ByteView message) const {
  CHECK(is_handshake_size(message));
  const MessageParts parts(message);
  return equal_constant_time(crypto::blake2s_mac(mac1_key_, parts.body), parts.mac1);
}

bool CookieChecker::verify_mac2(ByteView message, const Endpoint& source, Instant now, Random& random) {
  CHECK(is_handshake_size(message));
  const MessageParts parts(message);
  // Zeros: its sender says that it has none (section 5.4.4). A flood need not cost two macs more.
  if (std::ranges::all_of(parts.mac2, [](std::uint8_t byte) { return byte == 0; })) return false;
  const Cookie cookie = make_cookie(source, now, random);
  return equal_constant_time(crypto::blake2s_mac(cookie.reveal(), parts.body_and_mac1), parts.mac2);
}

CookieReply CookieChecker::make_reply(ByteView message, std::uint32_t sender_index, const Endpoint& source, Instant now,
                                      Random& random) {
  CHECK(is_handshake_size(message));
  CookieReply reply;
  reply.receiver_index = sender_index;
  reply.nonce = next_nonce(random);
  const Cookie cookie = make_cookie(source, now, random);
  crypto::xaead_seal(cookie_key_, reply.nonce, MessageParts(message).mac1, cookie.reveal(), reply.encrypted_cookie);
  return reply;
}

Cookie CookieChecker::make_cookie(const Endpoint& source, Instant now, Random& random) {
  if (!has_secret_ || now - secret_made_at_ >= kCookieSecretMaxAge) {
    random.fill(secret_.reveal_mutable());
    secret_made_at_ = now;
    has_secret_ = true;
  }
  std::array<std::uint8_t, 2> port;
  store_be16(port.data(), source.port);
  Cookie cookie;
  crypto::Blake2s(crypto::kMacSize, secret_.reveal())
      .update(source.address.bytes())
      .update(port)
      .finish(cookie.reveal_mutable());
  return cookie;
}

crypto::XAeadNonce CookieChecker::next_nonce(Random& random) {
  if (nonces_left_ == 0) {
    random.fill({nonces_.front().data(), sizeof nonces_});
    nonces_left_ = nonces_.size();
  }
  return nonces_[nonces_.size() - nonces_left_--];
}

void CookieGenerator::add_macs(MutableBytes message, Instant now) {
  CHECK(is_handshake_size(message));
  const MutableMessageParts parts(message);
  last_mac1_ = crypto::blake2s_mac(derive_key(kLabelMac1, peer_), parts.body);
  std::ranges::copy(last_mac1_, parts.mac1.begin());
  awaits_reply_ = true;

  if (has_cookie_ && now - cookie_received_at_ >= kCookieSecretMaxAge - kCookieSecretLatency) {
    cookie_.wipe();
    has_cookie_ = false;
  }
  const crypto::Mac mac2 = has_cookie_ ? crypto::blake2s_mac(cookie_.reveal(), parts.body_and_mac1) : crypto::Mac{};
  std::ranges::copy(mac2, parts.mac2.begin());
}

bool CookieGenerator::consume(const CookieReply& reply, Instant now) {
  if (!awaits_reply_) return false;
  Cookie cookie;
  if (!crypto::xaead_open(cookie_key(peer_), reply.nonce, last_mac1_, reply.encrypted_cookie,
                          cookie.reveal_mutable())) {
    return false;
  }
  cookie_ = cookie;
  cookie_received_at_ = now;
  has_cookie_ = true;
  awaits_reply_ = false;
  return true;
}

}  // namespace vpn::engine::protocol
