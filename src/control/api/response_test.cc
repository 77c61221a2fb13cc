#include "control/api/response.h"

#include <gtest/gtest.h>

namespace vpn::control {
namespace {

TEST(HttpDate, WritesImfFixdateAndFollowsTheClock) {
  HttpDate date;
  EXPECT_EQ(date.at(WallTime(std::chrono::seconds(784111777))), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(date.at(WallTime(std::chrono::seconds(784111778))), "Sun, 06 Nov 1994 08:49:38 GMT");
}

TEST(ErrorResponse, AlwaysNamesTheFieldOfACallersFault) {
  EXPECT_EQ(error_response(Error{ErrorCode::kInvalidArgument, "too long", "name"}).body,
            R"({"message":"name: too long"})");
  EXPECT_EQ(error_response(Error{ErrorCode::kInvalidArgument, "name is too long", "name"}).body,
            R"({"message":"name is too long"})");
}

TEST(ErrorResponse, MapsEveryCode) {
  const auto status = [](ErrorCode code) { return static_cast<int>(error_response(Error{code, "x"}).status); };
  EXPECT_EQ(status(ErrorCode::kInvalidArgument), 400);
  EXPECT_EQ(status(ErrorCode::kNotFound), 404);
  EXPECT_EQ(status(ErrorCode::kAlreadyExists), 409);
  EXPECT_EQ(status(ErrorCode::kConflict), 409);
  EXPECT_EQ(status(ErrorCode::kExhausted), 507);
  EXPECT_EQ(status(ErrorCode::kUnsupported), 501);
  for (const ErrorCode code :
       {ErrorCode::kPermissionDenied, ErrorCode::kUnavailable, ErrorCode::kCorrupt, ErrorCode::kIo}) {
    EXPECT_EQ(status(code), 503);
  }
}

}  // namespace
}  // namespace vpn::control
