#include "host/nftables.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "base/test_namespace.h"

namespace vpn::host {
namespace {

class Nftables : public ::testing::Test {
  TestNamespace namespace_;
  TestNamespace::Visit visit_ = namespace_.enter();
};

TEST_F(Nftables, AnswerWithTheirOutput) {
  ASSERT_TRUE(run_nftables("add table inet mine\n"));
  const auto listing = run_nftables("list tables\n");
  ASSERT_TRUE(listing) << listing.error().message;
  EXPECT_EQ(*listing, "table inet mine\n");
}

TEST_F(Nftables, ApplyAllOrNothingAndPrintNothing) {
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  const auto refused = run_nftables("add table inet mine\ndelete table inet nobodys\n");
  const auto unreadable = run_nftables("add table inet {\n");
  const auto listing = run_nftables("list ruleset\n");
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");

  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kIo);
  EXPECT_EQ(refused.error().message, "nftables: Could not process rule: No such file or directory");
  ASSERT_FALSE(unreadable);
  EXPECT_NE(unreadable.error().message.find("syntax error"), std::string::npos) << unreadable.error().message;
  EXPECT_EQ(*listing, "");
}

TEST_F(Nftables, NameTheMissingCapability) {
  without_net_admin([] {
    const auto output = run_nftables("add table inet mine\n");
    ASSERT_FALSE(output);
    EXPECT_EQ(output.error().code, ErrorCode::kPermissionDenied);
    EXPECT_NE(output.error().message.find("NET_ADMIN"), std::string::npos);
  });
}

TEST_F(Nftables, AreUnsupportedWithoutTheKernelsPart) {
  for (const int error_number : {EINVAL, EOPNOTSUPP, EPROTONOSUPPORT}) {
    EXPECT_EQ(nftables_error(error_number).code, ErrorCode::kUnsupported);
    EXPECT_NE(nftables_error(error_number).message.find("modprobe nf_tables"), std::string::npos);
  }
}

}  // namespace
}  // namespace vpn::host
