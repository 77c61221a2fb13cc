// Firewall rules as the kernel holds them, of nf_tables and of iptables-legacy alike: tables, chains, and rules of
// expressions that fill registers and compare them (nf_tables' own machine, nft(8) and linux/netfilter/nf_tables.h).
// Plain values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/ip.h"
#include "doctor/firewall/partial_bytes.h"

namespace vpn::doctor::firewall {

struct Verdict {
  enum class Kind {
    kAccept,
    kDrop,  ///< and reject
    kContinue,
    kReturn,
    kJump,
    kGoto,
    kUnknown,  ///< a user-space program's, or a target's that we do not know
  };
  Kind kind = Kind::kContinue;
  std::string chain = {};  ///< of a jump or goto
};

// --- Expressions; registers are offsets into the register file in bytes ---

struct LoadPayload {
  enum class Base { kNetwork, kTransport, kOther } base;
  std::size_t offset, size, to;
};
struct LoadMeta {
  std::uint32_t key;  ///< NFT_META_*
  std::size_t to;
};
struct LoadConntrack {
  std::uint32_t key;  ///< NFT_CT_*
  std::size_t to;
};
/// fib daddr type: is the packet for this machine?
struct LoadDestinationType {
  std::size_t to;
};
struct LoadValue {
  Bytes value;
  std::size_t to;
};
/// What we do not know, or do not know how to find out; of up to 16 bytes.
struct LoadUnknown {
  std::size_t to;
};
struct Bitwise {
  std::size_t from, to;
  Bytes mask, flip;
};
struct Compare {
  std::size_t from;
  std::uint32_t operation;  ///< NFT_CMP_*
  Bytes value;
};
struct InRange {
  std::size_t from;
  bool inverted;
  Bytes low, high;
};
struct Lookup {
  std::string set;
  std::size_t from;
  bool inverted = false;
  bool gives_verdict = false;
  std::optional<std::size_t> to = {};  ///< where a map's value goes
};
/// Of x_tables (iptables): a match by name, with its private data.
struct Match {
  std::string name;
  std::uint32_t revision = 0;
  Bytes info;
};
/// iptables-legacy's own part of each rule (struct ipt_ip).
struct LegacyHeader {
  IpPrefix source, destination;  ///< masked; a length of 0 is any
  bool prefixes_are_plain;       ///< false: their masks have holes, and what they match is unknown
  std::string in, out;           ///< a '+' at the end is any rest; empty is any
  std::uint16_t protocol;        ///< 0 is any
  bool fragments_only;
  std::uint8_t inverted;  ///< IPT_INV_*
};
struct UnknownMatch {};
using Expression = std::variant<LoadPayload, LoadMeta, LoadConntrack, LoadDestinationType, LoadValue, LoadUnknown,
                                Bitwise, Compare, InRange, Lookup, Match, LegacyHeader, UnknownMatch, Verdict>;

using Rule = std::vector<Expression>;

struct Hook {
  std::uint32_t number = 0;  ///< NF_INET_*
  bool drops = false;        ///< the policy
};

struct Chain {
  std::string name;
  std::optional<Hook> hook = {};  ///< none: only jumped to
  std::vector<Rule> rules = {};
};

struct Element {
  Bytes key;
  bool interval_end = false;  ///< of a set of intervals: what lies from this key on is outside
  Verdict verdict = {};       ///< of a verdict map
};

struct Set {
  bool has_intervals = false;
  bool known = true;  ///< false: too large to be read, or of a kind that is not read
  std::vector<Element> elements = {};
};

struct Table {
  std::string family;  ///< as nft writes it: inet, ip, ip6
  std::string name;
  bool legacy = false;  ///< of iptables-legacy
  std::map<std::string, Chain> chains = {};
  std::map<std::string, Set> sets = {};

  bool judges(IpFamily packet) const { return family == "inet" || family == (packet == IpFamily::kV4 ? "ip" : "ip6"); }
};

using Ruleset = std::vector<Table>;

}  // namespace vpn::doctor::firewall
