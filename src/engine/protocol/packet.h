// Packets as the protocol core takes and leaves them: views into the caller's buffers, worked on in place, in batches.
//
// The caller owns every buffer for the length of the call. Whether a batch came from one system call or sixty-four,
// with or without segmentation offload, is not visible here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/ip.h"
#include "engine/protocol/drop_reason.h"

namespace vpn::engine::protocol {

/// Now on both clocks, read once per batch by the caller.
struct Moment {
  Instant boot;
  WallTime wall;
};

/// The way a datagram came, and so the way an answer goes (kernel socket.c: sticky source address).
struct Path {
  Endpoint remote;
  IpAddress local;                    ///< none: the routing table chooses
  std::uint32_t local_interface = 0;  ///< the interface's index it came by; 0: any

  bool operator==(const Path&) const = default;
};

/// Type, receiver index and counter stand before the sealed packet (16 bytes), the tag behind it (16 bytes).
constexpr std::size_t kDataHeaderSize = 16;
constexpr std::size_t kTagSize = 16;
/// Room the caller leaves before an outbound inner packet, and behind it (padding of up to 15 bytes, then the tag).
constexpr std::size_t kSealHeadroom = kDataHeaderSize;
constexpr std::size_t kSealTailroom = 15 + kTagSize;

/// One UDP datagram of a batch, in; what became of it, out.
struct InboundDatagram {
  // In.
  MutableBytes bytes;              ///< decrypted in place
  const Path* path = nullptr;      ///< shared by the segments of one receive
  std::uint8_t traffic_class = 0;  ///< the outer TOS or traffic class byte; its ECN bits are merged inwards

  // Out.
  enum class Verdict : std::uint8_t { kDropped, kDeliver, kKeepalive, kHandshakeQueued };
  Verdict verdict = Verdict::kDropped;
  DropReason reason = DropReason::kNone;
  MutableBytes inner;  ///< kDeliver: the inner IP packet, trimmed to its own length, inside `bytes`
};

/// One inner IP packet of a batch, in; the datagram to send, out.
struct OutboundPacket {
  // In.
  MutableBytes inner;  ///< with kSealHeadroom writable bytes before it and kSealTailroom behind it

  // Out.
  enum class Verdict : std::uint8_t { kDropped, kSend, kStaged };
  Verdict verdict = Verdict::kDropped;
  DropReason reason = DropReason::kNone;
  MutableBytes datagram;           ///< kSend: the sealed datagram, around `inner`
  std::uint8_t traffic_class = 0;  ///< kSend: the outer byte, DSCP 0 with the inner ECN
  std::uint32_t path = 0;          ///< kSend: index into Actions::paths()
};

/// What the core wants done besides the batch in hand: datagrams of its own making (handshakes, cookies, keepalives,
/// packets that waited for a session) and the paths that the batch's datagrams go by. Values, collected under no lock
/// of the caller's; cleared and used again, so that it stops allocating once it is warm. One thread.
class Actions {
 public:
  struct Datagram {
    ByteView bytes;
    const Path& path;
    std::uint8_t traffic_class;
  };

  void clear() {
    paths_.clear();
    datagrams_.clear();
    bytes_.clear();
  }

  /// Notes a path and returns its index. Equal to the last one noted, it is the same index.
  std::uint32_t add_path(const Path& path) {
    if (paths_.empty() || paths_.back() != path) paths_.push_back(path);
    return static_cast<std::uint32_t>(paths_.size() - 1);
  }
  const std::vector<Path>& paths() const { return paths_; }

  /// Room for a datagram of `size` bytes, for the caller to fill before the next call here.
  MutableBytes add_datagram(const Path& path, std::uint8_t traffic_class, std::size_t size) {
    const std::size_t offset = bytes_.size();
    bytes_.resize(offset + size);
    datagrams_.push_back({offset, size, add_path(path), traffic_class});
    return MutableBytes(bytes_).subspan(offset, size);
  }
  std::size_t datagram_count() const { return datagrams_.size(); }
  Datagram datagram(std::size_t i) const {
    const Entry& entry = datagrams_[i];
    return {ByteView(bytes_).subspan(entry.offset, entry.size), paths_[entry.path], entry.traffic_class};
  }

 private:
  struct Entry {
    std::size_t offset;
    std::size_t size;
    std::uint32_t path;
    std::uint8_t traffic_class;
  };
  std::vector<Path> paths_;
  std::vector<Entry> datagrams_;
  std::vector<std::uint8_t> bytes_;
};

}  // namespace vpn::engine::protocol
