// handshakes: initiations in number for a WireGuard interface, as crowd.py has them sent.
#include <charconv>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string_view>

#include "ask.h"
#include "callers.h"
#include "flood.h"

namespace {

constexpr char kUsage[] =
    "usage: handshakes keys CALLERS                                        prints their public keys\n"
    "       handshakes ask ENDPOINT PUBLIC_KEY CALLERS ROUNDS PID          prints what was answered, as JSON\n"
    "       handshakes flood ENDPOINT PUBLIC_KEY PER_SECOND SECONDS        forged sources of 10.128.0.0/9\n"
    "\n"
    "for example: handshakes flood 10.9.0.1:51820 $(wg show wg0 public-key) 20000 5\n";

/// The words of the command line, read one by one; what one of them is not makes all of them wrong.
class Words {
 public:
  Words(int count, char** words) : words_(words), count_(count) {}

  std::string_view text() {
    is_right_ = is_right_ && next_ < count_;
    return is_right_ ? words_[next_++] : "";
  }
  std::uint32_t number() {
    const std::string_view word = text();
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    is_right_ = is_right_ && error == std::errc() && end == word.data() + word.size() && value > 0;
    return value;
  }
  vpn::Endpoint endpoint() { return parsed<vpn::Endpoint>(); }
  vpn::PublicKey public_key() { return parsed<vpn::PublicKey>(); }
  bool are_right() const { return is_right_ && next_ == count_; }

 private:
  template <typename T>
  T parsed() {
    const auto value = T::parse(text());
    is_right_ = is_right_ && value.has_value();
    return value.value_or(T{});
  }

  char** words_;
  int count_;
  int next_ = 1;
  bool is_right_ = true;
};

int failed(const vpn::Error& error) {
  std::fprintf(stderr, "handshakes: %s\n", error.message.c_str());
  return 1;
}

int print_keys(std::uint32_t callers) {
  for (std::uint32_t caller = 0; caller < callers; ++caller) {
    std::puts(to_string(vpn::bench::identity_of(caller).public_key).c_str());
  }
  return 0;
}

int print_answers(const vpn::bench::Question& question) {
  const auto answers = vpn::bench::ask(question);
  if (!answers) return failed(answers.error());
  std::printf(
      "{\"calls\": %u, \"answered\": %u, \"cookies\": %u, \"lost\": %u, \"seconds\": %.6f, \"processor_seconds\": "
      "%.6f}\n",
      answers->calls, answers->answered, answers->cookies, answers->lost, answers->seconds, answers->processor_seconds);
  return 0;
}

int send_flood(const vpn::bench::Flood& order) {
  const auto sent = vpn::bench::flood(order);
  if (!sent) return failed(sent.error());
  std::printf("%llu\n", static_cast<unsigned long long>(*sent));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Words words(argc, argv);
  const std::string_view command = words.text();
  if (command == "keys") {
    const std::uint32_t callers = words.number();
    if (words.are_right()) return print_keys(callers);
  } else if (command == "ask") {
    vpn::bench::Question question;
    question.called = words.endpoint();
    question.public_key = words.public_key();
    question.callers = words.number();
    question.rounds = words.number();
    question.pid = static_cast<pid_t>(words.number());
    if (words.are_right()) return print_answers(question);
  } else if (command == "flood") {
    vpn::bench::Flood order;
    order.called = words.endpoint();
    order.public_key = words.public_key();
    order.per_second = words.number();
    order.seconds = words.number();
    if (words.are_right()) return send_flood(order);
  }
  std::fputs(kUsage, stderr);
  return 2;
}
