#include "control/store/mongodb/options.h"

#include <algorithm>
#include <string_view>

#include "base/secret.h"

namespace vpn::control::mongodb {
namespace {

constexpr std::string_view kExample = "; for example: MONGODB_HOST=db.example.org";
constexpr std::string_view kUriExample =
    "; for example: MONGODB_HOST=mongodb://db1.example.org,db2.example.org/?replicaSet=rs0&tls=true";

// A request is answered 503 rather than kept waiting. The library tries once more after a lost connection, so a server
// that hangs costs twice the socket's limit.
constexpr std::int32_t kServerSelection_ms = 2500;
constexpr std::int32_t kConnect_ms = 2500;
constexpr std::int32_t kSocket_ms = 5000;
/// Below the socket's limit, so that a majority that does not answer is told from a server that does not.
constexpr std::int32_t kMajority_ms = 4000;

struct ReadPreferenceDeleter {
  void operator()(mongoc_read_prefs_t* preference) const { mongoc_read_prefs_destroy(preference); }
};
struct WriteConcernDeleter {
  void operator()(mongoc_write_concern_t* concern) const { mongoc_write_concern_destroy(concern); }
};

bool is_uri(std::string_view host) {
  return host.starts_with("mongodb://") || host.starts_with("mongodb+srv://");
}

/// A comma list as a URI, each host with the port unless it names its own.
std::string hosts_uri(const MongoOptions& options) {
  std::string uri = "mongodb://";
  std::string_view rest = options.host;
  for (bool first = true; !rest.empty() || first; first = false) {
    const std::string_view host = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), host.size() + 1));
    if (!first) uri += ',';
    uri += host;
    const bool bare_ipv6 = host.starts_with('[') && host.ends_with(']');
    if (bare_ipv6 || host.find(':') == std::string_view::npos) uri += ":" + std::to_string(options.port);
  }
  return uri + "/";
}

bool is_host_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         std::string_view(".-_:,[]").find(c) != std::string_view::npos;
}

/// Whether a password holds an @ that is not written as %40: what follows it would be taken for the host.
bool has_stray_at(std::string_view uri) {
  uri.remove_prefix(uri.find("://") + 3);
  uri = uri.substr(0, uri.find_first_of("/?"));
  return uri.find('@') != uri.rfind('@');
}

// What the library warns of while this thread parses: it goes on without an option that it does not know, be that a
// misspelt one of TLS. All else that it has to say comes as errors, and might say a URI.
thread_local std::string* heard = nullptr;

void hear(mongoc_log_level_t, const char*, const char* message, void*) {
  if (heard != nullptr && heard->empty()) *heard = message;
}

/// The address, or null and the library's words.
Uri parse(const std::string& text, std::string& words) {
  bson_error_t error;
  heard = &words;
  Uri uri(mongoc_uri_new_with_error(text.c_str(), &error));
  heard = nullptr;
  if (uri && !words.empty()) uri.reset();
  if (words.empty() && !uri) words = error.message;
  return uri;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return result;
}

/// The longest of a URI's options that the library's words name, as the URI writes it. Letters alone: what is no
/// option's name may be a part of a password.
std::string_view named_option(std::string_view uri, const std::string& words) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  std::string_view rest = uri.find('?') == uri.npos ? std::string_view() : uri.substr(uri.rfind('?') + 1), longest;
  while (!rest.empty()) {
    const std::string_view option = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), option.size() + 1));
    const std::string_view name = option.substr(0, option.find('='));
    const bool fits = name.size() < option.size() && std::all_of(name.begin(), name.end(), is_letter);
    if (fits && name.size() > longest.size() && words.find(lower(name)) != words.npos) longest = name;
  }
  return longest;
}

/// Why a URI is none. The library's words may repeat a part of it, so where it holds a password they are not told.
std::string describe_fault(std::string_view uri, const std::string& words) {
  const std::string folded = lower(words);
  if (const std::string option(named_option(uri, folded)); !option.empty()) {
    return folded.find("unsupported uri option") != folded.npos
               ? "MONGODB_HOST has the option \"" + option + "\", which is unknown"
               : "MONGODB_HOST has a value of the option \"" + option + "\" that cannot be used";
  }
  const bool secret = uri.find('@') != uri.npos;
  return "MONGODB_HOST is no valid address" +
         (secret ? " (characters of a password such as @ : / % must be written as %40 %3A %2F %25)" : ": " + words);
}

void limit(mongoc_uri_t* uri, const char* option, std::int32_t value) {
  if (!mongoc_uri_has_option(uri, option)) mongoc_uri_set_option_as_int32(uri, option, value);
}

void set_guarantees(mongoc_uri_t* uri) {
  limit(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, kServerSelection_ms);
  limit(uri, MONGOC_URI_CONNECTTIMEOUTMS, kConnect_ms);
  limit(uri, MONGOC_URI_SOCKETTIMEOUTMS, kSocket_ms);
  mongoc_uri_set_option_as_bool(uri, MONGOC_URI_RETRYWRITES, true);
  mongoc_uri_set_option_as_bool(uri, MONGOC_URI_RETRYREADS, true);
  mongoc_uri_set_appname(uri, "vpn-enabler");

  const std::unique_ptr<mongoc_write_concern_t, WriteConcernDeleter> durable(mongoc_write_concern_new());
  mongoc_write_concern_set_w(durable.get(), MONGOC_WRITE_CONCERN_W_MAJORITY);
  mongoc_write_concern_set_journal(durable.get(), true);
  mongoc_write_concern_set_wtimeout_int64(durable.get(), kMajority_ms);
  mongoc_uri_set_write_concern(uri, durable.get());
  const std::unique_ptr<mongoc_read_prefs_t, ReadPreferenceDeleter> primary(mongoc_read_prefs_new(MONGOC_READ_PRIMARY));
  mongoc_uri_set_read_prefs_t(uri, primary.get());
}

}  // namespace

Result<Uri> parse_uri(const MongoOptions& options) {
  const auto invalid = [](const char* field, std::string message) {
    return fail(ErrorCode::kInvalidArgument, std::move(message), field);
  };
  if (options.host.empty()) return invalid("MONGODB_HOST", "MONGODB_HOST is empty" + std::string(kExample));
  if (options.port == 0) {
    return invalid("MONGODB_PORT", "MONGODB_PORT is 0; for example: MONGODB_PORT=27017");
  }
  if (options.user.empty() && !options.password.empty()) {
    return invalid("MONGODB_USER", "MONGODB_PASS is set without MONGODB_USER; for example: MONGODB_USER=vpn-enabler");
  }
  const bool whole = is_uri(options.host);
  if (!whole && !std::all_of(options.host.begin(), options.host.end(), is_host_character)) {
    return invalid("MONGODB_HOST", "MONGODB_HOST is neither a host nor a mongodb:// URI" + std::string(kExample));
  }

  mongoc_init();
  mongoc_log_set_handler(hear, nullptr);
  std::string text = whole ? options.host : hosts_uri(options), words;
  Uri uri = whole && has_stray_at(text) ? nullptr : parse(text, words);
  wipe(text.data(), text.size());
  if (!uri) {
    return invalid("MONGODB_HOST", describe_fault(options.host, words) + std::string(whole ? kUriExample : kExample));
  }
  if (!options.user.empty()) {
    if (!mongoc_uri_set_username(uri.get(), options.user.c_str())) {
      return invalid("MONGODB_USER", "MONGODB_USER is no UTF-8 text; for example: MONGODB_USER=vpn-enabler");
    }
    if (!mongoc_uri_set_password(uri.get(), options.password.c_str())) {
      return invalid("MONGODB_PASS", "MONGODB_PASS is no UTF-8 text");
    }
  }
  set_guarantees(uri.get());
  return uri;
}

std::string describe(const mongoc_uri_t& uri, const MongoOptions& options) {
  std::string hosts;
  if (const char* service = mongoc_uri_get_srv_hostname(&uri)) hosts = service;
  for (const mongoc_host_list_t* host = mongoc_uri_get_hosts(&uri); host; host = host->next) {
    if (!hosts.empty()) hosts += ",";
    hosts += host->host_and_port;
  }
  return "mongodb at " + hosts + ", database " + options.database;
}

}  // namespace vpn::control::mongodb
