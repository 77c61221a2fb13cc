// The replay window, and the look-up of a packet's peer among so many.
#include <benchmark/benchmark.h>

#include <vector>

#include "base/random.h"
#include "engine/protocol/allowed_ips.h"
#include "engine/protocol/replay_window.h"

namespace vpn::engine::protocol {
namespace {

void window_in_order(benchmark::State& state) {
  ReplayWindow window;
  std::uint64_t counter = 0;
  for (auto _ : state) benchmark::DoNotOptimize(window.accept(counter++));
}
BENCHMARK(window_in_order)->Name("window/in_order");

// Each eight packets the other way round.
void window_reordered(benchmark::State& state) {
  ReplayWindow window;
  std::uint64_t counter = 0;
  for (auto _ : state) benchmark::DoNotOptimize(window.accept(counter++ ^ 7));
}
BENCHMARK(window_reordered)->Name("window/reordered");

// Each packet another peer's, at random.
void lookup(benchmark::State& state) {
  const auto peers = static_cast<std::uint32_t>(state.range(0));
  AllowedIps table;
  const auto address_of = [](std::uint32_t peer) { return IpAddress::v4(0x0a000000 + peer); };
  // The table touches no peer, so any address will do for one.
  std::vector<std::uint64_t> names(peers);
  for (std::uint32_t i = 0; i < peers; ++i) {
    table.insert({address_of(i), 32}, reinterpret_cast<Peer*>(&names[i]));
  }
  std::vector<IpAddress> order;
  SeededRandom random(1);
  for (int i = 0; i < 4096; ++i) {
    std::array<std::uint8_t, 4> bytes;
    random.fill(bytes);
    order.push_back(address_of(load_le32(bytes.data()) % peers));
  }
  std::size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(table.lookup(IpFamily::kV4, order[i++ % order.size()].bytes().data()));
}
BENCHMARK(lookup)->Arg(1)->Arg(250)->Arg(10'000)->Arg(100'000);

}  // namespace
}  // namespace vpn::engine::protocol
