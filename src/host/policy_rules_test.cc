#include "host/policy_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/rtnetlink.h>

#include "base/test_namespace.h"

namespace vpn::host {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

class PolicyRules : public testing::TestWithParam<IpFamily> {
 protected:
  PolicyRule to_table() const { return {.family = GetParam(), .priority = 1000, .table = 51820, .unless_mark = 51820}; }
  PolicyRule to_main() const {
    return {.family = GetParam(), .priority = 999, .table = RT_TABLE_MAIN, .without_default = true};
  }
  std::string option() const { return GetParam() == IpFamily::kV4 ? "-4 " : "-6 "; }
  std::vector<std::uint32_t> priorities() const {
    const auto taken = policy_rule_priorities(GetParam());
    EXPECT_TRUE(taken);
    return *taken;
  }

 private:
  TestNamespace namespace_;
  TestNamespace::Visit visit_ = namespace_.enter();
};

TEST_P(PolicyRules, AreAddedAndRemoved) {
  for (const PolicyRule& rule : {to_table(), to_main()}) {
    const Status added = add_policy_rule(rule);
    ASSERT_TRUE(added) << added.error().message;
    EXPECT_THAT(priorities(), Contains(rule.priority));
    EXPECT_EQ(add_policy_rule(rule).error().code, ErrorCode::kAlreadyExists);
  }
  // As `ip` understands them: it could remove what is exactly so.
  TestNamespace::ip(option() + "rule del priority 1000 not fwmark 51820 table 51820");
  TestNamespace::ip(option() + "rule del priority 999 table main suppress_prefixlength 0");
  ASSERT_TRUE(add_policy_rule(to_table()));
  ASSERT_TRUE(remove_policy_rule(to_table()));
  EXPECT_THAT(priorities(), Not(Contains(1000u)));
  EXPECT_TRUE(remove_policy_rule(to_table()));  // gone already
}

TEST_P(PolicyRules, OfOthersStay) {
  TestNamespace::ip(option() + "rule add priority 1000 not fwmark 51820 table 51820");
  ASSERT_TRUE(remove_policy_rule(to_table()));
  EXPECT_THAT(priorities(), Contains(1000u));
}

TEST_P(PolicyRules, NameTheMissingCapability) {
  without_net_admin([this] {
    const Status added = add_policy_rule(to_table());
    ASSERT_FALSE(added);
    EXPECT_EQ(added.error().code, ErrorCode::kPermissionDenied);
    EXPECT_THAT(added.error().message, HasSubstr("NET_ADMIN"));
  });
}

INSTANTIATE_TEST_SUITE_P(Families, PolicyRules, testing::Values(IpFamily::kV4, IpFamily::kV6),
                         [](const auto& family) { return family.param == IpFamily::kV4 ? "V4" : "V6"; });

}  // namespace
}  // namespace vpn::host
