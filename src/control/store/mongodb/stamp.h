// Which write made a document what it is: every write of ours leaves a stamp, and every change names the stamp that it
// saw. So a write that was held up on its way (a stopped server, a cut network) and arrives after others finds another
// stamp and changes nothing, and of two gateways that change one client at once, one notices.
//
// Values. A stamp is stored as an ObjectId: 8 random bytes of its writer, then a counter.
#pragma once

#include <bson/bson.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <string>

#include "base/bytes.h"
#include "base/encoding.h"
#include "base/random.h"

namespace vpn::control::mongodb {

using Stamp = bson_oid_t;

inline bool same(const Stamp& a, const Stamp& b) {
  return bson_oid_equal(&a, &b);
}

/// One gateway's run, until a write of its has an unknown end: then it takes a new name.
class Writer {
 public:
  Writer() { SystemRandom().fill(name_); }

  Stamp next() {
    Stamp stamp;
    std::memcpy(stamp.bytes, name_.data(), name_.size());
    store_be32(stamp.bytes + name_.size(), ++count_);
    return stamp;
  }
  bool made(const Stamp& stamp) const { return std::memcmp(stamp.bytes, name_.data(), name_.size()) == 0; }
  std::string name() const { return hex_encode(name_); }

 private:
  std::array<std::uint8_t, 8> name_{};
  std::uint32_t count_ = 0;
};

}  // namespace vpn::control::mongodb
