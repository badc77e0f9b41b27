#!/bin/sh
# need.sh PACKAGE...: makes sure that Debian's packages of these names, or their like, are there.
# As root they are installed with apt-get; otherwise the line to run is printed and it ends with 1.
# need.sh --optional "WHAT IS SKIPPED" PACKAGE...: only says so when they are missing, also into the file that
# RFT_SKIPPED names if it does, and ends with 1.
set -eu

there() {
    case $1 in
    abigail-tools) command -v abidiff ;;
    cargo) command -v cargo ;;
    chromium-driver) command -v chromedriver ;;
    gcc) command -v cc ;;
    go-1.24) go version | grep -E ' go1\.(2[4-9]|[3-9][0-9])' ;;
    golang-go) command -v go ;;
    iproute2) command -v ip ;;
    libcpp-httplib-dev) pkg-config --exists cpp-httplib ;;
    libcurl4-openssl-dev) pkg-config --exists libcurl ;;
    libgnutls28-dev) pkg-config --exists gnutls ;;
    libraft-dev) pkg-config --exists raft ;;
    libmicrohttpd-dev) pkg-config --exists libmicrohttpd ;;
    libssl-dev) pkg-config --exists openssl ;;
    nftables) command -v nft ;;
    protobuf-compiler) command -v protoc ;;
    python3-venv) "${PYTHON:-python3}" -c 'import ensurepip, venv' ;;
    *) command -v "$1" ;;
    esac >/dev/null 2>&1
}

skipped=
if [ "${1:-}" = --optional ]; then
    skipped=$2
    shift 2
fi

missing=
for package in "$@"; do
    there "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ -n "$skipped" ]; then
    echo "skipped: $skipped (not installed:$missing)" | tee -a "${RFT_SKIPPED:-/dev/null}"
    exit 1
fi
case $missing in
*cargo*)
    echo "Rust is not installed, or cargo is not in PATH. Get it from https://rustup.rs, 1.89 or newer." >&2
    exit 1
    ;;
esac
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing:$missing"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086 # one word a package
    apt-get install -y --no-install-recommends $missing >/dev/null 2>&1 ||
        { apt-get update -q && apt-get install -q -y --no-install-recommends $missing; }
else
    echo "These packages are missing:$missing" >&2
    echo "On Debian or Ubuntu: sudo apt-get install$missing" >&2
    exit 1
fi
