#include "host/resolved.h"

#include <sys/socket.h>
#include <systemd/sd-bus.h>

#include <cerrno>
#include <chrono>
#include <functional>
#include <memory>
#include <string_view>
#include <thread>

namespace vpn::host {
namespace {

constexpr std::chrono::seconds kCallTimeout{10};
// It hears of a new interface a moment after it was made.
constexpr std::chrono::seconds kLinkPatience{5};
constexpr std::chrono::milliseconds kLinkInterval{20};

struct Close {
  void operator()(sd_bus* bus) const { sd_bus_close_unref(bus); }
  void operator()(sd_bus_message* message) const { sd_bus_message_unref(message); }
};
using Bus = std::unique_ptr<sd_bus, Close>;
using Message = std::unique_ptr<sd_bus_message, Close>;

/// Owns what a failed call left.
class CallError {
 public:
  ~CallError() { sd_bus_error_free(&error_); }
  CallError() = default;
  CallError(const CallError&) = delete;
  CallError& operator=(const CallError&) = delete;
  sd_bus_error* get() { return &error_; }
  bool is(const char* name) const { return sd_bus_error_has_name(&error_, name) != 0; }
  std::string text() const { return error_.message != nullptr ? error_.message : "no answer"; }

 private:
  sd_bus_error error_{};
};

Result<Bus> open_bus() {
  sd_bus* bus = nullptr;
  if (const int result = sd_bus_open_system(&bus); result < 0) {
    return fail(ErrorCode::kUnavailable, system_error("cannot reach D-Bus", -result).message);
  }
  Bus owner(bus);
  sd_bus_set_method_call_timeout(bus, std::chrono::microseconds(kCallTimeout).count());
  return owner;
}

/// Appends the arguments of a call; negative when it cannot.
using Append = std::function<int(sd_bus_message* message)>;

Status call_once(sd_bus* bus, const char* method, const Append& append) {
  sd_bus_message* message = nullptr;
  int result = sd_bus_message_new_method_call(bus, &message, "org.freedesktop.resolve1", "/org/freedesktop/resolve1",
                                              "org.freedesktop.resolve1.Manager", method);
  const Message owner(message);
  if (result >= 0) result = append(message);
  if (result < 0) return fail(system_error("cannot make a D-Bus message", -result));
  CallError error;
  if (sd_bus_call(bus, message, 0, error.get(), nullptr) >= 0) return {};
  const ErrorCode code = error.is("org.freedesktop.resolve1.NoSuchLink") ? ErrorCode::kNotFound
                         : error.is(SD_BUS_ERROR_ACCESS_DENIED)          ? ErrorCode::kPermissionDenied
                         : error.is(SD_BUS_ERROR_SERVICE_UNKNOWN) || error.is(SD_BUS_ERROR_NAME_HAS_NO_OWNER)
                             ? ErrorCode::kUnavailable
                             : ErrorCode::kIo;
  return fail(code, "systemd-resolved: " + error.text());
}

Status call(sd_bus* bus, const char* method, const Append& append) {
  const auto deadline = std::chrono::steady_clock::now() + kLinkPatience;
  while (true) {
    Status called = call_once(bus, method, append);
    const bool link_may_come = !called && called.error().code == ErrorCode::kNotFound;
    if (!link_may_come || std::chrono::steady_clock::now() > deadline) return called;
    std::this_thread::sleep_for(kLinkInterval);
  }
}

/// Opens an array, has each element appended, closes it.
template <typename Elements, typename AppendOne>
int append_array(sd_bus_message* message, const char* element_type, const Elements& elements, AppendOne append_one) {
  if (const int result = sd_bus_message_open_container(message, SD_BUS_TYPE_ARRAY, element_type); result < 0)
    return result;
  for (const auto& element : elements) {
    if (const int result = append_one(element); result < 0) return result;
  }
  return sd_bus_message_close_container(message);
}

int append_server(sd_bus_message* message, const IpAddress& server) {
  const ByteView bytes = server.bytes();
  int result = sd_bus_message_open_container(message, SD_BUS_TYPE_STRUCT, "iay");
  if (result >= 0) result = sd_bus_message_append(message, "i", server.is_v4() ? AF_INET : AF_INET6);
  if (result >= 0) result = sd_bus_message_append_array(message, 'y', bytes.data(), bytes.size());
  return result >= 0 ? sd_bus_message_close_container(message) : result;
}

struct Domain {
  std::string name;
  bool only_routes = false;  ///< is not tried behind a short name
};

}  // namespace

Status set_link_dns(unsigned interface_index, const LinkDns& dns) {
  const auto bus = open_bus();
  if (!bus) return fail(bus.error());
  const int index = static_cast<int>(interface_index);
  Status set = call(bus->get(), "SetLinkDNS", [&](sd_bus_message* message) {
    if (const int result = sd_bus_message_append(message, "i", index); result < 0) return result;
    return append_array(message, "(iay)", dns.servers,
                        [&](const IpAddress& server) { return append_server(message, server); });
  });
  if (!set) return set;
  // The root domain: every name is this interface's.
  std::vector<Domain> domains{{".", true}};
  for (const std::string& name : dns.search) domains.push_back({name, false});
  return call(bus->get(), "SetLinkDomains", [&](sd_bus_message* message) {
    if (const int result = sd_bus_message_append(message, "i", index); result < 0) return result;
    return append_array(message, "(sb)", domains, [&](const Domain& domain) {
      return sd_bus_message_append(message, "(sb)", domain.name.c_str(), domain.only_routes ? 1 : 0);
    });
  });
}

}  // namespace vpn::host
