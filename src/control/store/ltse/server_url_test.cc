#include "control/store/ltse/server_url.h"

#include <gtest/gtest.h>

namespace vpn::control::ltse {
namespace {

ServerUrl parsed(const char* text) {
  auto url = parse_server_url(text);
  EXPECT_TRUE(url) << url.error().message;
  return url ? *url : ServerUrl();
}

TEST(ServerUrl, TakesThePartsApart) {
  const ServerUrl plain = parsed("http://ltse-api:8080");
  EXPECT_FALSE(plain.tls);
  EXPECT_EQ(plain.host, "ltse-api");
  EXPECT_EQ(plain.port, "8080");
  EXPECT_EQ(plain.path, "");
  EXPECT_EQ(plain.authorization, "");
  EXPECT_EQ(plain.display(), "http://ltse-api:8080");

  const ServerUrl full = parsed("https://[2001:db8::1]/ltse/");
  EXPECT_TRUE(full.tls);
  EXPECT_EQ(full.host, "2001:db8::1");
  EXPECT_EQ(full.port, "443");
  EXPECT_EQ(full.path, "/ltse");
  EXPECT_EQ(full.display(), "https://[2001:db8::1]/ltse");
}

TEST(ServerUrl, MakesBasicAuthenticationOfUserAndPassword) {
  const ServerUrl url = parsed("http://Aladdin:open%20sesame@ltse:80");
  EXPECT_EQ(url.authorization, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");  // RFC 7617, section 2
  EXPECT_EQ(url.display(), "http://ltse");
  EXPECT_EQ(parsed("http://user:p@ss@ltse").host, "ltse");
}

TEST(ServerUrl, RefusesWhatIsNoneAndRepeatsNoPassword) {
  for (const char* text : {"", "ltse:8080", "ftp://hunter2@ltse", "http://", "http://:80", "http://u:hunter2@",
                           "http://ltse:0", "http://ltse:65536", "http://ltse:http", "http://ltse:", "http://[::1",
                           "http://[::1]8080", "http://u:hunter2%@ltse", "http://u:hunter2%4@ltse", "http://ltse/?a",
                           "http://ltse\r\nHost: x", "http://u:hunter2 @ltse", "http://ltse#hunter2"}) {
    const auto url = parse_server_url(text);
    ASSERT_FALSE(url) << text;
    EXPECT_EQ(url.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(url.error().field, "LTSE_URL");
    EXPECT_EQ(url.error().message.find("hunter2"), std::string::npos) << url.error().message;
    EXPECT_NE(url.error().message.find("http://ltse-api:8080"), std::string::npos);
  }
}

}  // namespace
}  // namespace vpn::control::ltse
