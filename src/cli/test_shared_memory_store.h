// For tests: a store in memory that several gateways could share, so that it keeps their key too.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/store/memory/memory_store.h"

namespace vpn::cli {

class SharedMemoryStore final : public control::SharedStore {
 public:
  std::string description() const override { return clients_.description(); }
  Result<control::Contents> load() override {
    auto contents = clients_.load();
    if (contents) contents->faults = faults;
    return contents;
  }
  std::vector<Status> commit(std::span<const control::Mutation> mutations) override {
    // The commits that are left succeed; then it is away.
    if (commits_left == 0) clients_.fail_with("the store is away");
    if (commits_left > 0) --commits_left;
    return clients_.commit(mutations);
  }
  Status probe() override { return clients_.probe(); }

  Result<std::unique_ptr<control::ChangeFeed>> follow() override {
    return fail(ErrorCode::kUnsupported, "nothing changes but by this process");
  }
  Result<std::vector<std::optional<control::Client>>> read(std::span<const PublicKey>) override {
    return fail(ErrorCode::kUnsupported, "nobody asks");
  }
  Result<PrivateKey> server_key(const PrivateKey& fresh) override {
    if (!key_ && fresh.is_zero()) return fail(ErrorCode::kNotFound, "there is no key");
    if (!key_) key_ = fresh;
    return *key_;
  }

  /// Works again after commits_left ran out.
  void mend() {
    commits_left = -1;
    clients_.fail_with(std::nullopt);
  }

  int commits_left = -1;  ///< below 0: all
  std::vector<std::string> faults;

 private:
  control::MemoryStore clients_;
  std::optional<PrivateKey> key_;
};

/// A store that the test keeps, as one opens it.
class BorrowedSharedStore final : public control::SharedStore {
 public:
  explicit BorrowedSharedStore(SharedMemoryStore& store) : store_(store) {}
  std::string description() const override { return store_.description(); }
  Result<control::Contents> load() override { return store_.load(); }
  std::vector<Status> commit(std::span<const control::Mutation> mutations) override { return store_.commit(mutations); }
  Status probe() override { return store_.probe(); }
  Result<std::unique_ptr<control::ChangeFeed>> follow() override { return store_.follow(); }
  Result<std::vector<std::optional<control::Client>>> read(std::span<const PublicKey> keys) override {
    return store_.read(keys);
  }
  Result<PrivateKey> server_key(const PrivateKey& fresh) override { return store_.server_key(fresh); }

 private:
  SharedMemoryStore& store_;
};

}  // namespace vpn::cli
