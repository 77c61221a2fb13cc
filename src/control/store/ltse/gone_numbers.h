// Which client a number of the clients' index was about, once the index cannot tell.
//
// Each change of an index has a number, and a search finds it for as long as it is the last one of a document. So a
// gateway that changes a document tells which number that had until then, and one that deletes a document the number
// of the deletion too: in the index beside the clients', where a feed that misses numbers asks.
//
//   _id "gone 17"   {number: 8209, key: "..."}    a number's place is its rest by kGonePlaces: so they stay few
//
// A number that nobody told (an administrator's deletion, a gateway that was killed in between) means: everything.
// Pure, but whose(), which asks the server.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/key.h"
#include "control/store/ltse/elasticsearch.h"
#include "control/store/ltse/reservations.h"

namespace vpn::control::ltse {

/// Far more than a feed asks for at once (kMaxChangedKeys), so that none is overwritten before all have seen it.
constexpr std::int64_t kGonePlaces = 8192;

/// Tells that the clients' index will not find this number any more.
Write gone_number(const Indices& indices, std::int64_t number, const PublicKey& key);

/// The client of each number; nullopt: one of them was not told.
Result<std::optional<std::vector<PublicKey>>> whose(Elasticsearch& server, const Indices& indices,
                                                    std::span<const std::int64_t> numbers, Deadline deadline);

}  // namespace vpn::control::ltse
