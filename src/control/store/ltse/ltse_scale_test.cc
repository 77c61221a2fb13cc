// 100,000 clients on a real Elasticsearch; what it prints are the figures of this machine.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <chrono>
#include <cstdio>

#include "control/store/ltse/test_replica.h"

namespace vpn::control {
namespace {

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count(); }

 private:
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
};

std::vector<Mutation> insertions(int from, int count) {
  std::vector<Mutation> batch;
  for (int i = 0; i < count; ++i) batch.emplace_back(InsertClient{contract::many_client(from + i)});
  return batch;
}

TEST(LtseScale, PagesThroughAHundredThousandClients) {
  constexpr int kClients = 100'000, kBatch = 10'000;
  const std::string index = fresh_index();
  Replica replica(index);
  ASSERT_TRUE(replica.store->load());  // makes the index
  for (int from = 0; from < kClients; from += kBatch) {
    std::string body;
    for (int i = from; i < from + kBatch; ++i) {
      const Client client = contract::many_client(i);
      body += R"({"create":{"_id":")" + ltse::document_id(client.public_key) + "\"}}\n" +
              boost::json::serialize(ltse::to_source(client, "filled")) + "\n";
    }
    ASSERT_NE(gateway().direct("POST", "/" + index + "/_bulk", body).find("\"errors\":false"), std::string::npos);
  }
  Replica other(index);
  const Stopwatch loading;
  const auto contents = other.store->load();
  std::printf("load of %d clients: %.2f s\n", kClients, loading.seconds());
  ASSERT_TRUE(contents) << contents.error().message;
  EXPECT_EQ(contents->clients.size(), std::size_t{kClients});
  EXPECT_TRUE(contents->faults.empty());
}

TEST(LtseScale, SharesARequestAmongABatch) {
  Replica replica(fresh_index());
  ASSERT_TRUE(replica.store->load());
  int from = 0;
  double rates[2];
  for (const int batch : {1, 1, 32}) {  // the first to warm the server up
    const int rounds = 300;
    const Stopwatch creating;
    for (int i = 0; i < rounds; ++i, from += batch) {
      for (const Status& status : replica.store->commit(insertions(from, batch))) ASSERT_TRUE(status);
    }
    rates[batch == 32 ? 1 : 0] = rounds * batch / creating.seconds();
  }
  std::printf("creations per second: %.0f one at a time, %.0f in batches of 32\n", rates[0], rates[1]);
  EXPECT_GT(rates[1], 2 * rates[0]);
}

}  // namespace
}  // namespace vpn::control
