// The protocol of `wg` as bytes on its socket, cut anywhere: an interface is configured, shown, and configured anew
// from what it showed.
//
// Checked: a connection's memory is bounded, every request has its answer, and what `get` prints makes another
// interface the same.
#include <string>

#include "base/check.h"
#include "base/clock.h"
#include "base/random.h"
#include "engine/protocol/interface.h"
#include "engine/uapi_connection.h"
#include "fuzz/input.h"

namespace vpn::fuzz {
namespace {

using namespace engine::protocol;
using engine::UapiConnection;
using engine::UapiGetAnswer;

/// An interface with what the device adds: port and mark.
class Configured {
 public:
  Configured()
      : handler_{[this](const InterfaceUpdate& update) { return configure(update); }, [this] { return snapshot(); }} {}

  const engine::UapiHandler& handler() const { return handler_; }
  InterfaceSnapshot snapshot() const {
    InterfaceSnapshot shown = interface_.snapshot();
    shown.listen_port = listen_port_;
    shown.fwmark = fwmark_;
    std::ranges::sort(shown.peers, {}, &PeerSnapshot::public_key);
    for (PeerSnapshot& peer : shown.peers) std::ranges::sort(peer.allowed_ips);
    return shown;
  }

 private:
  Status configure(const InterfaceUpdate& update) {
    listen_port_ = update.listen_port.value_or(listen_port_);
    fwmark_ = update.fwmark.value_or(fwmark_);
    Actions actions;
    return interface_.configure(update, {clock_.now(), clock_.wall_now()}, actions);
  }

  ManualClock clock_;
  SeededRandom random_{1};
  Interface interface_{random_};
  std::uint16_t listen_port_ = 0;
  std::uint32_t fwmark_ = 0;
  engine::UapiHandler handler_;
};

/// All that a client of the connection reads.
class Client {
 public:
  explicit Client(const Configured& configured) : connection_(configured.handler()) {}

  /// What does not fit, or comes after the client broke the protocol, is not taken.
  void write(std::string_view text) {
    while (!text.empty() && !connection_.broken()) {
      const std::span<char> room = connection_.input_room();
      CHECK(!room.empty());
      const std::size_t size = std::min(room.size(), text.size());
      std::copy_n(text.begin(), size, room.begin());
      text.remove_prefix(size);
      connection_.input_filled(size);
      read(size);
    }
  }
  const std::string& answers() const { return answers_; }

 private:
  void read(std::size_t step) {
    while (!connection_.output().empty()) {
      CHECK(connection_.output().size() <= UapiGetAnswer::kMaxPartBytes);
      const std::size_t size = std::min(connection_.output().size(), step);
      answers_ += connection_.output().substr(0, size);
      connection_.output_sent(size);
    }
  }

  UapiConnection connection_;
  std::string answers_;
};

// What a configuration file would hold of it.
std::string as_request(const Configured& configured) {
  std::string text;
  UapiGetAnswer answer(configured.snapshot());
  while (answer.append_next(text)) continue;
  std::string request = "set=1\n";
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n') + 1);
    rest.remove_prefix(line.size());
    bool setting = true;
    for (const std::string_view shown : {"last_handshake", "tx_bytes", "rx_bytes", "errno"}) {
      setting = setting && !line.starts_with(shown);
    }
    if (setting) request += line;
  }
  return request;
}

void run(Input input) {
  Configured first;
  {
    Client client(first);
    while (!input.empty()) {
      const std::uint8_t size = input.u8();
      client.write(text_of(size == 0 ? input.rest() : input.take(size)));
    }
  }
  const std::string request = as_request(first);
  Configured second;
  Client client(second);
  client.write(request);
  CHECK(client.answers() == "errno=0\n\n");
  CHECK(as_request(second) == request);
}

}  // namespace
}  // namespace vpn::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  vpn::fuzz::run(vpn::fuzz::Input({data, size}));
  return 0;
}
