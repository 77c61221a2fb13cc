// For tests: the ends of a transfer that need no server.
#pragma once

#include <memory>

#include "base/check.h"
#include "base/log.h"
#include "base/test_directory.h"
#include "cli/state.h"
#include "cli/store_transfer_contract_test.h"
#include "cli/test_shared_memory_store.h"
#include "control/store/sqlite/sqlite_store.h"

namespace vpn::cli {

class MemoryEnd final : public StoreEndUnderTest {
 public:
  const StoreEnd& end() override { return end_; }
  SharedMemoryStore& store() { return static_cast<SharedMemoryStore&>(*end_.store); }

 private:
  StoreEnd end_{std::make_unique<SharedMemoryStore>(),
                [this](const PrivateKey& fresh) { return end_.store->shared()->server_key(fresh); }};
};

class SqliteEnd final : public StoreEndUnderTest {
 public:
  SqliteEnd() {
    NullLogger logger;
    auto opened = control::SqliteStore::open(directory_.path() / "clients.db", logger);
    CHECK(opened);
    end_ = {std::move(*opened),
            [this](const PrivateKey& fresh) { return load_or_keep_private_key(directory_.path(), fresh); }};
  }
  const StoreEnd& end() override { return end_; }

 private:
  TestDirectory directory_;
  StoreEnd end_;
};

}  // namespace vpn::cli
