// Sealing and opening batches of packets, by engine, size and count; time is per packet. A batch is as many packets of
// one key as one call takes, each at its own place in memory that is larger than the nearest cache.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "engine/crypto/aead_engine.h"

namespace vpn::engine::crypto {
namespace {

class Packets {
 public:
  Packets(std::size_t count, std::size_t size) : arena_(count * stride(size)), count_(count), size_(size) {
    SeededRandom random(1);
    random.fill(arena_);
    random.fill(key_.reveal_mutable());
  }

  std::vector<SealJob> seal_jobs() {
    std::vector<SealJob> jobs;
    for (std::size_t i = 0; i < count_; ++i) jobs.push_back({&key_, i, data(i)});
    return jobs;
  }
  std::vector<OpenJob> open_jobs() {
    std::vector<OpenJob> jobs;
    for (std::size_t i = 0; i < count_; ++i) jobs.push_back({&key_, i, data(i)});
    return jobs;
  }

 private:
  static std::size_t stride(std::size_t size) { return (size + kAeadTagSize + 16 + 63) / 64 * 64; }
  MutableBytes data(std::size_t i) {
    return MutableBytes(arena_).subspan(i * stride(size_) + 16, size_ + kAeadTagSize);
  }

  std::vector<std::uint8_t> arena_;
  std::size_t count_;
  std::size_t size_;
  AeadKey key_;
};

using Make = std::unique_ptr<AeadEngine> (*)();

void per_packet(benchmark::State& state, std::size_t count) {
  state.counters["per packet"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * static_cast<double>(count),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void seal(benchmark::State& state, Make make) {
  const auto engine = make();
  const auto count = static_cast<std::size_t>(state.range(1));
  Packets packets(count, static_cast<std::size_t>(state.range(0)));
  const auto jobs = packets.seal_jobs();
  for (auto _ : state) engine->seal(jobs);
  per_packet(state, count);
}

// What is opened must have been sealed, so this is both.
void seal_and_open(benchmark::State& state, Make make) {
  const auto engine = make();
  const auto count = static_cast<std::size_t>(state.range(1));
  Packets packets(count, static_cast<std::size_t>(state.range(0)));
  const auto seals = packets.seal_jobs();
  auto opens = packets.open_jobs();
  for (auto _ : state) {
    engine->seal(seals);
    engine->open(opens);
    if (!opens.front().ok || !opens.back().ok) state.SkipWithError("an authentic packet was refused");
  }
  per_packet(state, count);
}

const bool registered = [] {
  const std::pair<const char*, Make> engines[] = {{"avx512", make_avx512_engine},
                                                  {"avx2", make_avx2_engine},
                                                  {"ipsec_mb", make_ipsec_mb_engine},
                                                  {"openssl", make_openssl_engine}};
  for (const auto& [name, make] : engines) {
    if (!make()) continue;
    for (const auto& [what, run] : {std::pair{"seal/", &seal}, std::pair{"seal_and_open/", &seal_and_open}}) {
      auto* benchmark = benchmark::RegisterBenchmark((std::string(what) + name).c_str(), run, make);
      for (const int size : {64, 512, 1420}) {
        for (const int count : {1, 2, 4, 8, 16, 64}) benchmark->Args({size, count});
      }
    }
  }
  return true;
}();

}  // namespace
}  // namespace vpn::engine::crypto
