// A wg-quick file of a server as clients of a gateway: who of its peers is one, and which settings make the gateway the
// same server to them. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "control/model/client.h"
#include "quick/wg_quick_file.h"

namespace vpn::quick {

struct ServerImport {
  /// No two with one key, address or name.
  std::vector<control::Client> clients;
  /// Why the file makes no gateway; empty when it does.
  std::string fault;
  /// Peers that are no clients, a line each: which, why, and what to do.
  std::vector<std::string> unfit;
  /// What of the file has no counterpart, or is a setting now, a line each.
  std::vector<std::string> notes;
  /// In the form of a settings file: what `serve` is to be told.
  std::vector<std::pair<std::string, std::string>> settings;
};

/// `allowed_ips`: what clients are noted to have been told; a server's file does not say.
ServerImport import_server(const WgQuickFile& file, const std::string& interface_name, const std::string& allowed_ips,
                           WallTime now);

/// The name that a peer's comments give it: `Name = alice` and its kind, as tools and people write them, anywhere in
/// the section; else the plain comment beside its [Peer]. Empty when there is none that a client may have.
std::string name_of(const FilePeer& peer);

}  // namespace vpn::quick
