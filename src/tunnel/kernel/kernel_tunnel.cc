#include "tunnel/kernel/kernel_tunnel.h"

#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <unordered_set>
#include <utility>

#include "base/check.h"
#include "base/thread.h"
#include "engine/crypto/x25519.h"
#include "netlink/attributes.h"
#include "netlink/socket.h"
#include "tunnel/diff.h"

namespace vpn::tunnel {
namespace {

// A dump during which somebody else changes the device is inconsistent, and begun anew.
constexpr int kMaxReads = 20;
// Looking what the kernel has takes at most this part of the time.
constexpr int kLookShare = 100;

Failure failed(const netlink::Outcome& outcome, const std::string& what) {
  Error error = outcome.error(what);
  // Removed from outside; a port that is taken.
  if (outcome.error_number == ENODEV || outcome.error_number == EADDRINUSE) error.code = ErrorCode::kUnavailable;
  if (outcome.error_number == ENOMEM) error.code = ErrorCode::kExhausted;
  return fail(std::move(error));
}

/// The number that generic netlink gave to the family; the kernel loads its module if it has to.
Result<std::uint16_t> resolve_family(const char* name) {
  auto socket = netlink::Socket::open(NETLINK_GENERIC);
  if (!socket) return fail(std::move(socket.error()));
  netlink::Request request(GENL_ID_CTRL, 0);
  auto& header = request.put_fixed_part<genlmsghdr>();
  header.cmd = CTRL_CMD_GETFAMILY;
  header.version = 1;
  request.put_text(CTRL_ATTR_FAMILY_NAME, name);
  std::uint16_t family = 0;
  const netlink::Outcome outcome = socket->transact(request, [&family](const nlmsghdr& message) {
    netlink::for_each_attribute(message, sizeof(genlmsghdr), [&family](const nlattr& attribute) {
      if (netlink::type_of(attribute) == CTRL_ATTR_FAMILY_ID) netlink::read_into(family, attribute);
    });
    return true;
  });
  if (outcome.ok() && family != 0) return family;
  if (outcome.ok() || outcome.error_number == ENOENT) {
    return fail(ErrorCode::kUnsupported, "this kernel's WireGuard has no generic netlink");
  }
  return failed(outcome, "cannot ask for WireGuard's generic netlink");
}

}  // namespace

Result<std::unique_ptr<KernelTunnel>> KernelTunnel::open(const KernelTunnelOptions& options, const Clock& clock,
                                                         Logger& logger) {
  auto claim = claim_link(options.interface_name);
  if (!claim) return fail(std::move(claim.error()));
  const auto link = make_or_adopt_link(options.interface_name, options.link_group);
  if (!link) return fail(link.error());
  std::unique_ptr<KernelTunnel> tunnel(new KernelTunnel(options, clock, logger));
  tunnel->claim_ = *std::move(claim);
  tunnel->index_ = link->index;
  if (Status attached = tunnel->attach(); !attached) {
    if (!link->adopted) (void)remove_our_link(options.interface_name, options.link_group);
    return fail(std::move(attached.error()));
  }
  if (link->adopted) {
    const auto found = tunnel->status();
    if (!found) return fail(found.error());
    for (const PeerStatus& peer : found->peers) tunnel->expected_.emplace(peer.peer.public_key, peer.peer);
    logger.info("adopted the running WireGuard interface, with its peers and their sessions",
                {{"interface", options.interface_name}});
  }
  return tunnel;
}

Status KernelTunnel::attach() {
  auto removal = watch_for_removal(index_);
  if (!removal) return fail(std::move(removal.error()));
  const auto family = resolve_family(WG_GENL_NAME);
  if (!family) return fail(family.error());
  stop_.reset(::eventfd(0, EFD_CLOEXEC));
  if (!stop_) return fail(system_error("cannot make an eventfd", errno));
  removal_ = *std::move(removal);
  family_ = *family;
  return {};
}

Status KernelTunnel::remove(const std::string& interface_name, std::uint32_t link_group) {
  const auto claim = claim_link(interface_name);
  if (!claim) return fail(claim.error());
  return remove_our_link(interface_name, link_group);
}

KernelTunnel::~KernelTunnel() {
  if (!looker_.joinable()) return;
  CHECK(::eventfd_write(stop_.get(), 1) == 0);
  looker_.join();
}

// --- reading ---

Result<TunnelStatus> KernelTunnel::read(const DeviceReader& fresh_reader) const {
  for (int i = 0; i < kMaxReads; ++i) {
    // A new socket each time: the rest of an answer that is not read to its end goes with it.
    auto socket = netlink::Socket::open(NETLINK_GENERIC);
    if (!socket) return fail(std::move(socket.error()));
    netlink::Request request(family_, NLM_F_DUMP);
    auto& header = request.put_fixed_part<genlmsghdr>();
    header.cmd = WG_CMD_GET_DEVICE;
    header.version = WG_GENL_VERSION;
    request.put_u32(WGDEVICE_A_IFINDEX, index_);
    DeviceReader reader = fresh_reader;
    const netlink::Outcome outcome =
        socket->transact(request, [&reader](const nlmsghdr& message) { return reader.read(message); });
    if (outcome.ok()) {
      TunnelStatus status = reader.take();
      status.interface_name = interface_name();
      return status;
    }
    if (outcome.error_number != EINTR) return failed(outcome, "cannot read the peers of " + interface_name());
  }
  return fail(ErrorCode::kUnavailable, "somebody else keeps changing the peers of " + interface_name());
}

Result<TunnelStatus> KernelTunnel::status() const {
  const std::lock_guard lock(talking_);
  return read(DeviceReader::everything());
}

Result<std::optional<PeerStatus>> KernelTunnel::peer(const PublicKey& key) const {
  const std::lock_guard lock(talking_);
  auto status = read(DeviceReader::one_peer(key));
  if (!status) return fail(std::move(status.error()));
  return status->peers.empty() ? std::nullopt : std::optional(std::move(status->peers.front()));
}

// --- changing ---

/// `what` failed, should it fail.
DeviceWriter KernelTunnel::writer(std::string what) const {
  return {family_, index_, [what = std::move(what)](netlink::Request& message) -> Status {
            auto socket = netlink::Socket::open(NETLINK_GENERIC);
            if (!socket) return fail(std::move(socket.error()));
            const netlink::Outcome outcome = socket->transact(message);
            if (outcome.ok()) return {};
            return failed(outcome, what);
          }};
}

// Only what differs: a private key that is set again, even the same one if it comes unclamped, ends every session.
// Of port and key the kernel takes the port first, and nothing when it fails.
Status KernelTunnel::configure(const InterfaceConfig& config) {
  if (config.has_replicas) {
    logger_.warn(
        "the kernel's WireGuard does not call the clients of a replica that is gone: each comes back by itself within "
        "half a minute; TUNNEL=userspace calls them");
  }
  const std::lock_guard lock(talking_);
  const auto present = read(DeviceReader::device_only());
  if (!present) return fail(present.error());
  DeviceWriter device =
      writer("cannot give " + interface_name() + " its key and the UDP port " + std::to_string(config.listen_port));
  if (present->listen_port != config.listen_port) device.set_listen_port(config.listen_port);
  if (present->public_key != engine::crypto::derive_public_key(config.private_key)) {
    device.set_private_key(config.private_key);
  }
  return device.finish();
}

Status KernelTunnel::set_fwmark(std::uint32_t mark) {
  const std::lock_guard lock(talking_);
  DeviceWriter device = writer("cannot mark the packets of " + interface_name());
  device.set_fwmark(mark);
  return device.finish();
}

// Removals first, to make room.
Status KernelTunnel::apply(const Delta& delta) {
  if (delta.set.size() > kMaxPeers) {
    return fail(ErrorCode::kExhausted, "the kernel holds at most " + std::to_string(kMaxPeers) + " peers");
  }
  const std::lock_guard lock(talking_);
  remember(delta.remove);
  DeviceWriter device = writer("cannot change the peers of " + interface_name());
  for (const PublicKey& key : delta.remove) {
    if (Status added = device.add({.public_key = key, .flags = WGPEER_F_REMOVE_ME}); !added) return added;
  }
  for (const Peer& peer : delta.set) {
    Status added = device.add({.public_key = peer.public_key,
                               .flags = WGPEER_F_REPLACE_ALLOWEDIPS,
                               .preshared_key = peer.preshared_key.value_or(PresharedKey()),
                               .persistent_keepalive_s = peer.persistent_keepalive_s,
                               .endpoint = take_remembered(peer.public_key),
                               .allowed_ips = peer.allowed_ips});
    if (!added) return added;
  }
  if (Status done = device.finish(); !done) return done;
  for (const PublicKey& key : delta.remove) expected_.erase(key);
  for (const Peer& peer : delta.set) expected_.insert_or_assign(peer.public_key, peer);
  return {};
}

// What cannot be read is not remembered, and costs the head start only.
void KernelTunnel::remember(std::span<const PublicKey> departing) {
  if (departing.empty()) return;
  const Instant now = clock_.now();
  std::erase_if(departed_, [now](const auto& entry) { return now - entry.second.when > kDepartedLifetime; });
  const std::unordered_set<PublicKey> keys(departing.begin(), departing.end());
  const auto present =
      read(departing.size() == 1 ? DeviceReader::one_peer(departing.front()) : DeviceReader::everything());
  if (!present) return;
  for (const PeerStatus& peer : present->peers) {
    if (departed_.size() == kMaxDeparted) return;
    if (peer.endpoint && keys.contains(peer.peer.public_key)) {
      departed_.insert_or_assign(peer.peer.public_key, Departed{peer.endpoint, now});
    }
  }
}

/// None when the key did not depart lately.
Endpoint KernelTunnel::take_remembered(const PublicKey& returning) {
  const auto departed = departed_.extract(returning);
  if (departed.empty() || clock_.now() - departed.mapped().when > kDepartedLifetime) return {};
  return departed.mapped().endpoint;
}

// A peer that calls between the two steps gets its old endpoint back for as long as its next packet takes. A peer with
// a persistent keepalive is already being called, in vain and every 5 s: the next call goes to the endpoint.
Status KernelTunnel::restore_endpoints(std::span<const PeerEndpoint> endpoints) {
  if (endpoints.empty()) return {};
  const std::lock_guard lock(talking_);
  const auto present = read(DeviceReader::everything());
  if (!present) return fail(present.error());
  std::unordered_set<PublicKey> known;
  for (const PeerStatus& peer : present->peers) {
    if (peer.endpoint) known.insert(peer.peer.public_key);
  }
  DeviceWriter device = writer("cannot change the peers of " + interface_name());
  for (const PeerEndpoint& restored : endpoints) {
    if (!restored.endpoint || known.contains(restored.public_key)) continue;
    Status added =
        device.add({.public_key = restored.public_key, .flags = WGPEER_F_UPDATE_ONLY, .endpoint = restored.endpoint});
    if (!added) return added;
  }
  return device.finish();
}

// --- looking: learned endpoints, and changes by others ---

std::vector<PeerEndpoint> KernelTunnel::take_learned_endpoints() {
  const std::lock_guard lock(seen_mutex_);
  std::vector<PeerEndpoint> taken;
  for (auto& [key, seen] : seen_) {
    if (!std::exchange(seen.taken, true)) taken.push_back(seen.endpoint);
  }
  return taken;
}

void KernelTunnel::on_learned_endpoints(std::function<void()> listener) {
  {
    const std::lock_guard lock(seen_mutex_);
    learned_listener_ = std::move(listener);
  }
  start_looking();
}

void KernelTunnel::on_foreign_change(std::function<void()> listener) {
  {
    const std::lock_guard lock(seen_mutex_);
    foreign_listener_ = std::move(listener);
  }
  start_looking();
}

void KernelTunnel::start_looking() {
  if (!looker_.joinable()) looker_ = start_thread("wg-kernel", [this] { look_until_stopped(); });
}

void KernelTunnel::look_until_stopped() {
  std::chrono::nanoseconds pause = options_.look_interval;
  pollfd stop{stop_.get(), POLLIN, 0};
  while (::poll(&stop, 1, static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(pause).count())) <= 0) {
    const Instant begun = clock_.now();
    look();
    pause = std::max<std::chrono::nanoseconds>(options_.look_interval, kLookShare * (clock_.now() - begun));
  }
}

/// An interface that cannot be read has nothing new to tell.
void KernelTunnel::look() {
  std::unique_lock talking(talking_);
  const auto present = read(DeviceReader::everything());
  if (!present) return;
  std::unique_lock seeing(seen_mutex_);
  const bool changed = note_changes(present->peers);  // before a change of ours can come between
  talking.unlock();
  const bool learned = note_endpoints(present->peers);
  const auto foreign_listener = foreign_listener_, learned_listener = learned_listener_;
  seeing.unlock();
  if (changed && foreign_listener) foreign_listener();
  if (learned && learned_listener) learned_listener();
}

/// Whether a peer is gone, or is not as we left it; told once. Who hears of it sets the peer again, and then its client
/// is called. What others set besides is none of our business.
bool KernelTunnel::note_changes(const std::vector<PeerStatus>& present) {
  const auto is_as_left = [this](const PeerStatus& peer) {
    const auto ours = expected_.find(peer.peer.public_key);
    return ours != expected_.end() && is_same(ours->second, peer.peer);
  };
  if (static_cast<std::size_t>(std::ranges::count_if(present, is_as_left)) == expected_.size()) return false;
  auto missing = std::exchange(expected_, {});
  for (const PeerStatus& peer : present) {
    if (missing.erase(peer.peer.public_key) > 0) expected_.emplace(peer.peer.public_key, peer.peer);
  }
  for (const auto& [key, peer] : missing) {
    const auto seen = seen_.find(key);
    if (seen != seen_.end() && departed_.size() < kMaxDeparted) {
      departed_.insert_or_assign(key, Departed{seen->second.endpoint.endpoint, clock_.now()});
    }
  }
  return true;
}

/// Whether there is something to take.
bool KernelTunnel::note_endpoints(const std::vector<PeerStatus>& present) {
  std::unordered_map<PublicKey, Seen> before = std::exchange(seen_, {});
  seen_.reserve(present.size());
  bool news = false;
  for (const PeerStatus& peer : present) {
    if (peer.last_handshake == WallTime{}) continue;  // an endpoint that was only restored
    Seen seen{{peer.peer.public_key, peer.endpoint, peer.last_handshake}};
    const auto old = before.find(peer.peer.public_key);
    seen.taken = old != before.end() && old->second.taken && old->second.endpoint.endpoint == peer.endpoint &&
                 old->second.endpoint.last_handshake == peer.last_handshake;
    news |= !seen.taken;
    seen_.emplace(peer.peer.public_key, seen);
  }
  return news;
}

}  // namespace vpn::tunnel
