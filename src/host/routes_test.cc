#include "host/routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/rtnetlink.h>

#include "base/test_namespace.h"

namespace vpn::host {
namespace {

using testing::HasSubstr;

// An interface wg0, up, for want of a tunnel one end of a cable; and eth0 with a network and a default route.
class Routes : public ::testing::Test {
 protected:
  Routes() {
    lay_cable(namespace_, "wg0", namespace_, "far");
    lay_cable(namespace_, "eth0", namespace_, "site");
    for (const char* name : {"far", "site", "wg0"}) TestNamespace::ip(std::string("link set ") + name + " up");
    TestNamespace::ip("link set eth0 mtu 1400 up");
    TestNamespace::ip("address add 192.0.2.2/24 dev eth0");
    TestNamespace::ip("address add 2001:db8::2/64 dev eth0 nodad");
  }

  static Status add(const char* prefix, std::uint32_t table = RT_TABLE_MAIN, const char* interface = "wg0") {
    return add_route({*IpPrefix::parse(prefix), interface, table});
  }

 private:
  TestNamespace namespace_;
  TestNamespace::Visit visit_ = namespace_.enter();
};

TEST_F(Routes, LeadThroughTheInterface) {
  for (const char* prefix : {"10.0.0.0/8", "fd00:7::/64", "0.0.0.0/0", "::/0"}) {
    for (const std::uint32_t table : {std::uint32_t{RT_TABLE_MAIN}, std::uint32_t{51820}}) {
      const Status added = add(prefix, table);
      ASSERT_TRUE(added) << added.error().message;
      // Fails when it is not exactly so.
      TestNamespace::ip(std::string("route del ") + prefix + " dev wg0 table " + std::to_string(table));
    }
  }
}

TEST_F(Routes, DoNotTakeThePlaceOfAnother) {
  TestNamespace::ip("route add 10.0.0.0/8 dev eth0");
  const Status added = add("10.0.0.0/8");
  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().code, ErrorCode::kAlreadyExists);
  EXPECT_EQ(added.error().message, "cannot route 10.0.0.0/8 through wg0: there is a route to that network already");
}

TEST_F(Routes, NameWhatIsMissing) {
  EXPECT_EQ(add("10.0.0.0/8", RT_TABLE_MAIN, "wg9").error().code, ErrorCode::kNotFound);
  without_net_admin([] {
    const Status added = add("10.0.0.0/8");
    ASSERT_FALSE(added);
    EXPECT_EQ(added.error().code, ErrorCode::kPermissionDenied);
    EXPECT_THAT(added.error().message, HasSubstr("NET_ADMIN"));
  });
}

TEST_F(Routes, MakeATableThatIsNotEmpty) {
  EXPECT_TRUE(*is_table_empty(51820));
  ASSERT_TRUE(add("fd00:7::/64", 51820));
  EXPECT_FALSE(*is_table_empty(51820));
  EXPECT_TRUE(*is_table_empty(51821));
  ASSERT_TRUE(add("10.0.0.0/8", 51821));
  EXPECT_FALSE(*is_table_empty(51821));
}

TEST_F(Routes, KnowTheMtuOfTheWay) {
  EXPECT_EQ(mtu_towards(*IpAddress::parse("192.0.2.9")), 1400);
  EXPECT_EQ(mtu_towards(*IpAddress::parse("2001:db8::9")), 1400);
  EXPECT_EQ(mtu_towards(*IpAddress::parse("198.51.100.1")), std::nullopt);
  EXPECT_EQ(mtu_of_default_route(), std::nullopt);
  TestNamespace::ip("route add default via 192.0.2.1");
  EXPECT_EQ(mtu_towards(*IpAddress::parse("198.51.100.1")), 1400);
  EXPECT_EQ(mtu_of_default_route(), 1400);
  TestNamespace::ip("route add 198.51.100.0/24 via 192.0.2.1 mtu 1300");
  EXPECT_EQ(mtu_towards(*IpAddress::parse("198.51.100.1")), 1300);
}

}  // namespace
}  // namespace vpn::host
