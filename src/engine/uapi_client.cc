#include "engine/uapi_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include "base/encoding.h"
#include "engine/uapi.h"

namespace vpn::engine {
namespace {

using protocol::InterfaceUpdate;
using protocol::PeerUpdate;

// More than the longest line of the protocol, a key with 64 hex digits.
constexpr std::size_t kMaxLineBytes = 4096;
// A request is sent when it has grown so long: one for 65,000 peers would be 20 MB.
constexpr std::size_t kPieceBytes = 64 * 1024;

/// A text that holds keys, wiped at its end. It is sent in pieces and never grows beyond its first allocation.
class SecretLines {
 public:
  SecretLines() { text_.reserve(2 * kPieceBytes); }
  ~SecretLines() { clear(); }
  SecretLines(const SecretLines&) = delete;
  SecretLines& operator=(const SecretLines&) = delete;

  void add(std::string_view key, std::string_view value) { text_.append(key).append("=").append(value).append("\n"); }
  void add(std::string_view key, const Secret<kKeySize>& secret) {
    std::string hex = hex_encode(secret.reveal());
    add(key, hex);
    wipe(hex.data(), hex.size());
  }
  void end() { text_ += '\n'; }
  bool is_long() const { return text_.size() >= kPieceBytes; }
  std::string_view text() const { return text_; }
  void clear() {
    wipe(text_.data(), text_.size());
    text_.clear();
  }

 private:
  std::string text_;
};

void add_device(SecretLines& lines, const InterfaceUpdate& update) {
  if (update.private_key) lines.add("private_key", *update.private_key);
  if (update.listen_port) lines.add("listen_port", std::to_string(*update.listen_port));
  if (update.fwmark) lines.add("fwmark", std::to_string(*update.fwmark));
  if (update.replace_peers) lines.add("replace_peers", "true");
}

void add_peer(SecretLines& lines, const PeerUpdate& peer) {
  lines.add("public_key", hex_encode(peer.public_key.bytes));
  if (peer.remove) lines.add("remove", "true");
  if (peer.update_only) lines.add("update_only", "true");
  if (peer.preshared_key) lines.add("preshared_key", *peer.preshared_key);
  if (peer.endpoint) lines.add("endpoint", to_string(*peer.endpoint));
  if (peer.persistent_keepalive_s) {
    lines.add("persistent_keepalive_interval", std::to_string(*peer.persistent_keepalive_s));
  }
  if (peer.replace_allowed_ips) lines.add("replace_allowed_ips", "true");
}

/// The number behind "errno=", which ends every answer; nothing for any other line.
std::optional<std::string_view> error_number(std::string_view line) {
  constexpr std::string_view kKey = "errno=";
  if (!line.starts_with(kKey)) return std::nullopt;
  return line.substr(kKey.size());
}

/// What an interface did, which no other can be told.
bool is_statistic(std::string_view line) {
  constexpr std::array<std::string_view, 4> kKeys = {"last_handshake_time_",
                                                     "rx_bytes=", "tx_bytes=", "protocol_version="};
  return std::ranges::any_of(kKeys, [line](std::string_view key) { return line.starts_with(key); });
}

Failure refused(std::string_view number) {
  return fail(ErrorCode::kIo, "the WireGuard engine refuses: errno " + std::string(number));
}

}  // namespace

Result<UapiClient> UapiClient::connect(const std::string& directory, const std::string& interface_name) {
  const std::string path = directory + "/" + interface_name + ".sock";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return fail(ErrorCode::kInvalidArgument, path + " is too long");
  std::ranges::copy(path, std::begin(address.sun_path));
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail(system_error("cannot make a socket", errno));
  const timeval patience{kPatience.count(), 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const bool nobody = errno == ENOENT || errno == ECONNREFUSED;
    Error error = system_error("cannot connect to " + path, errno);
    if (nobody) error.code = ErrorCode::kNotFound;
    return fail(std::move(error));
  }
  return UapiClient(std::move(socket));
}

Status UapiClient::set(const InterfaceUpdate& update) {
  SecretLines lines;
  Status sent;
  const auto send_when_long = [&] {
    if (!lines.is_long() || !sent) return;
    sent = send(lines.text());
    lines.clear();
  };
  lines.add("set", "1");
  add_device(lines, update);
  for (const PeerUpdate& peer : update.peers) {
    add_peer(lines, peer);
    for (const protocol::AllowedIpChange& change : peer.allowed_ips) {
      lines.add("allowed_ip", (change.remove ? "-" : "") + to_string(change.prefix));
      send_when_long();
    }
    send_when_long();
  }
  lines.end();
  if (sent) sent = send(lines.text());
  if (!sent) return sent;
  const auto line = read_line();
  if (!line) return fail(line.error());
  const auto number = error_number(*line);
  if (!number) return fail(ErrorCode::kIo, "the WireGuard engine does not answer as it should");
  if (*number != "0") return refused(*number);
  if (const auto end = read_line(); !end) return fail(end.error());  // the empty line behind an answer
  return {};
}

Result<InterfaceUpdate> UapiClient::get() {
  if (Status sent = send("get=1\n\n"); !sent) return fail(sent.error());
  UapiSetRequest request;  // its keys are those of an answer
  while (true) {
    auto line = read_line();
    if (!line) return fail(line.error());
    const auto number = error_number(*line);
    if (number && *number != "0") return refused(*number);
    const bool known = number || is_statistic(*line) || request.add_line(*line) == 0;
    wipe(line->data(), line->size());
    if (!known) return fail(ErrorCode::kIo, "the WireGuard engine tells what we do not know");
    if (!number) continue;
    if (const auto end = read_line(); !end) return fail(end.error());
    return request.take();
  }
}

bool UapiClient::wait_for_end(std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  pollfd connection{socket_.get(), POLLIN, 0};
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    const int ready = ::poll(&connection, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (ready < 0 && errno == EINTR) continue;
    return ready > 0;
  }
}

Status UapiClient::send(std::string_view text) {
  while (!text.empty()) {
    const ssize_t size = ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail(system_error("cannot talk to the WireGuard engine", errno));
    text.remove_prefix(static_cast<std::size_t>(size));
  }
  return {};
}

Result<std::string> UapiClient::read_line() {
  while (true) {
    if (const std::size_t end = received_.find('\n'); end != received_.npos) {
      std::string line = received_.substr(0, end);
      wipe(received_.data(), end);
      received_.erase(0, end + 1);
      return line;
    }
    if (received_.size() > kMaxLineBytes) return fail(ErrorCode::kIo, "the WireGuard engine sends a line without end");
    std::array<char, kMaxLineBytes> part;
    const ssize_t size = ::recv(socket_.get(), part.data(), part.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail(system_error("the WireGuard engine does not answer", errno));
    if (size == 0) return fail(ErrorCode::kIo, "the WireGuard engine ended the conversation");
    received_.append(part.data(), static_cast<std::size_t>(size));
    wipe(part.data(), part.size());
  }
}

}  // namespace vpn::engine
