#include "control/api/unix_client.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/json.hpp>
#include <chrono>
#include <exception>
#include <utility>

#include "base/secret.h"
#include "control/api/asio.h"

namespace vpn::control {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace json = boost::json;

using Stream = beast::basic_stream<asio::local::stream_protocol, Executor>;

/// For one whole call; a gateway that takes longer is not well.
constexpr std::chrono::seconds kAnswerTime{30};
/// A million clients in a list.
constexpr std::uint64_t kMaxAnswerBytes = std::uint64_t{512} << 20;

struct Answer {
  unsigned status = 0;
  std::string body;
};

Failure no_answer(const std::string& socket_path, const boost::system::error_code& error) {
  return fail(ErrorCode::kUnavailable,
              "no gateway answers on " + socket_path + " (" + error.message() + "); is `vpn-enabler serve` running?");
}

Awaitable<Result<Answer>> exchange(Executor executor, const std::string& socket_path,
                                   const http::request<http::string_body>& request) {
  Stream stream(executor);
  stream.expires_after(kAnswerTime);
  const auto [connect_error] =
      co_await stream.async_connect(asio::local::stream_protocol::endpoint(socket_path), kAwait);
  if (connect_error) co_return no_answer(socket_path, connect_error);
  const auto [write_error, written] = co_await http::async_write(stream, request, kAwait);
  if (write_error) co_return no_answer(socket_path, write_error);

  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(kMaxAnswerBytes);
  const auto [read_error, read] = co_await http::async_read(stream, buffer, parser, kAwait);
  if (read_error) {
    co_return fail(ErrorCode::kIo, "the gateway on " + socket_path + " took the request but did not answer (" +
                                       read_error.message() + "), perhaps as it stopped");
  }
  co_return Answer{parser.get().result_int(), std::move(parser.get().body())};
}

/// Parsed text as JSON, or null.
json::value parse_json(const std::string& text) {
  boost::system::error_code error;
  json::value value = json::parse(text, error);
  return error ? json::value() : value;
}

std::string text_member(const json::object& object, std::string_view name) {
  const json::value* member = object.if_contains(name);
  const json::string* text = member != nullptr ? member->if_string() : nullptr;
  return text != nullptr ? std::string(*text) : std::string();
}

/// 0 for a member that is absent, null or no number of the type.
template <typename T>
T number_member(const json::object& object, std::string_view name) {
  const json::value* member = object.if_contains(name);
  if (member == nullptr) return 0;
  boost::system::error_code error;
  const T number = member->to_number<T>(error);
  return error ? 0 : number;
}

WallTime time_member(const json::object& object, std::string_view name) {
  return WallTime(std::chrono::seconds(number_member<std::uint32_t>(object, name)));
}

ListedClient parse_row(const json::object& object) {
  const json::value* enabled = object.if_contains("enabled");
  return {
      .name = text_member(object, "name"),
      .public_key = text_member(object, "publicKey"),
      .client_ip = text_member(object, "clientIP"),
      .client_ip6 = text_member(object, "clientIP6"),
      .enabled = enabled != nullptr && enabled->is_bool() && enabled->get_bool(),
      .obstacle = text_member(object, "reason"),
      .allowed_ips = text_member(object, "allowedIPs"),
      .created_at = time_member(object, "createdAt"),
      .endpoint = text_member(object, "endpoint"),
      .last_handshake = time_member(object, "lastHandshake"),
      .rx_bytes = number_member<std::uint64_t>(object, "rxBytes"),
      .tx_bytes = number_member<std::uint64_t>(object, "txBytes"),
  };
}

Failure not_ours() {
  return fail(ErrorCode::kCorrupt, "what answers on the socket is not this version of vpn-enabler");
}

/// RFC 3986 section 2.1, for a value in a query.
std::string percent_encode(std::string_view text) {
  constexpr std::string_view kUnreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (kUnreserved.find(c) != std::string_view::npos) {
      out.push_back(c);
    } else {
      out.push_back('%');
      out.push_back(kHex[byte >> 4]);
      out.push_back(kHex[byte & 15]);
    }
  }
  return out;
}

std::string key_body(const PublicKey& key) {
  return json::serialize(json::object{{"publicKey", to_string(key)}});
}

}  // namespace

Result<std::string> UnixClient::call(std::string_view method, const std::string& target, std::string body) {
  http::request<http::string_body> request;
  request.method_string(method);
  request.target(target);
  request.set(http::field::host, "localhost");
  request.set(http::field::content_type, "application/json");
  request.body() = std::move(body);
  request.prepare_payload();

  asio::io_context io(1);
  Result<Answer> answer;
  asio::co_spawn(io.get_executor(), exchange(io.get_executor(), socket_path_, request),
                 [&](const std::exception_ptr& exception, Result<Answer> result) {
                   answer = exception ? fail(ErrorCode::kExhausted, "out of memory") : std::move(result);
                 });
  io.run();
  wipe(request.body().data(), request.body().size());  // a preshared key
  if (!answer) return fail(answer.error());
  if (answer->status < 300) return std::move(answer->body);

  const json::value refusal = parse_json(answer->body);
  if (const json::object* object = refusal.if_object(); object != nullptr && object->contains("message")) {
    const bool not_found = answer->status == static_cast<unsigned>(http::status::not_found);
    return fail(not_found ? ErrorCode::kNotFound : ErrorCode::kInvalidArgument, text_member(*object, "message"));
  }
  return not_ours();
}

Result<CreatedClient> UnixClient::create(const NewClient& client) {
  json::object body{{"publicKey", to_string(client.public_key)}, {"name", client.name}};
  if (client.preshared_key) body["presharedKey"] = reveal_base64(*client.preshared_key);
  const Result<std::string> text = call("POST", "/v1/client", json::serialize(body));
  if (!text) return fail(text.error());
  const json::value answer = parse_json(*text);
  const json::object* object = answer.if_object();
  if (object == nullptr) return not_ours();
  const auto server_key = PublicKey::parse(text_member(*object, "serverPublicKey"));
  const auto client_ip = IpPrefix::parse(text_member(*object, "clientIP"));
  if (!server_key || !client_ip) return not_ours();
  return CreatedClient{
      .server_public_key = *server_key,
      .server_ip = text_member(*object, "serverIP"),
      .server_port = number_member<std::uint16_t>(*object, "serverPort"),
      .client_ip = *client_ip,
      .client_ip6 = IpPrefix::parse(text_member(*object, "clientIP6")),
      .allowed_ips = text_member(*object, "allowedIPs"),
  };
}

Result<ClientListAnswer> UnixClient::list() {
  return list_at("/v1/clients");
}

Result<ClientListAnswer> UnixClient::find(const PublicKey& key) {
  return list_at("/v1/clients?publicKey=" + percent_encode(to_string(key)));
}

Result<ClientListAnswer> UnixClient::find_by_name(std::string_view name) {
  return list_at("/v1/clients?name=" + percent_encode(name));
}

Status UnixClient::remove(const PublicKey& key) {
  const Result<std::string> done = call("DELETE", "/v1/client", key_body(key));
  return done ? Status() : fail(done.error());
}

Status UnixClient::set_enabled(const PublicKey& key, bool enabled) {
  const Result<std::string> done = call("PUT", enabled ? "/v1/client/enable" : "/v1/client/disable", key_body(key));
  return done ? Status() : fail(done.error());
}

Result<ClientListAnswer> UnixClient::list_at(const std::string& target) {
  Result<std::string> text = call("GET", target);
  if (!text) return fail(text.error());
  const json::value answer = parse_json(*text);
  const json::array* rows = answer.if_array();
  if (rows == nullptr) return not_ours();
  ClientListAnswer list{std::move(*text), {}};
  list.clients.reserve(rows->size());
  for (const json::value& row : *rows) {
    if (!row.is_object()) return not_ours();
    list.clients.push_back(parse_row(row.get_object()));
  }
  return list;
}

}  // namespace vpn::control
