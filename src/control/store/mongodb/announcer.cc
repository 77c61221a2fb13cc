#include "control/store/mongodb/announcer.h"

#include <pthread.h>

#include <utility>

#include "control/store/mongodb/revisions.h"

namespace vpn::control::mongodb {

Announcer::~Announcer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Announcer::begin(std::string writer, std::vector<PublicKey> keys) {
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  writer_ = std::move(writer);
  keys_ = std::move(keys);
  begun_ = std::chrono::steady_clock::now();
  {
    const std::lock_guard lock(mutex_);
    asked_ = true;
  }
  changed_.notify_all();
}

Status Announcer::finish() {
  const bool late = std::chrono::steady_clock::now() - begun_ > kLookAgain / 2;
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !asked_; });
  if (!told_ || !late) return told_;
  return announce(server_, writer_, keys_, /*everything=*/false);
}

void Announcer::run() {
  pthread_setname_np(pthread_self(), "mongodb-tell");
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return asked_ || stopping_; });
    if (stopping_) return;
    lock.unlock();
    Status told = announce(server_, writer_, keys_, /*everything=*/false);
    lock.lock();
    told_ = std::move(told);
    asked_ = false;
    changed_.notify_all();
  }
}

}  // namespace vpn::control::mongodb
