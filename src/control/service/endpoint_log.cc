#include "control/service/endpoint_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <optional>
#include <vector>

#include "base/encoding.h"

namespace vpn::control {
namespace {

std::string line_of(const tunnel::PeerEndpoint& entry) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(entry.last_handshake.time_since_epoch()).count();
  return to_string(entry.public_key) + " " + to_string(entry.endpoint) + " " + std::to_string(seconds) + "\n";
}

/// Nullopt for a line that is not one of ours, as a crash or a full disk may leave it.
std::optional<tunnel::PeerEndpoint> parse_line(std::string_view line) {
  const std::size_t first = line.find(' ');
  const std::size_t second = line.find(' ', first + 1);
  if (first == line.npos || second == line.npos) return std::nullopt;
  const auto key = PublicKey::parse(line.substr(0, first));
  const auto endpoint = Endpoint::parse(line.substr(first + 1, second - first - 1));
  const auto seconds = parse_decimal(line.substr(second + 1), INT32_MAX * std::uint64_t{2});
  if (!key || !endpoint || !seconds) return std::nullopt;
  return tunnel::PeerEndpoint{*key, *endpoint, WallTime(std::chrono::seconds(*seconds))};
}

Status write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail(system_error("write", errno));
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

}  // namespace

EndpointLog::EndpointLog(std::string path, tunnel::Tunnel& tunnel, const Clock& clock, Post post, Delay delay,
                         Logger& logger)
    : path_(std::move(path)),
      tunnel_(tunnel),
      clock_(clock),
      delay_(std::move(delay)),
      logger_(logger),
      doorbell_(std::make_shared<Doorbell>(std::move(post))) {
  tunnel_.on_learned_endpoints([this, doorbell = doorbell_] {
    if (!doorbell->rung.exchange(true)) doorbell->post([this] { on_learned(); });
  });
}

void EndpointLog::start() {
  auto entries = read();
  if (entries) {
    std::vector<tunnel::PeerEndpoint> alive;
    for (const auto& [key, entry] : *entries) alive.push_back(entry);
    Status restored = tunnel_.restore_endpoints(alive);
    if (restored) restored = rewrite(*entries);
    report(restored);
  } else {
    report(fail(entries.error()));
  }
}

/// Writes at once, then rests, so that the file is never more than kMinInterval behind.
void EndpointLog::on_learned() {
  doorbell_->rung = false;
  if (resting_) {
    more_waits_ = true;
    return;
  }
  flush();
  resting_ = true;
  delay_(kMinInterval, [this] {
    resting_ = false;
    if (std::exchange(more_waits_, false)) on_learned();
  });
}

void EndpointLog::flush() {
  std::string lines;
  for (const tunnel::PeerEndpoint& entry : tunnel_.take_learned_endpoints()) {
    if (entry.endpoint) lines += line_of(entry);
  }
  if (lines.empty()) return;
  Status written = append(lines);
  // A failed write may have left half a line, which a compaction drops.
  if (!written || size_bytes_ > compaction_bytes_) {
    const auto entries = read();
    const Status compacted = entries ? rewrite(*entries) : fail(entries.error());
    if (written) written = compacted;
  }
  report(written);
}

/// What the file says of sessions that may still live. A missing file says nothing.
Result<EndpointLog::Entries> EndpointLog::read() const {
  const UniqueFd fd(open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd && errno == ENOENT) return Entries{};
  if (!fd) return fail(system_error("open", errno));
  struct stat status{};
  if (fstat(fd.get(), &status) != 0) return fail(system_error("stat", errno));
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size > kMaxFileBytes) return Entries{};

  std::string text(size, '\0');
  std::size_t filled = 0;
  while (filled < size) {
    const ssize_t got = ::read(fd.get(), text.data() + filled, size - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(system_error("read", errno));
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }

  Entries entries;
  std::string_view rest = std::string_view(text).substr(0, filled);
  for (std::size_t end = rest.find('\n'); end != rest.npos; end = rest.find('\n')) {
    const auto entry = parse_line(rest.substr(0, end));
    if (entry && is_fresh(*entry)) entries.insert_or_assign(entry->public_key, *entry);
    rest.remove_prefix(end + 1);
  }
  return entries;
}

Status EndpointLog::append(std::string_view lines) {
  if (!file_) {
    file_.reset(open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (!file_) return fail(system_error("open", errno));
  }
  size_bytes_ += lines.size();
  return write_all(file_.get(), lines);
}

/// Puts a new file in the old one's place, so a crash leaves one of the two whole.
Status EndpointLog::rewrite(const Entries& entries) {
  std::string text;
  for (const auto& [key, entry] : entries) text += line_of(entry);
  const std::string fresh_path = path_ + ".new";
  UniqueFd fresh(open(fresh_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600));
  if (!fresh) return fail(system_error("open", errno));
  if (Status written = write_all(fresh.get(), text); !written) return written;
  if (rename(fresh_path.c_str(), path_.c_str()) != 0) return fail(system_error("rename", errno));
  file_ = std::move(fresh);
  size_bytes_ = text.size();
  compaction_bytes_ = std::max(kMinCompactionBytes, 2 * text.size());
  return {};
}

void EndpointLog::report(const Status& status) {
  if (!status && !failing_) {
    logger_.warn("endpoints cannot be kept; after a restart clients reconnect more slowly",
                 {{"path", path_}, {"error", status.error().message}});
  }
  if (status && failing_) logger_.info("endpoints are kept again", {{"path", path_}});
  failing_ = !status;
}

bool EndpointLog::is_fresh(const tunnel::PeerEndpoint& entry) const {
  return clock_.wall_now() - entry.last_handshake < kLifetime;
}

}  // namespace vpn::control
