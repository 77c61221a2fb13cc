// /metrics: what is counted, in Prometheus' text format 0.0.4. Nothing in it is a client's: no name, no key, no
// address.
#include <algorithm>
#include <string>

#include "control/api/resources.h"

namespace vpn::control {
namespace {

constexpr std::string_view kMetricsType = "text/plain; version=0.0.4; charset=utf-8";

class MetricsText {
 public:
  explicit MetricsText(SecretText& out) : out_(out) {}

  void gauge(std::string_view name, std::string_view labels, std::uint64_t value) { add(name, "gauge", labels, value); }
  /// `name` without its "_total".
  void counter(std::string_view name, std::string_view labels, std::uint64_t value) {
    add(std::string(name) + "_total", "counter", labels, value);
  }

 private:
  // The samples of one name follow one another, under one line of its type.
  void add(std::string_view name, std::string_view type, std::string_view labels, std::uint64_t value) {
    const std::string full_name = "vpn_enabler_" + std::string(name);
    if (full_name != last_name_) out_.append("# TYPE ").append(full_name).append(" ").append(type).append("\n");
    out_ += full_name;
    if (!labels.empty()) out_.append("{").append(labels).append("}");
    out_.append(" ").append(std::to_string(value)).append("\n");
    last_name_ = full_name;
  }

  SecretText& out_;
  std::string last_name_;
};

std::string label(std::string_view name, std::string_view value) {
  return std::string(name) + "=\"" + std::string(value) + '"';
}

void append_api(MetricsText& metrics, const ApiCounters& counters) {
  metrics.counter("api_connections", {}, counters.connections);
  metrics.counter("api_connections_refused", {}, counters.connections_refused);
  metrics.counter("api_connections_displaced", {}, counters.connections_displaced);
  metrics.counter("api_connections_timed_out", {}, counters.connections_timed_out);
  metrics.counter("api_answers", label("result", "ok"), counters.answers_ok);
  metrics.counter("api_answers", label("result", "caller_fault"), counters.answers_caller_fault);
  metrics.counter("api_answers", label("result", "server_fault"), counters.answers_server_fault);
}

void append_clients(MetricsText& metrics, const ClientService& clients) {
  const std::vector<const Client*> all = clients.list();
  const auto enabled = static_cast<std::uint64_t>(std::ranges::count_if(all, &Client::enabled));
  metrics.gauge("clients", label("state", "enabled"), enabled);
  metrics.gauge("clients", label("state", "disabled"), all.size() - enabled);
}

}  // namespace

Awaitable<Response> get_metrics(const Request&, ApiContext& context) {
  Response response{.content_type = kMetricsType};
  MetricsText metrics(response.body);
  const ApiBackend& backend = context.backend;
  metrics.gauge("info", label("version", context.info.version) + ',' + label("tunnel", backend.tunnel.kind()), 1);
  const Health health = health_of(backend);
  metrics.gauge("store_up", {}, health.store_ok ? 1 : 0);
  metrics.gauge("tunnel_up", {}, health.tunnel_ok ? 1 : 0);
  if (backend.clients.ready()) append_clients(metrics, backend.clients);
  append_api(metrics, context.counters);
  for (const tunnel::Count& count : backend.tunnel.counts()) {
    metrics.counter("engine_" + std::string(count.name), count.reason.empty() ? "" : label("reason", count.reason),
                    count.value);
  }
  co_return response;
}

}  // namespace vpn::control
