// Work that may hang (a name server, a store) on a thread of its own, of which the result is taken in time or not at
// all.
#pragma once

#include <chrono>
#include <future>
#include <optional>
#include <thread>
#include <utility>

namespace vpn::doctor {

template <typename T>
class Limited {
 public:
  /// `work` owns all that it uses: what hangs goes on until the process ends.
  template <typename Work>
  explicit Limited(Work work) {
    std::promise<T> promise;
    result_ = promise.get_future();
    std::thread([promise = std::move(promise), work = std::move(work)]() mutable {
      promise.set_value(work());
    }).detach();
  }

  /// None when it is not done by then. Once.
  std::optional<T> take(std::chrono::steady_clock::time_point until) {
    if (result_.wait_until(until) != std::future_status::ready) return std::nullopt;
    return result_.get();
  }

 private:
  std::future<T> result_;
};

}  // namespace vpn::doctor
