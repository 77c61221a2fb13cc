// How gateways tell each other of changes where the server has no change streams (a mongod that stands alone).
//
// Each gateway has a document of its own in the collection `changes`, which every commit moves on beside its writes
// (announcer.h) and before it is answered; the others look at all but their own every two seconds, and soon again where
// they saw something, for its change may have been under way:
//
//   _id     string  the writer's name (stamp.h)
//   value   int64   how many changes it has told
//   recent  array   the keys of the last of them
//   at      date    when; the server removes what has been silent for a day
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>

#include "base/key.h"
#include "control/store/mongodb/feed.h"
#include "control/store/mongodb/server.h"

namespace vpn::control::mongodb {

constexpr const char* kChanges = "changes";
/// Keys that a writer's document holds. Of more changes between two looks the other gateways read everything.
constexpr std::size_t kRecentChanges = 256;
constexpr int kSilentWriter_s = 24 * 60 * 60;
constexpr std::chrono::milliseconds kLook{2000}, kLookAgain{500};

/// Tells the others that these keys may have changed; `everything`: that anything may have.
Status announce(Server& server, const std::string& writer, std::span<const PublicKey> keys, bool everything);

class Revisions final : public ChangeSource {
 public:
  Revisions(Server& server, const News& news) : server_(server), news_(news) {}
  Status open() override;
  Result<Changes> take() override;
  std::chrono::milliseconds pause() const override { return again_.keys.empty() ? kLook : kLookAgain; }

 private:
  void compare(const bson_t& document, bool first, std::unordered_map<std::string, std::int64_t>& seen,
               Changes& changes) const;

  Server& server_;
  const News& news_;
  std::unordered_map<std::string, std::int64_t> known_;  ///< by writer
  Changes again_;                                        ///< seen at the last look, and told again with the next
  /// A gateway that is killed between its writes and its announcement tells nobody: so now and then everything is
  /// looked at.
  std::chrono::steady_clock::time_point everything_at_{};
  bool missed_ = false;  ///< the server was away: it may have lost what was announced
};

}  // namespace vpn::control::mongodb
