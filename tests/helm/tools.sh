#!/usr/bin/env bash
# Puts helm and kubectl-validate into build/tools, for the tests of the chart, when they are not there. Debian has neither, so they
# are built from their modules. Called by ./check.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source tests/helm/go.sh

# build_tool NAME MODULE VERSION
build_tool() {
  [ "$(cat "build/tools/$1.version" 2>/dev/null)" = "$3" ] && return
  find_go
  GOBIN=$PWD/build/tools "$go" install "$2@$3"
  echo "$3" >"build/tools/$1.version"
}

build_tool helm helm.sh/helm/v3/cmd/helm v3.22.0
build_tool kubectl-validate sigs.k8s.io/kubectl-validate v0.0.4
