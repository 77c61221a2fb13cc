// /keys: a fresh key pair and preshared key for a client-to-be. They exist in the answer alone.
#include "control/api/resources.h"
#include "engine/crypto/x25519.h"

namespace vpn::control {
Awaitable<Response> get_keys(const Request&, ApiContext& context) {
  Random& random = context.backend.random;
  const PrivateKey private_key = engine::crypto::generate_private_key(random);
  PresharedKey preshared_key;
  random.fill(preshared_key.reveal_mutable());

  Response response;
  response.body.reserve(256);
  response.body.append(R"({"public":")").append(to_string(engine::crypto::derive_public_key(private_key)));
  response.body += R"(","private":")";
  append_key(response.body, private_key);
  response.body += R"(","preshared":")";
  append_key(response.body, preshared_key);
  response.body += R"("})";
  co_return response;
}

}  // namespace vpn::control
