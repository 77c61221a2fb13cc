// The addresses of a host's name, within a time limit.
//
// The system's lookup cannot be ended: a name server that hangs may hold it for half a minute. So it runs on a thread
// of its own, which is left alone when the limit passes, and ends by itself. There is one at most: who asks meanwhile
// waits for the same one.
//
// lookup() on one thread; abort() from any.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"

namespace vpn::control::ltse {

using Addresses = std::vector<boost::asio::ip::tcp::endpoint>;

class NameLookup {
 public:
  /// Any thread; may block for long.
  using Ask = std::function<Result<Addresses>()>;

  /// Asks the system. A host that is an address needs no name server.
  NameLookup(const std::string& host, const std::string& port);
  explicit NameLookup(Ask ask);
  ~NameLookup() { abort(); }
  NameLookup(const NameLookup&) = delete;
  NameLookup& operator=(const NameLookup&) = delete;

  /// kUnavailable: the system's own failure, none in time, or abort().
  Result<Addresses> lookup(std::chrono::steady_clock::time_point deadline);

  /// Ends a lookup() that waits, and every later one.
  void abort();

 private:
  struct State;
  const std::shared_ptr<State> state_;  // the thread's too
};

}  // namespace vpn::control::ltse
