// SaveConfig: what an interface is at its end becomes the file that it is made from next time.
#pragma once

#include <functional>
#include <string>

#include "base/error.h"
#include "quick/record.h"

namespace vpn::quick {

/// Writes the file of the record anew, 0600, whole or not at all, when it says SaveConfig = true. What keeps it from
/// being saved is an error, and the old file stays; an interface that is gone has nothing to save.
Status save_if_wanted(const Record& record, const std::function<void(const std::string&)>& note);

}  // namespace vpn::quick
