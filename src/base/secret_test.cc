#include "base/secret.h"

#include <gtest/gtest.h>

#include <ostream>
#include <type_traits>

namespace vpn {
namespace {

template <typename T>
concept Printable = requires(std::ostream& out, const T& value) { out << value; };

TEST(Secret, RefusesToPrint) {
  static_assert(!Printable<Secret<32>>);
}

TEST(Secret, ComparesAndKnowsZero) {
  Secret<4> a, b;
  EXPECT_TRUE(a.is_zero());
  EXPECT_EQ(a, b);
  b.reveal_mutable()[3] = 1;
  EXPECT_FALSE(b.is_zero());
  EXPECT_FALSE(a == b);
}

TEST(Secret, WipesItselfWhenItGoes) {
  alignas(Secret<32>) std::array<std::uint8_t, sizeof(Secret<32>)> memory{};
  auto* secret = new (memory.data()) Secret<32>();
  for (auto& byte : secret->reveal_mutable()) byte = 0xa5;
  secret->~Secret<32>();
  for (const volatile std::uint8_t& byte : memory) EXPECT_EQ(byte, 0);
}

TEST(ConstantTime, ComparesLengthAndBytes) {
  const std::array<std::uint8_t, 2> a{1, 2}, b{1, 3};
  EXPECT_TRUE(equal_constant_time(a, a));
  EXPECT_FALSE(equal_constant_time(a, b));
  EXPECT_FALSE(equal_constant_time(a, ByteView(a).first(1)));
}

}  // namespace
}  // namespace vpn
