// Where clients were last seen, in a file of this node, so that after a restart or a kill -9 the gateway calls those
// that are connected at once, instead of waiting for each to notice.
//
//     <state directory>/endpoints, mode 0600, appended to, one line per learned endpoint or completed handshake:
//     <public key, base64> <endpoint> <last handshake, seconds since 1970>\n
//
// The last line for a key counts. Written at most once a second, and only when something was learned; never fsynced,
// for a kill spares the page cache, and after a reboot no session is left. Lines too old to matter go when the file is
// compacted: at start, and when it has doubled. What fails here is logged and costs only that head start.
//
// Lives on the control strand. Owned by main.cc, which destroys it when the strand has ended.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/unique_fd.h"
#include "control/service/strand.h"
#include "tunnel/tunnel.h"

namespace vpn::control {

class EndpointLog {
 public:
  /// A session ends 180 s after its handshake (Reject-After-Time); the rest is for the restart itself.
  static constexpr std::chrono::seconds kLifetime{200};
  static constexpr std::chrono::seconds kMinInterval{1};
  /// The file is compacted when it has doubled since, but not below this.
  static constexpr std::size_t kMinCompactionBytes = 64 * 1024;
  /// A larger file is not ours (2^20 clients need a third of it): it is begun anew.
  static constexpr std::size_t kMaxFileBytes = 512u * 1024 * 1024;

  /// Listens to the tunnel from now on, so it is made before the tunnel has peers. The references outlive it.
  EndpointLog(std::string path, tunnel::Tunnel& tunnel, const Clock& clock, Post post, Delay delay, Logger& logger);
  EndpointLog(const EndpointLog&) = delete;
  EndpointLog& operator=(const EndpointLog&) = delete;

  /// Gives the tunnel the endpoints of the last life. Once, when the tunnel holds its peers.
  void start();
  /// Writes what was learned since the last write. Also to be called at a stop.
  void flush();

 private:
  using Entries = std::unordered_map<PublicKey, tunnel::PeerEndpoint>;

  /// What the tunnel's listener uses on the tunnel's threads; it may outlive the log.
  struct Doorbell {
    Post post;
    std::atomic<bool> rung = false;
  };

  void on_learned();
  Result<Entries> read() const;
  Status append(std::string_view lines);
  Status rewrite(const Entries& entries);
  void report(const Status& status);
  bool is_fresh(const tunnel::PeerEndpoint& entry) const;

  const std::string path_;
  tunnel::Tunnel& tunnel_;
  const Clock& clock_;
  const Delay delay_;
  Logger& logger_;
  const std::shared_ptr<Doorbell> doorbell_;

  UniqueFd file_;
  std::size_t size_bytes_ = 0;
  std::size_t compaction_bytes_ = kMinCompactionBytes;
  bool resting_ = false;     // within kMinInterval of the last write
  bool more_waits_ = false;  // something was learned meanwhile
  bool failing_ = false;
};

}  // namespace vpn::control
