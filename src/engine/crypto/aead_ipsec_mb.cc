// The engine over libipsec-mb. A job is done when submit returns (this cipher is not multi-buffered in version 1.3), so
// batching saves nothing inside the library; measured, 64 jobs at once and one by one take the same time, and its
// init-update-finalize calls 30 % more.
#include "engine/crypto/aead_engine.h"

#ifndef VPN_HAVE_IPSEC_MB

namespace vpn::engine::crypto {
std::unique_ptr<AeadEngine> make_ipsec_mb_engine() {
  return nullptr;
}
}  // namespace vpn::engine::crypto

#else

#include <intel-ipsec-mb.h>

#include "base/check.h"

namespace vpn::engine::crypto {
namespace {

struct FreeManager {
  void operator()(IMB_MGR* manager) const { free_mb_mgr(manager); }
};
using Manager = std::unique_ptr<IMB_MGR, FreeManager>;

class IpsecMbEngine final : public AeadEngine {
 public:
  explicit IpsecMbEngine(Manager manager) : manager_(std::move(manager)) {}

  const char* name() const override { return "ipsec_mb"; }

  void seal(std::span<const SealJob> jobs) override {
    for (const SealJob& job : jobs) {
      const MutableBytes plaintext = job.data.first(job.data.size() - kAeadTagSize);
      run(IMB_DIR_ENCRYPT, *job.key, job.counter, plaintext, plaintext.data() + plaintext.size());
    }
  }

  void open(std::span<OpenJob> jobs) override {
    for (OpenJob& job : jobs) job.ok = open(job);
  }

 private:
  bool open(const OpenJob& job) {
    if (job.data.size() < kAeadTagSize) return false;
    const MutableBytes text = job.data.first(job.data.size() - kAeadTagSize);
    std::array<std::uint8_t, kAeadTagSize> tag;
    run(IMB_DIR_DECRYPT, *job.key, job.counter, text, tag.data());
    if (equal_constant_time(tag, job.data.last(kAeadTagSize))) return true;
    // The library decrypts before it knows the tag.
    wipe(text.data(), text.size());
    return false;
  }

  void run(IMB_CIPHER_DIRECTION direction, const AeadKey& key, std::uint64_t counter, MutableBytes text,
           std::uint8_t* tag) {
    std::array<std::uint8_t, 12> nonce{};
    store_le64(nonce.data() + 4, counter);

    IMB_JOB* job = IMB_GET_NEXT_JOB(manager_.get());
    job->cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
    job->hash_alg = IMB_AUTH_CHACHA20_POLY1305;
    job->cipher_direction = direction;
    job->chain_order = direction == IMB_DIR_ENCRYPT ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
    job->enc_keys = key.reveal().data();
    job->key_len_in_bytes = kAeadKeySize;
    job->iv = nonce.data();
    job->iv_len_in_bytes = nonce.size();
    job->src = text.data();
    job->dst = text.data();
    job->cipher_start_src_offset_in_bytes = 0;
    job->msg_len_to_cipher_in_bytes = text.size();
    job->hash_start_src_offset_in_bytes = 0;
    job->msg_len_to_hash_in_bytes = text.size();
    job->u.CHACHA20_POLY1305.aad = nullptr;
    job->u.CHACHA20_POLY1305.aad_len_in_bytes = 0;
    job->auth_tag_output = tag;
    job->auth_tag_output_len_in_bytes = kAeadTagSize;
    job = IMB_SUBMIT_JOB_NOCHECK(manager_.get());
    CHECK(job != nullptr && job->status == IMB_STATUS_COMPLETED);
  }

  Manager manager_;
};

}  // namespace

std::unique_ptr<AeadEngine> make_ipsec_mb_engine() {
  Manager manager(alloc_mb_mgr(0));
  CHECK(manager != nullptr);  // out of memory
  init_mb_mgr_auto(manager.get(), nullptr);
  if (imb_get_errno(manager.get()) != 0) return nullptr;
  return std::make_unique<IpsecMbEngine>(std::move(manager));
}

}  // namespace vpn::engine::crypto

#endif
