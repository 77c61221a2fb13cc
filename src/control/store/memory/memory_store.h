// A store that forgets: for tests, where it can also be told to fail.
//
// Safe from any thread: the committer's thread commits while a test's thread tells it to fail.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "control/store/store.h"

namespace vpn::control {

class MemoryStore final : public Store {
 public:
  std::string description() const override { return "memory (forgotten at exit)"; }
  Result<Contents> load() override;
  std::vector<Status> commit(std::span<const Mutation> mutations) override;
  Status probe() override;

  /// From now on everything fails with these words; nullopt mends it.
  void fail_with(std::optional<std::string> reason, ErrorCode code = ErrorCode::kUnavailable);
  /// How many commits were asked for, failed ones included.
  std::size_t commit_count() const;

 private:
  Status apply(const InsertClient& insert);
  Status apply(const RemoveClient& remove);
  Status apply(const SetClientEnabled& set);

  mutable std::mutex mutex_;  // guards all below
  std::map<PublicKey, Client> clients_;
  std::optional<Error> failure_;
  std::size_t commit_count_ = 0;
};

}  // namespace vpn::control
