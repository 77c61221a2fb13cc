// For the tests of this folder: a client that speaks raw bytes over a blocking socket, and a gateway to speak to, whose
// service is a fake.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/json/parse.hpp>
#include <cstdlib>
#include <future>
#include <map>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/encoding.h"
#include "base/unique_fd.h"
#include "control/api/server.h"
#include "tunnel/memory/memory_tunnel.h"

namespace vpn::control {

struct Answer {
  int status = 0;
  std::map<std::string, std::string> headers;  ///< names in lower case
  std::string body;
};

/// What an answer of the form {"message": ...} says; what it is instead, when it is another.
inline std::string message_of(const Answer& answer) {
  boost::system::error_code error;
  const auto value = boost::json::parse(answer.body, error);
  if (error || !value.is_object() || value.as_object().size() != 1 || !value.as_object().contains("message")) {
    return "no {\"message\": ...} but: " + answer.body;
  }
  return std::string(value.as_object().at("message").as_string());
}

/// What waits longer than this has failed.
inline constexpr timeval kPatience{.tv_sec = 20, .tv_usec = 0};

class RawClient {
 public:
  static RawClient tcp(std::uint16_t port) {
    sockaddr_storage address{};
    const socklen_t size = Endpoint{IpAddress::v4(0x7f000001), port}.to_sockaddr(address);
    return RawClient(AF_INET, reinterpret_cast<const sockaddr*>(&address), size);
  }
  static RawClient unix(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    return RawClient(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }

  bool connected() const { return connected_; }
  int fd() const { return fd_.get(); }

  RawClient& send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) break;  // the server has closed; what it said can still be read
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return *this;
  }
  void end_sending() { ::shutdown(fd_.get(), SHUT_WR); }

  /// The next answer; status 0 when the connection ends before it is whole. The answer to a HEAD has no body.
  Answer receive(bool head = false) {
    Answer answer;
    std::size_t end;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
      if (!read_some()) return {};
    }
    parse_header(answer, std::string_view(buffer_).substr(0, end + 2));
    buffer_.erase(0, end + 4);
    if (head || answer.status == 100 || answer.status == 204) return answer;
    if (answer.headers.contains("transfer-encoding")) return read_chunks(answer) ? answer : Answer{};
    if (!answer.headers.contains("content-length")) {
      while (read_some()) {
      }
      answer.body = std::exchange(buffer_, {});
      return answer;
    }
    const std::size_t size = std::stoul(answer.headers["content-length"]);
    if (!read_until(size)) return {};
    answer.body = take(size);
    return answer;
  }

  /// True when the server closes the connection without another byte.
  bool is_closed() { return buffer_.empty() && !read_some() && !timed_out_; }

 private:
  RawClient(int family, const sockaddr* address, socklen_t size)
      : fd_(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
    connected_ = ::connect(fd_.get(), address, size) == 0;
  }

  bool read_some() {
    char bytes[16384];
    const ssize_t got = ::recv(fd_.get(), bytes, sizeof bytes, 0);
    timed_out_ = got < 0 && errno == EAGAIN;
    if (got <= 0) return false;
    buffer_.append(bytes, static_cast<std::size_t>(got));
    return true;
  }
  bool read_until(std::size_t size) {
    while (buffer_.size() < size) {
      if (!read_some()) return false;
    }
    return true;
  }
  std::string take(std::size_t size) {
    std::string taken = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return taken;
  }
  bool read_chunks(Answer& answer) {
    while (true) {
      std::size_t end;
      while ((end = buffer_.find("\r\n")) == std::string::npos) {
        if (!read_some()) return false;
      }
      const std::size_t size = std::stoul(take(end + 2), nullptr, 16);
      if (!read_until(size + 2)) return false;
      answer.body += take(size);
      if (take(2) != "\r\n") return false;
      if (size == 0) return true;
    }
  }
  static void parse_header(Answer& answer, std::string_view text) {
    answer.status = std::stoi(std::string(text.substr(9, 3)));
    text.remove_prefix(text.find("\r\n") + 2);
    while (!text.empty()) {
      const std::size_t colon = text.find(':');
      const std::size_t end = text.find("\r\n");
      std::string name(text.substr(0, colon));
      for (char& c : name) c = static_cast<char>(std::tolower(c));
      answer.headers[name] = text.substr(colon + 2, end - colon - 2);
      text.remove_prefix(end + 2);
    }
  }

  UniqueFd fd_;
  std::string buffer_;
  bool connected_ = false;
  bool timed_out_ = false;
};

/// Clients in a map; answers at once or, when told to hold, later. On the server's strand.
class FakeClients final : public ClientService {
 public:
  FakeClients() { own_key.bytes.fill(7); }

  Status ready() const override { return readiness; }
  const PublicKey& server_key() const override { return own_key; }
  void create(NewClient request, ClientCallback done) override {
    if (failure) return done(vpn::fail(*failure));
    if (find(request.public_key) != nullptr) {
      return done(vpn::fail(ErrorCode::kAlreadyExists,
                            "The client with public key " + to_string(request.public_key) + " exists", "publicKey"));
    }
    Client client{.public_key = request.public_key,
                  .preshared_key = request.preshared_key,
                  .address = IpAddress::v4(0xc0a80202 + static_cast<std::uint32_t>(clients.size())),
                  .allowed_ips = "0.0.0.0/0,::/0",
                  .name = request.name,
                  .enabled = true,
                  .created_at = WallTime(std::chrono::seconds(1'700'000'000))};
    insert(client);
    answer([done = std::move(done), client] { done(client); });
  }
  void remove(const PublicKey& key, StatusCallback done) override {
    change(key, std::move(done), [this, key](Client& client) {
      clients.erase(IpAddress(client.address));
      address_of.erase(PublicKey(key));
    });
  }
  void set_enabled(const PublicKey& key, bool enabled, StatusCallback done) override {
    change(key, std::move(done), [enabled](Client& client) { client.enabled = enabled; });
  }
  const Client* find(const PublicKey& key) const override {
    const auto address = address_of.find(key);
    return address == address_of.end() ? nullptr : &clients.at(address->second);
  }
  const Client* find_by_name(std::string_view name) const override {
    for (const auto& [address, client] : clients) {
      if (!name.empty() && client.name == name) return &client;
    }
    return nullptr;
  }
  std::vector<const Client*> list() const override {
    std::vector<const Client*> all;
    for (const auto& [address, client] : clients) all.push_back(&client);
    return all;
  }
  std::string obstacle(const Client&) const override { return obstacle_of_all; }
  Health health() const override { return health_now; }

  void insert(const Client& client) {
    clients.emplace(client.address, client);
    address_of.emplace(client.public_key, client.address);
  }
  void clear() {
    clients.clear();
    address_of.clear();
  }
  void release() {
    for (auto& answer : std::exchange(held, {})) answer();
  }

  std::map<IpAddress, Client> clients;
  std::unordered_map<PublicKey, IpAddress> address_of;
  std::optional<Error> failure;  ///< every change fails with it
  Status readiness;
  PublicKey own_key;
  bool hold = false;  ///< answers wait for release()
  std::vector<std::function<void()>> held;
  Health health_now;
  std::string obstacle_of_all;

 private:
  void answer(std::function<void()> call) {
    if (hold) return held.push_back(std::move(call));
    call();
  }
  template <typename Change>
  void change(const PublicKey& key, StatusCallback done, Change apply) {
    if (failure) return done(vpn::fail(*failure));
    const Client* client = find(key);
    if (client == nullptr) {
      return done(vpn::fail(ErrorCode::kNotFound, "Client with public key " + to_string(key) + " not found"));
    }
    apply(const_cast<Client&>(*client));
    answer([done = std::move(done)] { done({}); });
  }
};

class RecordingLogger final : public Logger {
 public:
  void write(LogLevel, std::string_view event, std::initializer_list<LogField> fields) override {
    lines.push_back(format_log_text(event, fields));
  }
  std::vector<std::string> lines;  ///< on the strand
};

/// A directory of its own, removed with the files in it that the server left.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    char name[] = "/tmp/vpn-api-test-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    ::unlink((path_ + "/api.sock").c_str());
    ::rmdir(path_.c_str());
  }
  std::string socket_path() const { return path_ + "/api.sock"; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// An API server on a free port and on a unix socket, its strand on a thread of its own.
class TestGateway {
  boost::asio::io_context io_;  // outlives the clients, whose held answers own coroutines

 public:
  static constexpr std::string_view kToken = "test-token-0123456789";

  explicit TestGateway(const std::function<void(ApiOptions&)>& adjust = {}, std::function<Status()> surroundings = {},
                       std::optional<IpPrefix> gateway6 = {})
      : guard_(io_.get_executor()) {
    ApiOptions options{.address = IpAddress::v4(0x7f000001), .port = 0, .socket_path = directory_.socket_path()};
    options.limits.sweep_interval = std::chrono::milliseconds(20);
    if (adjust) adjust(options);
    ServerInfo info{.version = "2.0.0", .network = {}};
    info.network.server_ip = "192.168.1.67";
    info.network.server_port = 51820;
    info.network.gateway6 = gateway6;
    server_ = *ApiServer::listen(io_, options, {clients, tunnel, random, clock, logger, std::move(surroundings)}, info);
    thread_ = std::thread([this] { io_.run(); });
  }
  TestGateway(const TestGateway&) = delete;
  TestGateway& operator=(const TestGateway&) = delete;
  ~TestGateway() {
    on_strand([this] { server_.reset(); });
    guard_.reset();
    io_.stop();
    thread_.join();
  }

  RawClient connect() const { return RawClient::tcp(server_->port()); }
  RawClient connect_unix() const { return RawClient::unix(directory_.socket_path()); }
  const TemporaryDirectory& directory() const { return directory_; }
  ApiServer& server() { return *server_; }

  /// Runs a function where the server runs, and waits for it.
  void on_strand(std::function<void()> function) {
    std::promise<void> done;
    boost::asio::post(io_, [&] {
      function();
      done.set_value();
    });
    done.get_future().wait();
  }
  ApiCounters counters() {
    ApiCounters copy;
    on_strand([&] { copy = server_->counters(); });
    return copy;
  }

  /// One request on a connection of its own, with the right Host.
  Answer ask(std::string_view method, std::string_view path, std::string_view body = {},
             std::string_view headers = "Content-Type: application/json\r\n") {
    return connect().send(request(method, path, body, headers)).receive(method == "HEAD");
  }
  static std::string request(std::string_view method, std::string_view path, std::string_view body = {},
                             std::string_view headers = "Content-Type: application/json\r\n") {
    std::string text(method);
    text.append(" ").append(path).append(" HTTP/1.1\r\nHost: 127.0.0.1:3000\r\n").append(headers);
    if (!body.empty()) text.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n");
    return text.append("\r\n").append(body);
  }

  FakeClients clients;
  tunnel::MemoryTunnel tunnel;
  SeededRandom random{1};
  ManualClock clock;
  RecordingLogger logger;

 private:
  TemporaryDirectory directory_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_;
  std::unique_ptr<ApiServer> server_;
  std::thread thread_;
};

/// The text of a key whose bytes are all `value`.
inline std::string key_text(std::uint8_t value) {
  std::array<std::uint8_t, kKeySize> bytes;
  bytes.fill(value);
  return base64_encode(bytes);
}

}  // namespace vpn::control
