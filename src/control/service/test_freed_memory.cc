#include "control/service/test_freed_memory.h"

#include <malloc.h>

#include <cstdlib>
#include <cstring>
#include <new>

#include "base/check.h"

namespace vpn::control {
namespace {

thread_local FreedMemoryWatch* watch = nullptr;

}  // namespace

void FreedMemoryWatch::start() {
  watch = this;
}

void FreedMemoryWatch::stop() {
  if (watch == this) watch = nullptr;
}

void FreedMemoryWatch::look(const void* memory, std::size_t size) {
  ++blocks_;
  for (const std::string& needle : needles_) {
    if (memmem(memory, size, needle.data(), needle.size()) != nullptr) ++finds_;
  }
}

}  // namespace vpn::control

// New memory is zeroed, so that what another thread left in it is not taken for ours.
void* operator new(std::size_t size) {
  void* memory = std::malloc(size);
  CHECK(memory != nullptr);
  std::memset(memory, 0, malloc_usable_size(memory));
  return memory;
}

void operator delete(void* memory) noexcept {
  if (vpn::control::watch != nullptr && memory != nullptr) {
    vpn::control::watch->look(memory, malloc_usable_size(memory));
  }
  std::free(memory);
}

void operator delete(void* memory, std::size_t) noexcept {
  operator delete(memory);
}
