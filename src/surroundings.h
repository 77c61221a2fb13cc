// The machine around the tunnel: our access and NAT rules, forwarding, the interface's address.
//
// Rules that somebody removes or changes while we serve stand again at once: without them clients would reach
// everything. The rest is an administrator's to change, and only told: in the log, and by state().
//
// On the control strand. Owned by main.cc, longer than the tunnel.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/log.h"
#include "host/host.h"
#include "host/host_watch.h"

namespace vpn {

class Surroundings {
 public:
  Surroundings(boost::asio::io_context& io, host::Host& host, const std::filesystem::path& state_dir, Logger& logger);
  ~Surroundings();
  Surroundings(const Surroundings&) = delete;
  Surroundings& operator=(const Surroundings&) = delete;

  /// Rules, forwarding, then address: nothing flows before its rules stand. Once, on an interface without a peer; from
  /// then on, while the io_context runs, they are watched.
  Status bring_up(const host::RulesConfig& rules, const host::LinkConfig& link);

  /// Takes our rules away, and with them the note of them, unless the interface is there still, which keeps them. The
  /// destructor does so too.
  void remove_rules();

  /// Success while packets pass; else why not.
  const Status& state() const { return rules_ ? link_ : rules_; }

 private:
  Status apply_rules();
  void watch();
  void heed(host::HostWatch::News news);
  void keep_rules();
  void look_at_link();

  host::Host& host_;
  const std::filesystem::path& state_dir_;
  Logger& logger_;
  host::RulesConfig rules_config_;
  host::LinkConfig link_config_;
  std::string ruled_interface_;  // whose rules stand; empty: none of ours

  std::optional<host::HostWatch> watch_;
  boost::asio::posix::stream_descriptor news_;
  boost::asio::steady_timer pause_;
  Status rules_;
  Status link_;
  std::optional<std::chrono::steady_clock::time_point> told_;  // when rules were last put back with a word in the log
};

}  // namespace vpn
