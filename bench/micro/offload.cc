// Splitting a super-packet of 64 KB into packets of the MTU, and merging such packets again; time is per packet.
#include <benchmark/benchmark.h>

#include <vector>

#include "engine/io/coalesce.h"
#include "engine/io/segment.h"
#include "engine/io/test_packets.h"

namespace vpn::engine::io {
namespace {

constexpr std::size_t kSegments = 46;
constexpr std::uint16_t kSegmentBytes = 1368;

test::Bytes super_packet(std::uint8_t protocol, Offload& offload) {
  return test::make_super_packet({.protocol = protocol, .payload_bytes = kSegments * kSegmentBytes}, kSegmentBytes,
                                 offload);
}

void per_packet(benchmark::State& state) {
  state.counters["per packet"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * static_cast<double>(kSegments),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void split(benchmark::State& state, std::uint8_t protocol) {
  Offload offload;
  const test::Bytes packet = super_packet(protocol, offload);
  std::vector<std::uint8_t> segments(kSegments * 1500);
  for (auto _ : state) {
    auto segmenter = Segmenter::open(packet, offload);
    std::uint8_t* to = segments.data();
    for (std::size_t size = segmenter->next_size(); size > 0; size = segmenter->next_size()) {
      segmenter->write_next(to);
      to += size;
    }
    benchmark::ClobberMemory();
  }
  per_packet(state);
}
BENCHMARK_CAPTURE(split, tcp, kProtocolTcp);
BENCHMARK_CAPTURE(split, udp, kProtocolUdp);

void merge(benchmark::State& state, std::uint8_t protocol) {
  Offload offload;
  const std::vector<test::Bytes> packets = test::expand(super_packet(protocol, offload), offload);
  Coalescer coalescer;
  for (auto _ : state) {
    coalescer.begin(true, true);
    for (const test::Bytes& packet : packets) coalescer.add(packet);
    benchmark::DoNotOptimize(coalescer.finish().data());
  }
  per_packet(state);
}
BENCHMARK_CAPTURE(merge, tcp, kProtocolTcp);
BENCHMARK_CAPTURE(merge, udp, kProtocolUdp);

}  // namespace
}  // namespace vpn::engine::io
