#include "control/store/mongodb/peer.h"

#include <cmath>
#include <iterator>

#include "base/check.h"
#include "control/model/client_name.h"

namespace vpn::control::mongodb {
namespace {

std::string name_of_document(const bson_iter_t& id) {
  if (BSON_ITER_HOLDS_OID(&id)) {
    char text[25];
    bson_oid_to_string(bson_iter_oid(&id), text);
    return std::string("document ObjectId(\"") + text + "\")";
  }
  if (BSON_ITER_HOLDS_UTF8(&id)) return "document \"" + std::string(bson_iter_utf8(&id, nullptr)).substr(0, 64) + "\"";
  return "a document";
}

/// The text of a field, or a fault.
std::string_view read_text(const bson_t& document, const char* key, std::string& fault) {
  const auto text = text_of(document, key);
  if (!text && fault.empty())
    fault = find(document, key) ? std::string(key) + " is no text" : std::string(key) + " is missing";
  return text.value_or("");
}

std::string read_address(const bson_t& document, IpAddress& address) {
  const auto field = find(document, "clientIP");
  if (!field) return "clientIP is missing";
  if (!BSON_ITER_HOLDS_DOUBLE(&*field) && !BSON_ITER_HOLDS_INT32(&*field) && !BSON_ITER_HOLDS_INT64(&*field)) {
    return "clientIP is no number";
  }
  const double number = bson_iter_as_double(&*field);
  if (!(number >= 0 && number <= UINT32_MAX) || number != std::floor(number)) return "clientIP is no IPv4 address";
  address = IpAddress::v4(static_cast<std::uint32_t>(number));
  return {};
}

std::string read_preshared_key(std::string_view text, std::optional<PresharedKey>& out) {
  if (text == "undefined") return {};  // what the original stored for a client without one
  auto key = PresharedKey::parse(text);
  if (!key) return "presharedKey is no key";
  if (!key->is_zero()) out = std::move(key);
  return {};
}

}  // namespace

Document Peer::unchanged() const {
  Document filter(*id.get());
  if (stamp) return std::move(filter.id("writeId", *stamp));
  return std::move(filter.null("writeId"));  // matches a document without the field
}

Peer parse_peer(const bson_t& document) {
  Peer peer;
  std::string fault;
  const auto id = find(document, "_id");
  CHECK(id);  // the server gives one to every document
  peer.id.copy("_id", *id);
  if (BSON_ITER_HOLDS_OID(&*id)) peer.object_id = *bson_iter_oid(&*id);
  peer.ours = find(document, "createdAt").has_value();
  peer.taken_back = find(document, "takenBack").has_value();
  if (const auto stamp = find(document, "writeId"); stamp && BSON_ITER_HOLDS_OID(&*stamp)) {
    peer.stamp = *bson_iter_oid(&*stamp);
  }

  const auto note = [&fault](std::string found) {
    if (fault.empty()) fault = std::move(found);
  };
  const std::string_view key = read_text(document, "clientPublicKey", fault);
  peer.key = PublicKey::parse(key);
  if (peer.key) peer.client.public_key = *peer.key;
  if (!peer.key || peer.key->is_zero()) note("clientPublicKey is no key");
  note(read_address(document, peer.client.address));
  note(read_preshared_key(read_text(document, "presharedKey", fault), peer.client.preshared_key));
  peer.client.allowed_ips = read_text(document, "allowedIPs", fault);
  const auto enabled = find(document, "enabled");
  if (!enabled) note("enabled is missing");
  if (enabled && !BSON_ITER_HOLDS_BOOL(&*enabled)) note("enabled is neither true nor false");
  peer.client.enabled = enabled && BSON_ITER_HOLDS_BOOL(&*enabled) && bson_iter_bool(&*enabled);
  peer.client.name = text_of(document, "name").value_or("");
  if (!check_client_name(peer.client.name)) note("name is no client's name");
  peer.client.created_at = WallTime(std::chrono::nanoseconds(integer_of(document, "createdAt")));
  if (!fault.empty()) peer.fault = name_of_document(*id) + ": " + fault;
  return peer;
}

Document to_document(const Client& client, const Stamp& stamp) {
  CHECK(client.address.is_v4());
  const std::string key = to_string(client.public_key);
  std::string preshared = reveal_base64(client.preshared_key.value_or(PresharedKey()));
  Document document;
  document.text("_id", key)
      .text("clientPublicKey", key)
      .text("presharedKey", preshared)
      .number("clientIP", client.address.v4_host_order())
      .text("allowedIPs", client.allowed_ips)
      .flag("enabled", client.enabled)
      .integer("createdAt", client.created_at.time_since_epoch().count())
      .id("writeId", stamp);
  if (!client.name.empty()) document.text("name", client.name);
  wipe(preshared.data(), preshared.size());
  return document;
}

void Peers::add(Peer peer) {
  if (peer.key) by_key_[*peer.key].push_back(peers_.size());
  peers_.push_back(std::move(peer));
}

const Peer* Peers::holder(const PublicKey& key) const {
  const Peer* best = nullptr;
  for (const Peer* peer : all(key)) {
    if (peer->is_client() && (!best || peer->rank() >= best->rank())) best = peer;
  }
  return best;
}

std::vector<const Peer*> Peers::all(const PublicKey& key) const {
  std::vector<const Peer*> found;
  if (const auto places = by_key_.find(key); places != by_key_.end()) {
    for (const std::size_t place : places->second) found.push_back(&peers_[place]);
  }
  return found;
}

}  // namespace vpn::control::mongodb
