#include "engine/uapi_connection.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/secret.h"

namespace vpn::engine {

UapiConnection::~UapiConnection() {
  wipe(input_.data(), input_.size());
  wipe(output_.data(), output_.size());
}

void UapiConnection::input_filled(std::size_t size) {
  input_size_ += size;
  handle_lines();
}

// Handles whole lines until an answer is on its way: the next request waits for it in the buffer.
void UapiConnection::handle_lines() {
  std::size_t begin = 0;
  while (state_ != State::kBroken && output().empty()) {
    const std::string_view rest(input_.data() + begin, input_size_ - begin);
    const std::size_t end = rest.find('\n');
    if (std::min(end, rest.size()) > kMaxLineBytes) state_ = State::kBroken;
    if (end == rest.npos || state_ == State::kBroken) break;
    handle_line(rest.substr(0, end));
    begin += end + 1;
  }
  std::memmove(input_.data(), input_.data() + begin, input_size_ - begin);
  wipe(input_.data() + input_size_ - begin, begin);
  input_size_ -= begin;
}

void UapiConnection::handle_line(std::string_view line) {
  if (state_ == State::kIdle) {
    begin_request(line);
  } else if (state_ == State::kSet) {
    line.empty() ? finish_set() : handle_set_line(line);
  } else {
    line.empty() ? finish_get() : static_cast<void>(state_ = State::kBroken);
  }
}

void UapiConnection::begin_request(std::string_view line) {
  if (line == "get=1") {
    state_ = State::kGet;
  } else if (line == "set=1") {
    state_ = State::kSet;
    set_.emplace();
    set_error_ = 0;
  } else {
    state_ = State::kBroken;
  }
}

void UapiConnection::handle_set_line(std::string_view line) {
  if (set_error_ == 0 && set_->full_at(line)) apply();
  if (set_error_ == 0) set_error_ = set_->add_line(line);
}

void UapiConnection::apply() {
  if (Status status = handler_.configure(set_->take()); !status) set_error_ = uapi_errno(status.error());
}

// The errors of a set are negative (wg's ipc-uapi.h takes the number for its own result).
void UapiConnection::finish_set() {
  if (set_error_ == 0) apply();
  set_.reset();
  output_ = "errno=" + std::to_string(-set_error_) + "\n\n";
  output_sent_ = 0;
  state_ = State::kIdle;
}

void UapiConnection::finish_get() {
  get_.emplace(handler_.snapshot());
  state_ = State::kIdle;
  refill_output();
}

void UapiConnection::refill_output() {
  wipe(output_.data(), output_.size());
  output_.clear();
  output_.reserve(UapiGetAnswer::kMaxPartBytes);  // a string that grows leaves keys behind in the memory it had
  output_sent_ = 0;
  if (get_ && !get_->append_next(output_)) get_.reset();
}

void UapiConnection::output_sent(std::size_t size) {
  output_sent_ += size;
  if (!output().empty()) return;
  refill_output();
  if (output().empty()) handle_lines();
}

}  // namespace vpn::engine
