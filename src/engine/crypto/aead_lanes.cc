// The engine over a kernel of our own: a batch goes through it as many packets at a time as it has lanes. A few packets
// alone leave most lanes empty, and another engine is faster.
#include <algorithm>
#include <array>

#include "engine/crypto/aead_engine.h"
#include "engine/crypto/aead_kernel.h"

namespace vpn::engine::crypto {
namespace {

// Below so many packets libipsec-mb is faster or as fast at most sizes, measured (docs/performance.md).
constexpr std::size_t kFewest = 4;

class LanesEngine final : public AeadEngine {
 public:
  LanesEngine(const AeadKernel& kernel, std::unique_ptr<AeadEngine> for_few)
      : kernel_(kernel), for_few_(std::move(for_few)) {}

  const char* name() const override { return kernel_.name; }

  void seal(std::span<const SealJob> jobs) override {
    if (jobs.size() < kFewest && for_few_) return for_few_->seal(jobs);
    while (!jobs.empty()) {
      const auto group = jobs.first(std::min(kernel_.lanes, jobs.size()));
      jobs = jobs.subspan(group.size());
      for (std::size_t i = 0; i < group.size(); ++i) {
        const SealJob& job = group[i];
        packets_[i] = {job.key->reveal().data(), job.counter, job.data.data(), job.data.size() - kAeadTagSize};
      }
      kernel_.cipher(packets_.data(), group.size(), KeyStream::kBoth, scratch_);
      kernel_.authenticate(packets_.data(), group.size(), scratch_);
      for (std::size_t i = 0; i < group.size(); ++i) {
        std::memcpy(packets_[i].text + packets_[i].size, scratch_.tags[i], kAeadTagSize);
      }
    }
    wipe(&scratch_, sizeof scratch_);
  }

  void open(std::span<OpenJob> jobs) override {
    if (jobs.size() < kFewest && for_few_) return for_few_->open(jobs);
    while (!jobs.empty()) {
      const auto group = jobs.first(std::min(kernel_.lanes, jobs.size()));
      jobs = jobs.subspan(group.size());
      open_group(group);
    }
    wipe(&scratch_, sizeof scratch_);
  }

 private:
  void open_group(std::span<OpenJob> jobs) {
    std::array<OpenJob*, KernelScratch::kMaxLanes> whole;  // long enough for a tag
    std::size_t count = 0;
    for (OpenJob& job : jobs) {
      job.ok = false;
      if (job.data.size() < kAeadTagSize) continue;
      packets_[count] = {job.key->reveal().data(), job.counter, job.data.data(), job.data.size() - kAeadTagSize};
      whole[count++] = &job;
    }
    if (count == 0) return;
    kernel_.cipher(packets_.data(), count, KeyStream::kOneTimeKeys, scratch_);
    kernel_.authenticate(packets_.data(), count, scratch_);

    // Nothing is decrypted before its tag is known to be right; then there is nothing of a forgery to take back, but no
    // caller shall mistake what came for a plaintext.
    std::size_t authentic = 0;
    for (std::size_t i = 0; i < count; ++i) {
      OpenJob& job = *whole[i];
      job.ok = equal_constant_time(scratch_.tags[i], job.data.last(kAeadTagSize));
      if (job.ok) {
        packets_[authentic++] = packets_[i];
      } else {
        std::memset(packets_[i].text, 0, packets_[i].size);
      }
    }
    kernel_.cipher(packets_.data(), authentic, KeyStream::kText, scratch_);
  }

  const AeadKernel& kernel_;
  const std::unique_ptr<AeadEngine> for_few_;  ///< or none
  std::array<KernelJob, KernelScratch::kMaxLanes> packets_;
  KernelScratch scratch_{};
};

}  // namespace

std::unique_ptr<AeadEngine> make_lanes_engine(const AeadKernel& kernel, std::unique_ptr<AeadEngine> for_few) {
  return std::make_unique<LanesEngine>(kernel, std::move(for_few));
}

#ifdef __x86_64__

std::unique_ptr<AeadEngine> make_avx2_engine() {
  if (!__builtin_cpu_supports("avx2")) return nullptr;
  return make_lanes_engine(kAvx2Kernel, make_ipsec_mb_engine());
}

// The first processors with AVX-512 slow down under it; those with IFMA do not.
std::unique_ptr<AeadEngine> make_avx512_engine() {
  for (const bool has :
       {__builtin_cpu_supports("avx512f"), __builtin_cpu_supports("avx512bw"), __builtin_cpu_supports("avx512dq"),
        __builtin_cpu_supports("avx512vl"), __builtin_cpu_supports("avx512ifma")}) {
    if (!has) return nullptr;
  }
  return make_lanes_engine(kAvx512Kernel, make_ipsec_mb_engine());
}

#else

std::unique_ptr<AeadEngine> make_avx2_engine() {
  return nullptr;
}
std::unique_ptr<AeadEngine> make_avx512_engine() {
  return nullptr;
}

#endif

}  // namespace vpn::engine::crypto
