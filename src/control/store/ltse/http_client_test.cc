// https, against a TLS server of the test's own with a certificate made for it. No Elasticsearch.
#include "control/store/ltse/http_client.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <future>
#include <memory>
#include <thread>

#include "base/test_directory.h"

namespace vpn::control::ltse {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

/// A key and a certificate that it signed itself, for the name "localhost", in one PEM file.
void write_certificate(const std::string& path) {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), X509_free);
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* const name = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), name);
  X509_EXTENSION* const names =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, const_cast<char*>("DNS:localhost"));
  X509_add_ext(certificate.get(), names, -1);
  X509_EXTENSION_free(names);
  X509_sign(certificate.get(), key.get(), EVP_sha256());
  const std::unique_ptr<FILE, decltype(&std::fclose)> file(std::fopen(path.c_str(), "w"), std::fclose);
  PEM_write_PrivateKey(file.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  PEM_write_X509(file.get(), certificate.get());
}

/// Serves connections one after another: two requests each answered by their target.
class TlsServer {
 public:
  TlsServer() {
    write_certificate(certificate());
    tls_.use_private_key_file(certificate(), asio::ssl::context::pem);
    tls_.use_certificate_file(certificate(), asio::ssl::context::pem);
    thread_ = std::thread([this] { run(); });
  }
  ~TlsServer() {
    error_code ignored;
    ::shutdown(listener_.native_handle(), SHUT_RDWR);
    thread_.join();
  }
  std::string certificate() const { return (directory_.path() / "server.pem").string(); }
  ServerUrl url(const std::string& host) const {
    return *parse_server_url("https://" + host + ":" + std::to_string(listener_.local_endpoint().port()));
  }

 private:
  void run() {
    for (error_code error;;) {
      tcp::socket socket(io_);
      listener_.accept(socket, error);
      if (error) return;
      asio::ssl::stream<tcp::socket> stream(std::move(socket), tls_);
      stream.handshake(asio::ssl::stream_base::server, error);
      boost::beast::flat_buffer buffer;
      while (!error) {
        http::request<http::string_body> request;
        http::read(stream, buffer, request, error);
        if (error) break;
        http::response<http::string_body> response(http::status::ok, 11);
        response.body() = std::string(request.target());
        response.prepare_payload();
        http::write(stream, response, error);
      }
    }
  }

  TestDirectory directory_;
  asio::io_context io_;
  asio::ssl::context tls_{asio::ssl::context::tls_server};
  tcp::acceptor listener_{io_, {asio::ip::address_v4::loopback(), 0}};
  std::thread thread_;
};

Deadline soon() {
  return std::chrono::steady_clock::now() + std::chrono::seconds(20);
}

TEST(HttpClient, TalksToAServerWhoseCertificateTheSystemTrusts) {
  const TlsServer server;
  ASSERT_EQ(setenv("SSL_CERT_FILE", server.certificate().c_str(), 1), 0);
  HttpClient client(server.url("localhost"));
  unsetenv("SSL_CERT_FILE");
  for (const char* target : {"/one", "/two"}) {
    const auto answer = client.call({.target = target}, soon());
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->body, target);
  }
}

TEST(HttpClient, RefusesACertificateThatIsNotTrusted) {
  const TlsServer server;
  HttpClient client(server.url("localhost"));
  const auto answer = client.call({.target = "/"}, soon());
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kInvalidArgument) << answer.error().message;
  EXPECT_EQ(answer.error().field, "LTSE_URL");
}

TEST(HttpClient, RefusesACertificateOfAnotherName) {
  const TlsServer server;
  ASSERT_EQ(setenv("SSL_CERT_FILE", server.certificate().c_str(), 1), 0);
  HttpClient client(server.url("127.0.0.1"));
  unsetenv("SSL_CERT_FILE");
  const auto answer = client.call({.target = "/"}, soon());
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kInvalidArgument) << answer.error().message;
}

TEST(HttpClient, IsUnavailableWhenNobodyListensOrTimeIsUp) {
  asio::io_context io;
  tcp::acceptor silent(io, {asio::ip::address_v4::loopback(), 0});
  const std::string port = std::to_string(silent.local_endpoint().port());
  HttpClient late(*parse_server_url("http://127.0.0.1:" + port));
  EXPECT_EQ(late.call({.target = "/"}, std::chrono::steady_clock::now() + std::chrono::milliseconds(50)).error().code,
            ErrorCode::kUnavailable);
  silent.close();
  HttpClient alone(*parse_server_url("http://127.0.0.1:" + port));
  EXPECT_EQ(alone.call({.target = "/"}, soon()).error().code, ErrorCode::kUnavailable);
}

TEST(HttpClient, AbortEndsACallThatWaits) {
  asio::io_context io;
  tcp::acceptor silent(io, {asio::ip::address_v4::loopback(), 0});
  HttpClient client(*parse_server_url("http://127.0.0.1:" + std::to_string(silent.local_endpoint().port())));
  auto answer = std::async(std::launch::async, [&] { return client.call({.target = "/"}, soon()); });
  tcp::socket accepted = silent.accept();
  const auto aborted = std::chrono::steady_clock::now();
  client.abort();
  EXPECT_FALSE(answer.get());
  EXPECT_LT(std::chrono::steady_clock::now() - aborted, std::chrono::seconds(1));
  EXPECT_FALSE(client.call({.target = "/"}, soon()));
  EXPECT_FALSE(client.pause(std::chrono::hours(1)));
}

}  // namespace
}  // namespace vpn::control::ltse
