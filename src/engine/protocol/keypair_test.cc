#include "engine/protocol/keypair.h"

#include <gtest/gtest.h>

namespace vpn::engine::protocol {
namespace {

using Indices = Keypairs::Indices;

std::shared_ptr<Keypair> keypair(std::uint32_t index, bool initiator) {
  auto made = std::make_shared<Keypair>();
  made->local_index = index;
  made->initiator = initiator;
  return made;
}

TEST(Keypairs, InitiatorsSessionIsCurrentAtOnceAndThePreviousStays) {
  Keypairs keypairs;
  EXPECT_EQ(keypairs.add(keypair(1, true)), Indices{});
  EXPECT_EQ(keypairs.add(keypair(2, true)), Indices{});
  EXPECT_EQ(keypairs.current()->local_index, 2u);
  EXPECT_TRUE(keypairs.find(1));
  EXPECT_EQ(keypairs.add(keypair(3, true)), Indices{1});
  EXPECT_FALSE(keypairs.find(1));
}

TEST(Keypairs, RespondersSessionWaitsForItsProof) {
  Keypairs keypairs;
  keypairs.add(keypair(1, true));
  keypairs.add(keypair(2, false));
  EXPECT_EQ(keypairs.current()->local_index, 1u);
  bool confirmed = false;
  EXPECT_EQ(keypairs.received_with(*keypairs.find(1), confirmed), Indices{});
  EXPECT_FALSE(confirmed);
  EXPECT_EQ(keypairs.received_with(*keypairs.find(2), confirmed), Indices{});
  EXPECT_TRUE(confirmed);
  EXPECT_EQ(keypairs.current()->local_index, 2u);
  EXPECT_TRUE(keypairs.find(1));  // packets under way still open
}

TEST(Keypairs, RespondersNewSessionReplacesTheWaitingOneAndThePrevious) {
  Keypairs keypairs;
  keypairs.add(keypair(1, true));
  keypairs.add(keypair(2, true));
  keypairs.add(keypair(3, false));
  EXPECT_FALSE(keypairs.find(1));
  EXPECT_EQ(keypairs.add(keypair(4, false)), Indices{3});
  EXPECT_EQ(keypairs.current()->local_index, 2u);
}

TEST(Keypairs, InitiatorsSessionKeepsTheWaitingOneAsPrevious) {
  Keypairs keypairs;
  keypairs.add(keypair(1, true));
  keypairs.add(keypair(2, false));
  EXPECT_EQ(keypairs.add(keypair(3, true)), Indices{1});
  EXPECT_EQ(keypairs.current()->local_index, 3u);
  bool confirmed = false;
  keypairs.received_with(*keypairs.find(2), confirmed);
  EXPECT_FALSE(confirmed);  // it is the previous one now
}

TEST(Keypairs, ExpiredOnesOpenAndDoNotSeal) {
  Keypairs keypairs;
  keypairs.add(keypair(1, true));
  keypairs.expire_sending();
  EXPECT_FALSE(keypairs.current()->may_send);
  EXPECT_TRUE(keypairs.find(1));
}

TEST(Keypairs, ClearFreesEveryIndex) {
  Keypairs keypairs;
  keypairs.add(keypair(1, true));
  keypairs.add(keypair(2, true));
  keypairs.add(keypair(3, false));
  EXPECT_EQ(keypairs.clear(), (Indices{2, 3}));
  EXPECT_FALSE(keypairs.current());
}

TEST(Keypair, LivesFor180Seconds) {
  Keypair one;
  one.created = Instant(1h);
  EXPECT_FALSE(one.expired(Instant(1h + 180s - 1ns)));
  EXPECT_TRUE(one.expired(Instant(1h + 180s)));
}

TEST(Keypair, CountsBeyondThirtyTwoBitsAndStopsAtRejectAfterMessages) {
  Keypair one;
  one.created = Instant(1h);
  one.next_counter = 1ull << 32;
  EXPECT_TRUE(one.can_seal(64, Instant(1h)));
  one.next_counter = kRejectAfterMessages - 64;
  EXPECT_TRUE(one.can_seal(64, Instant(1h)));
  EXPECT_FALSE(one.can_seal(65, Instant(1h)));
  one.next_counter = UINT64_MAX;
  EXPECT_FALSE(one.can_seal(1, Instant(1h)));
  one.next_counter = 0;
  EXPECT_FALSE(one.can_seal(1, Instant(1h + 180s)));
  one.may_send = false;
  EXPECT_FALSE(one.can_seal(1, Instant(1h)));
}

TEST(Keypair, InitiatorRekeysByTimeAndEitherSideByMessages) {
  Keypair one;
  one.created = Instant(1h);
  EXPECT_FALSE(one.wants_rekey_on_send(Instant(1h + 179s)));
  one.next_counter = kRekeyAfterMessages + 1;
  EXPECT_TRUE(one.wants_rekey_on_send(Instant(1h)));
  one.next_counter = 0;
  one.initiator = true;
  EXPECT_FALSE(one.wants_rekey_on_send(Instant(1h + 119s)));
  EXPECT_TRUE(one.wants_rekey_on_send(Instant(1h + 120s)));
  EXPECT_FALSE(one.wants_rekey_on_receive(Instant(1h + 164s)));
  EXPECT_TRUE(one.wants_rekey_on_receive(Instant(1h + 165s)));
}

}  // namespace
}  // namespace vpn::engine::protocol
