// The findings as text for a person, as JSON for a program, and as an exit code. Pure.
#pragma once

#include <span>
#include <string>

#include "doctor/finding.h"

namespace vpn::doctor {

/// A line a finding, aligned, its cure beneath; then how many there are of each kind.
std::string to_text(std::span<const Finding> findings);

/// docs/doctor.md describes it; report_test.cc keeps it.
std::string to_json(std::span<const Finding> findings);

/// kFailure when something is broken, else kSuccess.
int exit_code_of(std::span<const Finding> findings);

}  // namespace vpn::doctor
