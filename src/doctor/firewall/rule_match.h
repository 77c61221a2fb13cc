// Whether one rule applies to a packet: nf_tables' machine with registers that may hold the unknown. Pure.
#pragma once

#include <vector>

#include "doctor/firewall/packet.h"
#include "doctor/firewall/ruleset.h"

namespace vpn::doctor::firewall {

enum class Answer { kNo, kYes, kUnknown };

inline Answer answer_of(bool yes) {
  return yes ? Answer::kYes : Answer::kNo;
}
inline Answer inverted(Answer answer, bool invert = true) {
  if (!invert || answer == Answer::kUnknown) return answer;
  return answer_of(answer == Answer::kNo);
}
/// No when one is no; else unknown when one is.
inline Answer both(Answer a, Answer b) {
  if (a == Answer::kNo || b == Answer::kNo) return Answer::kNo;
  return a == Answer::kYes ? b : a;
}

struct Applied {
  Answer applies = Answer::kYes;
  std::vector<Verdict> verdicts;  ///< none: the packet goes on; several: one of them, if any
};

Applied apply(const Rule& rule, const Table& table, const Packet& packet);

}  // namespace vpn::doctor::firewall
