// Watches what a thread gives back to the heap, for tests that no key is left in freed memory. Its .cc replaces the
// program's operators new and delete.
#pragma once

#include <string>
#include <vector>

namespace vpn::control {

/// From start() to stop(), both on the watched thread, counts the freed blocks in which a needle stands.
class FreedMemoryWatch {
 public:
  explicit FreedMemoryWatch(std::vector<std::string> needles) : needles_(std::move(needles)) {}
  FreedMemoryWatch(const FreedMemoryWatch&) = delete;
  FreedMemoryWatch& operator=(const FreedMemoryWatch&) = delete;
  ~FreedMemoryWatch() { stop(); }

  void start();
  void stop();
  std::size_t blocks() const { return blocks_; }
  std::size_t finds() const { return finds_; }

  /// Looks at a block that is about to be freed.
  void look(const void* memory, std::size_t size);

 private:
  const std::vector<std::string> needles_;
  std::size_t blocks_ = 0;
  std::size_t finds_ = 0;
};

}  // namespace vpn::control
