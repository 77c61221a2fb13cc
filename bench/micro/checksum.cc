// The Internet checksum, alone and along with a copy.
#include "engine/io/checksum.h"

#include <benchmark/benchmark.h>

#include <vector>

namespace vpn::engine::io {
namespace {

void add(benchmark::State& state) {
  const std::vector<std::uint8_t> bytes(static_cast<std::size_t>(state.range(0)), 0x5a);
  for (auto _ : state) benchmark::DoNotOptimize(fold_checksum(add_checksum(0, bytes)));
}
BENCHMARK(add)->Name("checksum/add")->Arg(20)->Arg(64)->Arg(1380);

void copy_and_add(benchmark::State& state) {
  const std::vector<std::uint8_t> from(static_cast<std::size_t>(state.range(0)), 0x5a);
  std::vector<std::uint8_t> to(from.size());
  for (auto _ : state) {
    benchmark::DoNotOptimize(fold_checksum(copy_and_add_checksum(0, from, to.data())));
    benchmark::ClobberMemory();
  }
}
BENCHMARK(copy_and_add)->Name("checksum/copy_and_add")->Arg(64)->Arg(1380);

}  // namespace
}  // namespace vpn::engine::io
