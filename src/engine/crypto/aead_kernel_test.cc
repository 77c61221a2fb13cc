// Poly1305 of a kernel on numbers that random packets never meet: carries out of every limb, sums just below and above
// the modulus. OpenSSL is the oracle.
#include "engine/crypto/aead_kernel.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>

#include <algorithm>

#include "base/bytes.h"
#include "engine/crypto/test_bytes.h"
#include "engine/crypto/test_engines.h"

namespace vpn::engine::crypto {
namespace {

using Bytes = std::vector<std::uint8_t>;
using Tag = std::array<std::uint8_t, 16>;

std::vector<const AeadKernel*> all_kernels() {
  std::vector<const AeadKernel*> kernels{&kEmulatedKernel};
#ifdef __x86_64__
  if (make_avx2_engine()) kernels.push_back(&kAvx2Kernel);
  if (make_avx512_engine()) kernels.push_back(&kAvx512Kernel);
#endif
  return kernels;
}

/// RFC 8439, section 2.8: the text padded with zeros, and the two sizes.
Tag expected_tag(const Bytes& one_time_key, Bytes text) {
  const std::size_t size = text.size();
  text.resize((size + 15) / 16 * 16 + 16);
  store_le64(text.data() + text.size() - 8, size);
  Tag tag;
  std::size_t tag_size = 0;
  EVP_MAC* mac = EVP_MAC_fetch(nullptr, "POLY1305", nullptr);
  EVP_MAC_CTX* context = EVP_MAC_CTX_new(mac);
  EXPECT_EQ(EVP_MAC_init(context, one_time_key.data(), one_time_key.size(), nullptr), 1);
  EXPECT_EQ(EVP_MAC_update(context, text.data(), text.size()), 1);
  EXPECT_EQ(EVP_MAC_final(context, tag.data(), &tag_size, tag.size()), 1);
  EVP_MAC_CTX_free(context);
  EVP_MAC_free(mac);
  return tag;
}

std::vector<Bytes> extreme_keys() {
  std::vector<Bytes> keys;
  for (const std::string_view r :
       {"00000000000000000000000000000000", "01000000000000000000000000000000", "02000000000000000000000000000000",
        "04000000000000000000000000000000", "ffffffffffffffffffffffffffffffff", "00000000000000000000000000000010",
        "fffffffffffffffffffffffffffffffb", "00000000000000040000000000000000"}) {
    for (const std::string_view s : {"00000000000000000000000000000000", "ffffffffffffffffffffffffffffffff"}) {
      keys.push_back(from_hex(std::string(r) + std::string(s)));
    }
  }
  return keys;
}

/// Texts of one repeated block, and of blocks that take turns.
std::vector<Bytes> extreme_texts(std::size_t size) {
  std::vector<Bytes> texts;
  for (const std::string_view block :
       {"00000000000000000000000000000000", "ffffffffffffffffffffffffffffffff", "fbffffffffffffffffffffffffffffff",
        "faffffffffffffffffffffffffffffff", "fcffffffffffffffffffffffffffffff", "ffffffffffffffff0000000000000000",
        "0000000000000000ffffffffffffffff", "ffffffffffffffffffffffffffffffff00000000000000000000000000000000",
        "fbffffffffffffffffffffffffffffff01000000000000000000000000000000"}) {
    const Bytes pattern = from_hex(block);
    Bytes& text = texts.emplace_back(size);
    for (std::size_t i = 0; i < size; ++i) text[i] = pattern[i % pattern.size()];
  }
  return texts;
}

TEST(AeadKernel, AuthenticatesExtremeNumbersInLanesSideBySideAndOneByOne) {
  for (const std::size_t size : {0, 16, 17, 32, 48, 160, 512, 1420, 2048}) {
    std::vector<Bytes> texts = extreme_texts(size);
    for (const Bytes& key : extreme_keys()) {
      std::vector<Tag> expected;
      for (const Bytes& text : texts) expected.push_back(expected_tag(key, text));
      for (const AeadKernel* kernel : all_kernels()) {
        for (std::size_t first = 0; first < texts.size(); ++first) {
          // Alone, and with all others in the lanes beside it.
          for (const std::size_t count : {std::size_t{1}, kernel->lanes}) {
            KernelScratch scratch{};
            std::vector<KernelJob> jobs;
            for (std::size_t i = 0; i < count; ++i) {
              Bytes& text = texts[(first + i) % texts.size()];
              jobs.push_back({nullptr, 0, text.data(), text.size()});
              std::ranges::copy(key, scratch.one_time_keys[i]);
            }
            kernel->authenticate(jobs.data(), count, scratch);
            for (std::size_t i = 0; i < count; ++i) {
              ASSERT_TRUE(std::ranges::equal(scratch.tags[i], expected[(first + i) % texts.size()]))
                  << kernel->name << ", size " << size << ", text " << (first + i) % texts.size() << ", count "
                  << count;
            }
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace vpn::engine::crypto
