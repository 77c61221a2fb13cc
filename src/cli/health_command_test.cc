#include "cli/health_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <string>
#include <string_view>
#include <thread>

#include "base/check.h"
#include "base/test_directory.h"
#include "base/unique_fd.h"

namespace vpn::cli {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

/// Listens on a path; answers one caller with a text, once its request is there, and ends the connection.
class OneAnswer {
 public:
  OneAnswer(const std::string& path, std::string answer) : listener_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    CHECK(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    CHECK(::listen(listener_.get(), 1) == 0);
    thread_ = std::thread([this, answer = std::move(answer)] {
      const UniqueFd caller(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      std::array<char, 1024> part;
      while (!request_.ends_with("\r\n\r\n")) {
        const ssize_t size = ::read(caller.get(), part.data(), part.size());
        if (size <= 0) return;
        request_.append(part.data(), static_cast<std::size_t>(size));
      }
      EXPECT_EQ(::send(caller.get(), answer.data(), answer.size(), MSG_NOSIGNAL), static_cast<ssize_t>(answer.size()));
    });
  }
  ~OneAnswer() {
    if (thread_.joinable()) thread_.join();
  }
  OneAnswer(const OneAnswer&) = delete;
  OneAnswer& operator=(const OneAnswer&) = delete;

  std::string request() {
    thread_.join();
    return request_;
  }

 private:
  UniqueFd listener_;
  std::thread thread_;
  std::string request_;  // the thread's until it has ended
};

class HealthCommandTest : public testing::Test {
 protected:
  int exit_code() { return run_health({"--api-socket", path_}); }

  const TestDirectory directory_;
  const std::string path_ = directory_.path() / "api.sock";
};

TEST_F(HealthCommandTest, SucceedsAndPrintsWhenTheGatewayIsWell) {
  OneAnswer gateway(path_, "HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"status\":\"ok\"}");
  testing::internal::CaptureStdout();
  const int code = exit_code();
  ::fflush(stdout);
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "{\"status\":\"ok\"}\n");
  EXPECT_EQ(code, kSuccess);
  const std::string request = gateway.request();
  EXPECT_THAT(request, StartsWith("GET /health HTTP/1.1\r\n"));
  EXPECT_THAT(request, HasSubstr("\r\nConnection: close\r\n"));
}

TEST_F(HealthCommandTest, FailsAndPrintsWhyWhenItIsNot) {
  OneAnswer gateway(path_, "HTTP/1.1 503 Service Unavailable\r\n\r\n{\"status\":\"failing\",\"message\":\"disk\"}");
  testing::internal::CaptureStdout();
  const int code = exit_code();
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "{\"status\":\"failing\",\"message\":\"disk\"}\n");
  EXPECT_EQ(code, kFailure);
}

TEST_F(HealthCommandTest, FailsWhenNobodyAnswers) {
  testing::internal::CaptureStderr();
  const int code = exit_code();
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("is `vpn-enabler serve` running?"));
  EXPECT_EQ(code, kFailure);
}

TEST_F(HealthCommandTest, FailsWhenSomethingElseAnswers) {
  for (const std::string answer : {"", "220 mail.example.org ESMTP\r\n\r\n", "HTTP/1.1 200 OK\r\nServer: cut"}) {
    const std::string path = path_ + std::to_string(answer.size());
    OneAnswer stranger(path, answer);
    testing::internal::CaptureStderr();
    const int code = run_health({"--api-socket", path});
    EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("is no gateway")) << answer;
    EXPECT_EQ(code, kFailure) << answer;
  }
}

TEST_F(HealthCommandTest, RefusesAPathThatNoSocketCanHave) {
  testing::internal::CaptureStderr();
  const int code = run_health({"--api-socket", "/" + std::string(200, 'x')});
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("File name too long"));
  EXPECT_EQ(code, kFailure);
}

}  // namespace
}  // namespace vpn::cli
