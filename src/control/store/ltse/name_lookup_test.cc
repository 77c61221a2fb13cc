#include "control/store/ltse/name_lookup.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

namespace vpn::control::ltse {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

steady_clock::time_point after(milliseconds time) {
  return steady_clock::now() + time;
}

/// A system that answers when told. Each answer is another port of the loopback.
class SlowSystem {
 public:
  NameLookup::Ask ask() {
    return [this]() -> Result<Addresses> {
      const auto number = static_cast<std::uint16_t>(++asked_);
      gates_.at(number - 1).get_future().wait();
      return Addresses{{boost::asio::ip::address_v4::loopback(), number}};
    };
  }
  void answer(std::size_t number) { gates_.at(number - 1).set_value(); }
  int asked() const { return asked_; }

 private:
  std::vector<std::promise<void>> gates_{3};
  std::atomic<int> asked_ = 0;
};

TEST(NameLookup, FindsAnAddressAndTheLoopback) {
  for (const char* host : {"127.0.0.1", "localhost"}) {
    const auto found = NameLookup(host, "8080").lookup(after(seconds(20)));
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_TRUE(found->front().address().is_loopback());
    EXPECT_EQ(found->front().port(), 8080);
  }
}

TEST(NameLookup, AHangingNameServerCostsNoMoreThanTheLimitAndOneThread) {
  SlowSystem system;
  NameLookup lookup(system.ask());
  for (int i = 0; i < 3; ++i) {
    const auto begun = steady_clock::now();
    const auto found = lookup.lookup(after(milliseconds(20)));
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, ErrorCode::kUnavailable);
    EXPECT_LT(steady_clock::now() - begun, seconds(2));
  }
  EXPECT_EQ(system.asked(), 1) << "who asks meanwhile waits for the same one";

  auto found = std::async(std::launch::async, [&] { return lookup.lookup(after(seconds(20))); });
  system.answer(1);
  system.answer(2);
  const auto first = found.get();
  ASSERT_TRUE(first);
  // Of the first, or, should it have come before it was asked for, of a second one.
  EXPECT_LE(first->front().port(), 2);
}

TEST(NameLookup, AbortEndsOneThatWaitsAndEveryLater) {
  auto system = std::make_unique<SlowSystem>();
  auto lookup = std::make_unique<NameLookup>(system->ask());
  auto found = std::async(std::launch::async, [&] { return lookup->lookup(after(seconds(60))); });
  while (system->asked() == 0) std::this_thread::yield();
  const auto aborted = steady_clock::now();
  lookup->abort();
  EXPECT_FALSE(found.get());
  EXPECT_FALSE(lookup->lookup(after(seconds(60))));
  lookup.reset();  // waits for nothing
  EXPECT_LT(steady_clock::now() - aborted, seconds(5));
  system->answer(1);
}

}  // namespace
}  // namespace vpn::control::ltse
