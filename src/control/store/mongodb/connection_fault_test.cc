// What stands between us and the server, at its worst: each of these passes by itself, so each is kUnavailable.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/socket.h>

#include <list>
#include <string_view>
#include <thread>

#include "control/store/mongodb/test_stores.h"

namespace vpn::control::mongodb {
namespace {

using testing::HasSubstr;

/// A listener on a free port of the loopback that leads to a server, or nowhere.
class Proxy {
 public:
  enum class Kind { kSilent, kCloses, kCutsAuthentication };
  Proxy(Kind kind, std::uint16_t server_port) : kind_(kind), server_port_(server_port) {
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(listener_.get(), generic, size), 0);
    EXPECT_EQ(listen(listener_.get(), 64), 0);
    EXPECT_EQ(getsockname(listener_.get(), generic, &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { run(); });
  }
  ~Proxy() {
    shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  std::string host() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
  }
  static UniqueFd make_socket() { return UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)); }

  void run() {
    std::list<std::pair<UniqueFd, std::thread>> connections;
    for (;;) {
      UniqueFd accepted(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (accepted.get() < 0) break;
      if (kind_ == Kind::kCloses) continue;
      const int fd = accepted.get();
      connections.emplace_back(std::move(accepted),
                               kind_ == Kind::kSilent ? std::thread([] {}) : std::thread([this, fd] { relay(fd); }));
    }
    for (auto& [socket, thread] : connections) {
      shutdown(socket.get(), SHUT_RDWR);
      thread.join();
    }
  }

  /// Until either side ends, or the client begins to prove who it is.
  void relay(int client) {
    const UniqueFd server = make_socket();
    const sockaddr_in address = loopback(server_port_);
    if (connect(server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return;
    pollfd ends[2] = {{client, POLLIN, 0}, {server.get(), POLLIN, 0}};
    char buffer[65536];
    while (poll(ends, 2, -1) > 0) {
      for (const int from : {0, 1}) {
        if (!ends[from].revents) continue;
        const ssize_t size = recv(ends[from].fd, buffer, sizeof buffer, 0);
        const std::string_view text(buffer, static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
        const bool proof = text.find("saslContinue") != text.npos ||
                           (text.find("saslStart") != text.npos && text.find("speculative") == text.npos);
        if (size <= 0 || proof || send(ends[1 - from].fd, buffer, text.size(), MSG_NOSIGNAL) < 0) {
          shutdown(client, SHUT_RDWR);
          return;
        }
      }
    }
  }

  const Kind kind_;
  const std::uint16_t server_port_;
  const UniqueFd listener_ = make_socket();
  std::uint16_t port_ = 0;
  std::thread thread_;
};

std::string load_error(const std::string& uri) {
  MongoOptions options;
  options.host = uri;
  const auto contents = make_store(options)->load();
  if (contents) return "loaded";
  return std::string(to_string(contents.error().code)) + ": " + contents.error().message;
}

TEST(MongoConnection, ASilentTlsServerMayComeBack) {
  const Proxy server(Proxy::Kind::kSilent, 0);
  EXPECT_THAT(load_error("mongodb://" + server.host() + "/?tls=true"), HasSubstr("unavailable: "));
}

TEST(MongoConnection, ATlsConnectionThatIsClosedMayComeBack) {
  const Proxy server(Proxy::Kind::kCloses, 0);
  EXPECT_THAT(load_error("mongodb://" + server.host() + "/?tls=true"), HasSubstr("unavailable: "));
}

TEST(MongoConnection, OneThatIsLostDuringAuthenticationAccusesNobody) {
  run_command(standalone().uri(), "admin", R"({"createUser": "vpn", "pwd": "correct-horse", "roles": ["root"]})");
  const Proxy server(Proxy::Kind::kCutsAuthentication, standalone().port());
  EXPECT_THAT(load_error("mongodb://vpn:correct-horse@" + server.host() + "/"), HasSubstr("unavailable: "));
}

}  // namespace
}  // namespace vpn::control::mongodb
