#include "cli/client_json_lines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/check.h"
#include "cli/test_snapshots.h"
#include "engine/crypto/x25519.h"

namespace vpn::cli {
namespace {

using control::contract::client;
using testing::AllOf;
using testing::HasSubstr;

constexpr std::string_view kHeader = "{\"format\":\"vpn-enabler\",\"version\":1}\n";
constexpr std::string_view kClient =
    R"({"publicKey":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=","clientIP":"192.168.2.1","allowedIPs":"0.0.0.0/0,::/0","name":"client 1","enabled":true,"createdAt":"2023-11-14T22:13:20.123456789Z"})";

/// kClient with one thing else in it.
std::string changed(std::string_view from, std::string_view to) {
  std::string line(kClient);
  const std::size_t at = line.find(from);
  CHECK(at != std::string::npos);
  return line.replace(at, from.size(), to);
}

/// Of a text with kHeader and these lines; "" when it is taken.
std::string refusal(const std::string& lines) {
  const auto read = imported(std::string(kHeader) + lines);
  if (read) return "";
  EXPECT_EQ(read.error().code, ErrorCode::kInvalidArgument);
  return read.error().message + " [" + read.error().field + "]";
}

TEST(ClientJsonLines, AreTheseToTheByte) {
  EXPECT_EQ(exported({{client(1)}, {}, {}}), std::string(kHeader) + std::string(kClient) + "\n");

  control::Client other = client(2);
  other.preshared_key.emplace().reveal_mutable()[0] = 1;
  other.name.clear();
  other.enabled = false;
  PrivateKey key;
  key.reveal_mutable()[31] = 64;
  EXPECT_EQ(exported({{other}, {}, key}),
            R"({"format":"vpn-enabler","version":1,"serverPrivateKey":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEA="})"
            "\n"
            R"({"publicKey":"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=",)"
            R"("presharedKey":"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","clientIP":"192.168.2.2",)"
            R"("allowedIPs":"0.0.0.0/0,::/0","enabled":false,"createdAt":"2023-11-14T22:13:20.123456789Z"})"
            "\n");
}

TEST(ClientJsonLines, ComeBackAsTheyWere) {
  SeededRandom random(11);
  for (const int count : {0, 1, 3000}) {
    Snapshot snapshot{random_clients(count, random), {}, {}};
    if (count > 0) snapshot.server_key = engine::crypto::generate_private_key(random);
    const auto read = imported(exported(snapshot));
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->clients, snapshot.clients);
    EXPECT_EQ(read->server_key, snapshot.server_key);
  }
}

TEST(ClientJsonLines, TakeOtherSpellingsOfTheSame) {
  for (const std::string& text : {
           std::string(kClient),  // without the last line's end
           std::string(kClient) + "\r\n",
           changed(",\"name\"", " ,\t\"name\""),
           changed("\"name\":\"client 1\",", ""),
           changed("client 1", "J\\u00fcrgen"),
           changed(".123456789Z", "Z"),
       }) {
    EXPECT_EQ(refusal(text), "") << text;
  }
}

TEST(ClientJsonLines, NameTheLineAndTheFieldAtFault) {
  const struct {
    std::string line, told;
  } faults[] = {
      {"", "line 2: it is broken at byte 0"},
      {"[]", "line 2: it is no JSON object"},
      {"7", "line 2: it is no JSON object"},
      {"{", "line 2: it is broken"},
      {std::string(kClient) + "{}", "line 2: it is broken"},
      {changed("\"name\"", "\"nmae\""), "line 2: nmae is no field that is known here [nmae]"},
      {changed("\"name\"", "\"\\u001b[2J\""), "?[2J is no field"},
      {changed("\"enabled\":true", "\"name\":\"a\""), "name is given twice [name]"},
      {changed("\"clientIP\":\"192.168.2.1\",", ""), "clientIP is missing [clientIP]"},
      {changed("\"enabled\":true,", ""), "enabled is missing [enabled]"},
      {changed("true", "\"true\""), "enabled must be true or false [enabled]"},
      {changed("true", "1"), "enabled must be"},
      {changed("true", "null"), "neither text, true, false nor a whole number [enabled]"},
      {changed("true", "[true]"), "[enabled]"},
      {changed("true", "{\"a\":true}"), "[enabled]"},
      {changed("\"192.168.2.1\"", "3232236033"), "clientIP must be"},
      {changed("192.168.2.1", "fd00::1"), "clientIP must be"},
      {changed("192.168.2.1", "192.168.2.1/32"), "clientIP must be"},
      {changed("AQEB", "AQE"), "publicKey must be"},
      {changed("AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
       "publicKey must be"},
      {changed("\"name\":", "\"presharedKey\":"), "presharedKey must be"},
      {changed("\"name\":\"client 1\"", "\"presharedKey\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\""),
       "presharedKey must be"},
      {changed("\"0.0.0.0/0,::/0\"", "7"), "allowedIPs must be"},
      {changed("client 1", "a\\nb"), "name must be"},
      {changed("client 1", ""), "name must be"},
      {changed("client 1", std::string(65, 'a')), "name must be"},
      {changed("client 1", "\xff"), "line 2: it is broken"},
      {changed("20.123456789Z", "20+01:00"), "createdAt must be"},
  };
  for (const auto& fault : faults) EXPECT_THAT(refusal(fault.line + "\n"), HasSubstr(fault.told)) << fault.line;
}

TEST(ClientJsonLines, NeverQuoteASecret) {
  const std::string key = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U";
  for (const std::string& line :
       {changed("\"name\":\"client 1\"", "\"presharedKey\":\"" + key + "\""), "{\"presharedKey\":\"" + key}) {
    EXPECT_THAT(refusal(line), AllOf(HasSubstr("line 2"), testing::Not(HasSubstr("c2Vj"))));
  }
}

TEST(ClientJsonLines, BeginWithWhatTheyAre) {
  for (const auto& [header, told] : std::initializer_list<std::pair<const char*, const char*>>{
           {"", "line 1: there is none"},
           {"{\"format\":\"vpn-enabler\"}\n", "line 1: version is missing"},
           {"{\"format\":\"other\",\"version\":1}\n", "line 1: format must be \"vpn-enabler\""},
           {"{\"format\":\"vpn-enabler\",\"version\":2}\n", "line 1: version must be 1"},
           {"{\"format\":\"vpn-enabler\",\"version\":1.0}\n", "[version]"},
           {"{\"format\":\"vpn-enabler\",\"version\":1,\"serverPrivateKey\":\"AA==\"}\n", "serverPrivateKey must be"},
           {"{\"format\":\"vpn-enabler\",\"version\":1,"
            "\"serverPrivateKey\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}\n",
            "serverPrivateKey must be"},
       }) {
    const auto read = imported(std::string(header) + (*header == '\0' ? "" : std::string(kClient)));
    ASSERT_FALSE(read) << header;
    EXPECT_THAT(read.error().message + " [" + read.error().field + "]", HasSubstr(told));
  }
}

TEST(ClientJsonLines, HoldNoTwoClientsOfOneKeyAddressOrName) {
  const std::string other = exported({{client(2)}, {}, {}}).substr(kHeader.size());  // with its line's end
  const auto like_the_first = [&](std::string_view from, std::string_view to) {
    std::string line = other;
    return std::string(kClient) + "\n" + line.replace(line.find(from), from.size(), to);
  };
  EXPECT_EQ(refusal(like_the_first("client 2", "client 3")), "");
  EXPECT_THAT(refusal(like_the_first("AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=",
                                     "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=")),
              AllOf(HasSubstr("line 3"), HasSubstr("[publicKey]")));
  EXPECT_THAT(refusal(like_the_first("192.168.2.2", "192.168.2.1")),
              AllOf(HasSubstr("line 3"), HasSubstr("[clientIP]")));
  EXPECT_THAT(refusal(like_the_first("client 2", "client 1")), AllOf(HasSubstr("line 3"), HasSubstr("[name]")));
}

TEST(ClientJsonLines, AreOfABoundedLength) {
  const std::string spaces(kMaxJsonLineBytes - kClient.size(), ' ');
  EXPECT_EQ(refusal(std::string(kClient) + spaces + "\n"), "");
  EXPECT_THAT(refusal(std::string(kClient) + spaces + " \n"), HasSubstr("line 2: it is longer than 65536 bytes"));
  EXPECT_THAT(refusal(std::string(kMaxJsonLineBytes * 4, ' ')), HasSubstr("line 2: it is longer than 65536 bytes"));
}

TEST(ClientJsonLines, AreOfABoundedNumber) {
  Snapshot snapshot;
  snapshot.clients.resize(kMaxJsonLinesClients + 1);
  EXPECT_EQ(write_json_lines(snapshot,
                             [](std::string_view) -> Status {
                               ADD_FAILURE() << "something was written";
                               return {};
                             })
                .error()
                .code,
            ErrorCode::kExhausted);

  const std::string text = exported({{client(1), client(2), client(3)}, {}, {}});
  EXPECT_TRUE(imported(text, 3));
  EXPECT_THAT(imported(text, 2).error().message, HasSubstr("line 4: more than 2 clients"));
}

TEST(ClientJsonLines, AFailureOnTheWayComesBack) {
  const auto fail_to_write = [](std::string_view) -> Status { return fail(ErrorCode::kIo, "the disk is full"); };
  EXPECT_EQ(write_json_lines({}, fail_to_write).error().message, "the disk is full");
  const auto fail_to_read = [](std::span<char>) -> Result<std::size_t> { return fail(ErrorCode::kIo, "it is gone"); };
  EXPECT_EQ(read_json_lines(fail_to_read).error().message, "it is gone");
}

}  // namespace
}  // namespace vpn::cli
