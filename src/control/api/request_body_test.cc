#include "control/api/request_body.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vpn::control {
namespace {

using testing::HasSubstr;

constexpr std::string_view kKey = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=";

Result<RequestBody> parse_json(std::string_view text) {
  return RequestBody::parse(MediaType::kJson, text,
                            {BodyField::kPublicKey, BodyField::kPresharedKey, BodyField::kName});
}
Result<RequestBody> parse_form(std::string_view text) {
  return RequestBody::parse(MediaType::kForm, text,
                            {BodyField::kPublicKey, BodyField::kPresharedKey, BodyField::kName});
}

TEST(RequestBody, ReadsAJsonObject) {
  const auto body = parse_json(R"( {"publicKey": ")" + std::string(kKey) +
                               R"(", "name": "A\u00e9\n\"" } )"
                               "\r\n");
  ASSERT_TRUE(body) << body.error().message;
  EXPECT_EQ(to_string(*body->public_key()), kKey);
  EXPECT_EQ(body->name(), "A\u00e9\n\"");
  EXPECT_FALSE(*body->preshared_key());
}

TEST(RequestBody, ReadsAForm) {
  const auto body = parse_form("publicKey=hSDwCYkwp1R0i33ctD73Wg2%2FOg0mOBr066SpjqqbTmo%3D&name=two+words%21");
  ASSERT_TRUE(body) << body.error().message;
  EXPECT_EQ(to_string(*body->public_key()), kKey);
  EXPECT_EQ(body->name(), "two words!");
}

TEST(RequestBody, NamesWhatIsMissing) {
  const auto key = parse_json("{}")->public_key();
  ASSERT_FALSE(key);
  EXPECT_EQ(key.error().field, "publicKey");
  EXPECT_THAT(key.error().message, testing::StartsWith("The peer's public key is needed"));
  EXPECT_THAT(key.error().message, HasSubstr("publicKey"));
}

TEST(RequestBody, RefusesBrokenJson) {
  for (const std::string_view text : {"",
                                      " ",
                                      "{",
                                      "}",
                                      "{\"publicKey\"",
                                      "{\"publicKey\":",
                                      "{\"publicKey\":\"a\"",
                                      "{'name':'a'}",
                                      "{\"name\":\"a\",}",
                                      "{\"name\":\"a\"}x",
                                      "{\"name\":\"a\"}{}",
                                      "{name:\"a\"}",
                                      "{\"name\":\"\\ud800\"}",
                                      "{\"name\":\"a\nb\"}",
                                      "{\"name\":\"\xff\"}",
                                      "{\"name\":\"\xc0\xaf\"}",
                                      "{5:\"a\"}",
                                      "\xef\xbb\xbf{}",
                                      "{/*c*/}",
                                      "{\"name\":NaN}"}) {
    const auto body = parse_json(text);
    ASSERT_FALSE(body) << text;
    EXPECT_EQ(body.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(body.error().message, HasSubstr("JSON object")) << text;
    EXPECT_THAT(body.error().message, HasSubstr(kKey)) << "no right example";
  }
}

TEST(RequestBody, RefusesWhatIsNoObject) {
  for (const std::string_view text : {"[]", "\"text\"", "5", "5.5", "-1", "true", "null", "[{}]"}) {
    const auto body = parse_json(text);
    ASSERT_FALSE(body) << text;
    EXPECT_THAT(body.error().message, HasSubstr("must be a JSON object")) << text;
  }
}

TEST(RequestBody, RefusesEveryTypeButText) {
  for (const std::string_view value :
       {"5", "5.5", "true", "null", "[]", "{}", "[\"a\"]", "{\"name\":\"a\"}", "18446744073709551615"}) {
    const auto body = parse_json("{\"publicKey\":" + std::string(value) + "}");
    ASSERT_FALSE(body) << value;
    EXPECT_EQ(body.error().field, "publicKey") << value;
    EXPECT_THAT(body.error().message, HasSubstr("publicKey must be 44 base64 characters")) << value;
  }
}

TEST(RequestBody, RefusesUnknownFieldsByName) {
  for (const auto& body : {parse_json(R"({"admin":"yes"})"), parse_form("admin=yes"), parse_form("admin")}) {
    ASSERT_FALSE(body);
    EXPECT_EQ(body.error().field, "admin");
    EXPECT_THAT(body.error().message, HasSubstr("unknown field \"admin\"; known here: publicKey, presharedKey, name"));
  }
  const auto other_case = parse_json(R"({"PublicKey":"a"})");
  EXPECT_FALSE(other_case);
}

TEST(RequestBody, ShowsAHostileFieldNameShortAndPrintable) {
  const auto body = parse_json("{\"\\u001b[2J\\n" + std::string(60'000, 'x') + "\":\"\"}");
  ASSERT_FALSE(body);
  EXPECT_LT(body.error().message.size(), 200u);
  EXPECT_EQ(body.error().message.find('\x1b'), std::string::npos);
}

TEST(RequestBody, RefusesAFieldThatThisRequestDoesNotHave) {
  EXPECT_FALSE(RequestBody::parse(MediaType::kJson, R"({"name":"a"})", {BodyField::kPublicKey}));
}

TEST(RequestBody, RefusesDoubledFields) {
  for (const auto& body : {parse_json(R"({"name":"a","name":"b"})"), parse_json(R"({"name":"a","\u006eame":"a"})"),
                           parse_form("name=a&name=a")}) {
    ASSERT_FALSE(body);
    EXPECT_EQ(body.error().field, "name");
    EXPECT_EQ(body.error().message, "name is given twice");
  }
}

TEST(RequestBody, RefusesDeepNestingAtItsFirstStep) {
  const auto body = parse_json("{\"name\":" + std::string(30'000, '['));
  ASSERT_FALSE(body);
  EXPECT_EQ(body.error().field, "name");
  EXPECT_FALSE(parse_json(std::string(60'000, '{')));
  EXPECT_FALSE(parse_json(std::string(60'000, '[')));
}

TEST(RequestBody, RefusesKeysThatAreNone) {
  for (const std::string_view text :
       {"", "x", "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo", "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmp=",
        "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo=", "$(touch /tmp/x)xxxxxxxxxxxxxxxxxxxxxxxxxxxxx=",
        "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=\\n", "\\u0000SDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="}) {
    const auto body =
        parse_json("{\"publicKey\":\"" + std::string(text) + "\",\"presharedKey\":\"" + std::string(text) + "\"}");
    ASSERT_TRUE(body) << text;
    EXPECT_EQ(body->public_key().error().field, "publicKey") << text;
    EXPECT_EQ(body->preshared_key().error().field, "presharedKey") << text;
    EXPECT_THAT(body->preshared_key().error().message, HasSubstr("for example"));
  }
}

TEST(RequestBody, SaysHowAPlusIsWrittenInAForm) {
  const std::string_view raw = "hSDwCYkwp1R0i33ctD73Wg2+Og0mOBr066SpjqqbTmo=";
  const auto form = parse_form("publicKey=" + std::string(raw) + "&presharedKey=" + std::string(raw));
  ASSERT_TRUE(form);
  for (const Error& error : {form->public_key().error(), form->preshared_key().error()}) {
    EXPECT_THAT(error.message, HasSubstr("in a form + is written %2B (curl: --data-urlencode)"));
  }
  EXPECT_THAT(parse_form("publicKey=x")->public_key().error().message, testing::Not(HasSubstr("%2B")));
  EXPECT_THAT(parse_json(R"({"publicKey":"a b"})")->public_key().error().message, testing::Not(HasSubstr("%2B")));
}

TEST(RequestBody, RefusesAPresharedKeyOfZeros) {
  const auto body = parse_json(R"({"presharedKey":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="})");
  EXPECT_EQ(body->preshared_key().error().field, "presharedKey");
}

TEST(RequestBody, NeverRepeatsAValueInAnError) {
  const auto body = parse_json(R"({"presharedKey":"this is nearly my secret"})");
  EXPECT_EQ(body->preshared_key().error().message.find("nearly"), std::string::npos);
}

TEST(RequestBody, RefusesBrokenForms) {
  for (const std::string_view text : {"name=%", "name=%4", "name=%zz", "name=%ff", "name=%c0%af", "name=%ed%a0%80",
                                      "%00%=a", "name=%f4%90%80%80", "name=%e2%82"}) {
    const auto body = parse_form(text);
    ASSERT_FALSE(body) << text;
    EXPECT_EQ(body.error().code, ErrorCode::kInvalidArgument);
  }
  EXPECT_TRUE(parse_form("name=%e2%82%ac%f0%9f%98%80%c3%a9"));
  EXPECT_TRUE(parse_form(""));
}

TEST(MediaType, KnowsTwoTypesInUtf8) {
  EXPECT_EQ(parse_media_type("application/json"), MediaType::kJson);
  EXPECT_EQ(parse_media_type("Application/JSON; charset=\"UTF-8\""), MediaType::kJson);
  EXPECT_EQ(parse_media_type("application/x-www-form-urlencoded;charset=utf-8"), MediaType::kForm);
  for (const std::string_view other : {"", "text/plain", "application/jsonx", "application/json; charset=utf-16",
                                       "multipart/form-data", "application/json, text/plain", "application"}) {
    EXPECT_FALSE(parse_media_type(other)) << other;
  }
}

}  // namespace
}  // namespace vpn::control
