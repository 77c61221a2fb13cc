#include "tunnel/userspace/userspace_tunnel.h"

#include <gmock/gmock.h>
#include <net/if.h>
#include <unistd.h>

#include <array>
#include <cstdio>

#include "base/test_namespace.h"
#include "host/linux_host.h"
#include "tunnel/tunnel_contract_test.h"

namespace vpn::tunnel {
namespace {

// A tunnel in a network namespace of its own, up; and, once called for, a peer there that is another engine.
class UserspaceRig {
 public:
  UserspaceRig() {
    // UAPI sockets of all namespaces stand in one directory, and tests run side by side.
    const std::string name = "wgt" + std::to_string(getpid());
    auto tunnel = UserspaceTunnel::open({.interface_name = name, .mtu_bytes = 1420}, clock_, random_, logger_);
    CHECK(tunnel);
    tunnel_ = *std::move(tunnel);
    bring_up(name);
  }

  UserspaceTunnel& tunnel() { return *tunnel_; }

  std::uint16_t taken_port() {
    taken_.reset(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_storage address{};
    socklen_t size = Endpoint{*IpAddress::parse("0.0.0.0")}.to_sockaddr(address);
    CHECK(bind(taken_.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    CHECK(getsockname(taken_.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    return Endpoint::from_sockaddr(address).port;
  }

  void start_handshake(const PrivateKey& key) {
    auto peer = engine::Device::open({.interface_name = "peer", .mtu_bytes = 1420}, clock_, random_, logger_);
    CHECK(peer);
    peer_ = *std::move(peer);
    bring_up("peer");
    const TunnelStatus ours = *tunnel_->status();
    engine::protocol::InterfaceUpdate update;
    update.private_key = key;
    engine::protocol::PeerUpdate& gateway = update.peers.emplace_back();
    gateway.public_key = ours.public_key;
    gateway.endpoint = Endpoint{*IpAddress::parse("127.0.0.1"), ours.listen_port};
    gateway.persistent_keepalive_s = 25;  // the first goes at once, and needs a session
    CHECK(peer_->configure(update));
  }

 private:
  void bring_up(const std::string& name) { CHECK(host_.configure_link({name, {}, 1420})); }

  TestNamespace namespace_;
  TestNamespace::Visit visit_ = namespace_.enter();
  SystemClock clock_;
  SystemRandom random_;
  NullLogger logger_;
  host::LinuxHost host_;
  std::unique_ptr<UserspaceTunnel> tunnel_;
  std::unique_ptr<engine::Device> peer_;
  UniqueFd taken_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(UserspaceTunnel, TunnelContract, ::testing::Types<UserspaceRig>);

// The output of a command, less its last newline.
std::string output_of(const std::string& command) {
  const std::unique_ptr<FILE, decltype(&pclose)> pipe(popen(command.c_str(), "re"), &pclose);
  std::string output;
  std::array<char, 4096> buffer{};
  while (fgets(buffer.data(), buffer.size(), pipe.get()) != nullptr) output += buffer.data();
  if (!output.empty()) output.pop_back();
  return output;
}

class UserspaceTunnelTest : public ::testing::Test {
 protected:
  UserspaceRig rig_;
  UserspaceTunnel& tunnel_ = rig_.tunnel();
};

TEST_F(UserspaceTunnelTest, IsShownByTheStockTool) {
  SeededRandom random(1);
  const PrivateKey key = engine::crypto::generate_private_key(random);
  ASSERT_TRUE(tunnel_.configure({key, 0}));
  Peer peer;
  peer.public_key = engine::crypto::derive_public_key(engine::crypto::generate_private_key(random));
  peer.allowed_ips = {*IpPrefix::parse("10.0.0.1/32")};
  ASSERT_TRUE(tunnel_.apply({{peer}, {}}));
  const std::string show = "wg show " + tunnel_.interface_name();
  EXPECT_EQ(output_of(show + " public-key"), to_string(engine::crypto::derive_public_key(key)));
  EXPECT_EQ(output_of(show + " allowed-ips"), to_string(peer.public_key) + "\t10.0.0.1/32");
}

TEST_F(UserspaceTunnelTest, KeepsItsKeyAndPortWhateverTheStockToolSets) {
  SeededRandom random(1);
  const PrivateKey key = engine::crypto::generate_private_key(random);
  ASSERT_TRUE(tunnel_.configure({key, 0}));
  const std::uint16_t port = tunnel_.status()->listen_port;
  ASSERT_TRUE(tunnel_.configure({key, port}));
  const std::string& name = tunnel_.interface_name();
  const std::string other_port = std::to_string(port == 4242 ? 4243 : 4242);
  EXPECT_THAT(output_of("wg set " + name + " listen-port " + other_port + " 2>&1"),
              testing::HasSubstr("not permitted"));
  EXPECT_THAT(output_of("wg genkey | wg set " + name + " private-key /dev/stdin 2>&1"),
              testing::HasSubstr("not permitted"));
  EXPECT_EQ(tunnel_.status()->listen_port, port);
  EXPECT_EQ(tunnel_.status()->public_key, engine::crypto::derive_public_key(key));
  EXPECT_EQ(output_of("wg showconf " + name + " | wg syncconf " + name + " /dev/stdin 2>&1"), "") << "the same again";
}

TEST_F(UserspaceTunnelTest, RefusesAnInterfaceNameThatIsTaken) {
  const SystemClock clock;
  SystemRandom random;
  NullLogger logger;
  const auto second = UserspaceTunnel::open({.interface_name = tunnel_.interface_name()}, clock, random, logger);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kAlreadyExists);
  EXPECT_TRUE(tunnel_.status()) << "the first one is unharmed";
}

}  // namespace
}  // namespace vpn::tunnel
