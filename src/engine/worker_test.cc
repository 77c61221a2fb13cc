#include "engine/worker.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <future>

#include "engine/crypto/x25519.h"
#include "engine/io/memory_link.h"
#include "engine/io/test_packets.h"
#include "engine/test_counting_clock.h"

namespace vpn::engine {
namespace {

using io::test::make_packet;
using protocol::Actions;
using protocol::Interface;
using protocol::InterfaceUpdate;
using protocol::PeerUpdate;
using namespace std::chrono_literals;

/// Can hold whoever next makes a key. The core makes one for an initiation, in its slow path and under no other lock.
class HoldingRandom final : public Random {
 public:
  void fill(MutableBytes out) override {
    if (out.size() == kKeySize && hold_.exchange(false)) {
      held_.set_value();
      release_.get_future().wait();
    }
    random_.fill(out);
  }
  void hold_next() { hold_ = true; }
  void await_held() { held_.get_future().wait(); }
  void release() { release_.set_value(); }

 private:
  SystemRandom random_;
  std::atomic<bool> hold_ = false;
  std::promise<void> held_;
  std::promise<void> release_;
};

/// A worker whose core is held in its slow path by another thread, and a client that only has a socket.
class BusySlowPathTest : public testing::Test {
 protected:
  BusySlowPathTest() {
    auto client_sockets = network_.opener(*IpAddress::parse("192.0.2.1"))(1000, 0, 1);
    auto sockets = network_.opener(*IpAddress::parse("192.0.2.2"))(51820, 0, 1);
    EXPECT_TRUE(client_sockets && sockets);
    client_ = client_sockets->front();

    InterfaceUpdate update;
    update.private_key = private_key_;
    PeerUpdate client{.public_key = crypto::derive_public_key(client_key_)};
    client.endpoint = *Endpoint::parse("192.0.2.1:1000");
    client.allowed_ips = {{*IpPrefix::parse("10.0.0.1/32")}};
    PeerUpdate other{.public_key = crypto::derive_public_key(crypto::generate_private_key(random_))};
    other.endpoint = *Endpoint::parse("192.0.2.9:1");
    other.persistent_keepalive_s = 25;  // is called as soon as the link is up
    update.peers = {client, other};
    Actions actions;
    EXPECT_TRUE(interface_.configure(update, now(), actions));
    random_.hold_next();
    holder_ = std::thread([this] {
      Actions ignored;
      interface_.set_up(true, now(), ignored);
      interface_.expire(now(), ignored);
    });
    random_.await_held();

    auto worker = Worker::create(tun_, interface_, clock_, {.tun_gone = [] {}, .learned_endpoints = [] {}}, nullptr);
    EXPECT_TRUE(worker);
    worker_ = std::move(*worker);
    worker_->use_sockets(sockets->front());
    worker_->start("wg-worker-test");
    worker_->await_sockets();
  }
  ~BusySlowPathTest() override {
    if (holder_.joinable()) release();
  }

  void release() {
    random_.release();
    holder_.join();
  }

  // An initiation of the client to the worker.
  void call() {
    SystemRandom random;
    Interface interface(random);
    InterfaceUpdate update;
    update.private_key = client_key_;
    PeerUpdate server{.public_key = crypto::derive_public_key(private_key_)};
    server.endpoint = *Endpoint::parse("192.0.2.2:51820");
    server.persistent_keepalive_s = 25;
    update.peers = {server};
    Actions actions;
    interface.set_up(true, now(), actions);
    ASSERT_TRUE(interface.configure(update, now(), actions));
    interface.expire(now(), actions);
    ASSERT_EQ(actions.datagram_count(), 1u);
    const auto datagram = actions.datagram(0);
    const io::OutgoingDatagram outgoing{datagram.bytes, &datagram.path, 0};
    client_->send({&outgoing, 1});
  }
  bool client_hears_within(std::chrono::milliseconds timeout) const {
    pollfd polled{client_->fd(IpFamily::kV4), POLLIN, 0};
    return ::poll(&polled, 1, static_cast<int>(timeout.count())) == 1;
  }
  protocol::Moment now() const { return {clock_.now(), clock_.wall_now()}; }

  CountingClock clock_;
  HoldingRandom random_;
  io::MemoryNetwork network_;
  io::MemoryTun tun_{"wg0", 1420};
  PrivateKey private_key_ = crypto::generate_private_key(random_);
  PrivateKey client_key_ = crypto::generate_private_key(random_);
  Interface interface_{random_};
  std::shared_ptr<io::Udp> client_;
  std::unique_ptr<Worker> worker_;
  std::thread holder_;
};

// 100 ms are a hundred turns; without a pause they would be tens of thousands.
constexpr auto kWatched = 100ms;
constexpr int kFewReadings = 2000;
constexpr auto kPatience = 10'000ms;

TEST_F(BusySlowPathTest, HandshakesWaitWithoutGoingInCircles) {
  call();
  clock_.readings = 0;
  EXPECT_FALSE(client_hears_within(kWatched));
  EXPECT_LT(clock_.readings.load(), kFewReadings);
  release();
  EXPECT_TRUE(client_hears_within(kPatience)) << "a response";
}

TEST_F(BusySlowPathTest, DeadlinesWaitWithoutGoingInCircles) {
  tun_.inject({make_packet({.source = "10.0.0.2", .destination = "10.0.0.1", .payload_bytes = 100}), {}});
  clock_.readings = 0;
  EXPECT_FALSE(client_hears_within(kWatched));
  EXPECT_LT(clock_.readings.load(), kFewReadings);
  release();
  EXPECT_TRUE(client_hears_within(kPatience)) << "an initiation";
}

// Data goes on meanwhile: what nobody has is answered at once.
TEST_F(BusySlowPathTest, PacketsDoNotWait) {
  call();
  tun_.inject({make_packet({.source = "10.0.0.2", .destination = "10.0.0.99", .payload_bytes = 100}), {}});
  EXPECT_TRUE(tun_.next_written(kPatience)) << "an ICMP unreachable";
  release();
}

}  // namespace
}  // namespace vpn::engine
