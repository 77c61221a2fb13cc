// For tests: network namespaces of a test's own, furnished with the `ip` tool. Needs root.
//
// A thread is in one namespace at a time; sockets, interfaces and threads stay in the one they were made in.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sched.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/unique_fd.h"

namespace vpn {

/// A fresh network namespace with its loopback up. It ends when nothing is left in it.
class TestNamespace {
 public:
  /// The calling thread is in the namespace as long as this lives.
  class Visit {
   public:
    explicit Visit(int namespace_fd) : home_(open_current()) { CHECK(setns(namespace_fd, CLONE_NEWNET) == 0); }
    ~Visit() { CHECK(setns(home_.get(), CLONE_NEWNET) == 0); }
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;

   private:
    UniqueFd home_;
  };

  TestNamespace() {
    const UniqueFd home = open_current();
    CHECK(unshare(CLONE_NEWNET) == 0);
    fd_ = open_current();
    ip("link set lo up");
    CHECK(setns(home.get(), CLONE_NEWNET) == 0);
  }

  Visit enter() const { return Visit(fd_.get()); }
  /// A name of this namespace for `ip`, good while this lives.
  std::string path() const { return "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(fd_.get()); }

  /// Runs `ip ARGUMENTS` in the calling thread's namespace. An argument holds no space.
  static void ip(const std::string& arguments) {
    std::istringstream rest("ip " + arguments);
    std::vector<std::string> words;
    for (std::string word; rest >> word;) words.push_back(word);
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    pid_t child = 0;
    ASSERT_EQ(posix_spawnp(&child, "ip", nullptr, nullptr, argv.data(), environ), 0);
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "ip " << arguments;
  }

 private:
  static UniqueFd open_current() {
    UniqueFd fd(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    CHECK(fd);
    return fd;
  }

  UniqueFd fd_;
};

/// An Ethernet cable: `name` in namespace `a`, `peer_name` in `b`. Both ends are down.
inline void lay_cable(const TestNamespace& a, const std::string& name, const TestNamespace& b,
                      const std::string& peer_name) {
  const auto visit = a.enter();
  TestNamespace::ip("link add name " + name + " type veth peer name " + peer_name + " netns " + b.path());
}

/// Runs `body` without the NET_ADMIN capability, on a thread of its own since a thread does not get it back.
inline void without_net_admin(const std::function<void()>& body) {
  std::thread([&] {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
    CHECK(syscall(SYS_capget, &header, sets.data()) == 0);
    sets[0].effective &= ~(1u << CAP_NET_ADMIN);
    CHECK(syscall(SYS_capset, &header, sets.data()) == 0);
    body();
  }).join();
}

}  // namespace vpn
