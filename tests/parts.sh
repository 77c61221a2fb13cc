#!/usr/bin/env bash
# Puts under build/ what the tests need and Debian has no package of: vectors, servers, a kernel, tools. What is there already
# is left. Called by ./check, beside its build; with the argument `kubernetes`, what judges and runs a Kubernetes too.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

interop/wycheproof.sh
servers/elasticsearch.sh
servers/mongod.sh
netns/firewalls.sh
if [ "$(uname -m)" = x86_64 ]; then
  kernel/fetch.sh
  emulator/fetch.sh
  arm64/fetch.sh
fi
helm/tools.sh "$@"
if [ "${1:-}" = kubernetes ]; then
  kubernetes/tools.sh
fi
