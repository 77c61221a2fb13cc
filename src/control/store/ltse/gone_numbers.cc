#include "control/store/ltse/gone_numbers.h"

#include <string>

#include "control/store/ltse/client_document.h"

namespace vpn::control::ltse {
namespace {

DocumentId place_of(const Indices& indices, std::int64_t number) {
  return {indices.gateway, "gone " + std::to_string(number % kGonePlaces)};
}

}  // namespace

Write gone_number(const Indices& indices, std::int64_t number, const PublicKey& key) {
  return {.kind = Write::Kind::kReplace,
          .document = place_of(indices, number),
          .source = {{"number", number}, {"key", to_string(key)}}};
}

Result<std::optional<std::vector<PublicKey>>> whose(Elasticsearch& server, const Indices& indices,
                                                    std::span<const std::int64_t> numbers, Deadline deadline) {
  std::vector<DocumentId> ids;
  for (const std::int64_t number : numbers) ids.push_back(place_of(indices, number));
  const auto documents = server.get(ids, deadline);
  if (!documents) return fail(documents.error());
  std::vector<PublicKey> keys;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const auto& document = (*documents)[i];
    if (!document) return std::nullopt;
    const auto* number = document->source.if_contains("number");
    const auto key = PublicKey::parse(text_member(document->source, "key"));
    if (number == nullptr || !number->is_int64() || number->get_int64() != numbers[i] || !key) return std::nullopt;
    keys.push_back(*key);
  }
  return std::optional(std::move(keys));
}

}  // namespace vpn::control::ltse
