// The UAPI socket, /var/run/wireguard/<interface>.sock: what `wg` talks to.
//
// Owned by whoever opened it; its thread, "wg-uapi", serves every connection and calls the handler.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/unique_fd.h"
#include "engine/uapi_connection.h"

namespace vpn::engine {

/// Where the wg tools look.
constexpr const char* kUapiDirectory = "/var/run/wireguard";

class UapiServer {
 public:
  /// Further ones wait in the kernel's queue.
  static constexpr std::size_t kMaxConnections = 16;
  /// A connection without a byte in either direction is closed after this.
  static constexpr std::chrono::seconds kMaxIdle{60};
  /// When there is no descriptor or memory for a connection, it waits this long for one.
  static constexpr std::chrono::seconds kAcceptPause{1};

  /// Makes the directory and the socket (0600) and serves it. A socket file that nobody listens on is replaced.
  /// kAlreadyExists when somebody does. `clock` and what `handler` uses outlive this.
  static Result<std::unique_ptr<UapiServer>> open(const std::string& directory, const std::string& interface_name,
                                                  UapiHandler handler, const Clock& clock);
  /// Serves a socket that listens already, with its file as in open().
  static Result<std::unique_ptr<UapiServer>> adopt(UniqueFd listener, const std::string& directory,
                                                   const std::string& interface_name, UapiHandler handler,
                                                   const Clock& clock);
  /// Stops and removes the socket file, if it is still this server's.
  ~UapiServer();
  UapiServer(const UapiServer&) = delete;
  UapiServer& operator=(const UapiServer&) = delete;

  /// Readable once the socket file was removed by somebody else: the owner then ends, as wireguard-go does. Never read
  /// from it.
  int closed_fd() const { return closed_.get(); }

 private:
  struct Client {
    UniqueFd fd;
    std::unique_ptr<UapiConnection> connection;
    Instant last_active;
  };
  /// Which file a path names; another one by the same name is not ours.
  struct FileId {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    bool operator==(const FileId&) const = default;
  };

  UapiServer(UniqueFd listener, std::string path, UapiHandler handler, const Clock& clock);
  Status start(const std::string& directory);
  static FileId file_id(const std::string& path);

  void run();
  int poll_timeout_ms(Instant now) const;
  void accept_one(Instant now);
  void notice_removal();
  /// False when the connection is over.
  static bool serve(Client& client, short events);

  UniqueFd listener_;
  std::string path_;
  FileId file_;
  UapiHandler handler_;
  const Clock& clock_;
  UniqueFd stop_;
  UniqueFd closed_;
  UniqueFd watch_;  ///< inotify on the directory
  std::vector<Client> clients_;
  Instant accept_from_ = Instant::min();  ///< until then nothing is accepted
  std::thread thread_;
};

}  // namespace vpn::engine
