# shellcheck shell=bash
# What the scripts need from the machine, and how they get it. Sourced after terminal.sh, not run.
#
# Nothing is installed that is already there, and nobody is asked for a password unless a system
# package is missing. The callers run in the repository's root.

# What the build needs: a C compiler for BoringSSL and the shims, the system's SQLite, and the engine of
# Qpid Proton for AMQP.
build_packages=(
  build-essential ca-certificates git libqpid-proton11-dev libsqlite3-dev tzdata zlib1g-dev
)

# What the tests need on top: clients we did not write, and tools that count.
test_packages=(
  crun docker-registry docker.io groff-base jq libssl-dev mosquitto mosquitto-clients openssl procps python3 python3-dev
  python3-venv shellcheck swtpm tpm2-tools valgrind
)

# What the comparison with other brokers needs on top.
benchmark_packages=(jq libssl-dev mosquitto openssl util-linux valgrind)

minimum_swift=6.3

require_swift() {
  command -v swift >/dev/null || fail "swift is not on the PATH; Swift $minimum_swift or later is needed." \
    "Install it from https://www.swift.org/install/linux/ and open a new shell."
  local banner version
  banner=$(swift --version 2>/dev/null) || fail "'swift --version' does not run; is the toolchain complete?"
  version=$(sed -nE 's/.*Swift version ([0-9]+\.[0-9]+).*/\1/p' <<<"$banner" | head -n 1)
  [[ -n "$version" ]] || fail "cannot read a version from 'swift --version': $banner"
  if [[ "$(printf '%s\n' "$minimum_swift" "$version" | sort -V | head -n 1)" != "$minimum_swift" ]]; then
    fail "Swift $version is on the PATH; $minimum_swift or later is needed." \
      "Install it from https://www.swift.org/install/linux/ and put it first on the PATH."
  fi
}

# Installs the Debian packages that are missing for the named purposes: build, test, benchmark.
require_packages() {
  local purpose packages=()
  for purpose in "$@"; do
    case $purpose in
      build) packages+=("${build_packages[@]}") ;;
      test) packages+=("${test_packages[@]}") ;;
      benchmark) packages+=("${benchmark_packages[@]}") ;;
      *) fail "there is no list of packages for '$purpose'." ;;
    esac
  done
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    warn "this is not a Debian system; make sure that these (or your system's equivalents) are there:"
    note "${packages[*]}"
    return
  fi
  local missing=() package
  for package in "${packages[@]}"; do
    [[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" == installed ]] \
      || missing+=("$package")
  done
  ((${#missing[@]})) || return 0

  local elevate=()
  if ((EUID != 0)); then
    command -v sudo >/dev/null || fail "these packages are missing and there is no sudo:" \
      "${missing[*]}" "As root: apt-get install ${missing[*]}"
    elevate=(sudo)
    [[ -n "${CI:-}" || ! -t 0 ]] && elevate+=(-n)
    note "sudo is needed once, to install: ${missing[*]}"
  fi
  elevate+=(env DEBIAN_FRONTEND=noninteractive)

  step "Installing system packages: ${missing[*]}"
  local install=("${elevate[@]}" apt-get install --yes --no-install-recommends -qq)
  # A machine with fresh package lists needs no update; one whose lists are absent or stale does.
  if ! "${install[@]}" "${missing[@]}" >/dev/null 2>&1; then
    "${elevate[@]}" apt-get update -qq || fail "apt-get update failed; see the lines above."
    "${install[@]}" "${missing[@]}" >/dev/null || fail "apt-get could not install: ${missing[*]}"
  fi
}

# Makes the private Python environment of the interoperability tests and sets `python` to its
# interpreter. It is rebuilt when the list of requirements or the interpreter changes.
require_python() {
  local requirements=Tests/Interop/requirements.txt base=/usr/bin/python3 home=.cache/python stamp
  [[ -x "$base" ]] || base=$(command -v python3) || fail "python3 is missing."
  stamp=$({ "$base" --version; cat "$requirements"; } | sha256sum | cut -d ' ' -f 1)
  python=$PWD/$home/bin/python
  [[ "$(cat "$home/stamp" 2>/dev/null)" == "$stamp" && -x "$python" ]] && return

  step "Installing the Python clients into $home"
  rm -rf "$home"
  "$base" -m venv "$home" || fail "'$base -m venv' failed; on Debian the package is python3-venv."
  "$python" -m pip install --quiet --disable-pip-version-check --no-input -r "$requirements" \
    || fail "pip could not install what $requirements names; see the lines above."
  printf '%s\n' "$stamp" >"$home/stamp"
}
