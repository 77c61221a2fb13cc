#include "control/service/client_table.h"

#include <gtest/gtest.h>

#include "control/store/test_clients.h"

namespace vpn::control {
namespace {

TEST(ClientTable, FindsByKeyAndByNameAndListsByAddress) {
  ClientTable table;
  for (const int number : {3, 1, 2}) ASSERT_TRUE(table.insert(contract::client(number)));
  EXPECT_EQ(*table.find(contract::key(3)), contract::client(3));
  EXPECT_EQ(*table.find_by_name("client 2"), contract::client(2));
  EXPECT_EQ(table.find(contract::key(9)), nullptr);
  EXPECT_EQ(table.find_by_name("client 9"), nullptr);
  EXPECT_EQ(table.find_by_name(""), nullptr);
  const auto listed = table.list();
  ASSERT_EQ(listed.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(listed[i]->public_key, contract::key(static_cast<int>(i + 1)));
}

TEST(ClientTable, RefusesASecondHolderAndStaysAsItWas) {
  ClientTable table;
  ASSERT_TRUE(table.insert(contract::client(1)));
  Client same_key = contract::client(2), same_address = contract::client(3), same_name = contract::client(4);
  same_key.public_key = contract::key(1);
  same_address.address = contract::client(1).address;
  same_name.name = contract::client(1).name;
  EXPECT_EQ(contract::outcome(table.insert(same_key)), "already exists publicKey");
  EXPECT_EQ(contract::outcome(table.insert(same_address)), "already exists clientIP");
  EXPECT_EQ(contract::outcome(table.insert(same_name)), "already exists name");
  EXPECT_EQ(table.size(), 1u);
  EXPECT_EQ(table.find(contract::key(3)), nullptr);
}

TEST(ClientTable, ForgetsAnErasedClientEverywhere) {
  ClientTable table;
  Client nameless = contract::client(2);
  nameless.name.clear();
  ASSERT_TRUE(table.insert(contract::client(1)));
  ASSERT_TRUE(table.insert(nameless));
  table.erase(contract::key(1));
  table.erase(contract::key(2));
  table.erase(contract::key(9));
  EXPECT_EQ(table.size(), 0u);
  EXPECT_EQ(table.find_by_name("client 1"), nullptr);
  EXPECT_TRUE(table.insert(contract::client(1)));
}

}  // namespace
}  // namespace vpn::control
