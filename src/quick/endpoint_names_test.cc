#include "quick/endpoint_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netdb.h>

#include <vector>

namespace vpn::quick {
namespace {

using testing::HasSubstr;

/// A name service that answers with these faults, one after the other, then asks the real one for 192.0.2.7.
struct Script {
  std::vector<int> faults = {};
  std::size_t asked = 0;
  std::vector<std::chrono::milliseconds> pauses = {};

  NameService service() {
    return {[this](const char*, const char* port, const addrinfo* hints, addrinfo** found) {
              if (asked < faults.size()) return faults[asked++];
              ++asked;
              return ::getaddrinfo("192.0.2.7", port, hints, found);
            },
            [this](std::chrono::milliseconds pause) { pauses.push_back(pause); }};
  }
};

const HostAndPort kRemote{"vpn.example.org", 51820};

TEST(EndpointNames, TakeAnAddressAsItIs) {
  Script script;
  EXPECT_EQ(to_string(*resolve({"192.0.2.1", 5}, script.service())), "192.0.2.1:5");
  EXPECT_EQ(to_string(*resolve({"2001:db8::1", 5}, script.service())), "[2001:db8::1]:5");
  EXPECT_EQ(script.asked, 0u);
}

TEST(EndpointNames, AreAskedFor) {
  Script script;
  EXPECT_EQ(to_string(*resolve(kRemote, script.service())), "192.0.2.7:51820");
}

TEST(EndpointNames, AreAskedForAgainWhileTheAnswerMayCome) {
  Script script{{EAI_AGAIN, EAI_AGAIN, EAI_SYSTEM}};
  EXPECT_EQ(to_string(*resolve(kRemote, script.service())), "192.0.2.7:51820");
  using std::chrono::milliseconds;
  EXPECT_EQ(script.pauses, (std::vector{milliseconds(1000), milliseconds(1200), milliseconds(1440)}));
}

TEST(EndpointNames, AreNotAskedForForEver) {
  Script script{std::vector<int>(1000, EAI_AGAIN)};
  const auto endpoint = resolve(kRemote, script.service());
  ASSERT_FALSE(endpoint);
  EXPECT_EQ(endpoint.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(script.asked, static_cast<std::size_t>(kMaxLookUps));
  std::chrono::milliseconds all{0};
  for (const auto pause : script.pauses) all += pause;
  EXPECT_LT(all, std::chrono::seconds(65));
}

TEST(EndpointNames, AreNotAskedForAgainWhenThereIsNone) {
  Script script{{EAI_NONAME}};
  const auto endpoint = resolve(kRemote, script.service());
  ASSERT_FALSE(endpoint);
  EXPECT_EQ(endpoint.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(endpoint.error().message, HasSubstr("cannot look up vpn.example.org"));
  EXPECT_EQ(script.asked, 1u);
}

}  // namespace
}  // namespace vpn::quick
