// The network interface behind the kernel's tunnel: made, or adopted when it is ours; claimed by one process; noticed
// when it goes. docs/adr/0007 says why so.
//
// Any thread: nothing here has a state.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "base/unique_fd.h"

namespace vpn::tunnel {

/// "vpne": the interface group that the links of gateways are in, and no other. The group is the one mark that a link
/// has from the moment it exists: an alias or another name comes a request later, and a crash may fall between.
constexpr std::uint32_t kOurLinkGroup = 0x76706e65;
/// "vpnu": the same for `vpn-enabler up`, so that no gateway adopts its interfaces.
constexpr std::uint32_t kUpLinkGroup = 0x76706e75;

struct KernelLink {
  unsigned index = 0;
  bool adopted = false;  ///< it was there already, and ours
};

/// Makes a link of kind "wireguard", or finds ours. kUnsupported when the kernel does not know the kind, kAlreadyExists
/// when the name is that of a link that is not ours, kPermissionDenied without NET_ADMIN.
Result<KernelLink> make_or_adopt_link(const std::string& name, std::uint32_t group = kOurLinkGroup);

/// Removes our link; none of that name is no error. kAlreadyExists when it is not ours, and then it stays.
Status remove_our_link(const std::string& name, std::uint32_t group = kOurLinkGroup);

/// Says to others of us that this link is served, until the descriptor is closed: an abstract socket's name
/// (unix(7)), which like the link's is one of the network namespace. kAlreadyExists when another process holds it.
Result<UniqueFd> claim_link(const std::string& name);

/// A descriptor that is readable once the link with this index is gone from the network namespace. Not to be read from.
/// kUnavailable when it is gone already.
Result<UniqueFd> watch_for_removal(unsigned index);

}  // namespace vpn::tunnel
