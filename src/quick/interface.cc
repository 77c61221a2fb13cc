#include "quick/interface.h"

#include <net/if.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <utility>

#include "base/clock.h"
#include "cli/engine_command.h"
#include "engine/uapi_client.h"
#include "engine/uapi_server.h"
#include "host/link.h"
#include "tunnel/kernel/kernel_tunnel.h"

namespace vpn::quick {
namespace {

using engine::UapiClient;
using engine::protocol::InterfaceUpdate;
using engine::protocol::PeerUpdate;
using tunnel::KernelTunnel;

constexpr std::chrono::seconds kEngineEndPatience{10};

/// In the kernel and for as long as one call: it outlives this. The references are to what lives as long.
class InKernel {
 public:
  explicit InKernel(const std::string& name)
      : tunnel_(KernelTunnel::open({.interface_name = name, .link_group = tunnel::kUpLinkGroup}, clock_, logger_)) {}
  Result<std::unique_ptr<KernelTunnel>>& operator*() { return tunnel_; }

 private:
  SystemClock clock_;
  NullLogger logger_;
  Result<std::unique_ptr<KernelTunnel>> tunnel_;
};

Result<UapiClient> connect(const Record& record) {
  return UapiClient::connect(engine::kUapiDirectory, record.interface_name);
}

tunnel::Peer to_peer(const PeerUpdate& update) {
  tunnel::Peer peer{.public_key = update.public_key,
                    .preshared_key = update.preshared_key,
                    .allowed_ips = {},
                    .persistent_keepalive_s = update.persistent_keepalive_s.value_or(0)};
  for (const auto& change : update.allowed_ips) peer.allowed_ips.push_back(change.prefix);
  return peer;
}

Status configure_in_kernel(const Record& record, const InterfaceUpdate& update) {
  InKernel kernel(record.interface_name);
  if (!*kernel) return fail((*kernel).error());
  KernelTunnel& tunnel = ***kernel;
  Status done = tunnel.configure(
      {.private_key = update.private_key.value_or(PrivateKey()), .listen_port = update.listen_port.value_or(0)});
  if (done) done = tunnel.set_fwmark(update.fwmark.value_or(0));
  if (!done) return done;
  tunnel::Delta delta;
  std::vector<tunnel::PeerEndpoint> endpoints;
  for (const PeerUpdate& peer : update.peers) {
    delta.set.push_back(to_peer(peer));
    if (peer.endpoint) endpoints.push_back({peer.public_key, *peer.endpoint});
  }
  if (done = tunnel.apply(delta); !done) return done;
  return tunnel.restore_endpoints(endpoints);
}

tunnel::TunnelStatus to_status(const Record& record, InterfaceUpdate&& update) {
  tunnel::TunnelStatus status;
  status.interface_name = record.interface_name;
  status.private_key = update.private_key.value_or(PrivateKey());
  status.listen_port = update.listen_port.value_or(0);
  status.fwmark = update.fwmark.value_or(0);
  for (const PeerUpdate& peer : update.peers) {
    status.peers.push_back({.peer = to_peer(peer), .endpoint = peer.endpoint.value_or(Endpoint())});
  }
  return status;
}

/// Its socket's file, which an engine that was killed leaves behind.
void remove_stale_socket(const Record& record) {
  const auto client = connect(record);
  if (client || client.error().code != ErrorCode::kNotFound) return;  // somebody serves it
  ::unlink((std::string(engine::kUapiDirectory) + "/" + record.interface_name + ".sock").c_str());
}

Status remove_engine(const Record& record, unsigned index) {
  auto engine = connect(record);  // before the end, to hear of it
  if (Status removed = host::remove_link(index); !removed) return removed;
  if (!engine || engine->wait_for_end(kEngineEndPatience)) return {};
  return fail(ErrorCode::kUnavailable, "the engine of " + record.interface_name + " does not end");
}

/// A crash fell between the interface and the note of its number. The engine of such a one serves its socket.
unsigned index_by_name(const Record& record) {
  return connect(record) ? ::if_nametoindex(record.interface_name.c_str()) : 0;
}

}  // namespace

Result<unsigned> make_interface(const Record& record, cli::EngineOptions engine, Logger& logger) {
  engine.interface_name = record.interface_name;
  if (record.in_kernel) {
    InKernel kernel(record.interface_name);
    if (!*kernel) return fail((*kernel).error());
  } else if (Status started = cli::start_engine(engine, logger); !started) {
    return fail(started.error());
  }
  const unsigned index = ::if_nametoindex(record.interface_name.c_str());
  if (index == 0) return fail(ErrorCode::kUnavailable, record.interface_name + " is gone as soon as it was there");
  return index;
}

Status configure_interface(const Record& record, const InterfaceUpdate& update) {
  if (record.in_kernel) return configure_in_kernel(record, update);
  auto engine = connect(record);
  if (!engine) return fail(engine.error());
  return engine->set(update);
}

Result<tunnel::TunnelStatus> read_interface(const Record& record) {
  if (record.in_kernel) {
    InKernel kernel(record.interface_name);
    if (!*kernel) return fail((*kernel).error());
    return (**kernel)->status();
  }
  auto engine = connect(record);
  if (!engine) return fail(engine.error());
  auto update = engine->get();
  if (!update) return fail(update.error());
  return to_status(record, *std::move(update));
}

bool is_there(const Record& record) {
  std::array<char, IF_NAMESIZE> name{};
  return record.interface_index != 0 && ::if_indextoname(record.interface_index, name.data()) != nullptr &&
         record.interface_name == name.data();
}

Status remove_interface(const Record& record) {
  if (record.in_kernel && record.interface_index == 0) {
    Status removed = KernelTunnel::remove(record.interface_name, tunnel::kUpLinkGroup);
    const bool not_ours = !removed && removed.error().code == ErrorCode::kAlreadyExists;
    return not_ours ? Status() : removed;
  }
  if (record.in_kernel) return is_there(record) ? host::remove_link(record.interface_index) : Status();
  const unsigned index = record.interface_index == 0 ? index_by_name(record) : record.interface_index;
  if (record.interface_index == 0 ? index != 0 : is_there(record)) return remove_engine(record, index);
  remove_stale_socket(record);
  return {};
}

}  // namespace vpn::quick
