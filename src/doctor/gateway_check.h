// Whether a gateway serves on this machine with these settings, and is well.
#pragma once

#include "base/error.h"
#include "cli/health_answer.h"
#include "doctor/finding.h"

namespace vpn::doctor {

/// Of the answer on API_SOCKET. Pure.
Finding judge_gateway(const Result<cli::HealthAnswer>& answer);

}  // namespace vpn::doctor
