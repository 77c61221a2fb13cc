#include "control/store/sqlite/write_ahead_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/unique_fd.h"
#include "control/store/sqlite/schema.h"

namespace vpn::control::sqlite {
namespace {

constexpr std::size_t kHeaderSize = 32, kFrameHeaderSize = 24;
/// The lowest bit says how the words of a checksum lie: 1 for big-endian.
constexpr std::uint32_t kMagic = 0x377f0682;
constexpr std::uint32_t kFormat = 3'007'000;
constexpr std::uint32_t kMinPageSize = 512, kMaxPageSize = 65'536;
/// SQLite's own choice, which ours leave as it is.
constexpr std::size_t kPageSize = 4096;

struct Checksum {
  std::uint32_t a = 0, b = 0;
  bool operator==(const Checksum&) const = default;
};

/// Continues it over a multiple of 8 bytes.
void add(Checksum& sum, ByteView bytes, bool big_endian) {
  for (std::size_t at = 0; at + 8 <= bytes.size(); at += 8) {
    const std::uint8_t* words = bytes.data() + at;
    sum.a += (big_endian ? load_be32(words) : load_le32(words)) + sum.b;
    sum.b += (big_endian ? load_be32(words + 4) : load_le32(words + 4)) + sum.a;
  }
}

Checksum stored_checksum(const std::uint8_t* at) {
  return {load_be32(at), load_be32(at + 4)};
}

struct Header {
  bool big_endian = false;
  std::uint32_t page_size = 0;
  std::uint32_t salt_1 = 0, salt_2 = 0;
  Checksum checksum;
};

/// Nothing for a damaged one.
std::optional<Header> parse_header(ByteView bytes) {
  if (bytes.size() < kHeaderSize) return std::nullopt;
  const std::uint8_t* data = bytes.data();
  Header header{.big_endian = (load_be32(data) & 1) != 0,
                .page_size = load_be32(data + 8),
                .salt_1 = load_be32(data + 16),
                .salt_2 = load_be32(data + 20),
                .checksum = {}};
  add(header.checksum, bytes.first(kHeaderSize - 8), header.big_endian);
  const bool known = (load_be32(data) & ~1u) == kMagic && load_be32(data + 4) == kFormat &&
                     std::has_single_bit(header.page_size) && header.page_size >= kMinPageSize &&
                     header.page_size <= kMaxPageSize;
  if (!known || header.checksum != stored_checksum(data + kHeaderSize - 8)) return std::nullopt;
  return header;
}

/// Follows the frames of one log, from the first on.
class FrameWalk {
 public:
  explicit FrameWalk(const Header& header) : header_(header), checksum_(header.checksum) {}

  void take(ByteView frame) {
    const std::uint8_t* data = frame.data();
    const bool ends_commit = load_be32(data + 4) != 0;
    const bool same_salt_1 = load_be32(data + 8) == header_.salt_1;
    const bool same_salt_2 = load_be32(data + 12) == header_.salt_2;
    if (whole_ && same_salt_1 && same_salt_2 && continues_checksum(frame)) return;
    whole_ = false;
    // An earlier log's frame shares neither salt; of ours, the damage may lie in one of them.
    if (!same_salt_1 && !same_salt_2) return;
    if (commit_lost_) damaged_ = true;
    torn_ = true;
    commit_lost_ = commit_lost_ || ends_commit;
  }

  bool damaged() const { return damaged_; }
  bool torn() const { return torn_; }

 private:
  bool continues_checksum(ByteView frame) {
    add(checksum_, frame.first(8), header_.big_endian);
    add(checksum_, frame.subspan(kFrameHeaderSize), header_.big_endian);
    return checksum_ == stored_checksum(frame.data() + 16);
  }

  const Header& header_;
  Checksum checksum_;
  bool whole_ = true;         // every frame so far was good
  bool torn_ = false;         // a frame of this log was bad, or lay behind a bad one
  bool commit_lost_ = false;  // such a frame ended a commit
  bool damaged_ = false;      // and another one lay behind it
};

/// Fills the buffer as far as the file goes; how far that was.
Result<std::size_t> read_fully(int fd, MutableBytes buffer, const std::string& path) {
  std::size_t size = 0;
  while (size < buffer.size()) {
    const ssize_t got = ::read(fd, buffer.data() + size, buffer.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(system_error("cannot read " + path, errno));
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  return size;
}

Failure damaged(const std::string& path, const std::string& what) {
  const std::string log = path + "-wal";
  return fail(ErrorCode::kCorrupt,
              log + " " + what + ", and with it clients of " + path +
                  ". Put both files of a backup in their place; or, to go on with the clients that " + path +
                  " holds by itself, move " + log + " away and run sqlite3 " + path +
                  " 'PRAGMA user_version = " + std::to_string(schema_version()) + "'");
}

}  // namespace

Result<LogEnd> check_log(const std::string& path, bool required) {
  const std::string log = path + "-wal";
  const UniqueFd fd(::open(log.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd && errno != ENOENT) return fail(system_error("cannot read " + log, errno));

  std::array<std::uint8_t, kHeaderSize + 1> start{};
  const Result<std::size_t> size = fd ? read_fully(fd.get(), start, log) : 0;
  if (!size) return fail(size.error());
  if (*size == 0) return required ? damaged(path, "is lost") : Result<LogEnd>(LogEnd::kClean);
  const std::optional<Header> header = parse_header(ByteView(start).first(std::min(*size, kHeaderSize)));
  // A header is synced before the first frame: one that was torn has nothing behind it.
  if (!header && (required || *size > kHeaderSize)) return damaged(path, "is damaged at its start");
  if (!header) return LogEnd::kClean;

  if (::lseek(fd.get(), kHeaderSize, SEEK_SET) < 0) return fail(system_error("cannot read " + log, errno));
  FrameWalk walk(*header);
  std::vector<std::uint8_t> frame(kFrameHeaderSize + header->page_size);
  while (true) {
    const Result<std::size_t> got = read_fully(fd.get(), frame, log);
    if (!got) return fail(got.error());
    if (*got < frame.size()) break;  // the last one may be torn anywhere
    walk.take(frame);
  }
  if (walk.damaged()) return damaged(path, "is damaged");
  return walk.torn() ? LogEnd::kTorn : LogEnd::kClean;
}

Status reserve_log(const std::string& path, std::size_t pages) {
  const std::string log = path + "-wal";
  const UniqueFd fd(::open(log.c_str(), O_WRONLY | O_CLOEXEC));
  const off_t size = fd ? ::lseek(fd.get(), 0, SEEK_END) : -1;
  if (size < 0) return fail(system_error("cannot write " + log, errno));
  const auto wanted = static_cast<off_t>(pages * (kFrameHeaderSize + kPageSize));
  int result;
  do {
    result = ::fallocate(fd.get(), FALLOC_FL_KEEP_SIZE, size, wanted);
  } while (result != 0 && errno == EINTR);
  if (result == 0 || errno == EOPNOTSUPP) return {};
  return fail(system_error("cannot reserve " + std::to_string(wanted) + " bytes for " + log, errno));
}

}  // namespace vpn::control::sqlite
