#include "surroundings.h"

#include <fcntl.h>
#include <net/if.h>

#include <utility>

#include "cli/state.h"

namespace vpn {
namespace {

using boost::system::error_code;
using std::chrono::steady_clock;

// Between two looks, so that a storm of changes leaves time for other things.
constexpr std::chrono::milliseconds kPause{100};
// Rules that could not be put back are tried again so soon.
constexpr std::chrono::seconds kRetryPause{1};
// A tool that keeps removing our rules is named in the log so often.
constexpr std::chrono::minutes kTellInterval{1};

}  // namespace

Surroundings::Surroundings(boost::asio::io_context& io, host::Host& host, const std::filesystem::path& state_dir,
                           Logger& logger)
    : host_(host), state_dir_(state_dir), logger_(logger), news_(io), pause_(io) {}

Surroundings::~Surroundings() {
  remove_rules();
}

void Surroundings::remove_rules() {
  if (ruled_interface_.empty() || ::if_nametoindex(ruled_interface_.c_str()) != 0) return;
  Status removed = host_.remove_rules();
  if (removed) removed = cli::forget_ruled_interfaces(state_dir_);
  if (removed) return;
  logger_.warn("our firewall rules may be left behind, the next start replaces them",
               {{"cause", removed.error().message}});
}

Status Surroundings::bring_up(const host::RulesConfig& rules, const host::LinkConfig& link) {
  rules_config_ = rules;
  link_config_ = link;
  // First, so that no change is missed; our own are found well.
  auto opened = host::HostWatch::open(link.interface_name);
  if (!opened) return fail(opened.error());
  watch_ = *std::move(opened);
  if (Status ruled = apply_rules(); !ruled) return ruled;
  if (Status forwarding = host_.enable_forwarding(link); !forwarding) return forwarding;
  if (Status configured = host_.configure_link(link); !configured) return configured;
  news_.assign(::fcntl(watch_->fd(), F_DUPFD_CLOEXEC, 0));
  watch();
  return {};
}

Status Surroundings::apply_rules() {
  Status applied = host_.apply_rules(rules_config_);
  if (!applied) return applied;
  ruled_interface_ = rules_config_.interface_name;
  rules_config_.earlier_interfaces.clear();  // their tables are gone
  return {};
}

void Surroundings::watch() {
  news_.async_wait(boost::asio::posix::stream_descriptor::wait_read, [this](const error_code& error) {
    if (!error) heed(watch_->read());
  });
}

void Surroundings::heed(host::HostWatch::News news) {
  if (news.rules || !rules_) keep_rules();
  if (news.link) look_at_link();
  pause_.expires_after(rules_ ? kPause : std::chrono::milliseconds(kRetryPause));
  pause_.async_wait([this](const error_code& error) {
    if (error) return;
    rules_ ? watch() : heed(watch_->read());
  });
}

// One that cannot be read is put back as well: open access is the greater harm.
void Surroundings::keep_rules() {
  if (host_.rules_stand().value_or(false)) {
    rules_ = {};
    return;
  }
  const bool failed_before = !rules_;
  rules_ = apply_rules();
  if (!rules_) {
    rules_.error().message = "our firewall rules are gone and cannot be put back: " + rules_.error().message;
    if (!failed_before) {
      logger_.error("our firewall rules are gone and cannot be put back; trying again every second",
                    {{"error", rules_.error().message}});
    }
    return;
  }
  const auto now = steady_clock::now();
  if (!failed_before && told_ && now - *told_ < kTellInterval) return;
  told_ = now;
  logger_.warn("another program removed or changed our firewall rules; they stand again",
               {{"interface", ruled_interface_}});
}

void Surroundings::look_at_link() {
  if (::if_nametoindex(link_config_.interface_name.c_str()) == 0) return;  // its end is main.cc's matter
  const bool passed = link_.has_value();
  link_ = host_.check_link(link_config_);
  if (passed && !link_) {
    logger_.warn("packets do not pass until this is mended", {{"cause", link_.error().message}});
  } else if (!passed && link_) {
    logger_.info("packets pass again");
  }
}

}  // namespace vpn
