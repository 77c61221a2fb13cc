// The engines behind Aead, one for each library or set of kernels; an Aead takes the first that the processor can run
// (docs/adr/0008).
//
// An engine has the contract of Aead: one thread, batches of any size, no allocation per call, nothing of a forged
// packet left. It keeps no key from one call to the next, so that a session's keys end with its Keypair.
#pragma once

#include <memory>
#include <span>

#include "engine/crypto/aead.h"

namespace vpn::engine::crypto {

class AeadEngine {
 public:
  virtual ~AeadEngine() = default;
  virtual const char* name() const = 0;
  virtual void seal(std::span<const SealJob> jobs) = 0;
  virtual void open(std::span<OpenJob> jobs) = 0;
};

struct AeadKernel;

/// Our own kernels: sixteen packets side by side in AVX-512, eight in AVX2; a few alone go to libipsec-mb. Null where
/// the processor has no such.
std::unique_ptr<AeadEngine> make_avx512_engine();
std::unique_ptr<AeadEngine> make_avx2_engine();
/// The same over any kernel, which the processor must be able to run; `for_few` takes what is too little for its lanes.
std::unique_ptr<AeadEngine> make_lanes_engine(const AeadKernel& kernel, std::unique_ptr<AeadEngine> for_few = nullptr);

/// libipsec-mb. Null on a processor that it cannot use, and in builds without it (all but x86-64).
std::unique_ptr<AeadEngine> make_ipsec_mb_engine();

/// OpenSSL, on any processor; two to three times the time of libipsec-mb.
std::unique_ptr<AeadEngine> make_openssl_engine();

}  // namespace vpn::engine::crypto
