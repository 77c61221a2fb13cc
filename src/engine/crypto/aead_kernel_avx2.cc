// The kernel of eight lanes, compiled for AVX2.
#include "engine/crypto/aead_kernel_chacha20.h"
#include "engine/crypto/aead_kernel_poly1305.h"

namespace vpn::engine::crypto {

const AeadKernel kAvx2Kernel{"avx2", 8, ChaCha20<8>::cipher, Poly1305<8>::authenticate};

}  // namespace vpn::engine::crypto
