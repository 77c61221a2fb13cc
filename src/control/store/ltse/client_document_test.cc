#include "control/store/ltse/client_document.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "control/store/test_clients.h"

namespace vpn::control::ltse {
namespace {

namespace json = boost::json;

constexpr const char* kOriginal =
    R"({"clientPublicKey":"9TjcVJHPDh8h0/Qxy4Hf5x77cm70LNwc7Bbcj3tUAgk=",)"
    R"("presharedKey":"6u1/EnjRYa2XUdKS/ksEJr/yNxoHkqaSz4nADNaGaFY=","clientIP":3232236091,)"
    R"("allowedIPs":"0.0.0.0/0,::/0","enabled":true})";

/// The original's document with one member replaced, or taken away.
Result<StoredClient> parsed(const std::string& member = "", const char* value = nullptr) {
  json::object source = json::parse(kOriginal).get_object();
  if (!member.empty()) source.erase(member);
  if (value != nullptr) source[member] = json::parse(value);
  return parse_client({"Cn6bB6IBZ26LDcKvYZ1l", {7, 1}, std::move(source)});
}

TEST(ClientDocument, ReadsTheOriginals) {
  const auto stored = parsed();
  ASSERT_TRUE(stored);
  EXPECT_EQ(to_string(stored->client.public_key), "9TjcVJHPDh8h0/Qxy4Hf5x77cm70LNwc7Bbcj3tUAgk=");
  EXPECT_EQ(reveal_base64(*stored->client.preshared_key), "6u1/EnjRYa2XUdKS/ksEJr/yNxoHkqaSz4nADNaGaFY=");
  EXPECT_EQ(to_string(stored->client.address), "192.168.2.59");
  EXPECT_EQ(stored->client.allowed_ips, "0.0.0.0/0,::/0");
  EXPECT_TRUE(stored->client.enabled);
  EXPECT_EQ(stored->client.name, "");
  EXPECT_EQ(stored->attempt, "");
}

TEST(ClientDocument, ReadsAnAddressWrittenAsAnyWholeNumber) {
  EXPECT_EQ(parsed("clientIP", "3232236091.0")->client.address, parsed()->client.address);
  for (const char* value : {"null", "\"3232236091\"", "-1", "4294967296", "3232236091.5", "1e300", "true"}) {
    EXPECT_FALSE(parsed("clientIP", value)) << value;
  }
}

TEST(ClientDocument, ReadsNoPresharedKeyInAllItsSpellings) {
  EXPECT_FALSE(parsed("presharedKey")->client.preshared_key);
  for (const char* value : {"null", "\"\"", "\"undefined\"", "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\""}) {
    const auto stored = parsed("presharedKey", value);
    ASSERT_TRUE(stored) << value;
    EXPECT_FALSE(stored->client.preshared_key) << value;
  }
}

TEST(ClientDocument, NamesTheFaultAndNoKeyMaterial) {
  const std::pair<const char*, const char*> faults[] = {
      {"clientPublicKey", nullptr}, {"clientPublicKey", "\"$(reboot)\""},
      {"clientPublicKey", "7"},     {"presharedKey", "\"hunter2\""},
      {"presharedKey", "[]"},       {"clientIP", nullptr},
      {"allowedIPs", nullptr},      {"allowedIPs", "{}"},
      {"enabled", nullptr},         {"enabled", "\"true\""}};
  for (const auto& [member, value] : faults) {
    const auto stored = parsed(member, value);
    ASSERT_FALSE(stored) << member;
    EXPECT_EQ(stored.error().code, ErrorCode::kCorrupt);
    EXPECT_NE(stored.error().message.find(member), std::string::npos) << stored.error().message;
    EXPECT_EQ(stored.error().message.find("hunter2"), std::string::npos);
  }
}

TEST(ClientDocument, WritesTheOriginalsFiveFieldsInItsTypes) {
  const json::object source = to_source(contract::client(1), "a1");
  EXPECT_TRUE(source.at("clientPublicKey").is_string());
  EXPECT_EQ(source.at("presharedKey"), "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
  EXPECT_EQ(json::serialize(source.at("clientIP")), "3232236033");
  EXPECT_EQ(source.at("allowedIPs"), "0.0.0.0/0,::/0");
  EXPECT_EQ(source.at("enabled"), true);
  const auto back =
      parse_client({document_id(contract::key(1)), {}, json::parse(json::serialize(source)).get_object()});
  ASSERT_TRUE(back);
  EXPECT_EQ(back->client, contract::client(1));
  EXPECT_EQ(back->attempt, "a1");
}

TEST(ClientDocument, HasAnIdThatNeedsNoEscaping) {
  PublicKey key;
  key.bytes.fill(0xff);
  EXPECT_EQ(to_string(key), "//////////////////////////////////////////8=");
  EXPECT_EQ(document_id(key), "__________________________________________8");
}

TEST(ClientDocument, PrefersTheLastEnabledElseTheNewest) {
  auto older = *parsed(), newer = *parsed();
  newer.document.version.seq_no = 8;
  EXPECT_TRUE(precedes(newer, older));
  EXPECT_FALSE(precedes(older, newer));
  newer.client.enabled = false;
  EXPECT_TRUE(precedes(older, newer));
  older.client.enabled = false;
  EXPECT_TRUE(precedes(newer, older));
}

}  // namespace
}  // namespace vpn::control::ltse
