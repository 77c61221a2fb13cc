// For tests: a real Elasticsearch, and in front of it the LTSE's gateway, a plain reverse proxy of /nosql/api which can
// be told to fail.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/test_directory.h"

namespace vpn::control::ltse {

/// A process of Elasticsearch with a directory of its own, from build/servers/elasticsearch.
class TestElasticsearch {
 public:
  TestElasticsearch() { start(); }
  ~TestElasticsearch() { kill(); }
  TestElasticsearch(const TestElasticsearch&) = delete;
  TestElasticsearch& operator=(const TestElasticsearch&) = delete;

  /// Returns when it answers; its port is another each time.
  void start();
  void kill();  ///< SIGKILL
  void freeze();
  void thaw();
  std::uint16_t port() const { return port_; }

 private:
  TestDirectory directory_;
  std::atomic<std::uint16_t> port_ = 0;
  pid_t pid_ = -1;
};

/// What the gateway does with a request.
enum class Fault {
  kNone,
  kTooMany,        ///< answers 429, passes nothing on
  kUnavailable,    ///< answers 503, passes nothing on
  kForbidden,      ///< answers 403
  kNoSuchPath,     ///< answers 404 in plain text
  kNotJson,        ///< answers 200 in HTML
  kBroken,         ///< answers 500 in plain text
  kUnknownScroll,  ///< answers 404 as Elasticsearch does for a scroll that it has lost
  kCutBefore,      ///< closes, passes nothing on
  kLoseAnswer,     ///< passes it on, waits for the answer, and closes
  kAnswer503Late,  ///< passes it on, and answers 503
  kTwice,          ///< passes it on, and once more, whose answer it gives
};

class TestGateway {
 public:
  explicit TestGateway(const TestElasticsearch& server);
  ~TestGateway();
  TestGateway(const TestGateway&) = delete;
  TestGateway& operator=(const TestGateway&) = delete;

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

  /// Asked for each request; called on several threads, one at a time.
  using Choice = std::function<Fault(const std::string& target)>;
  void set_fault(Choice choice) {
    const std::lock_guard lock(mutex_);
    choice_ = std::move(choice);
  }
  /// For the next `count` requests whose target holds the text.
  void fail_next(Fault fault, const std::string& text = "", int count = 1);
  void heal() { set_fault(nullptr); }

  /// A request to Elasticsearch itself; its answer's body.
  std::string direct(const std::string& method, const std::string& target, const std::string& body = {}) const;

 private:
  void accept();
  void serve(int fd);
  Fault choose(const std::string& target);

  const TestElasticsearch& server_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  Choice choice_;                     // guarded by mutex_
  std::vector<int> open_;             // guarded by mutex_
  std::vector<std::thread> threads_;  // of connections; the accepting thread's alone
  std::thread acceptor_;
};

}  // namespace vpn::control::ltse
