#include "quick/saved_text.h"

#include <gtest/gtest.h>

namespace vpn::quick {
namespace {

constexpr const char* kFile = R"(# comments are lost
[Interface]
PrivateKey = yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=
Address = 10.8.0.1/24
DNS = 10.8.0.1, example.org
MTU = 1380
Table = off
SaveConfig = true
PostUp = echo up
ListenPort = 51820
[Peer]
PublicKey = xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=
AllowedIPs = 10.8.0.2/32
)";

tunnel::TunnelStatus status_of(const WgQuickFile& file) {
  tunnel::TunnelStatus status;
  status.private_key = file.private_key;
  status.listen_port = 51999;
  status.fwmark = 51820;
  for (const FilePeer& peer : file.peers) {
    status.peers.push_back(
        {.peer = {.public_key = peer.public_key, .preshared_key = {}, .allowed_ips = peer.allowed_ips},
         .endpoint = *Endpoint::parse("192.0.2.7:4711")});
  }
  return status;
}

TEST(SavedText, IsWhatTheInterfaceIs) {
  const auto file = parse_wg_quick_file(kFile);
  ASSERT_TRUE(file) << file.error().message;
  const control::SecretText text = saved_text(*file, status_of(*file), {*IpPrefix::parse("10.8.0.5/24")});
  EXPECT_EQ(std::string_view(text.data(), text.size()), R"([Interface]
Address = 10.8.0.5/24
DNS = 10.8.0.1
DNS = example.org
MTU = 1380
Table = off
SaveConfig = true
PostUp = echo up
ListenPort = 51999
PrivateKey = yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=

[Peer]
PublicKey = xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=
AllowedIPs = 10.8.0.2/32
Endpoint = 192.0.2.7:4711
)");
}

TEST(SavedText, KeepsAMarkThatTheFileNames) {
  auto file = parse_wg_quick_file(kFile);
  ASSERT_TRUE(file);
  file->fwmark = 51820;
  const control::SecretText text = saved_text(*file, status_of(*file), {});
  EXPECT_NE(std::string_view(text.data(), text.size()).find("FwMark = 0xca6c\n"), std::string_view::npos);
}

TEST(SavedText, IsAFileAgain) {
  const auto file = parse_wg_quick_file(kFile);
  ASSERT_TRUE(file);
  const control::SecretText text = saved_text(*file, status_of(*file), file->addresses);
  const auto again = parse_wg_quick_file({text.data(), text.size()});
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->addresses, file->addresses);
  EXPECT_EQ(again->dns_search, file->dns_search);
  EXPECT_EQ(again->hooks.size(), 1u);
  EXPECT_EQ(again->peers.at(0).endpoint->port, 4711);
}

}  // namespace
}  // namespace vpn::quick
