// ChaCha20-Poly1305 by OpenSSL: the one-by-one calls, and the engine for processors that libipsec-mb does not know.
#include <openssl/evp.h>

#include <memory>

#include "base/check.h"
#include "engine/crypto/aead_engine.h"

namespace vpn::engine::crypto {
namespace {

/// One context, given another key and nonce for each message. Out of memory is the only way its calls fail, and a
/// CHECK.
class OpensslAead {
 public:
  OpensslAead() : context_(EVP_CIPHER_CTX_new()) {
    CHECK(context_ != nullptr);
    CHECK(EVP_CipherInit_ex(context_.get(), EVP_chacha20_poly1305(), nullptr, nullptr, nullptr, 1) == 1);
  }

  void seal(const AeadKey& key, std::uint64_t counter, ByteView aad, ByteView plaintext, MutableBytes sealed) {
    CHECK(sealed.size() == plaintext.size() + kAeadTagSize);
    begin(key, counter, aad, /*encrypt=*/1);
    update(sealed.data(), plaintext);
    CHECK(finish());
    CHECK(EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_GET_TAG, kAeadTagSize, sealed.data() + plaintext.size()) ==
          1);
  }

  bool open(const AeadKey& key, std::uint64_t counter, ByteView aad, ByteView sealed, MutableBytes plaintext) {
    CHECK(sealed.size() == plaintext.size() + kAeadTagSize);
    std::array<std::uint8_t, kAeadTagSize> tag;
    std::memcpy(tag.data(), sealed.data() + plaintext.size(), tag.size());
    begin(key, counter, aad, /*encrypt=*/0);
    CHECK(EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_SET_TAG, kAeadTagSize, tag.data()) == 1);
    update(plaintext.data(), sealed.first(plaintext.size()));
    if (finish()) return true;
    wipe(plaintext.data(), plaintext.size());
    return false;
  }

  /// The context keeps the last message's key, until it gets another.
  void forget_key() { begin(AeadKey(), 0, {}, /*encrypt=*/1); }

 private:
  struct Free {
    void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
  };

  void begin(const AeadKey& key, std::uint64_t counter, ByteView aad, int encrypt) {
    std::array<std::uint8_t, 12> nonce{};
    store_le64(nonce.data() + 4, counter);
    CHECK(EVP_CipherInit_ex(context_.get(), nullptr, nullptr, key.reveal().data(), nonce.data(), encrypt) == 1);
    update(nullptr, aad);
  }

  /// Without `out`, the input is additional data.
  void update(std::uint8_t* out, ByteView in) {
    int written = 0;
    if (in.empty()) return;
    CHECK(EVP_CipherUpdate(context_.get(), out, &written, in.data(), static_cast<int>(in.size())) == 1);
  }

  bool finish() {
    std::uint8_t nothing = 0;  // a stream cipher has no last block
    int written = 0;
    return EVP_CipherFinal_ex(context_.get(), &nothing, &written) == 1;
  }

  std::unique_ptr<EVP_CIPHER_CTX, Free> context_;
};

class OpensslEngine final : public AeadEngine {
 public:
  const char* name() const override { return "openssl"; }

  void seal(std::span<const SealJob> jobs) override {
    for (const SealJob& job : jobs) {
      aead_.seal(*job.key, job.counter, {}, job.data.first(job.data.size() - kAeadTagSize), job.data);
    }
    aead_.forget_key();
  }

  void open(std::span<OpenJob> jobs) override {
    for (OpenJob& job : jobs) {
      job.ok = job.data.size() >= kAeadTagSize &&
               aead_.open(*job.key, job.counter, {}, job.data, job.data.first(job.data.size() - kAeadTagSize));
    }
    aead_.forget_key();
  }

 private:
  OpensslAead aead_;
};

}  // namespace

std::unique_ptr<AeadEngine> make_openssl_engine() {
  return std::make_unique<OpensslEngine>();
}

void aead_seal(const AeadKey& key, std::uint64_t counter, ByteView aad, ByteView plaintext, MutableBytes sealed) {
  OpensslAead().seal(key, counter, aad, plaintext, sealed);
}

bool aead_open(const AeadKey& key, std::uint64_t counter, ByteView aad, ByteView sealed, MutableBytes plaintext) {
  return OpensslAead().open(key, counter, aad, sealed, plaintext);
}

}  // namespace vpn::engine::crypto
