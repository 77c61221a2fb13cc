#include "doctor/proc.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <memory>
#include <sstream>
#include <string_view>

#include "base/encoding.h"
#include "cli/small_file.h"

namespace vpn::doctor {
namespace {

constexpr std::size_t kMaxNumberBytes = 4096;
constexpr std::size_t kMaxStatusBytes = std::size_t{64} * 1024;
constexpr std::string_view kTcpListening = "0A";

std::optional<std::uint64_t> parse_hex(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// "0100007F" or 32 digits: words of 32 bits, each as the machine has it.
std::optional<IpAddress> parse_address(std::string_view text) {
  std::array<std::uint8_t, 16> bytes{};
  if (text.size() != 8 && text.size() != 32) return std::nullopt;
  for (std::size_t i = 0; i < text.size(); i += 8) {
    const auto word = parse_hex(text.substr(i, 8));
    if (!word) return std::nullopt;
    internal::store(bytes.data() + i / 2, static_cast<std::uint32_t>(*word));
  }
  return text.size() == 8 ? IpAddress::v4_from_bytes(bytes.data()) : IpAddress::v6_from_bytes(bytes.data());
}

/// A line of /proc/net/udp and its like (proc(5)): sl local_address rem_address st tx_queue:rx_queue ... uid timeout
/// inode.
std::optional<ListeningSocket> parse_socket(const std::string& line, Protocol protocol) {
  std::istringstream words(line);
  std::string number, local, remote, state, queues, timer, retransmits, uid, timeout;
  ListeningSocket socket;
  if (!(words >> number >> local >> remote >> state >> queues >> timer >> retransmits >> uid >> timeout >>
        socket.inode)) {
    return std::nullopt;
  }
  if (protocol == Protocol::kTcp && state != kTcpListening) return std::nullopt;
  const std::size_t colon = local.find(':');
  if (colon == std::string::npos || queues.find(':') == std::string::npos) return std::nullopt;
  const auto address = parse_address(std::string_view(local).substr(0, colon));
  const auto port = parse_hex(std::string_view(local).substr(colon + 1));
  if (!address || !port) return std::nullopt;
  socket.address = *address;
  socket.port = static_cast<std::uint16_t>(*port);
  socket.unread_bytes = parse_hex(std::string_view(queues).substr(queues.find(':') + 1)).value_or(0);
  return socket;
}

std::unique_ptr<DIR, int (*)(DIR*)> open_directory(const std::string& path) {
  return {::opendir(path.c_str()), &::closedir};
}

bool has_open(const std::string& process, const std::string& target) {
  const std::string path = "/proc/" + process + "/fd";
  const auto directory = open_directory(path);
  if (!directory) return false;
  std::array<char, 64> link{};
  while (const dirent* entry = ::readdir(directory.get())) {
    const ssize_t size = ::readlink((path + "/" + entry->d_name).c_str(), link.data(), link.size());
    if (size > 0 && std::string_view(link.data(), static_cast<std::size_t>(size)) == target) return true;
  }
  return false;
}

}  // namespace

std::optional<std::uint64_t> read_number(const std::string& path) {
  auto text = cli::read_small_file(path, kMaxNumberBytes);
  if (!text) return std::nullopt;
  while (text->ends_with('\n')) text->pop_back();
  return parse_decimal(*text, ~std::uint64_t{0});
}

std::vector<ListeningSocket> sockets_at(Protocol protocol, std::uint16_t port) {
  const std::string name = protocol == Protocol::kTcp ? "/proc/net/tcp" : "/proc/net/udp";
  std::vector<ListeningSocket> sockets;
  for (const std::string& path : {name, name + "6"}) {
    std::ifstream lines(path);
    for (std::string line; std::getline(lines, line);) {
      const auto socket = parse_socket(line, protocol);
      if (socket && socket->port == port) sockets.push_back(*socket);
    }
  }
  return sockets;
}

std::optional<Process> owner_of(std::uint64_t inode) {
  const std::string target = "socket:[" + std::to_string(inode) + "]";
  const auto directory = open_directory("/proc");
  while (const dirent* entry = directory ? ::readdir(directory.get()) : nullptr) {
    const auto id = parse_decimal(entry->d_name, 1u << 30);
    if (!id || !has_open(entry->d_name, target)) continue;
    auto name = cli::read_small_file("/proc/" + std::string(entry->d_name) + "/comm", kMaxNumberBytes);
    while (name && name->ends_with('\n')) name->pop_back();
    return Process{static_cast<int>(*id), name.value_or("?")};
  }
  return std::nullopt;
}

std::optional<std::uint64_t> capabilities_of(int process_id) {
  const auto text = cli::read_small_file("/proc/" + std::to_string(process_id) + "/status", kMaxStatusBytes);
  std::istringstream lines(text.value_or(""));
  for (std::string word; lines >> word;) {
    if (word == "CapEff:" && lines >> word) return parse_hex(word);
  }
  return std::nullopt;
}

}  // namespace vpn::doctor
