#include "control/store/mongodb/revisions.h"

#include <algorithm>
#include <utility>

namespace vpn::control::mongodb {
namespace {

constexpr std::chrono::seconds kEverythingEvery{60};

/// Calls `each` with the last `count` keys of the array.
template <typename Each>
void last_keys(const bson_t& document, std::int64_t count, Each each) {
  const auto recent = find(document, "recent");
  bson_iter_t key;
  std::vector<std::string> keys;
  if (recent && bson_iter_recurse(&*recent, &key)) {
    while (bson_iter_next(&key)) keys.emplace_back(BSON_ITER_HOLDS_UTF8(&key) ? bson_iter_utf8(&key, nullptr) : "");
  }
  const std::size_t first = keys.size() - std::min(keys.size(), static_cast<std::size_t>(count));
  for (std::size_t i = first; i < keys.size(); ++i) each(keys[i]);
}

}  // namespace

Status announce(Server& server, const std::string& writer, std::span<const PublicKey> keys, bool everything) {
  Array recent;
  for (const PublicKey& key : keys.last(std::min(keys.size(), kRecentChanges))) recent.text(to_string(key));
  const std::size_t moved = keys.size() + (everything ? kRecentChanges + 1 : 0);
  Document push, change;
  push.document(
      "recent",
      Document().array("$each", recent.elements()).integer("$slice", -static_cast<std::int64_t>(kRecentChanges)));
  change.document("$inc", Document().integer("value", static_cast<std::int64_t>(moved)))
      .document("$push", push)
      .document("$currentDate", Document().flag("at", true));
  std::vector<Write> writes;
  writes.push_back({Write::Kind::kUpsert, std::move(Document().text("_id", writer)), std::move(change)});
  auto written = server.write(kChanges, writes, /*soon=*/true);
  if (!written) return fail(std::move(written).error());
  return {};
}

Status Revisions::open() {
  if (auto begun = take(); !begun) return fail(std::move(begun).error());
  return {};
}

Result<Changes> Revisions::take() {
  const auto now = std::chrono::steady_clock::now();
  const bool first = everything_at_ == std::chrono::steady_clock::time_point{};
  Changes changes;
  std::unordered_map<std::string, std::int64_t> seen;
  Document others;
  others.document("_id", Document().text("$ne", news_.writer_name()));
  const Status read =
      server_.find(kChanges, others, {}, [&](const bson_t& document) { compare(document, first, seen, changes); });
  if (!read) {
    missed_ = true;
    return fail(read.error());
  }
  known_ = std::move(seen);
  const Changes again = std::exchange(again_, changes);
  changes.everything |= again.everything;
  changes.keys.insert(changes.keys.end(), again.keys.begin(), again.keys.end());
  if (missed_ || now >= everything_at_ || changes.everything || changes.keys.size() > kMaxChangedKeys) {
    changes = {.everything = true, .keys = {}};
    everything_at_ = now + kEverythingEvery;
    missed_ = false;
  }
  return first ? Changes{} : changes;
}

/// At the first look only what may be under way counts: the last that there is room for.
void Revisions::compare(const bson_t& document, bool first, std::unordered_map<std::string, std::int64_t>& seen,
                        Changes& changes) const {
  const std::string writer(text_of(document, "_id").value_or(""));
  const std::int64_t value = integer_of(document, "value");
  const auto known = known_.find(writer);
  std::int64_t before = known == known_.end() ? 0 : known->second;
  if (first) before = std::max(value - static_cast<std::int64_t>(kRecentChanges), before);
  seen[writer] = value;
  if (value == before) return;
  if (value < before || value - before > static_cast<std::int64_t>(kRecentChanges)) {
    changes.everything = true;
    return;
  }
  last_keys(document, value - before, [&](const std::string& text) {
    if (const auto key = PublicKey::parse(text)) {
      changes.keys.push_back(*key);
    } else {
      changes.everything = true;
    }
  });
}

}  // namespace vpn::control::mongodb
