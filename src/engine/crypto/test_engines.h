// Every AEAD engine that this processor runs, for tests over all of them.
#pragma once

#include <memory>
#include <vector>

#include "engine/crypto/aead_engine.h"
#include "engine/crypto/aead_kernel.h"

namespace vpn::engine::crypto {

/// The sixteen lanes of AVX-512 as any processor can run them: the same source, slowly.
extern const AeadKernel kEmulatedKernel;

inline std::vector<std::unique_ptr<AeadEngine>> all_engines() {
  std::vector<std::unique_ptr<AeadEngine>> engines;
  for (auto* make : {make_openssl_engine, make_ipsec_mb_engine, make_avx2_engine, make_avx512_engine}) {
    if (auto engine = make()) engines.push_back(std::move(engine));
  }
  // The kernels as they are, which take one packet too.
#ifdef __x86_64__
  if (make_avx2_engine()) engines.push_back(make_lanes_engine(kAvx2Kernel));
  if (make_avx512_engine()) engines.push_back(make_lanes_engine(kAvx512Kernel));
#endif
  engines.push_back(make_lanes_engine(kEmulatedKernel));
  return engines;
}

}  // namespace vpn::engine::crypto
