#include "engine/uapi_connection.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace vpn::engine {
namespace {

using protocol::InterfaceSnapshot;
using protocol::InterfaceUpdate;

const std::string kZeroKey(64, '0');

/// A connection on a fake interface.
class UapiConnectionTest : public testing::Test {
 protected:
  // What comes back for `input`, handed over in pieces of `piece` bytes.
  std::string exchange(std::string_view input, std::size_t piece = SIZE_MAX) {
    std::string answer;
    while (!input.empty() && !connection_.broken()) {
      const std::span<char> room = connection_.input_room();
      const std::size_t size = std::min({piece, input.size(), room.size()});
      std::copy_n(input.begin(), size, room.begin());
      input.remove_prefix(size);
      connection_.input_filled(size);
      while (!connection_.output().empty()) {
        const std::string part(connection_.output().substr(0, piece));
        answer += part;
        connection_.output_sent(part.size());
      }
    }
    return answer;
  }

  std::vector<InterfaceUpdate> updates_;
  Status result_;
  InterfaceSnapshot snapshot_;
  UapiHandler handler_{.configure =
                           [this](const InterfaceUpdate& update) {
                             updates_.push_back(update);
                             return result_;
                           },
                       .snapshot = [this] { return snapshot_; }};
  UapiConnection connection_{handler_};
};

TEST_F(UapiConnectionTest, AnswersGet) {
  snapshot_.listen_port = 5;
  EXPECT_EQ(exchange("get=1\n\n"), "listen_port=5\nerrno=0\n\n");
}

TEST_F(UapiConnectionTest, AppliesSet) {
  EXPECT_EQ(exchange("set=1\nlisten_port=5\n\n"), "errno=0\n\n");
  ASSERT_EQ(updates_.size(), 1u);
  EXPECT_EQ(updates_[0].listen_port, 5);
}

TEST_F(UapiConnectionTest, ServesManyRequestsHoweverTheyArePacked) {
  snapshot_.listen_port = 5;
  const std::string requests = "get=1\n\nset=1\nfwmark=1\n\nget=1\n\nset=1\n\n";
  const std::string answers = "listen_port=5\nerrno=0\n\nerrno=0\n\nlisten_port=5\nerrno=0\n\nerrno=0\n\n";
  EXPECT_EQ(exchange(requests), answers);
  EXPECT_EQ(exchange(requests, 1), answers);
  EXPECT_EQ(exchange(requests, 3), answers);
  EXPECT_FALSE(connection_.broken());
}

TEST_F(UapiConnectionTest, ReadsARefusedRequestToItsEnd) {
  EXPECT_EQ(exchange("set=1\nlisten_port=x\nlisten_port=5\n\nset=1\nlisten_port=6\n\n"), "errno=-22\n\nerrno=0\n\n");
  ASSERT_EQ(updates_.size(), 1u);
  EXPECT_EQ(updates_[0].listen_port, 6);
}

TEST_F(UapiConnectionTest, TellsTheErrorOfTheInterface) {
  result_ = fail(ErrorCode::kUnavailable, "taken");
  EXPECT_EQ(exchange("set=1\nlisten_port=5\n\n"), "errno=-98\n\n");
}

TEST_F(UapiConnectionTest, StopsApplyingAfterTheFirstPartThatFails) {
  result_ = fail(ErrorCode::kExhausted, "too many");
  std::string request = "set=1\n";
  for (std::size_t i = 0; i < 3 * UapiSetRequest::kMaxPeersPerUpdate; ++i) request += "public_key=" + kZeroKey + "\n";
  EXPECT_EQ(exchange(request + "\n"), "errno=-12\n\n");
  EXPECT_EQ(updates_.size(), 1u);
}

TEST_F(UapiConnectionTest, SendsALongAnswerWhole) {
  snapshot_.peers.resize(2000);
  const std::string answer = exchange("get=1\n\nget=1\n\n", 1000);
  const std::size_t half = answer.size() / 2;
  EXPECT_EQ(answer.substr(0, half), answer.substr(half));
  EXPECT_TRUE(answer.ends_with("errno=0\n\n"));
  EXPECT_EQ(answer.substr(0, half).find("errno"), half - 9);
}

TEST_F(UapiConnectionTest, BreaksOffWhatIsNoRequest) {
  for (const char* input : {"\n", "get=2\n", "hello\n", "get=1\nlisten_port=5\n", "GET / HTTP/1.1\r\n"}) {
    UapiConnection connection(handler_);
    std::copy_n(input, std::string_view(input).size(), connection.input_room().begin());
    connection.input_filled(std::string_view(input).size());
    EXPECT_TRUE(connection.broken()) << input;
    EXPECT_TRUE(connection.output().empty());
  }
}

TEST_F(UapiConnectionTest, BreaksOffALineWithoutEnd) {
  EXPECT_EQ(exchange("set=1\n" + std::string(UapiConnection::kMaxLineBytes, 'x')), "");
  EXPECT_FALSE(connection_.broken());
  EXPECT_EQ(exchange("x"), "");
  EXPECT_TRUE(connection_.broken());
}

}  // namespace
}  // namespace vpn::engine
