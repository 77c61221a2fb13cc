#include "engine/crypto/aead_kernel_chacha20.h"
#include "engine/crypto/aead_kernel_poly1305.h"
#include "engine/crypto/test_engines.h"

namespace vpn::engine::crypto {

const AeadKernel kEmulatedKernel{"emulated", 16, ChaCha20<16>::cipher, Poly1305<16>::authenticate};

}  // namespace vpn::engine::crypto
