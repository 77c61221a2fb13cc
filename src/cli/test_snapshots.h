// Snapshots for tests: random ones, and the way of one through a text. Pure.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "cli/client_json_lines.h"
#include "cli/store_transfer.h"
#include "control/store/test_clients.h"

namespace vpn::cli {

/// Clients that no two of are alike, every field drawn at random: names and lists with all that JSON must escape, times
/// from 1678 to 2261.
inline std::vector<control::Client> random_clients(int count, Random& random) {
  std::vector<control::Client> clients;
  for (int i = 0; i < count; ++i) {
    control::Client client = control::contract::many_client(i + 1);
    random.fill(MutableBytes(client.public_key.bytes).first(16));
    if (random.below(2) == 0) random.fill(client.preshared_key.emplace().reveal_mutable());
    // The original checked none.
    constexpr const char* kLists[] = {"0.0.0.0/0,::/0", "10.0.0.0/8, 2001:db8::/32", "", "all"};
    client.allowed_ips = kLists[random.below(std::size(kLists))];
    constexpr const char* kPieces[] = {"\"", "\\", "/", "J\xc3\xbcrgen", "\xf0\x9f\x90\xa7", "{}", "a b"};
    if (random.below(3) != 0) client.name = kPieces[random.below(std::size(kPieces))] + std::to_string(i);
    client.enabled = random.below(2) == 0;
    constexpr std::int64_t kYear = 31'556'952;
    const std::int64_t seconds =
        static_cast<std::int64_t>(random.below(583)) * kYear - 292 * kYear + random.next_u32() % kYear;
    client.created_at = WallTime(std::chrono::seconds(seconds)) + std::chrono::nanoseconds(random.below(1'000'000'000));
    clients.push_back(std::move(client));
  }
  return clients;
}

inline std::string exported(const Snapshot& snapshot) {
  std::string text;
  const Status written = write_json_lines(snapshot, [&](std::string_view piece) {
    text += piece;
    return Status();
  });
  EXPECT_TRUE(written);
  return text;
}

/// Told in pieces, as a pipe would.
inline Result<Snapshot> imported(std::string_view text, std::size_t max_clients = kMaxJsonLinesClients) {
  const auto read = [&](std::span<char> out) -> Result<std::size_t> {
    const std::size_t size = std::min({text.size(), out.size(), std::size_t{1000}});
    text.copy(out.data(), size);
    text.remove_prefix(size);
    return size;
  };
  return read_json_lines(read, max_clients);
}

}  // namespace vpn::cli
