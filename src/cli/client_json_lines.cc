#include "cli/client_json_lines.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "base/text.h"
#include "cli/flat_json.h"
#include "cli/timestamp.h"
#include "control/model/client_name.h"
#include "control/service/client_table.h"
#include "control/service/secret_text.h"

namespace vpn::cli {
namespace {

using control::Client;
using control::SecretText;

constexpr std::string_view kFormat = "vpn-enabler";
constexpr std::int64_t kVersion = 1;

struct Header {
  std::string format;
  std::int64_t version = 0;
  std::optional<PrivateKey> server_key;
};

// --- The fields of a line, as a table ---

template <typename Record>
struct Field {
  std::string_view name;
  bool required;
  std::string_view form;  ///< what a right value is
  bool (*read)(const FlatValue& value, Record& out);
};

const SecretText* text_of(const FlatValue& value) {
  return std::get_if<SecretText>(&value);
}

/// Reads what has a parse() of its own.
template <typename T>
bool read_parsed(const FlatValue& value, std::optional<T>& out) {
  const SecretText* text = text_of(value);
  if (text != nullptr) out = T::parse(*text);
  return out.has_value();
}

constexpr std::string_view kKeyForm = "44 base64 characters of 32 bytes";

constexpr auto kHeaderFields = std::to_array<Field<Header>>({
    {"format", true, "\"vpn-enabler\"",
     [](const FlatValue& value, Header& out) {
       const SecretText* text = text_of(value);
       if (text != nullptr) out.format = *text;
       return out.format == kFormat;
     }},
    {"version", true, "1, the one that this vpn-enabler knows",
     [](const FlatValue& value, Header& out) {
       const std::int64_t* number = std::get_if<std::int64_t>(&value);
       if (number != nullptr) out.version = *number;
       return out.version == kVersion;
     }},
    {"serverPrivateKey", false, kKeyForm,
     [](const FlatValue& value, Header& out) {
       return read_parsed(value, out.server_key) && !out.server_key->is_zero();
     }},
});

constexpr auto kClientFields = std::to_array<Field<Client>>({
    {"publicKey", true, kKeyForm,
     [](const FlatValue& value, Client& out) {
       std::optional<PublicKey> key;
       if (read_parsed(value, key)) out.public_key = *key;
       return key && !key->is_zero();
     }},
    {"presharedKey", false, kKeyForm,
     [](const FlatValue& value, Client& out) {
       return read_parsed(value, out.preshared_key) && !out.preshared_key->is_zero();  // zeros are no key
     }},
    {"clientIP", true, "an IPv4 address, for example \"192.168.2.2\"",
     [](const FlatValue& value, Client& out) {
       std::optional<IpAddress> address;
       if (read_parsed(value, address)) out.address = *address;
       return out.address.is_v4();
     }},
    {"allowedIPs", true, "text, as the client was told it",
     [](const FlatValue& value, Client& out) {
       const SecretText* text = text_of(value);
       if (text != nullptr) out.allowed_ips = *text;
       return text != nullptr;
     }},
    {"name", false, "1 to 64 bytes of printable text, no space at an end, no key",
     [](const FlatValue& value, Client& out) {
       const SecretText* text = text_of(value);
       if (text != nullptr) out.name = *text;
       return !out.name.empty() && control::check_client_name(out.name);
     }},
    {"enabled", true, "true or false",
     [](const FlatValue& value, Client& out) {
       const bool* enabled = std::get_if<bool>(&value);
       if (enabled != nullptr) out.enabled = *enabled;
       return enabled != nullptr;
     }},
    {"createdAt", true, "a time in UTC, for example \"2026-01-31T09:00:00.123456789Z\"",
     [](const FlatValue& value, Client& out) {
       const SecretText* text = text_of(value);
       const auto time = text != nullptr ? parse_timestamp(*text) : std::nullopt;
       if (time) out.created_at = *time;
       return time.has_value();
     }},
});

Failure bad_field(std::string_view name, std::string_view fault) {
  return fail(ErrorCode::kInvalidArgument, std::string(name) + " " + std::string(fault), std::string(name));
}

template <typename Record, std::size_t N>
Result<Record> read_record(std::string_view line, const std::array<Field<Record>, N>& fields) {
  const auto members = parse_flat_json(line);
  if (!members) return fail(members.error().code, "it " + members.error().message, shown(members.error().field));
  Record record;
  std::array<bool, N> seen{};
  for (const FlatMember& member : *members) {
    const auto field = std::ranges::find(fields, std::string_view(member.name), &Field<Record>::name);
    if (field == fields.end()) return bad_field(shown(member.name), "is no field that is known here");
    bool& seen_before = seen[static_cast<std::size_t>(field - fields.begin())];
    if (std::exchange(seen_before, true)) return bad_field(field->name, "is given twice");
    if (!field->read(member.value, record)) return bad_field(field->name, "must be " + std::string(field->form));
  }
  for (std::size_t i = 0; i < N; ++i) {
    if (fields[i].required && !seen[i]) return bad_field(fields[i].name, "is missing");
  }
  return record;
}

// --- Reading ---

/// Takes lines off a text that comes in pieces.
class LineReader {
 public:
  explicit LineReader(const ReadText& read) : read_(read) {}

  /// The next line, without its end; nullopt behind the last one. Good until the next call.
  Result<std::optional<std::string_view>> next() {
    begin_ += std::exchange(line_bytes_, 0);
    for (;;) {
      const std::string_view rest = std::string_view(buffer_).substr(begin_, end_ - begin_);
      const std::size_t newline = rest.find('\n');
      const std::string_view line = rest.substr(0, newline);
      if (line.size() > kMaxJsonLineBytes) {
        return fail(ErrorCode::kInvalidArgument, "it is longer than " + std::to_string(kMaxJsonLineBytes) + " bytes");
      }
      if (newline != std::string_view::npos || (at_end_ && !line.empty())) {
        line_bytes_ = std::min(line.size() + 1, rest.size());
        return line;
      }
      if (at_end_) return std::nullopt;
      if (Status filled = fill(); !filled) return fail(filled.error());
    }
  }

 private:
  Status fill() {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= std::exchange(begin_, 0);
    const auto got = read_(std::span(buffer_).subspan(end_));
    if (!got) return fail(got.error());
    at_end_ = *got == 0;
    end_ += *got;
    return {};
  }

  const ReadText& read_;
  SecretText buffer_ = SecretText(2 * kMaxJsonLineBytes, '\0');
  std::size_t begin_ = 0, end_ = 0;  // what was read of it and not yet taken
  std::size_t line_bytes_ = 0;       // of the line told last
  bool at_end_ = false;
};

Failure at_line(std::size_t number, const Error& error) {
  if (error.code != ErrorCode::kInvalidArgument) return fail(error);
  return fail(error.code, "line " + std::to_string(number) + ": " + error.message, error.field);
}

Result<std::optional<Client>> read_client(LineReader& lines) {
  const auto line = lines.next();
  if (!line) return fail(line.error());
  if (!*line) return std::optional<Client>();
  auto client = read_record(**line, kClientFields);
  if (!client) return fail(client.error());
  return std::optional(std::move(*client));
}

Result<Header> read_header(LineReader& lines) {
  const auto line = lines.next();
  if (!line) return fail(line.error());
  if (!*line) return fail(ErrorCode::kInvalidArgument, "there is none, not even the one of an export without clients");
  return read_record(**line, kHeaderFields);
}

// --- Writing ---

void append_header(SecretText& out, const std::optional<PrivateKey>& server_key) {
  out += R"({"format":"vpn-enabler","version":1)";
  if (server_key) {
    out += R"(,"serverPrivateKey":")";
    control::append_key(out, *server_key);
    out += '"';
  }
  out += "}\n";
}

void append_client(SecretText& out, const Client& client) {
  out += R"({"publicKey":")" + to_string(client.public_key) + '"';
  if (client.preshared_key) {
    out += R"(,"presharedKey":")";
    control::append_key(out, *client.preshared_key);
    out += '"';
  }
  out += R"(,"clientIP":")" + to_string(client.address) + R"(","allowedIPs":)";
  append_json_string(out, client.allowed_ips);
  if (!client.name.empty()) {
    out += R"(,"name":)";
    append_json_string(out, client.name);
  }
  out += client.enabled ? R"(,"enabled":true)" : R"(,"enabled":false)";
  out += R"(,"createdAt":")" + format_timestamp(client.created_at) + "\"}\n";
}

}  // namespace

Status write_json_lines(const Snapshot& snapshot, const WriteText& write) {
  constexpr std::size_t kPieceBytes = std::size_t{64} * 1024;
  if (snapshot.clients.size() > kMaxJsonLinesClients) {
    return fail(ErrorCode::kExhausted, std::to_string(snapshot.clients.size()) + " clients are more than the " +
                                           std::to_string(kMaxJsonLinesClients) + " of one export");
  }
  SecretText piece;
  append_header(piece, snapshot.server_key);
  for (const Client& client : snapshot.clients) {
    append_client(piece, client);
    if (piece.size() < kPieceBytes) continue;
    if (Status written = write(piece); !written) return written;
    piece.clear();
  }
  return write(piece);
}

Result<Snapshot> read_json_lines(const ReadText& read, std::size_t max_clients) {
  LineReader lines(read);
  auto header = read_header(lines);
  if (!header) return at_line(1, header.error());
  Snapshot snapshot;
  snapshot.server_key = header->server_key;
  control::ClientTable seen;
  for (std::size_t number = 2;; ++number) {
    auto client = read_client(lines);
    if (!client) return at_line(number, client.error());
    if (!*client) return snapshot;
    if (snapshot.clients.size() == max_clients) {
      return at_line(number, {ErrorCode::kInvalidArgument,
                              "more than " + std::to_string(max_clients) + " clients cannot be imported"});
    }
    if (const Status unique = seen.insert(**client); !unique) {
      return at_line(number,
                     {ErrorCode::kInvalidArgument, unique.error().message + " further up", unique.error().field});
    }
    snapshot.clients.push_back(std::move(**client));
  }
}

}  // namespace vpn::cli
