// Changes as the server tells them, where it has a log of them (a replica set, a sharded cluster).
//
// One thread, the feed's. A lost stream goes on from its resume token; where the server's log does not reach back that
// far, anything may have changed.
#pragma once

#include <mongoc/mongoc.h>

#include <memory>

#include "control/store/mongodb/feed.h"
#include "control/store/mongodb/server.h"

namespace vpn::control::mongodb {

class ChangeStream final : public ChangeSource {
 public:
  ChangeStream(Server& server, const News& news) : server_(server), news_(news) {}

  Status open() override;
  Result<Changes> take() override;
  std::chrono::milliseconds pause() const override { return std::chrono::milliseconds(0); }

 private:
  struct StreamDeleter {
    void operator()(mongoc_change_stream_t* stream) const { mongoc_change_stream_destroy(stream); }
  };
  /// False when this was the stream's last event.
  bool read(const bson_t& event, Changes& changes);
  Status check();
  void close();
  void keep_token();

  Server& server_;
  const News& news_;
  Connection connection_;
  std::unique_ptr<mongoc_change_stream_t, StreamDeleter> stream_;  // before connection_ goes, it goes
  std::optional<Document> token_;
  bool begun_ = false;  ///< open() has succeeded once
  bool lost_ = false;   ///< opened anew without a token: the next answer is "everything"
};

}  // namespace vpn::control::mongodb
