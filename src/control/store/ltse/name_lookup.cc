#include "control/store/ltse/name_lookup.h"

#include <pthread.h>

#include <boost/asio/io_context.hpp>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace vpn::control::ltse {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

Result<Addresses> ask_system(const std::string& host, const std::string& port) {
  asio::io_context io;
  error_code error;
  const auto found = tcp::resolver(io).resolve(host, port, error);
  if (error) return fail(ErrorCode::kUnavailable, "the address of " + host + " is not found (" + error.message() + ")");
  return Addresses(found.begin(), found.end());
}

}  // namespace

struct NameLookup::State {
  explicit State(Ask how) : ask(std::move(how)) {}

  const Ask ask;
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<Result<Addresses>> answer;  // guarded by mutex
  bool asking = false;                      // guarded by mutex: there is a thread
  bool wanted = false;                      // guarded by mutex: somebody waits; an answer that comes later is old
  bool aborted = false;                     // guarded by mutex
};

NameLookup::NameLookup(const std::string& host, const std::string& port)
    : NameLookup([host, port] { return ask_system(host, port); }) {}

NameLookup::NameLookup(Ask ask) : state_(std::make_shared<State>(std::move(ask))) {}

Result<Addresses> NameLookup::lookup(std::chrono::steady_clock::time_point deadline) {
  State& state = *state_;
  std::unique_lock lock(state.mutex);
  if (state.aborted) return fail(ErrorCode::kUnavailable, "stopped");
  state.wanted = true;
  if (!std::exchange(state.asking, true)) {
    std::thread([shared = state_] {
      pthread_setname_np(pthread_self(), "ltse-lookup");
      Result<Addresses> found = shared->ask();
      const std::lock_guard done(shared->mutex);
      shared->asking = false;
      if (shared->wanted) shared->answer = std::move(found);
      shared->changed.notify_all();
    }).detach();
  }
  state.changed.wait_until(lock, deadline, [&] { return state.answer || state.aborted; });
  state.wanted = false;
  if (state.answer) return *std::exchange(state.answer, std::nullopt);
  return fail(ErrorCode::kUnavailable, state.aborted ? "stopped" : "no name server answers in time");
}

void NameLookup::abort() {
  const std::lock_guard lock(state_->mutex);
  state_->aborted = true;
  state_->changed.notify_all();
}

}  // namespace vpn::control::ltse
