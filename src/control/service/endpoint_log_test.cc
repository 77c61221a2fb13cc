#include "control/service/endpoint_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "control/service/test_log.h"
#include "control/service/test_strand.h"
#include "control/store/test_clients.h"
#include "tunnel/memory/memory_tunnel.h"

namespace vpn::control {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class EndpointLogTest : public testing::Test {
 protected:
  EndpointLogTest() {
    std::string name = (std::filesystem::temp_directory_path() / "vpn-endpoints-XXXXXX").string();
    directory_ = mkdtemp(name.data());
    path_ = directory_ / "endpoints";
    begin_life();
  }
  ~EndpointLogTest() override { std::filesystem::remove_all(directory_); }

  /// A gateway's start with the peers 1 to 5 and whatever the file remembers.
  void begin_life() {
    endpoints_.reset();
    tunnel_ = std::make_unique<tunnel::MemoryTunnel>();
    endpoints_ = std::make_unique<EndpointLog>(path_.string(), *tunnel_, clock_, strand_.post(), strand_.delay(), log_);
    tunnel::Delta delta;
    for (const int number : {1, 2, 3, 4, 5}) {
      delta.set.push_back({.public_key = contract::key(number), .preshared_key = std::nullopt, .allowed_ips = {}});
    }
    ASSERT_TRUE(tunnel_->apply(delta));
    endpoints_->start();
  }

  void learn(int number, const std::string& endpoint) {
    tunnel_->learn(contract::key(number), *Endpoint::parse(endpoint), clock_.wall_now());
    strand_.run_posted();
  }

  /// "1 192.0.2.1:7" for each peer that has an endpoint.
  std::vector<std::string> known() const {
    std::vector<std::string> lines;
    const auto tunnel = tunnel_->status();
    for (const tunnel::PeerStatus& status : tunnel->peers) {
      if (status.endpoint)
        lines.push_back(std::to_string(status.peer.public_key.bytes[0]) + " " + to_string(status.endpoint));
    }
    return lines;
  }

  std::string content() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::size_t line_count() const {
    const std::string text = content();
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  }

  std::filesystem::path directory_, path_;
  ManualClock clock_;
  TestStrand strand_;
  TestLog log_;
  std::unique_ptr<tunnel::MemoryTunnel> tunnel_;
  std::unique_ptr<EndpointLog> endpoints_;
};

TEST_F(EndpointLogTest, RestoresWhereClientsWereAfterAKill) {
  learn(1, "192.0.2.1:7");
  strand_.advance(seconds(2));
  learn(2, "[2001:db8::2]:8");
  strand_.advance(seconds(2));
  learn(1, "192.0.2.9:9");
  begin_life();
  EXPECT_THAT(known(), UnorderedElementsAre("1 192.0.2.9:9", "2 [2001:db8::2]:8"));
  begin_life();
  EXPECT_THAT(known(), UnorderedElementsAre("1 192.0.2.9:9", "2 [2001:db8::2]:8")) << "and after another";
}

TEST_F(EndpointLogTest, ForgetsSessionsThatCannotLive) {
  learn(1, "192.0.2.1:7");
  clock_.advance(seconds(100));
  strand_.advance(seconds(100));
  learn(2, "192.0.2.2:7");
  clock_.advance(EndpointLog::kLifetime - seconds(100));
  begin_life();
  EXPECT_THAT(known(), ElementsAre("2 192.0.2.2:7"));
  EXPECT_EQ(line_count(), 1u) << "compacted at the start";
}

TEST_F(EndpointLogTest, WritesAtOnceAndThenAtMostOnceASecond) {
  learn(1, "192.0.2.1:1");
  EXPECT_EQ(line_count(), 1u);
  for (int port = 2; port < 50; ++port) learn(1, "192.0.2.1:" + std::to_string(port));
  learn(2, "192.0.2.2:1");
  EXPECT_EQ(line_count(), 1u);
  strand_.advance(milliseconds(999));
  EXPECT_EQ(line_count(), 1u);
  strand_.advance(milliseconds(1));
  EXPECT_EQ(line_count(), 3u) << "one line for each peer, the latest";
  strand_.advance(milliseconds(1000));
  EXPECT_EQ(strand_.delayed_count(), 0u) << "no timer runs when nothing changes";
}

TEST_F(EndpointLogTest, PostsOnceHoweverOftenTheTunnelCalls) {
  const std::size_t before = strand_.post_count();
  for (int port = 1; port <= 100; ++port) {
    tunnel_->learn(contract::key(1), *Endpoint::parse("192.0.2.1:" + std::to_string(port)), clock_.wall_now());
  }
  EXPECT_EQ(strand_.post_count(), before + 1);
}

TEST_F(EndpointLogTest, WritesTheRestAtAStop) {
  learn(1, "192.0.2.1:1");
  learn(2, "192.0.2.2:1");
  endpoints_->flush();
  begin_life();
  EXPECT_THAT(known(), UnorderedElementsAre("1 192.0.2.1:1", "2 192.0.2.2:1"));
}

TEST_F(EndpointLogTest, IsPrivate) {
  learn(1, "192.0.2.1:1");
  struct stat status{};
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
}

TEST_F(EndpointLogTest, PassesOverATornLastLineAndForeignOnes) {
  learn(1, "192.0.2.1:1");
  std::ofstream(path_, std::ios::app) << "\nnonsense\nkey 192.0.2.1:1 17\n"
                                      << to_string(contract::key(3)) << " 192.0.2.3 1700000000\n"
                                      << to_string(contract::key(4)) << " 192.0.2.4:1 soon\n"
                                      << to_string(contract::key(2)) << " 192.0.2.2:1 1700000000";
  begin_life();
  EXPECT_THAT(known(), ElementsAre("1 192.0.2.1:1"));
  learn(5, "192.0.2.5:1");
  begin_life();
  EXPECT_THAT(known(), UnorderedElementsAre("1 192.0.2.1:1", "5 192.0.2.5:1"));
}

TEST_F(EndpointLogTest, StaysSmallHoweverLongItRuns) {
  std::uintmax_t largest = 0;
  for (int second = 0; second < 5'000; ++second) {
    learn(1 + second % 5, "192.0.2.1:" + std::to_string(1 + second));
    clock_.advance(seconds(1));
    strand_.advance(seconds(1));
    largest = std::max(largest, std::filesystem::file_size(path_));
  }
  EXPECT_LE(largest, EndpointLog::kMinCompactionBytes + 1000);
  begin_life();
  EXPECT_EQ(known().size(), 5u);
}

TEST_F(EndpointLogTest, SaysOnceThatItCannotWriteAndGoesOnWhenItCan) {
  const std::filesystem::path moved = directory_.string() + "-moved";
  // The path leads nowhere: neither a compaction nor a fresh file is possible.
  std::filesystem::rename(directory_, moved);
  begin_life();
  learn(1, "192.0.2.1:1");
  strand_.advance(seconds(2));
  learn(1, "192.0.2.1:2");
  strand_.advance(seconds(2));
  EXPECT_EQ(log_.lines().size(), 1u) << testing::PrintToString(log_.lines());
  std::filesystem::rename(moved, directory_);
  learn(1, "192.0.2.1:3");
  EXPECT_EQ(log_.lines().size(), 2u) << testing::PrintToString(log_.lines());
  begin_life();
  EXPECT_THAT(known(), ElementsAre("1 192.0.2.1:3"));
}

TEST_F(EndpointLogTest, BeginsAnewInsteadOfReadingAFileThatIsTooLarge) {
  learn(1, "192.0.2.1:1");
  std::filesystem::resize_file(path_, EndpointLog::kMaxFileBytes + 1);  // sparse
  begin_life();
  EXPECT_THAT(known(), IsEmpty());
  EXPECT_EQ(std::filesystem::file_size(path_), 0u);
}

TEST_F(EndpointLogTest, StartsWithoutAFile) {
  std::filesystem::remove(path_);
  begin_life();
  EXPECT_THAT(known(), IsEmpty());
  EXPECT_THAT(log_.lines(), IsEmpty());
}

}  // namespace
}  // namespace vpn::control
