// What `up` made, kept in a file until `down` has taken it away: so `down` needs neither the wg-quick file nor a guess,
// and finds what a crash of `up` left.
//
// The directory is the machine's until its next boot, as are interfaces and rules. One thread; `up` and `down` of all
// interfaces take turns (Records::lock).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/unique_fd.h"
#include "host/policy_rules.h"

namespace vpn::quick {

constexpr const char* kRecordDirectory = "/run/vpn-enabler/up";

/// What is to be undone. All of it is known before the first of it is made, but for the interface's number.
struct Record {
  std::string interface_name;
  bool in_kernel = false;        ///< else an engine process is behind the interface
  unsigned interface_index = 0;  ///< 0: it may not have been made yet
  std::vector<host::PolicyRule> rules = {};
  bool has_table = false;                  ///< of nftables
  std::filesystem::path config_file = {};  ///< absolute

  bool operator==(const Record&) const = default;
};

/// Lines of words; parse(to_text(r)) == r. Pure.
std::string to_text(const Record& record);
/// kCorrupt for anything else.
Result<Record> parse_record(std::string_view text);

class Records {
 public:
  /// Makes the directory, for root alone.
  static Result<Records> open(const std::filesystem::path& directory = kRecordDirectory);

  /// Nothing when there is none of that interface, in this network namespace.
  Result<std::optional<Record>> load(const std::string& interface_name) const;
  Status store(const Record& record) const;
  Status remove(const std::string& interface_name) const;

 private:
  Records(std::filesystem::path directory, std::string network_namespace, UniqueFd lock)
      : directory_(std::move(directory)), network_namespace_(std::move(network_namespace)), lock_(std::move(lock)) {}
  std::string file_name(const std::string& interface_name) const;

  std::filesystem::path directory_;
  std::string network_namespace_;  ///< its number: containers that share /run are machines of their own
  UniqueFd lock_;
};

}  // namespace vpn::quick
