// Super-packets apart and packets together again: whatever the headers and the metadata say, nothing is read or written
// beyond its bounds; what is cut has right checksums and all the payload; and what is merged and cut again is what it
// was.
//
// An input is super-packets and packets, raw or made from a few fields, that become one batch. A merged packet's IPv4
// identification that means nothing (RFC 6864) is written anew: in it, and in the header's checksum, it may differ.
#include <deque>
#include <map>

#include "base/check.h"
#include "engine/io/coalesce.h"
#include "engine/io/segment.h"
#include "engine/io/test_packets.h"
#include "engine/protocol/ip_packet.h"
#include "fuzz/input.h"

namespace vpn::fuzz {
namespace {

using namespace engine::io;
using engine::protocol::inner_length;
using test::make_packet;
using test::PacketSpec;

constexpr std::size_t kMaxPackets = 512;
constexpr std::size_t kMaxBytes = 128 * 1024;
// What the length fields of the IP headers can say.
constexpr std::size_t kMaxLength = 65535;

bool is_v4(ByteView packet) {
  return packet[0] >> 4 == 4;
}

bool sum_holds(std::uint64_t sum) {
  return fold_checksum(sum) == 0xffff;
}

std::vector<Bytes> cut(const Bytes& super_packet, const Offload& offload) {
  auto segmenter = Segmenter::open(super_packet, offload);
  std::vector<Bytes> packets;
  while (segmenter && segmenter->next_size() > 0) {
    Bytes& packet = packets.emplace_back(segmenter->next_size());
    segmenter->write_next(packet.data());
  }
  return packets;
}

// The sum of the pseudo header, of a packet that has its transport header at checksum_start.
std::uint64_t pseudo_sum(const Bytes& packet, const Offload& offload) {
  const std::uint8_t protocol = offload.segmentation == Segmentation::kUdp ? kProtocolUdp : kProtocolTcp;
  return pseudo_header_sum(packet, protocol) + network_word(packet.size() - offload.checksum_start);
}

// Whether the field of a partial checksum holds that, as it should.
bool is_partial(const Bytes& super_packet, const Offload& offload) {
  const std::uint8_t* field = &super_packet[offload.checksum_start + std::size_t{offload.checksum_offset}];
  const std::uint16_t not_field = static_cast<std::uint16_t>(~internal::load<std::uint16_t>(field));
  return sum_holds(pseudo_sum(super_packet, offload) + not_field);
}

// The checksums of a packet cut off.
void check_sums(const Bytes& packet, const Offload& offload, bool partial) {
  if (packet.size() > kMaxLength) return;
  const ByteView transport = ByteView(packet).subspan(offload.checksum_start);
  CHECK(!partial || sum_holds(add_checksum(pseudo_sum(packet, offload), transport)));
  if (is_v4(packet)) CHECK(sum_holds(add_checksum(0, ByteView(packet).first((packet[0] & 0xfu) * 4))));
}

std::vector<Bytes> check_cutting(const Bytes& super_packet, const Offload& offload) {
  const std::vector<Bytes> packets = cut(super_packet, offload);
  std::size_t left = 0;
  const bool partial = !packets.empty() && is_partial(super_packet, offload);
  for (const Bytes& packet : packets) {
    check_sums(packet, offload, partial);
    left += packet.size();
  }
  if (packets.empty()) return packets;
  // Each begins with a header of one size; behind them is the payload, in order.
  const std::size_t header_bytes = (left - super_packet.size()) / std::max<std::size_t>(packets.size() - 1, 1);
  if (packets.size() == 1) return packets;
  Bytes whole(super_packet.begin(), super_packet.begin() + static_cast<std::ptrdiff_t>(header_bytes));
  for (const Bytes& packet : packets) {
    CHECK(packet.size() - header_bytes <= offload.segment_bytes);
    whole.insert(whole.end(), packet.begin() + static_cast<std::ptrdiff_t>(header_bytes), packet.end());
  }
  CHECK(whole == super_packet);
  return packets;
}

// 0 may be written as 0xffff.
void normalize_checksum(std::uint8_t* field) {
  if (load_be16(field) == 0xffff) store_checksum(field, 0);
}

// What must stay of a packet that goes through a merge.
Bytes essence(Bytes packet) {
  const bool v4 = is_v4(packet);
  const std::size_t start = v4 ? kIpv4HeaderBytes : kIpv6HeaderBytes;
  const bool atomic = v4 && (packet[6] & 0x40) != 0;
  if (v4) normalize_checksum(&packet[10]);
  if (atomic) {
    store_be16(&packet[4], 0);
    store_checksum(&packet[10], 0);
  }
  normalize_checksum(&packet[start + (packet[v4 ? 9 : 6] == kProtocolTcp ? kTcpChecksumOffset : kUdpChecksumOffset)]);
  return packet;
}

// Packets of one flow stay in order: all that has the same addresses, protocol and ports.
Bytes flow_of(const Bytes& packet) {
  const bool v4 = is_v4(packet);
  const std::size_t ip_bytes = v4 ? kIpv4HeaderBytes : kIpv6HeaderBytes;
  Bytes flow(packet.begin() + (v4 ? 12 : 8), packet.begin() + static_cast<std::ptrdiff_t>(ip_bytes));
  flow.push_back(packet[v4 ? 9 : 6]);
  if (packet.size() >= ip_bytes + 4) {
    const auto ports = packet.begin() + static_cast<std::ptrdiff_t>(ip_bytes);
    flow.insert(flow.end(), ports, ports + 4);
  }
  return flow;
}

Bytes gathered(const TunWrite& write) {
  CHECK(write.pieces.size() <= kMaxPieces);
  Bytes packet;
  for (const iovec& piece : write.pieces) {
    const auto* bytes = static_cast<const std::uint8_t*>(piece.iov_base);
    packet.insert(packet.end(), bytes, bytes + piece.iov_len);
  }
  CHECK(packet.size() == write.size);
  return packet;
}

void check_merging(Coalescer& coalescer, const std::vector<Bytes>& packets, bool tcp, bool udp) {
  std::map<Bytes, std::deque<const Bytes*>> flows;
  coalescer.begin(tcp, udp);
  for (const Bytes& packet : packets) {
    flows[flow_of(packet)].push_back(&packet);
    coalescer.add(packet);
  }
  std::size_t count = 0;
  const auto take = [&](const Bytes& packet) -> const Bytes& {
    std::deque<const Bytes*>& flow = flows[flow_of(packet)];
    CHECK(!flow.empty());
    const Bytes& expected = *flow.front();
    flow.pop_front();
    ++count;
    return expected;
  };
  for (const TunWrite& write : coalescer.finish()) {
    const Bytes written = gathered(write);
    if (write.offload.segmentation == Segmentation::kNone) {
      CHECK(written == take(written));
      continue;
    }
    CHECK(written.size() <= kMaxLength);
    const std::vector<Bytes> again = cut(written, write.offload);
    CHECK(again.size() > 1);
    for (const Bytes& packet : again) {
      check_sums(packet, write.offload, true);
      CHECK(essence(packet) == essence(take(packet)));
    }
  }
  CHECK(count == packets.size());
}

Offload take_offload(Input& input) {
  Offload offload;
  const std::uint8_t kind = input.u8();
  offload.segmentation = static_cast<Segmentation>(kind & 3);
  offload.checksum_partial = (kind & 4) != 0;
  offload.segment_bytes = input.u16();
  offload.checksum_start = input.u16();
  offload.checksum_offset = input.u8();
  return offload;
}

PacketSpec take_spec(Input& input) {
  PacketSpec spec;
  const std::uint8_t kind = input.u8();
  spec.protocol = (kind & 1) != 0 ? kProtocolUdp : kProtocolTcp;
  if ((kind & 2) != 0) spec.source = spec.destination = "fd00::1";
  spec.dont_fragment = (kind & 4) == 0;
  spec.option_bytes = static_cast<std::size_t>(kind >> 4 & 3) * 4;
  const std::uint8_t more = input.u8();
  spec.source_port = static_cast<std::uint16_t>(1000 + (more & 3));
  spec.flags = static_cast<std::uint8_t>(more >> 2);
  spec.traffic_class = kind >> 6;
  spec.identification = input.u8();
  spec.sequence = input.u16();
  spec.payload_bytes = input.u16();
  spec.payload_bytes = std::min(spec.payload_bytes, kMaxLength - 100);
  return spec;
}

struct Change {
  int packet;  // its number in the flow
  std::size_t position;
  std::uint8_t bits;
  bool right;  // its checksums fit
};

// Where they would be in a packet with plain headers.
void set_checksums(Bytes& packet) {
  const bool v4 = is_v4(packet);
  const std::size_t start = v4 ? kIpv4HeaderBytes : kIpv6HeaderBytes;
  if (packet.size() < start + kTcpHeaderBytes || !test::is_transport(packet[v4 ? 9 : 6])) return;
  if (v4) set_ipv4_header_checksum(MutableBytes(packet).first(start));
  if (test::ip_bytes_of(packet) == start) test::set_transport_checksum(packet);
}

class Batch {
 public:
  const std::vector<Bytes>& packets() const { return packets_; }
  bool full() const { return packets_.size() >= kMaxPackets || bytes_ >= kMaxBytes; }

  /// A packet as it comes out of the tunnel: as long as it says; what is none is left out.
  void add(ByteView bytes) {
    const auto length = inner_length(bytes);
    if (!length || full()) return;
    packets_.push_back(copy_of(bytes.first(*length)));
    bytes_ += *length;
  }
  void add_cut(const Bytes& super_packet, const Offload& offload) {
    if (super_packet.empty()) return;
    for (const Bytes& packet : check_cutting(super_packet, offload)) add(packet);
  }
  /// A packet, and those that follow it in its flow, one of which is not quite as it should be.
  void add_flow(PacketSpec spec, int followers, const Change& change) {
    for (int i = 0; i <= followers && !full(); ++i) {
      Bytes packet = make_packet(spec);
      if (i == change.packet) {
        packet[change.position % packet.size()] ^= change.bits;
        if (change.right) set_checksums(packet);
      }
      add(packet);
      spec.sequence += static_cast<std::uint32_t>(spec.payload_bytes);
      ++spec.identification;
    }
  }

 private:
  std::vector<Bytes> packets_;
  std::size_t bytes_ = 0;
};

void take_step(Input& input, Batch& batch) {
  switch (input.u8() % 5) {
    case 0: {
      const Offload offload = take_offload(input);
      return batch.add_cut(copy_of(input.block()), offload);
    }
    case 1: {
      Offload offload;
      const std::uint16_t segment_bytes = input.u16();
      const Bytes super_packet = test::make_super_packet(take_spec(input), segment_bytes, offload);
      return batch.add_cut(super_packet, offload);
    }
    case 2: {
      const PacketSpec spec = take_spec(input);
      const int followers = input.u8();
      const std::uint8_t packet = input.u8();
      const Change change{packet & 0x7f, input.u8(), input.u8(), (packet & 0x80) != 0};
      return batch.add_flow(spec, followers, change);
    }
    case 3:
      return batch.add(input.block());
    case 4: {
      const Offload offload = take_offload(input);
      Bytes packet = copy_of(input.block());
      if (complete_checksum(packet, offload)) batch.add(packet);
    }
  }
}

void run(Input input) {
  static Coalescer coalescer;  // for all batches, as a worker's
  const std::uint8_t takes = input.u8();
  Batch batch;
  while (!input.empty() && !batch.full()) take_step(input, batch);
  check_merging(coalescer, batch.packets(), (takes & 1) == 0, (takes & 2) == 0);
}

}  // namespace
}  // namespace vpn::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  vpn::fuzz::run(vpn::fuzz::Input({data, size}));
  return 0;
}
