#include "control/store/ltse/client_document.h"

#include <algorithm>
#include <array>
#include <tuple>

#include "base/encoding.h"
#include "control/model/client_name.h"

namespace vpn::control::ltse {
namespace {

namespace json = boost::json;

Failure corrupt(std::string fault) {
  return fail(ErrorCode::kCorrupt, std::move(fault));
}

/// A whole number in [0, 2^32), written as any of JSON's numbers.
std::optional<std::uint32_t> parse_address(const json::value* value) {
  if (value == nullptr || !value->is_number()) return std::nullopt;
  boost::system::error_code error;
  const auto number = value->to_number<std::uint32_t>(error);
  return error ? std::nullopt : std::optional(number);
}

/// None, a key, or neither.
Result<std::optional<PresharedKey>> parse_preshared_key(const json::value* value) {
  if (value == nullptr || value->is_null()) return std::optional<PresharedKey>();
  const json::string* text = value->if_string();
  if (text != nullptr && (text->empty() || *text == "undefined")) return std::optional<PresharedKey>();
  std::optional<PresharedKey> key = text != nullptr ? PresharedKey::parse(*text) : std::nullopt;
  if (!key) return corrupt("presharedKey is no WireGuard key");
  return key->is_zero() ? std::optional<PresharedKey>() : key;
}

}  // namespace

std::string document_id(const PublicKey& key) {
  std::string id = to_string(key);
  std::replace(id.begin(), id.end(), '+', '-');
  std::replace(id.begin(), id.end(), '/', '_');
  id.pop_back();  // '='
  return id;
}

std::string new_attempt(Random& random) {
  std::array<std::uint8_t, 16> bytes{};
  random.fill(bytes);
  return hex_encode(bytes);
}

json::object to_source(const Client& client, std::string_view attempt) {
  json::object source{
      {"clientPublicKey", to_string(client.public_key)},
      {"presharedKey", reveal_base64(client.preshared_key.value_or(PresharedKey()))},
      {"clientIP", client.address.v4_host_order()},
      {"allowedIPs", client.allowed_ips},
      {"enabled", client.enabled},
      {"createdAt", std::int64_t{client.created_at.time_since_epoch().count()}},
      {"attempt", attempt},
  };
  if (!client.name.empty()) source["name"] = client.name;
  return source;
}

bool is_confirmed(const json::object& source) {
  const json::value* confirmed = source.if_contains("confirmed");
  return confirmed != nullptr && confirmed->is_bool() && confirmed->get_bool();
}

std::string text_member(const json::object& source, std::string_view name) {
  const json::value* value = source.if_contains(name);
  const json::string* text = value != nullptr ? value->if_string() : nullptr;
  return text != nullptr ? std::string(*text) : std::string();
}

Result<StoredClient> parse_client(Document document) {
  const json::object& source = document.source;
  Client client;
  const auto key = PublicKey::parse(text_member(source, "clientPublicKey"));
  if (!key || key->is_zero()) return corrupt("clientPublicKey is no WireGuard key");
  client.public_key = *key;

  auto preshared_key = parse_preshared_key(source.if_contains("presharedKey"));
  if (!preshared_key) return fail(std::move(preshared_key).error());
  client.preshared_key = std::move(*preshared_key);

  const auto address = parse_address(source.if_contains("clientIP"));
  if (!address) return corrupt("clientIP is no IPv4 address as a number");
  client.address = IpAddress::v4(*address);

  const json::value* allowed_ips = source.if_contains("allowedIPs");
  if (allowed_ips == nullptr || !allowed_ips->is_string()) return corrupt("allowedIPs is no text");
  client.allowed_ips = std::string(allowed_ips->get_string());

  const json::value* enabled = source.if_contains("enabled");
  if (enabled == nullptr || !enabled->is_bool()) return corrupt("enabled is neither true nor false");
  client.enabled = enabled->get_bool();

  client.name = text_member(source, "name");
  if (!check_client_name(client.name)) return corrupt("name is no client's name");
  const json::value* created_at = source.if_contains("createdAt");
  if (created_at != nullptr && created_at->is_int64()) {
    client.created_at = WallTime(std::chrono::nanoseconds(created_at->get_int64()));
  }
  std::string attempt = text_member(source, "attempt");
  const bool confirmed = attempt.empty() || is_confirmed(source);
  return StoredClient{std::move(client), std::move(attempt), confirmed, std::move(document)};
}

bool precedes(const StoredClient& a, const StoredClient& b) {
  const auto rank = [](const StoredClient& c) {
    return std::make_tuple(c.client.enabled, c.document.version.seq_no, std::string_view(c.document.id));
  };
  return rank(a) > rank(b);
}

}  // namespace vpn::control::ltse
