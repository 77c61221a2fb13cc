// For tests: a /proc/sys that cannot be written, as in a container. Needs root.
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

#include "base/check.h"
#include "base/unique_fd.h"

namespace vpn::host {

/// /proc/sys is read-only for this thread, as long as this lives.
class ReadOnlyProc {
 public:
  ReadOnlyProc() {
    CHECK(unshare(CLONE_NEWNS) == 0);
    CHECK(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0);
    CHECK(mount("/proc/sys", "/proc/sys", nullptr, MS_BIND, nullptr) == 0);
    CHECK(mount("none", "/proc/sys", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) == 0);
  }
  ~ReadOnlyProc() { CHECK(setns(home_.get(), CLONE_NEWNS) == 0); }
  ReadOnlyProc(const ReadOnlyProc&) = delete;
  ReadOnlyProc& operator=(const ReadOnlyProc&) = delete;

 private:
  UniqueFd home_{open("/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC)};
};

}  // namespace vpn::host
