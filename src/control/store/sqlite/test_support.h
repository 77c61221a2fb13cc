// What the tests of the SQLite store share: a directory of their own, its files, and a child process to run a fault in.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "base/test_directory.h"
#include "control/store/sqlite/sqlite_store.h"

namespace vpn::control {

/// A test's own directory, and the files in it.
struct StoreDirectory : TestDirectory {
  std::string file(const std::string& name = "clients.db") const { return (path() / name).string(); }
};

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_file(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

/// Starts `body` in a child process, whose exit code says whether it failed a gtest assertion.
inline pid_t start_child(const std::function<void()>& body) {
  const pid_t child = fork();
  if (child != 0) return child;
  body();
  _exit(::testing::Test::HasFailure() ? 1 : 0);
}

inline void expect_success(pid_t child) {
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "the child failed, see above";
}

/// "opened", or the code and words of the failure.
inline std::string open_outcome(const std::string& path) {
  NullLogger logger;
  const auto store = SqliteStore::open(path, logger);
  if (store) return "opened";
  return std::string(to_string(store.error().code)) + ": " + store.error().message;
}

inline std::unique_ptr<SqliteStore> open_store(const std::string& path) {
  NullLogger logger;
  auto store = SqliteStore::open(path, logger);
  EXPECT_TRUE(store) << store.error().message;
  return store ? std::move(*store) : nullptr;
}

}  // namespace vpn::control
