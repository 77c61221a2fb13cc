// Real MongoDB servers for tests: mongod processes on free ports of the loopback, with a temporary directory each; both
// go with their owner. tests/servers/mongod.sh puts the program in place.
#pragma once

#include <sys/types.h>

#include <chrono>

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "control/store/mongodb/document.h"

namespace vpn::control::mongodb {

/// One mongod. It is ready when the constructor returns; a test program without one ends with an explanation.
class Mongod {
 public:
  /// `arguments` beside those that every server here has: {"--replSet", "rs0"}, {"--auth"}, ...
  explicit Mongod(std::vector<std::string> arguments = {});
  ~Mongod();
  Mongod(const Mongod&) = delete;
  Mongod& operator=(const Mongod&) = delete;

  std::uint16_t port() const { return port_; }
  std::string host() const { return "127.0.0.1:" + std::to_string(port_); }
  std::string uri() const { return "mongodb://" + host() + "/?directConnection=true"; }

  void kill_hard();  ///< SIGKILL; returns when it is gone
  void start();      ///< on the same directory and port
  void freeze();     ///< SIGSTOP
  void thaw();       ///< SIGCONT
  /// Ends it in order and starts it with other arguments.
  void restart_with(std::vector<std::string> arguments);

 private:
  void end(int signal);
  void drain(UniqueFd output);

  const std::filesystem::path directory_;
  const std::uint16_t port_;
  std::vector<std::string> arguments_;
  pid_t pid_ = -1;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ready_ = false;    // guarded by mutex_
  bool ended_ = false;    // guarded by mutex_
  std::string log_tail_;  // guarded by mutex_
  std::thread reader_;
};

/// A replica set of so many servers, with a primary.
class ReplicaSet {
 public:
  /// `arguments` as for Mongod, of each.
  explicit ReplicaSet(std::size_t size, const std::vector<std::string>& arguments = {});
  std::string uri() const;
  const std::vector<std::unique_ptr<Mongod>>& members() const { return members_; }
  /// The server that is primary now; waits for one.
  Mongod& primary();

 private:
  std::vector<std::unique_ptr<Mongod>> members_;
};

/// Runs a command, waiting up to half a minute for a server; ends the program when it fails.
Document run_command(const std::string& uri, const std::string& database, const std::string& json);
/// The same where failing is an outcome: its message, empty on success.
std::string try_command(const std::string& uri, const std::string& database, const std::string& json,
                        Document* reply = nullptr);
/// Stores documents in extended JSON as they are.
void insert_json(const std::string& uri, const std::string& database, const std::string& collection,
                 const std::vector<std::string>& documents);
/// A collection in natural order, in canonical extended JSON.
std::vector<std::string> dump_json(const std::string& uri, const std::string& database, const std::string& collection);

}  // namespace vpn::control::mongodb
