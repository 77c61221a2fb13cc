// /client: create, delete, enable, disable.
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <memory>
#include <optional>

#include "control/api/request_body.h"
#include "control/api/resources.h"

namespace vpn::control {
namespace {

namespace asio = boost::asio;

// The suspended coroutine, which goes on with the first answer of two: the service's, or give_up()'s. The coroutine
// keeps the context alive. It goes on by a post, because the service may answer before anything is suspended.
template <typename T, typename Handler>
class Call final : public WaitingCall {
 public:
  Call(Handler handler, ApiContext& context) : handler_(std::move(handler)), context_(context) {
    context_.waiting.insert(this);
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call() override { leave(); }

  void answer(Result<T> result) {
    if (!handler_) return;
    leave();
    const Executor executor = asio::get_associated_executor(*handler_);
    asio::post(executor,
               [handler = std::move(*handler_), result = std::move(result)]() mutable { handler(std::move(result)); });
    handler_.reset();
  }
  void give_up() override {
    answer(
        fail(ErrorCode::kUnavailable,
             "The gateway is stopping and the store has not answered: whether this was done is not known. Ask again"));
  }

 private:
  void leave() {
    if (handler_) context_.waiting.erase(this);
  }

  std::optional<Handler> handler_;  // none: answered, and the context may be gone
  ApiContext& context_;
};

// Calls `start` with a callback and suspends until that is called or the server gives up.
//
// `start` is a reference to a variable of the awaiting coroutine: GCC 12 copies the bytes of a temporary closure in a
// co_await expression, which breaks captured strings.
template <typename T, typename Start>
Awaitable<Result<T>> call_service(Start& start, ApiContext& context) {
  using Await = asio::use_awaitable_t<Executor>;
  return asio::async_initiate<const Await, void(Result<T>)>(
      [&start, &context](auto handler) {
        // std::function wants to be copied, the handler (it owns the coroutine) does not.
        const auto call = std::make_shared<Call<T, decltype(handler)>>(std::move(handler), context);
        start([call](Result<T> result) { call->answer(std::move(result)); });
      },
      Await());
}

// A body of no declared type is read as JSON, so that an empty one is told what is missing.
Result<RequestBody> parse_body(const Request& request, std::initializer_list<BodyField> allowed) {
  if (request.body.empty()) return RequestBody();
  const MediaType type = parse_media_type(request.content_type).value_or(MediaType::kJson);
  return RequestBody::parse(type, request.body, allowed);
}

Result<NewClient> parse_new_client(const Request& request) {
  auto body = parse_body(request, {BodyField::kPublicKey, BodyField::kPresharedKey, BodyField::kName});
  if (!body) return fail(body.error());
  auto public_key = body->public_key();
  if (!public_key) return fail(public_key.error());
  auto preshared_key = body->preshared_key();
  if (!preshared_key) return fail(preshared_key.error());
  return NewClient{*public_key, std::move(*preshared_key), std::string(body->name().value_or(""))};
}

Result<PublicKey> parse_public_key(const Request& request) {
  auto body = parse_body(request, {BodyField::kPublicKey});
  if (!body) return fail(body.error());
  return body->public_key();
}

Response describe_created(const Client& client, const ApiContext& context) {
  const Network& network = context.info.network;
  Response response;
  SecretText& body = response.body;
  body.reserve(320);
  body.append(R"({"serverPublicKey":")").append(to_string(context.backend.clients.server_key()));
  body += R"(","serverIP":)";
  append_json_string(body, network.server_ip);
  body.append(R"(,"serverPort":)").append(std::to_string(network.server_port));
  body.append(R"(,"clientIP":")").append(to_string(client.address));
  body += R"(/32")";
  append_ipv6_member(body, network, client);
  body += R"(,"allowedIPs":)";
  append_json_string(body, client.allowed_ips);
  body += R"(,"message":"Peer added successfully"})";
  return response;
}

Awaitable<Response> set_enabled(const Request& request, ApiContext& context, bool enabled) {
  const auto key = parse_public_key(request);
  if (!key) co_return error_response(key.error());
  const auto start = [&](ClientService::StatusCallback callback) {
    context.backend.clients.set_enabled(*key, enabled, std::move(callback));
  };
  const Status done = co_await call_service<void>(start, context);
  if (!done) co_return error_response(done.error());
  co_return Response{.status = HttpStatus::no_content};
}

}  // namespace

Awaitable<Response> create_client(const Request& request, ApiContext& context) {
  auto wanted = parse_new_client(request);
  if (!wanted) co_return error_response(wanted.error());
  const auto start = [&](ClientService::ClientCallback callback) {
    context.backend.clients.create(std::move(*wanted), std::move(callback));
  };
  const Result<Client> created = co_await call_service<Client>(start, context);
  if (!created) co_return error_response(created.error());
  co_return describe_created(*created, context);
}

Awaitable<Response> delete_client(const Request& request, ApiContext& context) {
  const auto key = parse_public_key(request);
  if (!key) co_return error_response(key.error());
  const auto start = [&](ClientService::StatusCallback callback) {
    context.backend.clients.remove(*key, std::move(callback));
  };
  const Status done = co_await call_service<void>(start, context);
  if (!done) co_return error_response(done.error());
  co_return Response{};
}

Awaitable<Response> enable_client(const Request& request, ApiContext& context) {
  return set_enabled(request, context, true);
}

Awaitable<Response> disable_client(const Request& request, ApiContext& context) {
  return set_enabled(request, context, false);
}

}  // namespace vpn::control
