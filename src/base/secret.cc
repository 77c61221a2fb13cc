#include "base/secret.h"

#include <cstring>

namespace vpn {

void wipe(void* memory, std::size_t size) {
  if (size > 0) explicit_bzero(memory, size);  // of nothing, the pointer may be null
}

bool equal_constant_time(ByteView a, ByteView b) {
  if (a.size() != b.size()) return false;
  std::uint8_t difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) difference = static_cast<std::uint8_t>(difference | (a[i] ^ b[i]));
  return difference == 0;
}

}  // namespace vpn
