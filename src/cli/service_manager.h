// What systemd, or another manager that set NOTIFY_SOCKET, is told of the gateway: that it serves, that it stops, and,
// where it asked for a watchdog, that the control strand still turns. Without such a manager nothing happens.
//
// The protocol is sd_notify(3)'s: a datagram of lines NAME=value. Lives on the control strand.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <chrono>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/log.h"
#include "base/unique_fd.h"
#include "control/service/strand.h"

namespace vpn::cli {

/// What a service manager puts into its service's environment.
struct ServiceEnvironment {
  std::string notify_socket;              ///< NOTIFY_SOCKET: a path, or @name of an abstract socket; empty: no manager
  std::chrono::microseconds watchdog{0};  ///< WATCHDOG_USEC: silence for so long is taken for a hang; 0: no watchdog
};

/// Of this process. A watchdog that is meant for another one (WATCHDOG_PID) is left out.
ServiceEnvironment service_environment();

class ServiceManager {
 public:
  /// A manager that cannot be told is a warning in the log; the gateway does its work all the same.
  ServiceManager(const ServiceEnvironment& environment, control::Delay delay, Logger& logger);
  ServiceManager(const ServiceManager&) = delete;
  ServiceManager& operator=(const ServiceManager&) = delete;

  /// The gateway is up; `status` is the line that `systemctl status` shows, and may be told anew. From the first call
  /// on the watchdog is fed, twice in its time.
  void ready(std::string_view status);
  /// The gateway is about to end; the watchdog is fed no more.
  void stopping();

 private:
  Status open(const std::string& notify_socket);
  Status send(std::string_view text);
  void tell(std::string_view text);
  void feed_watchdog();

  control::Delay delay_;
  Logger& logger_;
  std::chrono::milliseconds watchdog_interval_;  ///< 0: no watchdog
  sockaddr_un address_{};
  socklen_t address_size_ = 0;
  UniqueFd socket_;       ///< none: nobody to tell
  bool fed_ = false;      ///< the watchdog's first word is said, the next one is on its way
  bool failing_ = false;  ///< the last datagram was not taken: said once
  bool stopping_ = false;
};

}  // namespace vpn::cli
