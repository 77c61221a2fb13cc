// One JSON object of texts, truth values and whole numbers, and nothing below it. Pure.
//
// Every member is told, in order, a name given twice too: what may be there is the caller's to judge.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "control/service/secret_text.h"

namespace vpn::cli {

using FlatValue = std::variant<control::SecretText, bool, std::int64_t>;

struct FlatMember {
  std::string name;
  FlatValue value;
};

/// kInvalidArgument: what is wrong, as the end of a sentence that begins with what the text is: "is broken at byte 7".
Result<std::vector<FlatMember>> parse_flat_json(std::string_view text);

}  // namespace vpn::cli
