// The contract of an AeadEngine, held by every one that this processor runs. The oracle is the one-by-one calls, which
// the vectors of aead_test.cc have proved.
#include "engine/crypto/aead_engine.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <deque>
#include <fstream>
#include <set>

#include "base/random.h"
#include "base/unique_fd.h"
#include "engine/crypto/test_bytes.h"
#include "engine/crypto/test_engines.h"

namespace vpn::engine::crypto {
namespace {

using Bytes = std::vector<std::uint8_t>;

class AeadEngines : public testing::Test {
 protected:
  std::uint64_t below(std::uint64_t limit) {
    std::array<std::uint8_t, 8> bytes;
    random_.fill(bytes);
    return load_le64(bytes.data()) % limit;
  }
  Bytes random_bytes(std::size_t size) {
    Bytes bytes(size);
    random_.fill(bytes);
    return bytes;
  }
  AeadKey random_key() {
    AeadKey key;
    random_.fill(key.reveal_mutable());
    return key;
  }

  SeededRandom random_{2};
  std::vector<std::unique_ptr<AeadEngine>> engines_ = all_engines();
};

/// Packets with what they were and what the oracle makes of them.
struct Batch {
  struct Packet {
    const AeadKey* key;
    std::uint64_t counter;
    Bytes plaintext;
    Bytes sealed;
  };

  void add(const AeadKey& key, std::uint64_t counter, Bytes plaintext) {
    Bytes sealed(plaintext.size() + kAeadTagSize);
    aead_seal(key, counter, {}, plaintext, sealed);
    packets.push_back({&key, counter, std::move(plaintext), std::move(sealed)});
  }

  /// Has `engine` seal copies of the plaintexts.
  std::vector<Bytes> seal(AeadEngine& engine) const {
    std::vector<Bytes> buffers;
    for (const Packet& packet : packets) {
      buffers.push_back(packet.plaintext);
      buffers.back().resize(packet.sealed.size());
    }
    std::vector<SealJob> jobs;
    for (std::size_t i = 0; i < packets.size(); ++i) jobs.push_back({packets[i].key, packets[i].counter, buffers[i]});
    engine.seal(jobs);
    return buffers;
  }

  /// Has `engine` open `buffers` in place; true for those that it did open.
  std::vector<bool> open(AeadEngine& engine, std::vector<Bytes>& buffers) const {
    std::vector<OpenJob> jobs;
    for (std::size_t i = 0; i < packets.size(); ++i) {
      jobs.push_back({packets[i].key, packets[i].counter, buffers[i], /*ok=*/i % 2 == 0});
    }
    engine.open(jobs);
    std::vector<bool> opened;
    for (const OpenJob& job : jobs) opened.push_back(job.ok);
    return opened;
  }

  std::vector<Packet> packets;
};

Bytes text_of(const Bytes& buffer) {
  return Bytes(buffer.begin(), buffer.end() - kAeadTagSize);
}

void expect_seals_and_opens(AeadEngine& engine, const Batch& batch) {
  std::vector<Bytes> buffers = batch.seal(engine);
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    ASSERT_EQ(buffers[i], batch.packets[i].sealed) << "packet " << i << " of " << batch.packets[i].plaintext.size();
  }
  const std::vector<bool> opened = batch.open(engine, buffers);
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    ASSERT_TRUE(opened[i]) << "packet " << i << " of " << batch.packets[i].plaintext.size();
    ASSERT_EQ(text_of(buffers[i]), batch.packets[i].plaintext) << "packet " << i;
  }
}

#ifdef __x86_64__
TEST_F(AeadEngines, IncludeTheFastOnesOnX86) {
  std::set<std::string> names;
  for (const auto& engine : engines_) names.insert(engine->name());
  EXPECT_TRUE(names.contains("ipsec_mb"));
  EXPECT_EQ(names.contains("avx2"), __builtin_cpu_supports("avx2") != 0);
  EXPECT_EQ(names.contains("avx512"), __builtin_cpu_supports("avx512ifma") != 0);
}
#endif

TEST_F(AeadEngines, SealAndOpenEverySizeInOneBatch) {
  Batch batch;
  std::deque<AeadKey> keys;
  for (std::size_t size = 0; size <= 2100; ++size) {
    batch.add(keys.emplace_back(random_key()), size << 40 | size, random_bytes(size));
  }
  for (const auto& engine : engines_) {
    SCOPED_TRACE(engine->name());
    expect_seals_and_opens(*engine, batch);
  }
}

TEST_F(AeadEngines, SealAndOpenEverySizeAloneAndAmongItsLike) {
  const AeadKey key = random_key();
  for (const std::size_t count : {1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 33}) {
    // Every size near a multiple of a block of either cipher, and some between.
    for (std::size_t size = 0; size <= 1424; size += size < 70 ? 1 : 61) {
      Batch batch;
      for (std::size_t i = 0; i < count; ++i) batch.add(key, UINT64_MAX - i, random_bytes(size));
      for (const auto& engine : engines_) {
        SCOPED_TRACE(engine->name() + std::string(", packets ") + std::to_string(count));
        expect_seals_and_opens(*engine, batch);
      }
    }
  }
}

TEST_F(AeadEngines, SealAndOpenRandomBatchesAndRefuseExactlyWhatIsForged) {
  const std::array<AeadKey, 4> keys{random_key(), random_key(), random_key(), random_key()};
  for (int round = 0; round < 150; ++round) {
    Batch batch;
    const std::size_t count = 1 + below(70), key_count = 1 + below(keys.size()), longest = 1 + below(2048);
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t counter = below(2) == 0 ? i : UINT64_MAX - below(1 << 20);
      batch.add(keys[below(key_count)], counter, random_bytes(below(4) == 0 ? below(80) : below(longest)));
    }
    std::vector<bool> forged(count);
    std::vector<Bytes> tampered;
    for (std::size_t i = 0; i < count; ++i) {
      Bytes& packet = tampered.emplace_back(batch.packets[i].sealed);
      forged[i] = below(3) == 0;
      if (forged[i]) packet[below(packet.size())] ^= static_cast<std::uint8_t>(1u << below(8));
    }
    for (const auto& engine : engines_) {
      SCOPED_TRACE(engine->name() + std::string(", round ") + std::to_string(round));
      expect_seals_and_opens(*engine, batch);
      std::vector<Bytes> buffers = tampered;
      const std::vector<bool> opened = batch.open(*engine, buffers);
      for (std::size_t i = 0; i < count; ++i) {
        const Bytes& plaintext = batch.packets[i].plaintext;
        ASSERT_EQ(opened[i], !forged[i]) << i;
        ASSERT_EQ(text_of(buffers[i]), forged[i] ? Bytes(plaintext.size()) : plaintext) << i;
      }
    }
  }
}

TEST_F(AeadEngines, RefuseEveryFlippedBitAmongGoodPacketsAndLeaveNoPlaintext) {
  const AeadKey key = random_key();
  constexpr std::size_t kSize = 64;
  const Bytes plaintext(kSize, 0x5a);
  Batch batch;
  std::vector<Bytes> forged;
  for (std::size_t bit = 0; bit < (kSize + kAeadTagSize) * 8; ++bit) {
    for (const bool forge : {true, false}) {
      batch.add(key, bit, plaintext);
      forged.push_back(batch.packets.back().sealed);
      if (forge) forged.back()[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
    }
  }
  for (const auto& engine : engines_) {
    SCOPED_TRACE(engine->name());
    std::vector<Bytes> buffers = forged;
    const std::vector<bool> opened = batch.open(*engine, buffers);
    for (std::size_t i = 0; i < buffers.size(); ++i) {
      ASSERT_EQ(opened[i], i % 2 == 1) << i;
      ASSERT_EQ(text_of(buffers[i]), i % 2 == 1 ? plaintext : Bytes(kSize)) << i;
    }
  }
}

TEST_F(AeadEngines, RefuseWhatIsShorterThanATagAmongWholePackets) {
  const AeadKey key = random_key();
  Batch batch;
  std::vector<Bytes> packets;
  for (std::size_t size = 0; size < 2 * kAeadTagSize; ++size) {
    batch.add(key, size, random_bytes(100));
    packets.push_back(batch.packets.back().sealed);
    if (size < kAeadTagSize) packets.back().resize(size);
  }
  for (const auto& engine : engines_) {
    SCOPED_TRACE(engine->name());
    std::vector<Bytes> buffers = packets;
    const std::vector<bool> opened = batch.open(*engine, buffers);
    for (std::size_t i = 0; i < opened.size(); ++i) EXPECT_EQ(opened[i], i >= kAeadTagSize) << i;
  }
}

/// Pages with nothing before and nothing behind: a byte too far ends the program.
class GuardedPages {
 public:
  explicit GuardedPages(std::size_t pages) : size_(pages * page_size()) {
    base_ = static_cast<std::uint8_t*>(
        mmap(nullptr, size_ + 2 * page_size(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    EXPECT_NE(base_, MAP_FAILED);
    EXPECT_EQ(mprotect(base_ + page_size(), size_, PROT_READ | PROT_WRITE), 0);
  }
  ~GuardedPages() { munmap(base_, size_ + 2 * page_size()); }
  GuardedPages(const GuardedPages&) = delete;
  GuardedPages& operator=(const GuardedPages&) = delete;

  MutableBytes at_the_front(std::size_t size) { return {base_ + page_size(), size}; }
  MutableBytes at_the_end(std::size_t size) { return {base_ + page_size() + size_ - size, size}; }

 private:
  static std::size_t page_size() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }
  std::size_t size_;
  std::uint8_t* base_;
};

TEST_F(AeadEngines, TouchNothingBeforeOrBehindAPacket) {
  const AeadKey key = random_key();
  constexpr std::size_t kCount = 17;
  std::deque<GuardedPages> pages;
  for (std::size_t i = 0; i < kCount; ++i) pages.emplace_back(1);
  for (std::size_t size = 0; size <= 1500; size += size < 200 ? 1 : 37) {
    Batch batch;
    for (std::size_t i = 0; i < kCount; ++i) batch.add(key, i, random_bytes(size + i % 3));
    for (const auto& engine : engines_) {
      for (const bool front : {true, false}) {
        SCOPED_TRACE(engine->name() + std::string(", size ") + std::to_string(size));
        std::vector<SealJob> seals;
        std::vector<OpenJob> opens;
        for (std::size_t i = 0; i < kCount; ++i) {
          const auto& packet = batch.packets[i];
          const auto buffer =
              front ? pages[i].at_the_front(packet.sealed.size()) : pages[i].at_the_end(packet.sealed.size());
          std::ranges::copy(packet.plaintext, buffer.begin());
          seals.push_back({&key, i, buffer});
          opens.push_back({&key, i, buffer});
        }
        engine->seal(seals);
        engine->open(opens);
        for (std::size_t i = 0; i < kCount; ++i) {
          ASSERT_TRUE(opens[i].ok);
          ASSERT_TRUE(
              std::ranges::equal(opens[i].data.first(batch.packets[i].plaintext.size()), batch.packets[i].plaintext));
        }
      }
    }
  }
}

// Packets stand side by side in one arena, at any alignment: what is between them stays.
TEST_F(AeadEngines, LeaveTheBytesBetweenPacketsAsTheyWere) {
  const AeadKey key = random_key();
  for (std::size_t gap = 1; gap <= 65; gap += 4) {
    Batch batch;
    Bytes arena(gap, 0xee);
    std::vector<std::size_t> offsets;
    for (std::size_t i = 0; i < 40; ++i) {
      batch.add(key, i, random_bytes(below(200)));
      const auto& [_, counter, plaintext, sealed] = batch.packets.back();
      offsets.push_back(arena.size());
      arena.insert(arena.end(), plaintext.begin(), plaintext.end());
      arena.insert(arena.end(), kAeadTagSize, 0);
      arena.insert(arena.end(), gap, 0xee);
    }
    Bytes expected = arena;
    for (std::size_t i = 0; i < offsets.size(); ++i) {
      std::ranges::copy(batch.packets[i].sealed, expected.begin() + static_cast<std::ptrdiff_t>(offsets[i]));
    }
    for (const auto& engine : engines_) {
      SCOPED_TRACE(engine->name());
      Bytes copy = arena;
      std::vector<SealJob> jobs;
      for (std::size_t i = 0; i < offsets.size(); ++i) {
        jobs.push_back({&key, i, MutableBytes(copy).subspan(offsets[i], batch.packets[i].sealed.size())});
      }
      engine->seal(jobs);
      ASSERT_EQ(copy, expected);
    }
  }
}

/// Whether the complement of `inverted` stands anywhere in this process's writable memory. The stack is left out: what
/// a call leaves there the next one overwrites.
bool complement_is_in_memory(const Bytes& inverted) {
  const auto is_complement = [&](const std::uint8_t* at) {
    return std::ranges::equal(inverted, std::span(at, inverted.size()), [](int a, int b) { return a == (b ^ 0xff); });
  };
  std::ifstream maps("/proc/self/maps");
  const UniqueFd memory(::open("/proc/self/mem", O_RDONLY | O_CLOEXEC));
  static Bytes buffer(1 << 20);
  bool found = false;
  for (std::string line; !found && std::getline(maps, line);) {
    std::size_t begin = 0, end = 0;
    std::array<char, 5> rights{};
    if (std::sscanf(line.c_str(), "%zx-%zx %4s", &begin, &end, rights.data()) != 3) continue;
    constexpr std::size_t kLargest = 64u << 20;  // larger: a sanitizer's shadow and its stacks
    if (rights[1] != 'w' || end - begin > kLargest || line.ends_with("[stack]")) continue;
    for (std::size_t at = begin; !found && at < end; at += buffer.size() - inverted.size()) {
      const ssize_t size =
          ::pread(memory.get(), buffer.data(), std::min(buffer.size(), end - at), static_cast<off_t>(at));
      if (size < static_cast<ssize_t>(inverted.size())) break;
      const std::uint8_t* from = buffer.data();
      const std::uint8_t* const last = from + size - inverted.size();
      while (!found && from <= last) {
        const auto left = static_cast<std::size_t>(last - from) + 1;
        from = static_cast<const std::uint8_t*>(std::memchr(from, inverted[0] ^ 0xff, left));
        if (from == nullptr) break;
        found = is_complement(from++);
      }
    }
  }
  wipe(buffer.data(), buffer.size());
  return found;
}

TEST_F(AeadEngines, KeepNoKey) {
  for (const std::size_t count : {1u, 40u}) {
    for (const bool sealing : {true, false}) {
      SCOPED_TRACE((sealing ? "sealing " : "opening ") + std::to_string(count));
      const auto key = std::make_unique<AeadKey>(random_key());
      Bytes inverted;
      for (const std::uint8_t byte : key->reveal()) inverted.push_back(byte ^ 0xff);
      std::vector<Bytes> packets(count, Bytes(1000));
      std::vector<SealJob> seals;
      std::vector<OpenJob> opens;
      for (std::size_t i = 0; i < count; ++i) {
        seals.push_back({key.get(), i, packets[i]});
        opens.push_back({key.get(), i, packets[i]});
      }
      for (const auto& engine : engines_) sealing ? engine->seal(seals) : engine->open(opens);
      ASSERT_TRUE(complement_is_in_memory(inverted));
      key->wipe();
      EXPECT_FALSE(complement_is_in_memory(inverted));
    }
  }
}

}  // namespace
}  // namespace vpn::engine::crypto
