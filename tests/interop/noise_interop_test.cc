// Our handshake against an independent one (noise_ikpsk2.py, Python over `cryptography`): the same keys, ephemerals,
// time stamps and indices must give the same bytes on the wire and the same session keys.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <string>

#include "base/encoding.h"
#include "base/random.h"
#include "base/unique_fd.h"
#include "engine/protocol/cookie.h"
#include "engine/protocol/noise.h"

namespace vpn::engine::protocol {
namespace {

/// Runs the script with `input` on its standard input; its standard output.
std::string run_oracle(const std::string& input) {
  std::array<int, 2> in{}, out{};
  EXPECT_EQ(pipe(in.data()), 0);
  EXPECT_EQ(pipe(out.data()), 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    for (const int fd : {in[0], in[1], out[0], out[1]}) close(fd);
    execl("/usr/bin/python3", "python3", "tests/interop/noise_ikpsk2.py", nullptr);
    _exit(127);
  }
  const UniqueFd read_end(out[0]);
  close(in[0]);
  close(out[1]);
  EXPECT_EQ(::write(in[1], input.data(), input.size()), static_cast<ssize_t>(input.size()));
  close(in[1]);
  std::string output;
  std::array<char, 4096> buffer{};
  for (ssize_t got = 0; (got = ::read(read_end.get(), buffer.data(), buffer.size())) > 0;) {
    output.append(buffer.data(), static_cast<std::size_t>(got));
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << output;
  return output;
}

/// The string value of a field of the oracle's flat JSON object.
std::string field(const std::string& json, const std::string& name) {
  const std::string key = '"' + name + "\": \"";
  const std::size_t begin = json.find(key);
  if (begin == json.npos) return "no field " + name;
  return json.substr(begin + key.size(), json.find('"', begin + key.size()) - begin - key.size());
}

class NoiseInteropTest : public testing::TestWithParam<std::uint64_t> {};

TEST_P(NoiseInteropTest, SameBytesAndKeysAsTheIndependentHandshake) {
  SeededRandom random(GetParam());
  const auto identity = [&] {
    const PrivateKey key = crypto::generate_private_key(random);
    return StaticIdentity{key, crypto::derive_public_key(key)};
  };
  const StaticIdentity initiator = identity(), responder = identity();
  const PrivateKey initiator_ephemeral = crypto::generate_private_key(random);
  const PrivateKey responder_ephemeral = crypto::generate_private_key(random);
  PresharedKey psk;
  if (GetParam() % 2 == 0) random.fill(psk.reveal_mutable());
  Tai64n timestamp = Tai64n::from(WallTime(std::chrono::seconds(1'700'000'000 + random.below(1'000'000))));
  const std::uint32_t initiator_index = random.next_u32(), responder_index = random.next_u32();

  const std::string answer = run_oracle(
      R"({"role": "both", "initiator_static_private": ")" + hex_encode(initiator.private_key.reveal()) +
      R"(", "initiator_ephemeral_private": ")" + hex_encode(initiator_ephemeral.reveal()) +
      R"(", "responder_static_private": ")" + hex_encode(responder.private_key.reveal()) +
      R"(", "responder_ephemeral_private": ")" + hex_encode(responder_ephemeral.reveal()) + R"(", "preshared_key": ")" +
      hex_encode(psk.reveal()) + R"(", "timestamp": ")" + hex_encode(timestamp.bytes) + R"(", "initiator_index": )" +
      std::to_string(initiator_index) + R"(, "responder_index": )" + std::to_string(responder_index) + "}");

  Handshake to_responder(responder.public_key), to_initiator(initiator.public_key);
  to_responder.set_preshared_key(psk);
  to_initiator.set_preshared_key(psk);
  const Instant now(std::chrono::hours(1));

  HandshakeInitiation initiation;
  ASSERT_TRUE(to_responder.create_initiation(initiator, initiator_ephemeral, timestamp, initiator_index, initiation));
  CookieGenerator(responder.public_key).add_macs(mutable_bytes_of(initiation), now);
  EXPECT_EQ(hex_encode(bytes_of(initiation)), field(answer, "initiation"));

  auto opened = OpenedInitiation::open(responder, initiation);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->remote_static(), initiator.public_key);
  ASSERT_EQ(std::move(*opened).accept(responder, initiation, to_initiator, now), DropReason::kNone);
  HandshakeResponse response;
  ASSERT_TRUE(to_initiator.create_response(responder_ephemeral, responder_index, response));
  CookieGenerator(initiator.public_key).add_macs(mutable_bytes_of(response), now);
  EXPECT_EQ(hex_encode(bytes_of(response)), field(answer, "response"));

  ASSERT_TRUE(to_responder.consume_response(initiator, response));
  const auto initiator_keys = to_responder.derive_session_keys();
  const auto responder_keys = to_initiator.derive_session_keys();
  ASSERT_TRUE(initiator_keys && responder_keys);
  EXPECT_EQ(hex_encode(initiator_keys->sending.reveal()), field(answer, "initiator_sending_key"));
  EXPECT_EQ(hex_encode(initiator_keys->receiving.reveal()), field(answer, "initiator_receiving_key"));
  EXPECT_EQ(responder_keys->sending, initiator_keys->receiving);
  EXPECT_EQ(responder_keys->receiving, initiator_keys->sending);
}

INSTANTIATE_TEST_SUITE_P(Seeds, NoiseInteropTest, testing::Range<std::uint64_t>(1, 9),
                         testing::PrintToStringParamName());

}  // namespace
}  // namespace vpn::engine::protocol
