// Where things lie in the headers that segmentation touches: RFC 791, RFC 8200, RFC 9293, RFC 768.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vpn::engine::io {

constexpr std::size_t kIpv4HeaderBytes = 20;  ///< without options
constexpr std::size_t kIpv6HeaderBytes = 40;  ///< without extension headers
constexpr std::size_t kTcpHeaderBytes = 20;   ///< without options
constexpr std::size_t kUdpHeaderBytes = 8;

constexpr std::uint8_t kProtocolTcp = 6;
constexpr std::uint8_t kProtocolUdp = 17;

constexpr std::size_t kTcpChecksumOffset = 16;
constexpr std::size_t kUdpChecksumOffset = 6;

constexpr std::size_t kTcpFlagsOffset = 13;
constexpr std::uint8_t kTcpFin = 0x01;
constexpr std::uint8_t kTcpPsh = 0x08;
constexpr std::uint8_t kTcpAck = 0x10;
constexpr std::uint8_t kTcpCwr = 0x80;

}  // namespace vpn::engine::io
