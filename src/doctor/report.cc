#include "doctor/report.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <string_view>

#include "base/text.h"
#include "cli/command_line.h"

namespace vpn::doctor {
namespace {

constexpr std::size_t kStateColumn = 9;
constexpr std::size_t kCheckColumn = 17;

std::string word_of(State state) {
  switch (state) {
    case State::kOk:
      return "ok";
    case State::kNote:
      return "note";
    case State::kWarning:
      return "warning";
    case State::kBroken:
      break;
  }
  return "broken";
}

std::string word_of(Cure::Kind kind) {
  return kind == Cure::Kind::kCommand ? "command" : kind == Cure::Kind::kSetting ? "setting" : "advice";
}

std::string padded(std::string_view word, std::size_t column) {
  std::string text(word);
  text.resize(std::max(column, text.size() + 1), ' ');
  return text;
}

std::ptrdiff_t count(std::span<const Finding> findings, State state) {
  return std::ranges::count(findings, state, &Finding::state);
}

}  // namespace

std::string to_text(std::span<const Finding> findings) {
  const std::string indent(kStateColumn + kCheckColumn, ' ');
  std::string text;
  // Names of chains and interfaces are others' to choose.
  const auto line = [&](const std::string& head, const std::string& rest) { text += head + printable(rest) + "\n"; };
  for (const Finding& finding : findings) {
    line(padded(word_of(finding.state), kStateColumn) + padded(finding.check, kCheckColumn), finding.message);
    if (finding.cure.kind != Cure::Kind::kNone) line(indent + "cure: ", finding.cure.text);
    if (!finding.cure.container.empty()) line(indent + "in a container: ", finding.cure.container);
  }
  const auto broken = count(findings, State::kBroken);
  const auto warnings = count(findings, State::kWarning);
  if (broken == 0 && warnings == 0) return text + "nothing is wrong\n";
  return text + std::to_string(broken) + " broken, " + std::to_string(warnings) +
         (warnings == 1 ? " warning\n" : " warnings\n");
}

std::string to_json(std::span<const Finding> findings) {
  boost::json::array list;
  for (const Finding& finding : findings) {
    boost::json::object entry{
        {"check", finding.check}, {"state", word_of(finding.state)}, {"message", printable(finding.message)}};
    if (finding.cure.kind != Cure::Kind::kNone) {
      boost::json::object cure;
      cure[word_of(finding.cure.kind)] = printable(finding.cure.text);
      if (!finding.cure.container.empty()) cure["container"] = finding.cure.container;
      entry["cure"] = std::move(cure);
    }
    list.push_back(std::move(entry));
  }
  const boost::json::object report{{"broken", count(findings, State::kBroken)},
                                   {"warnings", count(findings, State::kWarning)},
                                   {"findings", std::move(list)}};
  return boost::json::serialize(report) + "\n";
}

int exit_code_of(std::span<const Finding> findings) {
  return count(findings, State::kBroken) > 0 ? cli::kFailure : cli::kSuccess;
}

}  // namespace vpn::doctor
