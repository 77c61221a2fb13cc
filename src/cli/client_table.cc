#include "cli/client_table.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <vector>

namespace vpn::cli {
namespace {

using Row = std::vector<std::string>;

/// Columns that a UTF-8 text takes, counting a character as one.
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string format_bytes(std::uint64_t bytes) {
  constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  double amount = static_cast<double>(bytes);
  for (; amount >= 1024 && unit + 1 < kUnits.size(); ++unit) amount /= 1024;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f %s" : "%.1f %s", amount, kUnits[unit]);
  return text.data();
}

/// "12 s ago", "3 min ago", "5 h ago", "9 d ago".
std::string format_age(WallTime then, WallTime now) {
  using std::chrono::floor;
  if (then == WallTime{}) return "never";
  const auto age = std::max(now - then, std::chrono::nanoseconds(0));
  const auto in = [](auto count, const char* unit) { return std::to_string(count.count()) + " " + unit + " ago"; };
  if (age < std::chrono::minutes(1)) return in(floor<std::chrono::seconds>(age), "s");
  if (age < std::chrono::hours(1)) return in(floor<std::chrono::minutes>(age), "min");
  if (age < std::chrono::days(1)) return in(floor<std::chrono::hours>(age), "h");
  return in(floor<std::chrono::days>(age), "d");
}

/// "2026-01-31 09:00:00 UTC".
std::string format_time(WallTime time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(std::chrono::floor<std::chrono::seconds>(time));
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S UTC", &utc);
  return text.data();
}

/// "192.168.2.2/32" -> "192.168.2.2".
std::string without_length(const std::string& prefix) {
  return prefix.substr(0, prefix.find('/'));
}

const char* state_of(const control::ListedClient& client) {
  if (!client.obstacle.empty()) return "not served";
  return client.enabled ? "enabled" : "disabled";
}

}  // namespace

std::string format_client_table(std::span<const control::ListedClient> clients, WallTime now) {
  if (clients.empty()) return "No clients yet; `vpn-enabler client add laptop` makes the first.\n";
  // All or none has one: it is the VPN that has IPv6.
  const bool has_ipv6 = !clients.front().client_ip6.empty();
  std::vector<Row> rows = {{"NAME", "ADDRESS", "STATE", "HANDSHAKE", "RECEIVED", "SENT", "PUBLIC KEY"}};
  rows.reserve(clients.size() + 1);
  for (const control::ListedClient& client : clients) {
    rows.push_back({client.name.empty() ? "-" : client.name, without_length(client.client_ip), state_of(client),
                    format_age(client.last_handshake, now), format_bytes(client.rx_bytes),
                    format_bytes(client.tx_bytes), client.public_key});
    if (has_ipv6) rows.back().insert(rows.back().begin() + 2, without_length(client.client_ip6));
  }
  if (has_ipv6) rows.front().insert(rows.front().begin() + 2, "IPV6 ADDRESS");
  std::vector<std::size_t> widths(rows.front().size());
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  std::string out;
  for (const Row& row : rows) {
    for (std::size_t i = 0; i + 1 < row.size(); ++i) out += row[i] + std::string(widths[i] - width(row[i]) + 2, ' ');
    out += row.back() + '\n';
  }
  return out;
}

std::string format_client_details(const control::ListedClient& client, WallTime now) {
  const auto line = [](const char* label, const std::string& value) {
    std::string padded = std::string(label) + ":";
    padded.resize(16, ' ');
    return padded + value + '\n';
  };
  std::string out = line("name", client.name.empty() ? "-" : client.name);
  out += line("public key", client.public_key);
  out += line("address", client.client_ip + (client.client_ip6.empty() ? "" : ", " + client.client_ip6));
  out += line("state", client.obstacle.empty() ? state_of(client) : "enabled, but not served: " + client.obstacle);
  out += line("reaches", client.allowed_ips);
  out += line("created", format_time(client.created_at));
  out += line("endpoint", client.endpoint.empty() ? "-" : client.endpoint);
  out += line("last handshake", format_age(client.last_handshake, now));
  out += line("received", format_bytes(client.rx_bytes));
  out += line("sent", format_bytes(client.tx_bytes));
  return out;
}

}  // namespace vpn::cli
