# The contract of tunnel.h and the rest of kernel_tunnel_test.cc, on the kernel's own WireGuard.

tests() { kernel_tunnel_test --gtest_filter="$1"; }

step kernel-without-wireguard-is-unsupported tests 'KernelWithoutWireguard.*'
step wireguard-is-loaded load wireguard
step tunnel-contract tests '*-KernelWithoutWireguard.*:*HundredThousand*'
step hundred-thousand-peers tests '*HundredThousand*'
