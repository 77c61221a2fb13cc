// A request, and the HTTP/1 parser that fills it from bytes as they come. One connection owns both.
//
// Beast checks the grammar and the framing; only the headers that we act on are kept, so a request costs no allocation
// once the connection's strings have grown.
#pragma once

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/verb.hpp>
#include <cstdint>
#include <string>
#include <string_view>

#include "control/service/secret_text.h"

namespace vpn::control {

using Verb = boost::beast::http::verb;

struct Request {
  Verb method = Verb::unknown;
  std::string target;  ///< as sent, without scheme and authority
  std::string host;    ///< the Host header, or the authority of an absolute target (RFC 9112 section 3.2.2)
  std::string origin;
  std::string sec_fetch_site;
  SecretText authorization;
  std::string content_type;
  std::string content_encoding;
  SecretText body;
  bool has_host = false;  ///< HTTP/1.0 may leave it out
  bool http_1_0 = false;
  bool expects_continue = false;
  bool authorized = false;  ///< the caller may see more than what everyone may
  bool on_unix_socket = false;

  /// The target up to '?', and what follows it.
  std::string_view path() const { return std::string_view(target).substr(0, target.find('?')); }
  std::string_view query() const {
    const std::size_t mark = target.find('?');
    return mark == std::string::npos ? std::string_view() : std::string_view(target).substr(mark + 1);
  }

  /// Empties everything, keeps a little memory, wipes what may be secret.
  void clear();
};

class RequestParser final : public boost::beast::http::basic_parser<true> {
 public:
  using ErrorCode = boost::system::error_code;
  using Field = boost::beast::http::field;
  using Text = boost::beast::string_view;

  /// `request` is empty and outlives the parser. One parser reads one request.
  RequestParser(Request& request, std::size_t header_limit_bytes, std::size_t body_limit_bytes);

 private:
  void on_request_impl(Verb method, Text method_text, Text target, int version, ErrorCode& error) override;
  void on_response_impl(int, Text, int, ErrorCode&) override {}
  void on_field_impl(Field name, Text name_text, Text value, ErrorCode& error) override;
  void on_header_impl(ErrorCode& error) override;
  void on_body_init_impl(const boost::optional<std::uint64_t>& content_length, ErrorCode& error) override;
  std::size_t on_body_impl(Text piece, ErrorCode& error) override;
  void on_chunk_header_impl(std::uint64_t, Text, ErrorCode&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t remaining, Text piece, ErrorCode& error) override;
  void on_finish_impl(ErrorCode&) override {}

  Request& request_;
  int host_count_ = 0;
  bool header_done_ = false;  // what comes later are trailers, which have no say
};

}  // namespace vpn::control
