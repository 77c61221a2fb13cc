#!/usr/bin/env bash
# Puts Kubernetes' own programs into build/tools/kubernetes, for ./check --kubernetes, when they are not there. Debian has none of
# them, so they are built from the module: five minutes on two idle cores, the first time.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source tests/helm/go.sh

version=1.34.2
programs=(kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy)
[ -x build/tools/kubectl ] || programs+=(kubectl) # where tests/helm/tools.sh found none
target=$PWD/build/tools/kubernetes
[ "$(cat "$target/version" 2>/dev/null)" = $version ] && exit 0

find_go
mkdir -p "$target"
module=$(mktemp -d "$PWD/build/tools/kubernetes.XXXXXX")
trap 'rm -rf "$module"' EXIT
cd "$module"

# Its go.mod takes the libraries that are developed within it from directories; as modules they are version 0.x of themselves.
original=$("$go" mod download -json "k8s.io/kubernetes@v$version" | sed -n 's/.*"GoMod": "\(.*\)",/\1/p')
{
  echo "module kubernetes"
  sed -n '/^go /p; /^godebug /p' "$original"
  echo "require k8s.io/kubernetes v$version"
  sed -n "s|^\t\(k8s.io/[a-z-]*\) => \./staging/.*|replace \1 => \1 v0${version#1}|p" "$original"
} >go.mod

# A program that does not know its version is taken for an old one by its peers.
names=k8s.io/component-base/version
flags="-s -w -X $names.gitVersion=v$version -X $names.gitMajor=1 -X $names.gitMinor=34"
GOFLAGS=-mod=mod CGO_ENABLED=0 "$go" build -trimpath -ldflags "$flags" -o "$target/" "${programs[@]/#/k8s.io/kubernetes/cmd/}"
[ ! -e "$target/kubectl" ] || mv "$target/kubectl" "$target/.."
echo $version >"$target/version"
