#include "control/api/auth.h"

#include <gtest/gtest.h>

namespace vpn::control {
namespace {

constexpr std::string_view kToken = "0123456789abcdef";

AuthPolicy loopback_policy() {
  return {.loopback = true};
}
AuthPolicy public_policy() {
  return {.loopback = false, .token = *BearerToken::parse(kToken)};
}

TEST(Auth, AllowsTheUnixSocketWhateverTheHeadersSay) {
  const AuthPolicy policy{.unix_socket = true, .loopback = false};
  EXPECT_EQ(decide(policy, {.host = "evil.example", .origin = "http://evil.example"}), AuthDecision::kAllowed);
}

TEST(Auth, AllowsLoopbackWithoutTokenForLoopbackHosts) {
  for (const std::string_view host :
       {"127.0.0.1:3000", "127.0.0.1", "localhost:3000", "LOCALHOST", "[::1]:3000", "[::1]", "127.8.9.10:1"}) {
    EXPECT_EQ(decide(loopback_policy(), {.host = host}), AuthDecision::kAllowed) << host;
  }
}

TEST(Auth, RefusesForeignHostsOnLoopback) {
  for (const std::string_view host :
       {"", "evil.example", "evil.example:3000", "localhost.evil.example", "127.0.0.1.evil.example", "192.168.1.1",
        "[::2]", "[::1", "::1", "localhost:99999", "localhost:", "localhost:3000:1", "127.0.0.1@evil.example",
        "2130706433", "127.1", "localhost.", " localhost", "0.0.0.0"}) {
    EXPECT_EQ(decide(loopback_policy(), {.host = host}), AuthDecision::kForeignPage) << host;
  }
}

TEST(Auth, TakesAnAbsentHostOnLoopbackForAProgram) {
  EXPECT_EQ(decide(loopback_policy(), {}), AuthDecision::kAllowed);
  EXPECT_EQ(decide(loopback_policy(), {.origin = "http://evil.example"}), AuthDecision::kForeignPage);
  EXPECT_EQ(decide(loopback_policy(), {.sec_fetch_site = "cross-site"}), AuthDecision::kForeignPage);
  EXPECT_EQ(decide(public_policy(), {}), AuthDecision::kTokenNeeded);
}

TEST(Auth, RefusesWebPagesOnLoopback) {
  const std::string_view host = "localhost:3000";
  EXPECT_EQ(decide(loopback_policy(), {.host = host, .origin = "http://localhost:3000"}), AuthDecision::kForeignPage);
  EXPECT_EQ(decide(loopback_policy(), {.host = host, .origin = "null"}), AuthDecision::kForeignPage);
  EXPECT_EQ(decide(loopback_policy(), {.host = host, .sec_fetch_site = "cross-site"}), AuthDecision::kForeignPage);
  EXPECT_EQ(decide(loopback_policy(), {.host = host, .sec_fetch_site = "same-site"}), AuthDecision::kForeignPage);
  EXPECT_EQ(decide(loopback_policy(), {.host = host, .sec_fetch_site = "none"}), AuthDecision::kAllowed);
}

TEST(Auth, AsksForTheTokenEverywhereElse) {
  const AuthPolicy policy = public_policy();
  for (const std::string_view wrong :
       {"", "Bearer", "Bearer ", "Bearer 0123456789abcdeg", "Bearer 0123456789abcde", "Bearer 0123456789abcdef0",
        "Bearer 0123456789abcdef ", "Basic 0123456789abcdef", "0123456789abcdef", "BearerX0123456789abcdef"}) {
    EXPECT_EQ(decide(policy, {.host = "127.0.0.1", .authorization = wrong}), AuthDecision::kTokenNeeded) << wrong;
  }
  EXPECT_EQ(decide(policy, {.host = "vpn.example", .authorization = "Bearer 0123456789abcdef"}),
            AuthDecision::kAllowed);
  EXPECT_EQ(decide(policy, {.authorization = "bearer  0123456789abcdef"}), AuthDecision::kAllowed);
}

TEST(Auth, AllowsNobodyWithoutATokenToCompareWith) {
  EXPECT_EQ(decide({.loopback = false}, {.authorization = "Bearer "}), AuthDecision::kTokenNeeded);
}

TEST(Auth, AllowsATokenOnLoopbackFromAnyHost) {
  AuthPolicy policy = public_policy();
  policy.loopback = true;
  EXPECT_EQ(decide(policy, {.host = "vpn.example", .authorization = "Bearer 0123456789abcdef"}),
            AuthDecision::kAllowed);
}

TEST(Auth, AsksForASetTokenOnLoopbackToo) {
  AuthPolicy policy = public_policy();
  policy.loopback = true;
  EXPECT_EQ(decide(policy, {.host = "127.0.0.1"}), AuthDecision::kTokenNeeded);
  EXPECT_EQ(decide(policy, {}), AuthDecision::kTokenNeeded);
  EXPECT_EQ(decide({.unix_socket = true, .token = policy.token}, {}), AuthDecision::kAllowed);
}

// A gateway in front on the same machine passes the names that its callers used; only a page of another site shows.
TEST(Auth, RefusesForeignPagesOnLoopbackWhenOff) {
  const AuthPolicy policy{.mode = AuthMode::kOff, .loopback = true};
  EXPECT_EQ(
      decide(policy, {.host = "127.0.0.1:3000", .origin = "https://evil.example", .sec_fetch_site = "cross-site"}),
      AuthDecision::kForeignPage);
  EXPECT_EQ(decide(policy, {.host = "vpn.example", .origin = "https://vpn.example", .sec_fetch_site = "same-origin"}),
            AuthDecision::kAllowed);
  EXPECT_EQ(decide(policy, {.host = "vpn.example"}), AuthDecision::kAllowed);
}

TEST(Auth, LeavesTheCheckToTheGatewayInFrontWhenOff) {
  EXPECT_EQ(
      decide({.mode = AuthMode::kOff, .loopback = false}, {.host = "vpn.example", .origin = "https://ui.example"}),
      AuthDecision::kAllowed);
}

TEST(BearerToken, RefusesShortLongAndUnfitText) {
  EXPECT_TRUE(BearerToken::parse("AbZ09-._~+/AbZ09=="));
  EXPECT_TRUE(BearerToken::parse(std::string(BearerToken::kMaxSize, 'a')));
  for (const std::string& bad :
       {std::string(), std::string("short"), std::string(BearerToken::kMaxSize + 1, 'a'),
        std::string("with space 012345"), std::string("with=middle=0123456"), std::string("0123456789abcdef\n")}) {
    EXPECT_FALSE(BearerToken::parse(bad)) << bad;
  }
}

TEST(IsLoopback, KnowsTheThreeForms) {
  EXPECT_TRUE(is_loopback(*IpAddress::parse("127.0.0.1")));
  EXPECT_TRUE(is_loopback(*IpAddress::parse("::1")));
  EXPECT_TRUE(is_loopback(*IpAddress::parse("::ffff:127.0.0.1")));
  for (const std::string_view other : {"0.0.0.0", "::", "192.168.1.1", "128.0.0.1", "::ffff:10.0.0.1", "::2"}) {
    EXPECT_FALSE(is_loopback(*IpAddress::parse(other))) << other;
  }
}

}  // namespace
}  // namespace vpn::control
