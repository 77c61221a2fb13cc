#include "engine/protocol/timers.h"

#include <gtest/gtest.h>

namespace vpn::engine::protocol {
namespace {

constexpr Instant kStart{1h};

TEST(Timers, ArmNothingByThemselves) {
  Timers timers;
  EXPECT_EQ(timers.earliest(), kNever);
  EXPECT_FALSE(timers.take_due(kStart + 24h).any());
}

TEST(Timers, KeepaliveIsArmedByReceivedDataAlone) {
  Timers timers;
  timers.any_authenticated_packet_received();
  timers.any_authenticated_packet_traversal(kStart);
  EXPECT_EQ(timers.earliest(), kNever);
  timers.data_received(kStart);
  EXPECT_EQ(timers.earliest(), kStart + 10s);
}

TEST(Timers, KeepaliveIsNotDueWhenSomethingWentOut) {
  Timers timers;
  timers.data_received(kStart);
  timers.any_authenticated_packet_sent();
  EXPECT_FALSE(timers.take_due(kStart + 10s).send_keepalive);
}

TEST(Timers, AnotherKeepaliveFollowsOnlyWhenDataCameTwice) {
  Timers timers;
  timers.data_received(kStart);
  timers.data_received(kStart + 1s);
  EXPECT_TRUE(timers.take_due(kStart + 10s).send_keepalive);
  timers.any_authenticated_packet_sent();
  timers.passive_keepalive_sent(kStart + 10s);
  EXPECT_EQ(timers.earliest(), kStart + 20s);
  EXPECT_TRUE(timers.take_due(kStart + 20s).send_keepalive);
  timers.passive_keepalive_sent(kStart + 20s);
  EXPECT_EQ(timers.earliest(), kNever);
}

TEST(Timers, NewHandshakeFifteenSecondsAfterDataUnanswered) {
  Timers timers;
  timers.set_jitter(200ms);
  timers.data_sent(kStart);
  timers.data_sent(kStart + 3s);  // the first one counts
  EXPECT_FALSE(timers.take_due(kStart + 15s).new_handshake);
  EXPECT_TRUE(timers.take_due(kStart + 15s + 200ms).new_handshake);
  timers.data_sent(kStart);
  timers.any_authenticated_packet_received();
  EXPECT_EQ(timers.earliest(), kNever);
}

TEST(Timers, RetransmitFiveSecondsAfterAnInitiationUntilComplete) {
  Timers timers;
  timers.handshake_initiated(kStart);
  EXPECT_TRUE(timers.take_due(kStart + 5s).retransmit_handshake);
  timers.handshake_initiated(kStart);
  timers.handshake_complete();
  EXPECT_FALSE(timers.take_due(kStart + 5s).any());
}

TEST(Timers, KeysGoAfterThreeLifetimes) {
  Timers timers;
  timers.session_derived(kStart);
  EXPECT_FALSE(timers.take_due(kStart + 540s - 1ns).zero_keys);
  EXPECT_TRUE(timers.take_due(kStart + 540s).zero_keys);
}

TEST(Timers, PersistentKeepaliveIsRearmedByTrafficOfEitherWay) {
  Timers timers;
  EXPECT_TRUE(timers.set_persistent_keepalive(25));
  EXPECT_FALSE(timers.set_persistent_keepalive(30));  // was on already
  timers.any_authenticated_packet_traversal(kStart);
  timers.any_authenticated_packet_traversal(kStart + 20s);
  EXPECT_FALSE(timers.take_due(kStart + 49s).persistent_keepalive);
  EXPECT_TRUE(timers.take_due(kStart + 50s).persistent_keepalive);
  timers.any_authenticated_packet_traversal(kStart + 50s);
  EXPECT_FALSE(timers.set_persistent_keepalive(0));
  EXPECT_EQ(timers.earliest(), kNever);
}

TEST(Timers, StopDisarmsEverything) {
  Timers timers;
  timers.set_persistent_keepalive(1);
  timers.data_sent(kStart);
  timers.data_received(kStart);
  timers.handshake_initiated(kStart);
  timers.session_derived(kStart);
  timers.any_authenticated_packet_traversal(kStart);
  timers.want_initiation(kStart);
  timers.stop();
  EXPECT_EQ(timers.earliest(), kNever);
}

}  // namespace
}  // namespace vpn::engine::protocol
