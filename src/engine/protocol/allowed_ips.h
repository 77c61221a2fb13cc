// Cryptokey routing (WireGuard paper, section 2; kernel allowedips.c): which peer a packet's inner address belongs to,
// by longest prefix.
//
// Not thread-safe: the Interface guards it by its lock, look-ups shared, changes exclusive. Peers are not owned and not
// touched.
//
// The idea. A trie that consumes an address byte by byte, with every chain of bytes that nobody tells apart skipped: a
// node stands at the byte where at least two prefixes differ, and carries the bytes before it. A node knows 256
// children by one bitmap, and the prefixes that end inside its byte (255 of them: 1 of no bits, 2 of one bit, ... 128
// of seven) by another, in the order of a heap, so that index i's parent is the prefix one bit shorter, i / 2. The
// longest prefix of a byte is then the highest bit of (bitmap & ancestors of the byte), four words. IPv4 takes at most
// 4 nodes, IPv6 16, seldom more than 3.
//
// Memory, measured with a million /32s: 88 bytes each when every peer has one of a row, 45 when one peer has them all,
// 65 at random addresses. 40 are the entry itself. A look-up takes about 30 ns among 250 peers and 45 ns among 10,000;
// in a table of a million it waits for memory, about 0.5 us when every packet is another peer's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/ip.h"

namespace vpn::engine::protocol {

struct Peer;

class AllowedIps {
 public:
  /// The most prefixes a table holds. The Interface refuses a configuration that would exceed it (kExhausted) before it
  /// inserts.
  static constexpr std::size_t kMaxEntries = 1u << 22;

  AllowedIps();

  /// Gives the prefix, masked or not, to `peer`; whoever held the very same prefix loses it. CHECKs family and
  /// kMaxEntries.
  void insert(const IpPrefix& prefix, Peer* peer);
  /// Takes it from `peer`. Nothing happens when the peer does not hold this very prefix.
  void remove(const IpPrefix& prefix, const Peer* peer);
  /// Costs in proportion to the peer's own prefixes.
  void remove_all(const Peer* peer);

  /// The peer of the longest prefix that holds the address: 4 or 16 bytes in network order, by family. Null when none
  /// does.
  Peer* lookup(IpFamily family, const std::uint8_t* address) const;

  /// The peer's prefixes, masked, the latest first.
  std::vector<IpPrefix> entries(const Peer* peer) const;
  std::size_t size() const { return entry_count_; }

 private:
  using EntryId = std::uint32_t;
  using NodeId = std::uint32_t;
  using Address = std::array<std::uint8_t, 16>;
  static constexpr std::uint32_t kNone = UINT32_MAX;

  /// 256 bits.
  struct Bitmap {
    std::array<std::uint64_t, 4> words{};
    bool test(unsigned bit) const { return words[bit / 64] >> (bit % 64) & 1; }
    void set(unsigned bit) { words[bit / 64] |= 1ull << (bit % 64); }
    void clear(unsigned bit) { words[bit / 64] &= ~(1ull << (bit % 64)); }
    /// How many bits below `bit` are set.
    std::size_t rank(unsigned bit) const;
    /// Of prefixes by heap index: the longest that holds the byte; 0 when none does.
    unsigned longest_prefix_of(unsigned byte) const;
  };

  /// 256 places, of which only the used ones take memory.
  template <typename T>
  struct SparseArray {
    Bitmap used;
    std::vector<T> values;  ///< of the used places, in order

    T operator[](unsigned place) const { return values[used.rank(place)]; }
    T& operator[](unsigned place) { return values[used.rank(place)]; }
    void insert(unsigned place, T value);
    void erase(unsigned place);
  };

  /// A prefix and its owner, a link in the owner's list.
  struct Entry {
    Peer* peer = nullptr;
    Address address{};
    EntryId previous = kNone;  ///< of the same peer
    EntryId next = kNone;      ///< of the same peer, or of the free list
    std::uint8_t length = 0;
    IpFamily family = IpFamily::kNone;
  };

  /// What stands behind a byte: another node, or an entry that reaches beyond that byte and has it for itself.
  class Child {
   public:
    static Child entry(EntryId id) { return Child(id); }
    static Child node(NodeId id) { return Child(id | kNodeBit); }
    bool is_node() const { return (value_ & kNodeBit) != 0; }
    std::uint32_t id() const { return value_ & ~kNodeBit; }

   private:
    static constexpr std::uint32_t kNodeBit = 1u << 31;
    explicit Child(std::uint32_t value) : value_(value) {}
    std::uint32_t value_;
  };

  /// Holds at least two things, but for the two roots.
  struct Node {
    SparseArray<Child> children;    ///< by byte
    SparseArray<EntryId> prefixes;  ///< those that end inside this byte, by heap index, 1..255
    Address path{};                 ///< the bytes before `depth`
    std::uint8_t depth = 0;         ///< which byte of an address this node looks at
  };

  /// Where a prefix is, or would be.
  struct Place {
    NodeId node = kNone;
    NodeId parent = kNone;
    EntryId entry = kNone;  ///< kNone: not in the table
  };

  Place find(IpFamily family, const Address& address, unsigned length) const;
  void place_entry(EntryId id);
  void hang(Node& node, EntryId id);
  void erase(const Place& place);
  /// The peer's list.
  void link(EntryId id, Peer* peer);
  void unlink(EntryId id);

  EntryId new_entry();
  NodeId new_node(const Address& address, unsigned depth);

  std::vector<Node> nodes_;  ///< [0] and [1] are the roots of IPv4 and IPv6
  std::vector<NodeId> free_nodes_;
  std::vector<Entry> entries_;
  EntryId first_free_entry_ = kNone;
  std::size_t entry_count_ = 0;
  std::unordered_map<const Peer*, EntryId> first_of_;  ///< the head of each peer's list
};

}  // namespace vpn::engine::protocol
