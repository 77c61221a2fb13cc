// MongoStores for tests, each test's on a database of its own; and the servers of a test program, started when first
// asked for.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>

#include "control/store/mongodb/mongo_store.h"
#include "control/store/mongodb/test_mongod.h"

namespace vpn::control::mongodb {

inline std::string fresh_database() {
  static std::atomic<int> count = 0;
  return "wireguard_" + std::to_string(++count);
}

inline std::unique_ptr<MongoStore> make_store(const MongoOptions& options) {
  static NullLogger logger;
  auto store = MongoStore::create(options, logger);
  EXPECT_TRUE(store) << store.error().message;
  return store ? std::move(*store) : nullptr;
}

inline std::unique_ptr<MongoStore> make_store(const std::string& uri, const std::string& database) {
  MongoOptions options;
  options.host = uri;
  options.database = database;
  return make_store(options);
}

inline Mongod& standalone() {
  static Mongod server;
  return server;
}

inline ReplicaSet& replica_set() {
  static ReplicaSet servers(1);
  return servers;
}

}  // namespace vpn::control::mongodb
