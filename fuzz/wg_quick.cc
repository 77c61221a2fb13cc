// A wg-quick file: read, planned, imported as a server's, and saved as SaveConfig saves it.
//
// Checked: errors are fit to be shown, what is saved is read as the same file, and imported clients can live beside
// each other.
#include <set>

#include "base/check.h"
#include "control/model/client_name.h"
#include "fuzz/input.h"
#include "fuzz/message.h"
#include "quick/plan.h"
#include "quick/saved_text.h"
#include "quick/server_import.h"
#include "quick/wg_quick_file.h"

namespace vpn::fuzz {
namespace {

using namespace quick;

// An interface that is as the file says, with endpoints looked up.
tunnel::TunnelStatus status_of(const WgQuickFile& file) {
  tunnel::TunnelStatus status;
  status.private_key = file.private_key;
  status.listen_port = file.listen_port;
  status.fwmark = file.fwmark;
  for (const FilePeer& peer : file.peers) {
    tunnel::PeerStatus& shown = status.peers.emplace_back();
    shown.peer = {.public_key = peer.public_key,
                  .preshared_key = peer.preshared_key,
                  .allowed_ips = peer.allowed_ips,
                  .persistent_keepalive_s = peer.persistent_keepalive_s};
    if (peer.endpoint) shown.endpoint = *Endpoint::parse("[2001:db8::7]:" + std::to_string(peer.endpoint->port));
  }
  return status;
}

control::SecretText saved(const WgQuickFile& file) {
  return saved_text(file, status_of(file), file.addresses);
}

void check_saving(const WgQuickFile& file) {
  const control::SecretText text = saved(file);
  const auto again = parse_wg_quick_file({text.data(), text.size()});
  CHECK(again);
  CHECK(saved(*again) == text);
  CHECK(again->addresses == file.addresses && again->dns_servers == file.dns_servers);
  CHECK(again->dns_search == file.dns_search && again->mtu_bytes == file.mtu_bytes && again->save_config);
  CHECK(again->private_key == file.private_key && again->listen_port == file.listen_port &&
        again->fwmark == file.fwmark);
  CHECK(again->hooks.size() == file.hooks.size() && again->peers.size() == file.peers.size());
  for (std::size_t i = 0; i < file.hooks.size(); ++i) CHECK(again->hooks[i].command == file.hooks[i].command);
}

void check_planning(const WgQuickFile& file) {
  const auto plan = plan_interface(file, Endpoints(file.peers.size()), file.fwmark);
  if (!plan) return check_message(plan.error());
  CHECK(plan->peers.size() == file.peers.size());
  for (const IpPrefix& route : plan_routes(file).routes) CHECK(route == route.masked());
}

void check_import(const WgQuickFile& file) {
  const ServerImport import = import_server(file, "wg0", "0.0.0.0/0", WallTime());
  std::set<PublicKey> keys;
  std::set<IpAddress> addresses;
  std::set<std::string> names;
  for (const control::Client& client : import.clients) {
    CHECK(keys.insert(client.public_key).second);
    CHECK(addresses.insert(client.address).second);
    if (client.name.empty()) continue;
    CHECK(names.insert(client.name).second);
    CHECK(control::check_client_name(client.name));
  }
}

void run(std::string_view text) {
  const auto file = parse_wg_quick_file(text);
  if (!file) return check_message(file.error());
  check_planning(*file);
  check_saving(*file);
  check_import(*file);
}

}  // namespace
}  // namespace vpn::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  vpn::fuzz::run(vpn::fuzz::text_of({data, size}));
  return 0;
}
