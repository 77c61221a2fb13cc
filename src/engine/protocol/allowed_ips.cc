#include "engine/protocol/allowed_ips.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/check.h"

namespace vpn::engine::protocol {
namespace {

constexpr unsigned kByteBits = 8;
constexpr std::uint32_t kRootV4 = 0;
constexpr std::uint32_t kRootV6 = 1;

std::uint32_t root_of(IpFamily family) {
  return family == IpFamily::kV4 ? kRootV4 : kRootV6;
}

/// The place, in a node's bitmap of prefixes, of the first `bits` (0..7) bits of a byte.
constexpr unsigned heap_index(unsigned byte, unsigned bits) {
  return 1u << bits | byte >> (kByteBits - bits);
}

/// For each byte, the places of the eight prefixes that hold it.
using Ancestors = std::array<std::array<std::uint64_t, 4>, 256>;
constexpr Ancestors kAncestors = [] {
  Ancestors result{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    for (unsigned bits = 0; bits < kByteBits; ++bits) {
      const unsigned index = heap_index(byte, bits);
      result[byte][index / 64] |= 1ull << (index % 64);
    }
  }
  return result;
}();

unsigned common_bytes(const std::uint8_t* a, const std::uint8_t* b, unsigned limit) {
  unsigned count = 0;
  while (count < limit && a[count] == b[count]) ++count;
  return count;
}

/// Whether two addresses agree in the bits from `first_byte` on up to bit `length` of the whole.
bool same_bits(const std::uint8_t* a, const std::uint8_t* b, unsigned first_byte, unsigned length) {
  unsigned byte = first_byte;
  for (; (byte + 1) * kByteBits <= length; ++byte) {
    if (a[byte] != b[byte]) return false;
  }
  const unsigned rest = length - std::min(length, byte * kByteBits);
  return rest == 0 || (a[byte] ^ b[byte]) >> (kByteBits - rest) == 0;
}

}  // namespace

std::size_t AllowedIps::Bitmap::rank(unsigned bit) const {
  const unsigned word = bit / 64;
  int count = std::popcount(words[word] & ((1ull << (bit % 64)) - 1));
  for (unsigned i = 0; i < word; ++i) count += std::popcount(words[i]);
  return static_cast<std::size_t>(count);
}

unsigned AllowedIps::Bitmap::longest_prefix_of(unsigned byte) const {
  for (unsigned word = 4; word-- > 0;) {
    const std::uint64_t holders = words[word] & kAncestors[byte][word];
    if (holders != 0) return word * 64 + 63 - static_cast<unsigned>(std::countl_zero(holders));
  }
  return 0;
}

template <typename T>
void AllowedIps::SparseArray<T>::insert(unsigned place, T value) {
  CHECK(!used.test(place));
  values.insert(values.begin() + static_cast<std::ptrdiff_t>(used.rank(place)), value);
  used.set(place);
}

template <typename T>
void AllowedIps::SparseArray<T>::erase(unsigned place) {
  CHECK(used.test(place));
  values.erase(values.begin() + static_cast<std::ptrdiff_t>(used.rank(place)));
  used.clear(place);
}

AllowedIps::AllowedIps() : nodes_(2) {}

Peer* AllowedIps::lookup(IpFamily family, const std::uint8_t* address) const {
  const Node* node = &nodes_[root_of(family)];
  EntryId best = kNone;
  for (;;) {
    const unsigned byte = address[node->depth];
    if (const unsigned prefix = node->prefixes.used.longest_prefix_of(byte)) best = node->prefixes[prefix];
    if (!node->children.used.test(byte)) break;

    const Child child = node->children[byte];
    const unsigned known = node->depth + 1u;  // bytes that agree for certain
    if (!child.is_node()) {
      const Entry& entry = entries_[child.id()];
      if (same_bits(entry.address.data(), address, known, entry.length)) return entry.peer;
      break;
    }
    node = &nodes_[child.id()];
    if (!same_bits(node->path.data(), address, known, node->depth * kByteBits)) break;
  }
  return best == kNone ? nullptr : entries_[best].peer;
}

AllowedIps::Place AllowedIps::find(IpFamily family, const Address& address, unsigned length) const {
  Place place{.node = root_of(family)};
  for (;;) {
    const Node& node = nodes_[place.node];
    const unsigned byte = address[node.depth];
    if (length < (node.depth + 1u) * kByteBits) {
      const unsigned index = heap_index(byte, length - node.depth * kByteBits);
      if (node.prefixes.used.test(index)) place.entry = node.prefixes[index];
      return place;
    }
    if (!node.children.used.test(byte)) return place;
    const Child child = node.children[byte];
    if (!child.is_node()) {
      const Entry& entry = entries_[child.id()];
      if (entry.length == length && entry.address == address) place.entry = child.id();
      return place;
    }
    const Node& next = nodes_[child.id()];
    if (length < next.depth * kByteBits) return place;
    if (!same_bits(next.path.data(), address.data(), 0, next.depth * kByteBits)) return place;
    place = {.node = child.id(), .parent = place.node};
  }
}

void AllowedIps::insert(const IpPrefix& prefix, Peer* peer) {
  const IpPrefix masked = prefix.masked();
  const IpFamily family = masked.address.family();
  CHECK(family != IpFamily::kNone && masked.length <= masked.address.bit_count());
  Address address{};
  std::ranges::copy(masked.address.bytes(), address.begin());

  EntryId id = find(family, address, masked.length).entry;
  if (id != kNone) {
    unlink(id);
  } else {
    id = new_entry();
    Entry& entry = entries_[id];
    entry.address = address;
    entry.length = masked.length;
    entry.family = family;
    place_entry(id);
  }
  link(id, peer);
}

void AllowedIps::place_entry(EntryId id) {
  const Entry& entry = entries_[id];
  NodeId at = root_of(entry.family);
  for (;;) {
    Node& node = nodes_[at];
    const unsigned byte = entry.address[node.depth];
    const bool ends_here = entry.length < (node.depth + 1u) * kByteBits;
    if (ends_here || !node.children.used.test(byte)) {
      hang(node, id);
      return;
    }
    // How deep the newcomer and the child run together; a child that runs no deeper can be entered, else a node comes
    // between.
    const Child child = node.children[byte];
    const std::uint8_t* const other =
        child.is_node() ? nodes_[child.id()].path.data() : entries_[child.id()].address.data();
    const unsigned other_bytes = child.is_node() ? nodes_[child.id()].depth : entries_[child.id()].length / kByteBits;
    const unsigned depth =
        common_bytes(entry.address.data(), other, std::min<unsigned>(entry.length / kByteBits, other_bytes));
    if (child.is_node() && depth == other_bytes) {
      at = child.id();
      continue;
    }
    const NodeId between = new_node(entry.address, depth);
    if (child.is_node()) {
      nodes_[between].children.insert(nodes_[child.id()].path[depth], child);
    } else {
      hang(nodes_[between], child.id());
    }
    nodes_[at].children[byte] = Child::node(between);
    at = between;
  }
}

void AllowedIps::hang(Node& node, EntryId id) {
  const Entry& entry = entries_[id];
  const unsigned byte = entry.address[node.depth];
  const unsigned bits = entry.length - node.depth * kByteBits;
  if (bits < kByteBits) {
    node.prefixes.insert(heap_index(byte, bits), id);
  } else {
    node.children.insert(byte, Child::entry(id));
  }
}

void AllowedIps::erase(const Place& place) {
  const EntryId id = place.entry;
  Node& node = nodes_[place.node];
  const unsigned byte = entries_[id].address[node.depth];
  const unsigned bits = entries_[id].length - node.depth * kByteBits;
  if (bits < kByteBits) {
    node.prefixes.erase(heap_index(byte, bits));
  } else {
    node.children.erase(byte);
  }
  unlink(id);
  entries_[id] = Entry{.next = first_free_entry_};
  first_free_entry_ = id;
  --entry_count_;

  // A node with one thing left gives it to its parent and goes.
  if (place.parent == kNone || node.children.values.size() + node.prefixes.values.size() > 1) return;
  Node& parent = nodes_[place.parent];
  parent.children[node.path[parent.depth]] =
      node.children.values.empty() ? Child::entry(node.prefixes.values.front()) : node.children.values.front();
  node = Node{};
  free_nodes_.push_back(place.node);
}

void AllowedIps::remove(const IpPrefix& prefix, const Peer* peer) {
  const IpPrefix masked = prefix.masked();
  if (masked.address.family() == IpFamily::kNone) return;
  Address address{};
  std::ranges::copy(masked.address.bytes(), address.begin());
  const Place place = find(masked.address.family(), address, masked.length);
  if (place.entry != kNone && entries_[place.entry].peer == peer) erase(place);
}

void AllowedIps::remove_all(const Peer* peer) {
  for (auto first = first_of_.find(peer); first != first_of_.end(); first = first_of_.find(peer)) {
    const Entry& entry = entries_[first->second];
    erase(find(entry.family, entry.address, entry.length));
  }
}

void AllowedIps::link(EntryId id, Peer* peer) {
  Entry& entry = entries_[id];
  const auto [head, is_first] = first_of_.try_emplace(peer, id);
  entry.peer = peer;
  entry.previous = kNone;
  entry.next = is_first ? kNone : head->second;
  if (entry.next != kNone) entries_[entry.next].previous = id;
  head->second = id;
}

void AllowedIps::unlink(EntryId id) {
  const Entry& entry = entries_[id];
  if (entry.next != kNone) entries_[entry.next].previous = entry.previous;
  if (entry.previous != kNone) {
    entries_[entry.previous].next = entry.next;
  } else if (entry.next != kNone) {
    first_of_[entry.peer] = entry.next;
  } else {
    first_of_.erase(entry.peer);
  }
}

AllowedIps::EntryId AllowedIps::new_entry() {
  CHECK(entry_count_ < kMaxEntries);
  ++entry_count_;
  if (first_free_entry_ == kNone) {
    entries_.emplace_back();
    return static_cast<EntryId>(entries_.size() - 1);
  }
  const EntryId id = first_free_entry_;
  first_free_entry_ = std::exchange(entries_[id].next, kNone);
  return id;
}

AllowedIps::NodeId AllowedIps::new_node(const Address& address, unsigned depth) {
  NodeId id;
  if (free_nodes_.empty()) {
    id = static_cast<NodeId>(nodes_.size());
    nodes_.emplace_back();
  } else {
    id = free_nodes_.back();
    free_nodes_.pop_back();
  }
  nodes_[id].depth = static_cast<std::uint8_t>(depth);
  std::copy_n(address.begin(), depth, nodes_[id].path.begin());
  return id;
}

std::vector<IpPrefix> AllowedIps::entries(const Peer* peer) const {
  std::vector<IpPrefix> result;
  const auto first = first_of_.find(peer);
  if (first == first_of_.end()) return result;
  for (EntryId id = first->second; id != kNone; id = entries_[id].next) {
    const Entry& entry = entries_[id];
    const auto* bytes = entry.address.data();
    result.push_back({entry.family == IpFamily::kV4 ? IpAddress::v4_from_bytes(bytes) : IpAddress::v6_from_bytes(bytes),
                      entry.length});
  }
  return result;
}

}  // namespace vpn::engine::protocol
