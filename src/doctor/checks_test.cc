// Each check's judgement: facts in, finding out. tests/netns/doctor*.py break the real things.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>

#include <cerrno>
#include <chrono>

#include "doctor/capability_check.h"
#include "doctor/clock_check.h"
#include "doctor/conntrack_check.h"
#include "doctor/forwarding_check.h"
#include "doctor/gateway_check.h"
#include "doctor/ipv6_check.h"
#include "doctor/mtu_check.h"
#include "doctor/port_check.h"
#include "doctor/reverse_path_check.h"
#include "doctor/server_ip_check.h"
#include "doctor/store_check.h"
#include "doctor/tunnel_check.h"

namespace vpn::doctor {
namespace {

using testing::HasSubstr;

/// "broken: command"; the cure's text where there is one.
std::string summary(const Finding& finding) {
  constexpr const char* kStates[] = {"ok", "note", "warning", "broken"};
  std::string text = kStates[static_cast<int>(finding.state)];
  if (finding.cure.kind != Cure::Kind::kNone) text += ": " + finding.cure.text;
  return text;
}

// --- gateway ---

TEST(DoctorGateway, IsWellNotWellOrNotThere) {
  EXPECT_EQ(summary(judge_gateway(cli::HealthAnswer{7, true, "{}"})), "ok");
  EXPECT_EQ(judge_gateway(cli::HealthAnswer{7, false, "{\"store\":\"failing\"}"}).state, State::kBroken);
  EXPECT_EQ(summary(judge_gateway(fail(ErrorCode::kNotFound, "nobody"))), "note");
  EXPECT_EQ(summary(judge_gateway(fail(ErrorCode::kPermissionDenied, "no"))), "note: sudo vpn-enabler doctor");
  EXPECT_EQ(summary(judge_gateway(fail(ErrorCode::kUnavailable, "silent"))), "broken: systemctl restart vpn-enabler");
  EXPECT_EQ(judge_gateway(fail(ErrorCode::kCorrupt, "a stranger")).state, State::kBroken);
}

// --- tunnel ---

TEST(DoctorTunnel, SaysWhoCarriesAndWhy) {
  using cli::TunnelChoice;
  const auto said = [](TunnelChoice choice, KernelWireGuard kernel) {
    return judge_tunnel({.choice = choice, .kernel = kernel, .interface_name = "wg0", .link_kind = {}}).message;
  };
  EXPECT_EQ(said(TunnelChoice::kAuto, KernelWireGuard::kNone),
            "our own engine will carry the packets: this kernel has no WireGuard");
  EXPECT_EQ(said(TunnelChoice::kAuto, KernelWireGuard::kPresent),
            "the kernel's WireGuard will carry the packets: this kernel has it");
  EXPECT_EQ(said(TunnelChoice::kAuto, KernelWireGuard::kLoadable),
            "the kernel's WireGuard will carry the packets: this kernel has it as a module");
  EXPECT_EQ(said(TunnelChoice::kUserspace, KernelWireGuard::kPresent),
            "our own engine will carry the packets: TUNNEL=userspace");
}

TEST(DoctorTunnel, BelievesTheInterfaceOfAGatewayThatServes) {
  TunnelFacts facts{.kernel = KernelWireGuard::kPresent, .serves = true, .interface_name = "wg0", .link_kind = "tun"};
  EXPECT_FALSE(facts.by_kernel());
  EXPECT_EQ(judge_tunnel(facts).message, "our own engine carries the packets: this kernel's could not be used");
  facts.link_kind = "wireguard";
  EXPECT_TRUE(facts.by_kernel());
  facts.link_kind = "";
  EXPECT_EQ(summary(judge_tunnel(facts)), "broken: systemctl restart vpn-enabler");
}

TEST(DoctorTunnel, IsBrokenWithoutWhatTheSettingAsksFor) {
  EXPECT_EQ(summary(judge_tunnel({.choice = cli::TunnelChoice::kKernel, .interface_name = "wg0", .link_kind = {}})),
            "broken: TUNNEL=auto");
}

TEST(DoctorTunnel, IsBrokenByAnInterfaceOfSomebodyElse) {
  TunnelFacts facts{.interface_name = "wg0", .link_kind = "wireguard"};
  EXPECT_EQ(summary(judge_tunnel(facts)), "broken: WG_INTERFACE=wg1");
  facts.link_is_ours = true;
  EXPECT_EQ(summary(judge_tunnel(facts)), "ok");
}

TEST(DoctorTun, IsNeededByOurEngineAlone) {
  EXPECT_EQ(summary(judge_tun({.needed = false, .look_error = ENOENT})), "ok");
  EXPECT_EQ(summary(judge_tun({.needed = true, .look_error = ENOENT})),
            "broken: mkdir -p /dev/net && mknod -m 0600 /dev/net/tun c 10 200");
  EXPECT_EQ(judge_tun({.needed = true, .is_tun = false}).state, State::kBroken);
  EXPECT_EQ(summary(judge_tun({.needed = true, .is_tun = true})), "ok");
  EXPECT_EQ(summary(judge_tun({.needed = true, .is_tun = true, .open_error = ENODEV})), "broken: modprobe tun");
  EXPECT_THAT(judge_tun({.needed = true, .is_tun = true, .open_error = EPERM}).cure.container,
              HasSubstr("--device /dev/net/tun"));
  EXPECT_EQ(judge_tun({.needed = true, .is_tun = true, .open_error = EACCES, .as_root = false}).state, State::kNote);
}

// --- capabilities ---

constexpr std::uint64_t kNetAdmin = std::uint64_t{1} << CAP_NET_ADMIN;
constexpr std::uint64_t kNetBind = std::uint64_t{1} << CAP_NET_BIND_SERVICE;

TEST(DoctorCapabilities, AreNetAdminAndForLowPortsNetBindService) {
  EXPECT_EQ(summary(judge_capabilities({.effective = kNetAdmin})), "ok");
  EXPECT_THAT(judge_capabilities({.effective = kNetBind}).message, HasSubstr("CAP_NET_ADMIN is missing"));
  EXPECT_THAT(judge_capabilities({.effective = kNetBind}).cure.container, HasSubstr("--cap-add NET_ADMIN"));
  EXPECT_EQ(judge_capabilities({.effective = kNetAdmin, .low_port = 443}).state, State::kBroken);
  EXPECT_EQ(summary(judge_capabilities({.effective = kNetAdmin | kNetBind, .low_port = 443})), "ok");
}

TEST(DoctorCapabilities, OfAUserOtherThanRootAreOnlyNoted) {
  EXPECT_EQ(summary(judge_capabilities({.effective = 0, .as_root = false})), "note: sudo vpn-enabler doctor");
  EXPECT_EQ(judge_capabilities({.effective = std::nullopt}).state, State::kNote);
}

// --- forwarding ---

TEST(DoctorForwarding, MayBeOffOnlyWhereServeSwitchesItOn) {
  const auto judged = [](std::uint64_t value, bool writable, bool serves) {
    return judge_forwarding(
        {.everywhere = {"net.ipv4.ip_forward", value, writable}, .interfaces = {}, .serves = serves});
  };
  EXPECT_EQ(judged(1, false, true).state, State::kOk);
  EXPECT_EQ(judged(0, true, false).state, State::kOk);
  EXPECT_EQ(summary(judged(0, false, false)), "broken: sysctl -w net.ipv4.ip_forward=1");
  EXPECT_EQ(judged(0, true, true).state, State::kBroken);
}

TEST(DoctorForwarding, MayBeOffAtOneInterface) {
  const Finding finding = judge_forwarding(
      {.everywhere = {"net.ipv4.ip_forward", 1, true},
       .interfaces = {{"net.ipv4.conf.wg0.forwarding", 1, true}, {"net.ipv4.conf.eth0.forwarding", 0, true}}});
  EXPECT_EQ(summary(finding), "broken: sysctl -w net.ipv4.conf.eth0.forwarding=1");
}

TEST(DoctorForwarding, HasOneSwitchForIpv6) {
  ForwardingFacts facts{.family = IpFamily::kV6, .everywhere = {"net.ipv6.conf.all.forwarding", 0, false}};
  EXPECT_EQ(judge_forwarding(facts).check, "forwarding6");
  EXPECT_EQ(summary(judge_forwarding(facts)), "broken: sysctl -w net.ipv6.conf.all.forwarding=1");
  facts.everywhere.value = 1;
  EXPECT_EQ(summary(judge_forwarding(facts)), "ok");
}

// --- ipv6 ---

TEST(DoctorIpv6, IsSwitchedOnByServeWhereItCan) {
  const auto judged = [](std::optional<std::uint64_t> disabled, bool writable, bool serves) {
    return judge_ipv6({.in_vpn = true,
                       .serves = serves,
                       .disabled = {"net.ipv6.conf.wg0.disable_ipv6", disabled, writable},
                       .outside = Route{"eth0", 1500}});
  };
  EXPECT_EQ(summary(judged(0, true, false)), "ok");
  EXPECT_EQ(summary(judged(1, true, false)), "ok");
  EXPECT_EQ(summary(judged(1, false, false)), "broken: sysctl -w net.ipv6.conf.wg0.disable_ipv6=0");
  EXPECT_EQ(summary(judged(1, true, true)),
            "broken: sysctl -w net.ipv6.conf.wg0.disable_ipv6=0 && systemctl restart vpn-enabler");
  EXPECT_EQ(judged(std::nullopt, false, false).state, State::kBroken) << "a kernel without IPv6";
}

TEST(DoctorIpv6, NeedsARouteForThoseWhoCallByIt) {
  const auto judged = [](Called called) {
    return judge_ipv6({.in_vpn = true, .called = called, .disabled = {"", 0, true}}).state;
  };
  EXPECT_EQ(judged(Called::kAll), State::kBroken);
  EXPECT_EQ(judged(Called::kSome), State::kWarning);
  EXPECT_EQ(judged(Called::kNone), State::kNote);
  const IpAddress v4 = *IpAddress::parse("192.0.2.1"), v6 = *IpAddress::parse("2001:db8::1");
  EXPECT_EQ(called_by_ipv6({}), Called::kNone);
  EXPECT_EQ(called_by_ipv6({v4}), Called::kNone);
  EXPECT_EQ(called_by_ipv6({v4, v6}), Called::kSome);
  EXPECT_EQ(called_by_ipv6({v6}), Called::kAll);
}

TEST(DoctorIpv6, WarnsOfARouteThatRunsOut) {
  Ipv6Facts facts{.in_vpn = true,
                  .disabled = {"", 0, true},
                  .outside = Route{"eth0", 1500, true},
                  .heeds_routers = {"net.ipv6.conf.eth0.accept_ra", 1, true},
                  .forwards = true};
  EXPECT_EQ(summary(judge_ipv6(facts)), "warning: sysctl -w net.ipv6.conf.eth0.accept_ra=2");
  facts.heeds_routers.value = 2;
  EXPECT_EQ(summary(judge_ipv6(facts)), "ok");
  facts.heeds_routers.value = 1;
  facts.forwards = false;
  EXPECT_EQ(summary(judge_ipv6(facts)), "ok") << "serve sees to it";
  facts.forwards = true;
  facts.outside->is_told = false;
  EXPECT_EQ(summary(judge_ipv6(facts)), "ok") << "an administrator's own route";
}

// --- rp_filter ---

TEST(DoctorReversePath, DropsWhereAnswersLeaveAnotherWay) {
  EXPECT_EQ(summary(judge_reverse_path({"eth1", "eth0", true})), "broken: sysctl -w net.ipv4.conf.eth1.rp_filter=2");
  EXPECT_EQ(judge_reverse_path({"eth1", "eth0", false}).state, State::kOk);
  EXPECT_EQ(judge_reverse_path({"eth0", "eth0", true}).state, State::kOk);
  EXPECT_EQ(judge_reverse_path({"", "eth0", true}).state, State::kOk);
}

// --- mtu ---

TEST(DoctorMtu, LeavesRoomForTheHeadersOfTheFamilyThatIsCalled) {
  const auto judged = [](int own, int v4, int v6, IpFamily called) {
    return summary(judge_mtu({own, v4, v6, called}));
  };
  EXPECT_EQ(judged(1420, 1500, 1500, IpFamily::kNone), "ok");
  EXPECT_EQ(judged(1420, 1480, 0, IpFamily::kV4), "ok");
  EXPECT_EQ(judged(1420, 1479, 0, IpFamily::kV4), "warning: WG_MTU=1419");
  EXPECT_EQ(judged(1420, 1480, 1480, IpFamily::kV4), "ok");
  EXPECT_EQ(judged(1420, 1480, 1480, IpFamily::kV6), "warning: WG_MTU=1400");
  EXPECT_EQ(judged(1420, 1480, 1480, IpFamily::kNone), "warning: WG_MTU=1400");
  EXPECT_EQ(judged(1420, 0, 0, IpFamily::kV4), "note");
}

// --- ports ---

TEST(DoctorPorts, AreFreeBeforeTheGatewayServes) {
  EXPECT_EQ(summary(judge_udp_port({.port = 51820, .holder = {}})), "ok");
  const PortFacts taken{.port = 51820, .held = true, .holder = Process{9, "dnsmasq"}};
  EXPECT_EQ(summary(judge_udp_port(taken)), "broken: WG_PORT=51821");
  EXPECT_EQ(judge_udp_port(taken).message, "UDP port 51820 is taken by dnsmasq, process 9");
  EXPECT_EQ(summary(judge_udp_port({.port = 65535, .held = true, .holder = {}})), "broken: WG_PORT=65534");
  EXPECT_EQ(summary(judge_udp_port({.port = 51820, .held = true, .holder = {}, .kernel_is_ours = true})), "ok");
  EXPECT_EQ(summary(judge_api_port({.port = 3000, .held = true, .holder = Process{9, "node"}})),
            "broken: API_PORT=3001");
}

TEST(DoctorPorts, AreTheGatewaysAndReadWhenItServes) {
  PortFacts facts{
      .port = 51820, .serves = true, .held = true, .holder = Process{7, "vpn-enabler"}, .gateway_process = 7};
  EXPECT_EQ(summary(judge_udp_port(facts)), "ok");
  EXPECT_EQ(summary(judge_api_port(facts)), "ok");
  facts.reads = false;
  EXPECT_EQ(summary(judge_udp_port(facts)), "broken: systemctl restart vpn-enabler");
  facts.holder = Process{9, "dnsmasq"};
  EXPECT_EQ(summary(judge_udp_port(facts)), "broken: WG_PORT=51821");
  facts.held = false;
  EXPECT_EQ(summary(judge_udp_port(facts)), "broken: systemctl restart vpn-enabler");
  EXPECT_EQ(summary(judge_api_port(facts)), "broken: systemctl restart vpn-enabler");
}

// --- conntrack ---

TEST(DoctorConntrack, WarnsBeforeTheTableIsFull) {
  EXPECT_EQ(summary(judge_conntrack({std::nullopt, std::nullopt})), "ok");
  EXPECT_EQ(summary(judge_conntrack({89, 100})), "ok");
  EXPECT_EQ(summary(judge_conntrack({90, 100})), "warning: sysctl -w net.netfilter.nf_conntrack_max=200");
  EXPECT_EQ(judge_conntrack({100, 100}).state, State::kBroken);
  EXPECT_EQ(summary(judge_conntrack({100, 0})), "ok");
}

// --- clock ---

// No namespace moves the wall clock, so this is where it is tested.
TEST(DoctorClock, WarnsWhenItIsUnsynchronizedOrBeforeTheProgramWasBuilt) {
  const WallTime built{std::chrono::seconds(1'800'000'000)};
  const auto judged = [&](std::chrono::hours after, bool synchronized) {
    return judge_clock({built + after, built, synchronized});
  };
  EXPECT_EQ(summary(judged(std::chrono::hours(1), true)), "ok");
  EXPECT_EQ(summary(judged(std::chrono::hours(-20), true)), "ok");
  EXPECT_EQ(summary(judged(std::chrono::hours(1), false)), "warning: timedatectl set-ntp true");
  EXPECT_EQ(summary(judged(std::chrono::hours(-30), true)), "warning: timedatectl set-ntp true");
  EXPECT_THAT(judged(std::chrono::hours(-30), false).message, HasSubstr("before the day this program was built"));
}

TEST(DoctorClock, IsLaterThanTheDayOfTheBuild) {
  const ClockFacts facts = look_at_clock(SystemClock());
  EXPECT_GT(facts.now, facts.built);
}

// --- SERVER_IP ---

TEST(DoctorServerIp, WarnsOfAnAddressThatIsNotPublic) {
  for (const char* address : {"10.1.2.3", "172.31.0.1", "192.168.1.67", "100.64.0.1", "100.127.255.254", "169.254.1.1",
                              "127.0.0.1", "fd00::1", "fe80::1", "::1"}) {
    EXPECT_EQ(judge_server_ip({address, std::vector{*IpAddress::parse(address)}}).state, State::kWarning) << address;
  }
  for (const char* address : {"203.0.113.7", "172.32.0.1", "100.128.0.1", "2001:db8::1"}) {
    EXPECT_EQ(judge_server_ip({address, std::vector{*IpAddress::parse(address)}}).state, State::kOk) << address;
  }
}

TEST(DoctorServerIp, SaysWhereANameLeads) {
  const Finding finding = judge_server_ip({"vpn.example.org", std::vector{*IpAddress::parse("10.0.0.1")}});
  EXPECT_THAT(finding.message, HasSubstr("vpn.example.org is 10.0.0.1, which is private"));
  EXPECT_EQ(judge_server_ip({"vpn.example.org", fail(ErrorCode::kNotFound, "unknown")}).state, State::kBroken);
}

TEST(DoctorServerIp, IsDetectedWhenItIsNotSet) {
  const Finding finding = judge_server_ip({"", std::vector{*IpAddress::parse("192.168.1.67")}});
  EXPECT_THAT(finding.message, HasSubstr("192.168.1.67 (detected), which is private"));
  EXPECT_EQ(summary(judge_server_ip({"", fail(ErrorCode::kUnavailable, "no address")})),
            "broken: SERVER_IP=vpn.example.org");
}

// --- state directory and store ---

TEST(DoctorState, NeedsADirectoryThatIsWritable) {
  StateFacts facts{
      .directory = "/var/lib/vpn-enabler", .existing = "/var/lib", .key = fail(ErrorCode::kNotFound, "none")};
  EXPECT_EQ(judge_state(facts).message, "/var/lib/vpn-enabler will be made");
  facts.writable = false;
  EXPECT_EQ(judge_state(facts).state, State::kBroken);
  facts.as_root = false;
  EXPECT_EQ(judge_state(facts).state, State::kNote);
  facts.is_directory = false;
  EXPECT_EQ(judge_state(facts).state, State::kBroken);
}

TEST(DoctorState, IsBrokenByAKeyThatIsNone) {
  const StateFacts facts{
      .directory = "/d", .existing = "/d", .key = fail(ErrorCode::kCorrupt, "/d/private-key: no key")};
  EXPECT_EQ(judge_state(facts).state, State::kBroken);
}

TEST(DoctorStore, AnswersIsNotMadeYetOrIsAway) {
  EXPECT_EQ(summary(judge_store(Result<std::string>("sqlite at /x"), false)), "ok");
  EXPECT_EQ(summary(judge_store(Result<std::string>(fail(ErrorCode::kNotFound, "will be made")), false)), "ok");
  EXPECT_EQ(judge_store(Result<std::string>(fail(ErrorCode::kUnavailable, "away")), true).state, State::kBroken);
  EXPECT_EQ(judge_store(Result<std::string>(fail(ErrorCode::kPermissionDenied, "no")), false).state, State::kNote);
  EXPECT_EQ(judge_store(std::nullopt, true).state, State::kBroken);
}

}  // namespace
}  // namespace vpn::doctor
