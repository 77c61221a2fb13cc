# Shared by ./run and ./check: the Debian packages that are needed, and a quiet build. Sourced by bash with
# `set -euo pipefail`, in the repository's root.

# What builds the program. Each brings its run-time library along.
build_packages=(
  g++                   # the compiler, GCC 12
  cmake                 # the build
  ninja-build           # what CMake drives
  pkg-config            # finds the libraries that have no CMake file
  ccache                # makes a second build quick
  libboost1.81-dev      # Asio and Beast: HTTP, timers, signals
  libboost-json1.81-dev # JSON
  libssl-dev            # X25519, and the oracle of the crypto tests
  libmnl-dev            # links, addresses and routes over netlink
  libnftables-dev       # NAT and forwarding rules
  libsystemd-dev        # DNS servers for systemd-resolved, over D-Bus
  libsqlite3-dev        # the clients' store
  libmongoc-dev         # the clients' store in MongoDB
  libcli11-dev          # flags, environment and settings file
  libspdlog-dev         # the log
  libqrcodegencpp-dev   # QR codes in a terminal
  libexpected-dev       # Result<T>
)
if [ "$(uname -m)" = x86_64 ]; then
  build_packages+=(libipsec-mb-dev) # ChaCha20-Poly1305 at full speed
fi

# What makes a Debian package of it.
packaging_packages=(
  dpkg-dev # says which packages hold the libraries that the program needs
  file     # says which files are programs
)

# Prints the packages out of "$@" that are not installed.
missing_packages() {
  local package
  for package in "$@"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || echo "$package"
  done
}

# Installs those of "$@" that are missing; when none is, nothing is asked of the network or of root.
install_packages() {
  local missing
  mapfile -t missing < <(missing_packages "$@")
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" -ne 0 ]; then
    echo "$0: these Debian packages are missing; run it as root, or install them: ${missing[*]}" >&2
    exit 1
  fi
  echo "Installing ${#missing[@]} Debian packages: ${missing[*]}"
  mkdir -p build
  export DEBIAN_FRONTEND=noninteractive
  quietly build/packages.log apt-get update
  quietly build/packages.log apt-get install --yes --no-install-recommends "${missing[@]}"
}

# Runs a command with its output appended to a log, which is shown when it fails.
quietly() {
  local log=$1
  shift
  "$@" >>"$log" 2>&1 || {
    local status=$?
    tail -n 60 "$log" >&2
    echo "$0: \`$*\` failed with $status; the whole output is in $log" >&2
    exit 1
  }
}

# Configures (the first time) and builds a preset.
build_preset() {
  local directory=build/$1
  if ! { mkdir -p "$directory" && : >"$directory/build.log"; } 2>/dev/null; then
    echo "$0: $(id -un) cannot write in $PWD/$directory; run it as the user who owns that, for example: sudo $0 --build-only" >&2
    exit 1
  fi
  if [ ! -f "$directory/build.ninja" ]; then
    quietly "$directory/build.log" cmake --preset "$1"
  fi
  quietly "$directory/build.log" cmake --build "$directory"
}
