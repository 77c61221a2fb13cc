#include "control/store/ltse/ltse_feed.h"

#include <utility>

#include "control/store/ltse/client_document.h"

namespace vpn::control::ltse {
namespace {

constexpr std::chrono::seconds kPollTime{5};

Deadline poll_deadline() {
  return std::chrono::steady_clock::now() + kPollTime;
}

}  // namespace

Status LtseFeed::start() {
  Result<Revision> revision = server_.revision(index_, poll_deadline());
  if (!revision) return fail(std::move(revision).error());
  known_ = std::move(*revision);
  told_everything_ = clock_.now();
  return {};
}

Failure LtseFeed::away(const Error& error) {
  failure_told_ = true;
  return fail(ErrorCode::kUnavailable, error.message);
}

Result<Changes> LtseFeed::next() {
  while (server_.pause(kPollInterval)) {
    Result<Revision> now = server_.revision(index_, poll_deadline());
    if (!now) return away(now.error());
    const bool back = std::exchange(failure_told_, false);
    const bool due = clock_.now() - told_everything_ >= kEverythingInterval;
    if (*now == known_ && !due) {
      if (back) return Changes{};
      continue;
    }

    Result<Changes> changes = due ? Changes{.everything = true, .keys = {}} : changes_until(*now);
    if (!changes) return away(changes.error());
    if (changes->everything) told_everything_ = clock_.now();
    known_ = std::move(*now);
    return changes;
  }
  return Changes{};  // stopped
}

/// The keys, when the documents found account for each number since the last time: a deletion leaves none, and a
/// document that was changed twice has but its last.
Result<Changes> LtseFeed::changes_until(const Revision& now) {
  const Changes everything{.everything = true, .keys = {}};
  if (now.index_uuid != known_.index_uuid || now.checkpoints.size() != 1 || known_.checkpoints.size() != 1) {
    return everything;
  }
  const std::int64_t from = known_.checkpoints.front(), to = now.checkpoints.front();
  if (to <= from || to - from > static_cast<std::int64_t>(kMaxChangedKeys)) return everything;
  const auto count = static_cast<std::size_t>(to - from);
  const auto documents = server_.changed(index_, from, to, count, poll_deadline());
  if (!documents) return fail(documents.error());
  if (documents->size() != count) return everything;

  Changes changes;
  for (const Document& document : *documents) {
    const auto key = PublicKey::parse(text_member(document.source, "clientPublicKey"));
    // An unknown document of the original's is found by a load() alone.
    if (!key || (document.id != document_id(*key) && !foreign_.knows(document.id))) return everything;
    changes.keys.push_back(*key);
  }
  return changes;
}

}  // namespace vpn::control::ltse
