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
  Result<Revision> revision = server_.revision(indices_.clients, poll_deadline());
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
    Result<Revision> now = server_.revision(indices_.clients, poll_deadline());
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

/// The keys, when each number since the last time is accounted for.
Result<Changes> LtseFeed::changes_until(const Revision& now) {
  const Changes everything{.everything = true, .keys = {}};
  if (now.index_uuid != known_.index_uuid || now.checkpoints.size() != 1 || known_.checkpoints.size() != 1) {
    return everything;
  }
  const std::int64_t from = known_.checkpoints.front(), to = now.checkpoints.front();
  if (to <= from || to - from > static_cast<std::int64_t>(kMaxChangedKeys)) return everything;
  const auto count = static_cast<std::size_t>(to - from);
  auto documents = server_.changed(indices_.clients, from, to, count, poll_deadline());
  if (!documents) return fail(documents.error());

  Changes changes;
  std::vector<bool> found(count, false);
  for (Document& document : *documents) {
    const std::int64_t place = document.version.seq_no - from - 1;
    if (place < 0 || place >= to - from) return everything;
    found[static_cast<std::size_t>(place)] = true;
    // A document that is no client, or was none, and an unknown one of the original's: a load() alone tells of them.
    const auto stored = parse_client(std::move(document));
    if (!stored || foreign_.is_entangled(stored->document.id)) return everything;
    const PublicKey& key = stored->client.public_key;
    const std::string our_id = document_id(key);
    if (stored->document.id != our_id && !foreign_.knows(stored->document.id)) return everything;
    if (foreign_.is_entangled(our_id)) return everything;
    changes.keys.push_back(key);
  }
  std::vector<std::int64_t> gone;
  for (std::int64_t number = from + 1; number <= to; ++number) {
    if (!found[static_cast<std::size_t>(number - from - 1)]) gone.push_back(number);
  }
  const auto keys = ask_whose(gone);
  if (!keys) return fail(keys.error());
  if (!*keys) return everything;
  for (const PublicKey& key : **keys) {
    if (foreign_.is_entangled(document_id(key))) return everything;
  }
  changes.keys.insert(changes.keys.end(), (*keys)->begin(), (*keys)->end());
  return changes;
}

/// Asks again after a while: a deletion is told when it is done, which may be now.
Result<std::optional<std::vector<PublicKey>>> LtseFeed::ask_whose(std::span<const std::int64_t> gone) {
  auto keys = whose(server_, indices_, gone, poll_deadline());
  const bool ask_again = keys && !*keys && server_.pause(kTellingTime);
  return ask_again ? whose(server_, indices_, gone, poll_deadline()) : keys;
}

}  // namespace vpn::control::ltse
