// The composition root: settings -> objects -> run -> stop. The only place that names a concrete store, tunnel and
// host.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "cli/client_command.h"
#include "cli/command_line.h"
#include "cli/dispatch.h"
#include "cli/doctor_arguments.h"
#include "cli/engine_arguments.h"
#include "cli/health_command.h"
#include "cli/key_command.h"
#include "cli/log_sink.h"
#include "cli/serve.h"
#include "cli/service_manager.h"
#include "cli/state.h"
#include "cli/store_command.h"
#include "control/api/server.h"
#include "control/service/client_manager.h"
#include "control/service/endpoint_log.h"
#include "doctor/examine.h"
#include "doctor/report.h"
#include "host/interface_addresses.h"
#include "host/linux_host.h"
#include "host/subnet.h"
#include "open_store.h"
#include "quick/import_command.h"
#include "quick/up_command.h"
#include "surroundings.h"
#include "tunnel/kernel/kernel_tunnel.h"
#include "tunnel/userspace/userspace_tunnel.h"

namespace vpn {
namespace {

namespace asio = boost::asio;

constexpr const char* kVersion = VPN_VERSION;  // from CMakeLists.txt

control::Post make_post(asio::io_context& io) {
  return [&io](std::function<void()> task) { asio::post(io, std::move(task)); };
}

control::Delay make_delay(asio::io_context& io) {
  return [&io](std::chrono::milliseconds delay, std::function<void()> task) {
    auto timer = std::make_shared<asio::steady_timer>(io, delay);
    timer->async_wait([timer, task = std::move(task)](const boost::system::error_code& error) {
      if (!error) task();
    });
  };
}

Result<control::Network> describe_network(const cli::Settings& settings, bool has_replicas, host::Host& host) {
  control::Network network{.gateway = settings.wg_subnet,
                           .gateway6 = settings.wg_subnet6,
                           .allowed_ips = settings.peer_allowed_ips,
                           .server_ip = settings.server_ip,
                           .server_port = settings.server_port};
  // A replica that the client has left must not call it: the client would follow it, away from the one address of all.
  if (has_replicas) network.persistent_keepalive_s = 0;
  if (network.server_ip.empty()) {
    const Result<IpAddress> detected = host.detect_address();
    if (!detected) return fail(detected.error());
    network.server_ip = to_string(*detected);
  }
  return network;
}

host::LinkConfig describe_link(const cli::Settings& settings) {
  host::LinkConfig link{settings.wg_interface, {settings.wg_subnet}, settings.wg_mtu_bytes};
  if (settings.wg_subnet6) link.addresses.push_back(*settings.wg_subnet6);
  return link;
}

host::RulesConfig describe_rules(const cli::Settings& settings, const std::vector<std::string>& earlier_interfaces) {
  return {.interface_name = settings.wg_interface,
          .addresses = describe_link(settings).addresses,
          .allowed_ips = settings.peer_allowed_ips,
          // Our clients do not come through the gateway that checks callers then.
          .closed_tcp_port = settings.api_auth == control::AuthMode::kOff ? settings.api_port : std::uint16_t{0},
          .masquerade = settings.nat,
          .earlier_interfaces = earlier_interfaces};
}

/// The VPN's subnets are no networks that this machine is in already.
Status check_subnets(const cli::Settings& settings, Logger& logger) {
  const auto present = host::interface_addresses();
  if (!present) return fail(present.error());
  for (const IpPrefix& subnet : describe_link(settings).addresses) {
    const char* name = subnet.address.is_v4() ? "WG_SUBNET" : "WG_SUBNET6";
    const auto within = host::check_subnet(subnet, name, settings.wg_interface, *present);
    if (!within) return fail(within.error());
    if (within->empty()) continue;
    const host::InterfaceAddress& first = within->front();
    logger.warn(
        "networks of this machine lie within the VPN's subnet: clients that get their addresses are not reached",
        {{"subnet", to_string(subnet)},
         {"interface", first.interface_name},
         {"network", to_string(first.prefix)},
         {"networks", std::to_string(within->size())}});
  }
  return {};
}

struct OpenTunnel {
  std::unique_ptr<tunnel::Tunnel> tunnel;
  int closed_fd = -1;  ///< readable once the interface is gone
};

/// TUNNEL: the kernel's WireGuard where it has one, else our engine; and in the log which, and why.
Result<OpenTunnel> open_tunnel(const cli::Settings& settings, const Clock& clock, Random& random, Logger& logger) {
  std::string why = "TUNNEL=userspace";
  if (settings.tunnel != cli::TunnelChoice::kUserspace) {
    auto kernel = tunnel::KernelTunnel::open({.interface_name = settings.wg_interface}, clock, logger);
    if (kernel) {
      logger.info("the kernel's WireGuard carries the packets", {{"why", "this kernel has it"}});
      const int closed_fd = (*kernel)->closed_fd();
      return OpenTunnel{*std::move(kernel), closed_fd};
    }
    const bool fall_back =
        settings.tunnel == cli::TunnelChoice::kAuto && kernel.error().code == ErrorCode::kUnsupported;
    if (!fall_back) return fail(std::move(kernel.error()));
    why = kernel.error().message;
  } else {
    (void)tunnel::KernelTunnel::remove(settings.wg_interface);  // ours, of a life with TUNNEL=kernel
  }
  const engine::DeviceOptions options{.interface_name = settings.wg_interface,
                                      .mtu_bytes = settings.wg_mtu_bytes,
                                      .workers = settings.engine_workers.value_or(engine::default_workers()),
                                      .offloads = settings.engine_offloads};
  auto userspace = tunnel::UserspaceTunnel::open(options, clock, random, logger);
  if (!userspace) return fail(std::move(userspace.error()));
  logger.info("our own engine carries the packets", {{"why", why}, {"workers", std::to_string(options.workers)}});
  const int closed_fd = (*userspace)->closed_fd();
  return OpenTunnel{*std::move(userspace), closed_fd};
}

/// What SIGTERM leaves to the store, the answers under way included; half a second more is everything else's.
constexpr std::chrono::milliseconds kStopTime{1'500};

/// Serves until a signal, the interface's end or an io.stop() by whoever set the exit code; then answers what is under
/// way and ends what was begun. False when the store hangs and holds its thread.
bool run(asio::io_context& io, control::ApiServer& api, control::ClientManager& clients, cli::ServiceManager& manager,
         asio::signal_set& signals, int tunnel_closed_fd, std::optional<int>& exit_code, Logger& logger) {
  std::optional<std::chrono::steady_clock::time_point> deadline;
  asio::posix::stream_descriptor tunnel_end(io, ::fcntl(tunnel_closed_fd, F_DUPFD_CLOEXEC, 0));
  const auto stop = [&](int code) {
    if (exit_code) return;
    exit_code = code;
    deadline = std::chrono::steady_clock::now() + kStopTime;
    manager.stopping();
    api.stop([&] { io.stop(); });
  };
  signals.async_wait([&](const boost::system::error_code& error, int) {
    if (!error) stop(cli::kSuccess);
  });
  tunnel_end.async_wait(asio::posix::stream_descriptor::wait_read, [&](const boost::system::error_code& error) {
    if (error) return;
    logger.error("the WireGuard interface is gone, stopping");
    stop(cli::kFailure);
  });
  io.run();
  return clients.stop_by(deadline.value_or(std::chrono::steady_clock::now() + kStopTime));
}

int serve(const cli::Settings& settings, Logger& logger) {
  const SystemClock clock;
  SystemRandom random;
  asio::io_context io(1);  // its one thread, this one, is the control strand
  asio::signal_set signals(io, SIGTERM, SIGINT, SIGHUP);

  const auto identity = cli::load_identity(settings, random);
  if (!identity) return cli::report_unusable_state(identity.error());

  const auto state_lock = cli::lock_state_directory(settings.state_dir);
  if (!state_lock) return cli::report_unusable_state(state_lock.error());
  const auto store = open_store(settings, clock, random, logger);
  if (!store) return cli::report_unusable_store(settings, store.error());
  const bool has_replicas = (*store)->shared() != nullptr;
  const auto earlier_interfaces = cli::note_ruled_interface(settings.state_dir, settings.wg_interface);
  if (!earlier_interfaces) return cli::report_unusable_state(earlier_interfaces.error());

  host::LinuxHost host;
  const auto network = describe_network(settings, has_replicas, host);
  if (!network) return cli::report(network.error(), cli::exit_code_of(network.error()));

  Surroundings surroundings(io, host, settings.state_dir, logger);  // before the tunnel: its rules go after it
  // An interface of ours by an earlier name would go on holding the port.
  for (const std::string& earlier : *earlier_interfaces) (void)tunnel::KernelTunnel::remove(earlier);
  if (const Status free = check_subnets(settings, logger); !free) {
    return cli::report(free.error(), cli::exit_code_of(free.error()));
  }
  auto opened = open_tunnel(settings, clock, random, logger);
  if (!opened) {
    return cli::report({opened.error().code, settings.wg_interface + ": " + opened.error().message},
                       cli::exit_code_of(opened.error()));
  }
  const auto* tunnel = &opened->tunnel;
  // Before there are peers: the tunnel tells it of every endpoint from the first on. Among replicas a client may be
  // with another by now: it is not called before it sends.
  std::optional<control::EndpointLog> endpoints;
  if (!has_replicas) {
    endpoints.emplace(settings.state_dir / "endpoints", **tunnel, clock, make_post(io), make_delay(io), logger);
  }
  const auto use_key = [&](const PrivateKey& key) -> Status {
    Status configured = (*tunnel)->configure({key, settings.wg_port, has_replicas});
    if (!configured) return fail(cli::explain_port(settings, std::move(configured).error()));
    return configured;
  };
  // There is no key yet, nor a peer.
  Status up = surroundings.bring_up(describe_rules(settings, *earlier_interfaces), describe_link(settings));
  if (up && !identity->key_from_store) up = use_key(identity->private_key);
  if (!up) return cli::report(up.error(), cli::exit_code_of(up.error()));

  cli::ServiceManager manager(cli::service_environment(), make_delay(io), logger);
  std::optional<int> exit_code;
  std::unique_ptr<control::ClientManager> clients;
  const auto on_loaded = [&](const Status& loaded) {
    if (!loaded) {
      exit_code = cli::report_unusable_store(settings, loaded.error());
      return io.stop();
    }
    if (endpoints) endpoints->start();
    cli::announce(settings,
                  {.version = kVersion,
                   .tunnel_kind = std::string((*tunnel)->kind()),
                   .store = (*store)->description(),
                   .public_key = clients->server_key(),
                   .api_token_file = identity->api_token_file,
                   .network = *network},
                  logger);
    manager.ready("Serving");
  };
  auto started = control::ClientManager::start({.network = *network,
                                                .private_key = identity->private_key,
                                                .key_from_store = identity->key_from_store,
                                                .on_key = use_key,
                                                .on_loaded = on_loaded},
                                               **store, **tunnel, clock, random, make_post(io), make_delay(io), logger);
  if (!started) return cli::report_unusable_state(started.error());
  clients = std::move(*started);
  (*tunnel)->on_foreign_change([&] { asio::post(io, [&] { clients->restore_tunnel(); }); });

  auto api = control::ApiServer::listen(io,
                                        {.address = settings.api_address,
                                         .port = settings.api_port,
                                         .socket_path = settings.api_socket,
                                         .auth = settings.api_auth,
                                         .token = identity->api_token},
                                        {.clients = *clients,
                                         .tunnel = **tunnel,
                                         .random = random,
                                         .clock = clock,
                                         .logger = logger,
                                         .surroundings = [&] { return surroundings.state(); }},
                                        {.version = kVersion, .network = *network});
  if (!api) return cli::report(api.error(), cli::exit_code_of(api.error()));
  cli::warn_of_open_api(settings);
  // A store of the network may be away for long; that is no reason to start this process anew.
  if (has_replicas) manager.ready("Waiting for " + (*store)->description());

  const bool ended = run(io, **api, *clients, manager, signals, opened->closed_fd, exit_code, logger);
  if (endpoints) endpoints->flush();
  if (ended) return exit_code.value_or(cli::kFailure);
  // The store's thread uses nearly all that stands here and may do so for long. What would outlive the process is
  // taken away; the thread ends with it.
  logger.warn("the store does not answer; stopping without it", {{"store", (*store)->description()}});
  api->reset();
  endpoints.reset();
  opened->tunnel.reset();
  surroundings.remove_rules();
  std::_Exit(exit_code.value_or(cli::kFailure));
}

int run_serve(const cli::Arguments& arguments) {
  const auto settings = cli::read_serve_settings(arguments);
  if (const int* exit_code = std::get_if<int>(&settings)) return *exit_code;
  ::umask(077);
  std::signal(SIGPIPE, SIG_IGN);  // a closed stdout must not end the gateway
  cli::raise_file_limit();
  const auto& chosen = std::get<cli::Settings>(settings);
  cli::LogSink logger(chosen.log_level, chosen.log_format);
  return serve(chosen, logger);
}

int run_store(const cli::Arguments& arguments) {
  const SystemClock clock;
  SystemRandom random;
  return cli::run_store(arguments, [&](const cli::StoreLocation& location, control::Access access, Logger& logger) {
    return open_store(location, access, clock, random, logger);
  });
}

int run_doctor(const cli::Arguments& arguments) {
  const auto read = cli::read_doctor_arguments(arguments);
  if (const int* exit_code = std::get_if<int>(&read)) return *exit_code;
  const auto& options = std::get<cli::DoctorArguments>(read);
  const SystemClock clock;
  const doctor::Examination examination = doctor::examine(options.settings, look_at_store, clock);
  const auto& findings = examination.findings;
  const int printed = cli::print(options.json ? doctor::to_json(findings) : doctor::to_text(findings));
  const int exit_code = printed == cli::kSuccess ? doctor::exit_code_of(findings) : printed;
  // A thread that waits for a name server cannot be called off, and must not meet the end of what it uses.
  if (examination.hangs) std::_Exit(exit_code);
  return exit_code;
}

int run_import(const cli::Arguments& arguments) {
  const SystemClock clock;
  SystemRandom random;
  return quick::run_import(arguments, [&](const cli::Settings& settings, Logger& logger) {
    return open_store(settings, clock, random, logger);
  });
}

constexpr std::array kCommands = {
    cli::Command{"serve", "The gateway: WireGuard, its REST API and its store", run_serve},
    cli::Command{"client", "Adds, lists, shows, enables, disables and removes clients", cli::run_client},
    cli::Command{"doctor", "What is wrong with this machine for a gateway, and what cures it", run_doctor},
    cli::Command{"health", "Whether the gateway on this machine is well", cli::run_health},
    cli::Command{"store", "Copies, exports and imports clients between stores", run_store},
    cli::Command{"up", "A tunnel to another machine, from a wg-quick file", quick::run_up},
    cli::Command{"down", "Takes it down again", quick::run_down},
    cli::Command{"import", "Makes a gateway of a server that wg-quick runs", run_import},
    cli::Command{"genkey", "Prints a fresh private key", cli::run_genkey},
    cli::Command{"pubkey", "Reads a private key, prints its public key", cli::run_pubkey},
    cli::Command{"genpsk", "Prints a fresh preshared key", cli::run_genpsk},
    cli::Command{"engine", "A WireGuard interface alone, for wg and wg-quick", cli::run_engine_command},
};

}  // namespace
}  // namespace vpn

int main(int argc, char** argv) {
  vpn::cli::occupy_standard_streams();
  // argv may be empty (execve(2)).
  const vpn::cli::Arguments arguments(argv + std::min(argc, 1), argv + argc);
  return vpn::cli::dispatch(argc > 0 ? argv[0] : "", arguments, vpn::kCommands, vpn::kVersion);
}
