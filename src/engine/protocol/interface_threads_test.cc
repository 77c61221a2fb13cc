// One interface under many threads: every worker receives, sends, shakes hands and expires for every peer, while peers
// come and go. ThreadSanitizer has its say in `./check --tsan`; what any build sees is that nothing is delivered twice
// or to the wrong peer, and that all get through in the end.
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "base/thread.h"
#include "engine/protocol/ip_packet.h"
#include "engine/protocol/test_arrivals.h"
#include "engine/protocol/test_node.h"

namespace vpn::engine::protocol {
namespace {

constexpr std::size_t kWorkers = 4;
constexpr std::size_t kPacketsAtATime = 8;

/// A clock that many threads move: time passes with the work done.
class SharedClock {
 public:
  Moment now() const {
    const std::chrono::milliseconds passed(passed_ms_.load(std::memory_order_relaxed));
    return {start_.now() + passed, start_.wall_now() + passed};
  }
  void tick() { passed_ms_.fetch_add(1, std::memory_order_relaxed); }

 private:
  const ManualClock start_;
  std::atomic<std::int64_t> passed_ms_ = 0;
};

/// Datagrams under way to one place, as many as a socket's buffer holds.
class Inbox {
 public:
  void put(TestDatagram datagram) {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() < 1024) waiting_.push_back(std::move(datagram));
  }
  std::vector<TestDatagram> take(std::size_t most) {
    const std::lock_guard lock(mutex_);
    const std::size_t count = std::min(most, waiting_.size());
    const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(count);
    std::vector<TestDatagram> taken(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(end));
    waiting_.erase(waiting_.begin(), end);
    return taken;
  }

 private:
  std::mutex mutex_;
  std::vector<TestDatagram> waiting_;
};

/// Where a packet of these tests has its number.
std::uint64_t number_of(ByteView packet) {
  return load_le64(packet.data() + kIpv4HeaderSize);
}

/// A client of the gateway; its worker alone touches the node.
struct Site {
  Site(std::size_t index, Moment now)
      : inner("10.0.0." + std::to_string(2 + index)),
        node(10 + index, ("192.0.2." + std::to_string(2 + index) + ":1000").c_str(), inner.c_str(), now) {}

  std::string inner;
  TestNode node;
  Inbox inbox;
  Arrivals to_client, to_gateway;
};

class InterfaceThreadsTest : public testing::Test {
 protected:
  InterfaceThreadsTest() {
    for (std::size_t i = 0; i < kWorkers; ++i) {
      Site& site = *sites_.emplace_back(std::make_unique<Site>(i, clock_.now()));
      site.node.add_peer(gateway_, true, clock_.now());
      add_site(i);
    }
    for (std::size_t i = 0; i < kWorkers; ++i) {
      workers_.push_back(start_thread("worker-" + std::to_string(i), [this, i] { work(i); }));
    }
  }
  ~InterfaceThreadsTest() override {
    stopping_ = true;
    for (std::thread& worker : workers_) worker.join();
  }

  void configure(PeerUpdate peer) {
    InterfaceUpdate update;
    update.peers.push_back(std::move(peer));
    Actions actions;
    EXPECT_TRUE(gateway_.interface.configure(update, clock_.now(), actions));
    post(actions);
  }
  void add_site(std::size_t i) { configure(gateway_.peer_update(sites_[i]->node, false)); }
  void remove_site(std::size_t i) { configure({.public_key = sites_[i]->node.public_key, .remove = true}); }

  /// Until `packets` more have come through, each way, for every site.
  void await_packets(std::size_t packets) {
    for (const auto& site : sites_) {
      const std::size_t in = site->to_gateway.count() + packets;
      const std::size_t out = site->to_client.count() + packets;
      while (site->to_gateway.count() < in || site->to_client.count() < out) std::this_thread::yield();
    }
  }

  Interface& interface() { return gateway_.interface; }

 private:
  /// What one worker has for itself.
  struct Tools {
    crypto::Aead aead;
    Actions actions;
  };

  void work(std::size_t index) {
    Tools tools;
    while (!stopping_) {
      clock_.tick();
      receive(tools);
      for (std::size_t i = 0; i < kWorkers; ++i) send(tools, *sites_[i]);
      run_slow_path(tools);
      be_client(*sites_[index]);
    }
  }

  // The gateway's receive.cc, send.cc and worker.cc.

  void receive(Tools& tools) {
    std::vector<TestDatagram> datagrams = to_gateway_.take(kPacketsAtATime * 2);
    std::vector<Path> paths;
    for (const TestDatagram& datagram : datagrams) paths.push_back({datagram.from, gateway_.address.address, 1});
    std::vector<InboundDatagram> batch;
    for (std::size_t i = 0; i < datagrams.size(); ++i) {
      batch.push_back({.bytes = datagrams[i].bytes, .path = &paths[i], .inner = {}});
    }
    tools.actions.clear();
    interface().receive(batch, clock_.now(), tools.aead, tools.actions);
    for (const InboundDatagram& datagram : batch) {
      if (datagram.verdict == InboundDatagram::Verdict::kDeliver) note_at_gateway(datagram);
    }
    post(tools.actions);
  }

  void note_at_gateway(const InboundDatagram& datagram) {
    const std::size_t index = datagram.inner[15] - 2u;  // the last byte of the inner source
    ASSERT_LT(index, kWorkers);
    EXPECT_EQ(datagram.path->remote, sites_[index]->node.address) << "another peer's packet";
    sites_[index]->to_gateway.note(number_of(datagram.inner));
  }

  void send(Tools& tools, Site& site) {
    std::array<Bytes, kPacketsAtATime> buffers;
    std::array<OutboundPacket, kPacketsAtATime> batch;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const Bytes packet = numbered("10.0.0.1", site.inner.c_str());
      buffers[i].resize(kSealHeadroom + packet.size() + kSealTailroom);
      std::copy(packet.begin(), packet.end(), buffers[i].begin() + kSealHeadroom);
      batch[i].inner = MutableBytes(buffers[i]).subspan(kSealHeadroom, packet.size());
    }
    tools.actions.clear();
    interface().send(batch, clock_.now(), tools.aead, tools.actions);
    for (const OutboundPacket& packet : batch) {
      if (packet.verdict != OutboundPacket::Verdict::kSend) continue;
      deliver(tools.actions.paths()[packet.path].remote, packet.datagram);
    }
    post(tools.actions);
  }

  void run_slow_path(Tools& tools) {
    tools.actions.clear();
    interface().process_handshakes(kPacketsAtATime, clock_.now(), tools.actions);
    if (interface().next_deadline() <= clock_.now().boot) interface().expire(clock_.now(), tools.actions);
    post(tools.actions);
  }

  void be_client(Site& site) {
    for (std::size_t i = 0; i < kPacketsAtATime; ++i)
      site.node.send(numbered(site.inner.c_str(), "10.0.0.1"), clock_.now());
    for (const TestDatagram& datagram : site.inbox.take(SIZE_MAX)) site.node.receive(datagram, clock_.now());
    site.node.expire(clock_.now());
    for (TestDatagram& datagram : std::exchange(site.node.outbox, {})) to_gateway_.put(std::move(datagram));
    for (const Bytes& packet : std::exchange(site.node.delivered, {})) site.to_client.note(number_of(packet));
  }

  Bytes numbered(const char* source, const char* destination) {
    std::array<std::uint8_t, 8> number;
    internal::store(number.data(), internal::little(next_number_.fetch_add(1, std::memory_order_relaxed)));
    return make_ipv4(source, destination, number);
  }

  void post(const Actions& actions) {
    for (std::size_t i = 0; i < actions.datagram_count(); ++i) {
      deliver(actions.datagram(i).path.remote, actions.datagram(i).bytes);
    }
  }
  void deliver(const Endpoint& to, ByteView bytes) {
    for (const auto& site : sites_) {
      if (site->node.address == to) site->inbox.put({gateway_.address, to, Bytes(bytes.begin(), bytes.end())});
    }
  }

  SharedClock clock_;
  TestNode gateway_{1, "192.0.2.1:51820", "10.0.0.1", clock_.now()};
  Inbox to_gateway_;
  std::vector<std::unique_ptr<Site>> sites_;
  std::atomic<std::uint64_t> next_number_ = 0;
  std::atomic<bool> stopping_ = false;
  std::vector<std::thread> workers_;
};

TEST_F(InterfaceThreadsTest, PeersComeAndGoUnderTraffic) {
  await_packets(1);
  SeededRandom random(99);
  for (int round = 0; round < 20; ++round) {
    // Others come and go, and none of the sites' packets is lost to them for good.
    PeerUpdate bystander{.endpoint = *Endpoint::parse("198.51.100.1:1")};
    random.fill(bystander.public_key.bytes);
    bystander.allowed_ips = {{*IpPrefix::parse("10.1.0.0/16")}, {*IpPrefix::parse("fd00::/8")}};
    configure(bystander);
    const std::size_t site = static_cast<std::size_t>(round) % kWorkers;
    remove_site(site);
    EXPECT_EQ(interface().snapshot().peers.size(), kWorkers);
    add_site(site);
    if (round % 5 == 4) interface().forget_sources();
    configure({.public_key = bystander.public_key, .remove = true});
    await_packets(16);
    interface().take_learned_endpoints();
  }
  EXPECT_EQ(interface().snapshot().peers.size(), kWorkers);
}

}  // namespace
}  // namespace vpn::engine::protocol
