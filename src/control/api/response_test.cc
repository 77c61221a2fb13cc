#include "control/api/response.h"

#include <gtest/gtest.h>

namespace vpn::control {
namespace {

std::string json_string(std::string_view text) {
  SecretText out;
  append_json_string(out, text);
  return std::string(out);
}

TEST(JsonString, EscapesWhatMustBe) {
  EXPECT_EQ(json_string("plain \xc3\xa9"), "\"plain \xc3\xa9\"");
  EXPECT_EQ(json_string("a\"b\\c\n\x01\x7f"), R"("a\"b\\c\u000a\u0001\u007f")");
  EXPECT_EQ(json_string({"\0", 1}), R"("\u0000")");
}

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
