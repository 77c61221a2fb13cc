// A snapshot of a store as text, one JSON object a line: first what it is, then a client each.
//
//   {"format":"vpn-enabler","version":1,"serverPrivateKey":"..."}
//   {"publicKey":"...","presharedKey":"...","clientIP":"192.168.2.2","allowedIPs":"0.0.0.0/0,::/0","name":"alice",
//    "enabled":true,"createdAt":"2026-01-31T09:00:00.123456789Z"}                     (on one line)
//
// serverPrivateKey, presharedKey and name are left out when there is none. The text holds secrets: what is kept of it
// on the way is wiped.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string_view>

#include "base/error.h"
#include "cli/store_transfer.h"

namespace vpn::cli {

constexpr std::size_t kMaxJsonLineBytes = std::size_t{64} * 1024;
constexpr std::size_t kMaxJsonLinesClients = std::size_t{1} << 20;

/// Takes the next piece of the text.
using WriteText = std::function<Status(std::string_view text)>;
/// Fills at most all of `out`; how many bytes it did. 0: the end.
using ReadText = std::function<Result<std::size_t>(std::span<char> out)>;

/// kExhausted for more clients than could be read again; then nothing is written.
Status write_json_lines(const Snapshot& snapshot, const WriteText& write);

/// The whole of a text, or kInvalidArgument naming the line, with the field at fault: nothing is guessed, left out or
/// mended. Takes what a store serves, the original's data included. Errors of `read` come back as they are.
Result<Snapshot> read_json_lines(const ReadText& read, std::size_t max_clients = kMaxJsonLinesClients);

}  // namespace vpn::cli
