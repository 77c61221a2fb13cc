// The kernel of sixteen lanes, compiled for AVX-512 with IFMA.
#include "engine/crypto/aead_kernel_chacha20.h"
#include "engine/crypto/aead_kernel_poly1305.h"

namespace vpn::engine::crypto {

const AeadKernel kAvx512Kernel{"avx512", 16, ChaCha20<16>::cipher, Poly1305<16>::authenticate};

}  // namespace vpn::engine::crypto
