// The few Asio types of this folder. One io_context with one thread runs everything here: it is the control strand.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace vpn::control {

// The concrete executor instead of any_io_executor: no type erasure on every operation.
using Executor = boost::asio::io_context::executor_type;

template <typename T>
using Awaitable = boost::asio::awaitable<T, Executor>;

/// co_await operation(..., kAwait) gives a tuple that begins with the error_code: nothing throws.
inline constexpr boost::asio::as_tuple_t<boost::asio::use_awaitable_t<Executor>> kAwait{};

/// A connected TCP or unix stream socket.
using StreamSocket = boost::asio::basic_stream_socket<boost::asio::generic::stream_protocol, Executor>;

}  // namespace vpn::control
