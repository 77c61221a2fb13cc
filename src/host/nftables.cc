#include "host/nftables.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <nftables/libnftables.h>

#include <cerrno>
#include <memory>
#include <string_view>

#include "netlink/socket.h"

namespace vpn::host {
namespace {

// libnftables ends the process when it gets no netlink socket, and its words for a missing capability or module are
// hard to read. So the cheapest request of all, the ruleset's generation, goes first.
Status probe() {
  auto socket = netlink::Socket::open(NETLINK_NETFILTER);
  if (!socket && socket.error().code == ErrorCode::kUnsupported) return fail(nftables_error(EPROTONOSUPPORT));
  if (!socket) return fail(socket.error());
  netlink::Request request((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETGEN, 0);
  request.put_fixed_part<nfgenmsg>().version = NFNETLINK_V0;
  const netlink::Outcome outcome = socket->transact(request);
  if (outcome.ok()) return {};
  return fail(nftables_error(outcome.error_number));
}

// The first line says what is wrong. The lines behind it quote the commands, but the wrong one when there are several.
std::string reason(const std::string& text) {
  constexpr std::string_view kPrefix = "Error: ";
  const std::string line = text.substr(0, text.find('\n'));
  return line.starts_with(kPrefix) ? line.substr(kPrefix.size()) : line;
}

}  // namespace

Error nftables_error(int error_number) {
  switch (error_number) {
    case EPERM:
    case EACCES:
      return {ErrorCode::kPermissionDenied,
              "may not change nftables: the NET_ADMIN capability is needed, for example `--cap-add NET_ADMIN` with "
              "docker run, securityContext.capabilities.add in Kubernetes"};
    case EINVAL:  // nfnetlink's answer for a subsystem that is not there
    case EOPNOTSUPP:
    case EPROTONOSUPPORT:
    case ENOENT:
      return {ErrorCode::kUnsupported,
              "this kernel has no nf_tables, or may not load it from here: `modprobe nf_tables` on the host"};
    default:
      return system_error("the kernel's nftables do not answer", error_number);
  }
}

Result<std::string> run_nftables(const std::string& commands) {
  if (Status status = probe(); !status) return fail(status.error());
  const std::unique_ptr<nft_ctx, decltype(&nft_ctx_free)> context(nft_ctx_new(NFT_CTX_DEFAULT), &nft_ctx_free);
  if (!context || nft_ctx_buffer_output(context.get()) != 0 || nft_ctx_buffer_error(context.get()) != 0) {
    return fail(ErrorCode::kExhausted, "no memory for nftables");
  }
  nft_ctx_output_set_flags(context.get(), NFT_CTX_OUTPUT_HANDLE);
  if (nft_run_cmd_from_buffer(context.get(), commands.c_str()) != 0) {
    return fail(ErrorCode::kIo, "nftables: " + reason(nft_ctx_get_error_buffer(context.get())));
  }
  return std::string(nft_ctx_get_output_buffer(context.get()));
}

}  // namespace vpn::host
