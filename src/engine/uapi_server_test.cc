#include "engine/uapi_server.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/test_directory.h"
#include "engine/test_counting_clock.h"

namespace vpn::engine {
namespace {

using namespace std::chrono_literals;

/// This process can open no descriptor while this lives.
class NoDescriptors {
 public:
  NoDescriptors() {
    const UniqueFd lowest_free(::dup(STDIN_FILENO));
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    const rlimit none{static_cast<rlim_t>(lowest_free.get()), before_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  }
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  rlimit before_{};
};

class UapiServerTest : public testing::Test {
 protected:
  Result<std::unique_ptr<UapiServer>> open() {
    protocol::InterfaceSnapshot snapshot;
    snapshot.listen_port = 5;
    UapiHandler handler{.configure = [](const protocol::InterfaceUpdate&) { return Status(); },
                        .snapshot = [snapshot] { return snapshot; }};
    return UapiServer::open(directory_.path(), "wg0", std::move(handler), clock_);
  }
  std::string path() const { return directory_.path() / "wg0.sock"; }

  static UniqueFd make_socket() { return UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)); }
  void connect(const UniqueFd& fd) const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path().copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  UniqueFd connect() const {
    UniqueFd fd = make_socket();
    connect(fd);
    return fd;
  }
  static void send(const UniqueFd& fd, std::string_view text) {
    EXPECT_EQ(::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  // The next answer, or what came before the end.
  static std::string receive(const UniqueFd& fd) {
    std::string text;
    char part[4096];
    while (!text.ends_with("\n\n")) {
      const ssize_t size = ::recv(fd.get(), part, sizeof part, 0);
      if (size <= 0) break;
      text.append(part, static_cast<std::size_t>(size));
    }
    return text;
  }
  static bool readable_within(int fd, std::chrono::milliseconds timeout) {
    pollfd polled{fd, POLLIN, 0};
    return ::poll(&polled, 1, static_cast<int>(timeout.count())) == 1;
  }

  TestDirectory directory_;
  CountingClock clock_;
};

TEST_F(UapiServerTest, ServesSeveralConnectionsAtOnce) {
  const auto server = open();
  ASSERT_TRUE(server) << server.error().message;
  const UniqueFd first = connect(), second = connect();
  send(first, "get=1\n");  // stays open in the middle of its request
  send(second, "get=1\n\n");
  EXPECT_EQ(receive(second), "listen_port=5\nerrno=0\n\n");
  send(first, "\n");
  EXPECT_EQ(receive(first), "listen_port=5\nerrno=0\n\n");
  send(first, "set=1\n\nget=1\n\n");
  EXPECT_EQ(receive(first).substr(0, 9), "errno=0\n\n");
}

TEST_F(UapiServerTest, SurvivesAProbeConnection) {
  const auto server = open();
  ASSERT_TRUE(server);
  for (int i = 0; i < 100; ++i) connect();  // wg connects and closes to see whether somebody listens
  const UniqueFd fd = connect();
  send(fd, "get=1\n\n");
  EXPECT_EQ(receive(fd), "listen_port=5\nerrno=0\n\n");
}

TEST_F(UapiServerTest, AnswersTheNextOnceOneOfTheMostConnectionsEnds) {
  const auto server = open();
  ASSERT_TRUE(server);
  std::vector<UniqueFd> held;
  for (std::size_t i = 0; i < UapiServer::kMaxConnections; ++i) {
    held.push_back(connect());
    send(held.back(), "get=1\n\n");
    ASSERT_NE(receive(held.back()), "");
  }
  const UniqueFd waiting = connect();
  send(waiting, "get=1\n\n");
  EXPECT_FALSE(readable_within(waiting.get(), 50ms));
  held.pop_back();
  EXPECT_EQ(receive(waiting), "listen_port=5\nerrno=0\n\n");
}

TEST_F(UapiServerTest, RestsWithoutADescriptorAndThenAnswers) {
  const auto server = open();
  ASSERT_TRUE(server);
  const UniqueFd waiting = make_socket();
  {
    const NoDescriptors none;
    connect(waiting);
    send(waiting, "get=1\n\n");
    EXPECT_FALSE(readable_within(waiting.get(), 100ms));
    EXPECT_LT(clock_.readings.load(), 20) << "it goes in circles";
  }
  EXPECT_EQ(receive(waiting), "listen_port=5\nerrno=0\n\n");
}

TEST_F(UapiServerTest, ClosesAConnectionThatBreaksTheProtocol) {
  const auto server = open();
  ASSERT_TRUE(server);
  const UniqueFd fd = connect();
  send(fd, "hello\n");
  EXPECT_EQ(receive(fd), "");
}

TEST_F(UapiServerTest, IsForItsOwnerAlone) {
  const auto server = open();
  ASSERT_TRUE(server);
  struct stat status{};
  ASSERT_EQ(::stat(path().c_str(), &status), 0);
  EXPECT_TRUE(S_ISSOCK(status.st_mode));
  EXPECT_EQ(status.st_mode & 0777u, 0600u);
}

TEST_F(UapiServerTest, ReplacesASocketThatNobodyListensOn) {
  const UniqueFd stale(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path().copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(stale.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  const auto server = open();
  ASSERT_TRUE(server) << server.error().message;
  const UniqueFd fd = connect();
  send(fd, "get=1\n\n");
  EXPECT_EQ(receive(fd), "listen_port=5\nerrno=0\n\n");
}

TEST_F(UapiServerTest, LeavesASocketInUseAlone) {
  const auto server = open();
  ASSERT_TRUE(server);
  const auto second = open();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kAlreadyExists);
  const UniqueFd fd = connect();
  send(fd, "get=1\n\n");
  EXPECT_EQ(receive(fd), "listen_port=5\nerrno=0\n\n");
}

TEST_F(UapiServerTest, RemovesItsSocketAtTheEnd) {
  {
    const auto server = open();
  }
  EXPECT_FALSE(std::filesystem::exists(path()));
}

TEST_F(UapiServerTest, NoticesThatItsSocketIsRemoved) {
  const auto server = open();
  ASSERT_TRUE(server);
  std::ofstream(directory_.path() / "other");
  std::filesystem::remove(directory_.path() / "other");
  EXPECT_FALSE(readable_within((*server)->closed_fd(), 20ms));
  std::filesystem::remove(path());
  EXPECT_TRUE(readable_within((*server)->closed_fd(), 5s));
}

TEST_F(UapiServerTest, DoesNotRemoveTheSocketOfItsSuccessor) {
  auto server = open();
  ASSERT_TRUE(server);
  std::filesystem::remove(path());
  const auto successor = open();
  ASSERT_TRUE(successor) << successor.error().message;
  server->reset();
  EXPECT_TRUE(std::filesystem::exists(path()));
}

}  // namespace
}  // namespace vpn::engine
