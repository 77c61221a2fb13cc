// The engines behind Aead, one for each library or set of kernels; an Aead takes the first that the processor can run.
//
// An engine has the contract of Aead: one thread, batches of any size, no allocation per call, nothing of a forged
// packet left.
#pragma once

#include <memory>
#include <span>

#include "engine/crypto/aead.h"

namespace vpn::engine::crypto {

class AeadEngine {
 public:
  virtual ~AeadEngine() = default;
  virtual void seal(std::span<const SealJob> jobs) = 0;
  virtual void open(std::span<OpenJob> jobs) = 0;
};

/// libipsec-mb. Null on a processor that it cannot use, and in builds without it (all but x86-64).
std::unique_ptr<AeadEngine> make_ipsec_mb_engine();

/// OpenSSL, on any processor; two to three times the time of libipsec-mb.
std::unique_ptr<AeadEngine> make_openssl_engine();

}  // namespace vpn::engine::crypto
