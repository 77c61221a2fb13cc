#include "cli/timestamp.h"

#include <array>
#include <chrono>
#include <cstdio>

#include "base/encoding.h"

namespace vpn::cli {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr std::string_view kForm = "0000-00-00T00:00:00";  // a 0 stands for any digit
constexpr std::size_t kFractionDigits = 9;

bool has_form(std::string_view text) {
  if (text.size() != kForm.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_digit = text[i] >= '0' && text[i] <= '9';
    if (kForm[i] == '0' ? !is_digit : text[i] != kForm[i]) return false;
  }
  return true;
}

/// The fraction's digits, without the point, as nanoseconds.
std::optional<nanoseconds> parse_fraction(std::string_view digits) {
  if (digits.empty() || digits.size() > kFractionDigits) return std::nullopt;
  std::string padded(digits);
  padded.resize(kFractionDigits, '0');
  const auto count = parse_decimal(padded, 999'999'999);
  if (!count) return std::nullopt;
  return nanoseconds(static_cast<std::int64_t>(*count));
}

}  // namespace

std::string format_timestamp(WallTime time) {
  const auto day = std::chrono::floor<days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss<nanoseconds> clock(time - day);
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%09dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return text.data();
}

std::optional<WallTime> parse_timestamp(std::string_view text) {
  if (!text.ends_with('Z')) return std::nullopt;
  text.remove_suffix(1);
  const std::string_view whole = text.substr(0, kForm.size());
  if (!has_form(whole)) return std::nullopt;
  std::optional<nanoseconds> fraction(0);
  if (text.size() > kForm.size()) {
    if (text[kForm.size()] != '.') return std::nullopt;
    fraction = parse_fraction(text.substr(kForm.size() + 1));
  }
  const auto number = [&](std::size_t at, std::size_t size) {
    return static_cast<unsigned>(*parse_decimal(whole.substr(at, size), 9999));  // digits, by has_form()
  };
  const unsigned year = number(0, 4), hour = number(11, 2), minute = number(14, 2), second = number(17, 2);
  const std::chrono::year_month_day date(std::chrono::year(static_cast<int>(year)), std::chrono::month(number(5, 2)),
                                         std::chrono::day(number(8, 2)));
  if (!fraction || !date.ok() || year < 1678 || year > 2261 || hour > 23 || minute > 59 || second > 59) {
    return std::nullopt;
  }
  return WallTime(std::chrono::sys_days(date)) + hours(hour) + minutes(minute) + seconds(second) + *fraction;
}

}  // namespace vpn::cli
