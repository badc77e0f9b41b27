#!/bin/sh
# etcd-cluster.sh SECONDS SEED TOOL: clusters of kv-c and of kv-etcd, which is built for raft 3.6 and for 3.7. Where Go cannot
# get the packages, that is told, and skipped. TOOL is the program rft.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top/examples/kv-etcd"

built=
build() {
    version=$1
    shift
    if go mod download "$1"; then
        go vet "$@" .
        go test "$@" -count=1 .
        go build "$@" -o "build/kv-etcd-$version" .
        built="$built build/kv-etcd-$version"
    else
        echo "skipped: a cluster with nodes on etcd's raft $version (Go cannot get its packages, see above)" |
            tee -a "${RFT_SKIPPED:-/dev/null}"
    fi
}
build 3.6 -modfile=go.mod
build 3.7 -modfile=etcd37.mod -tags=etcd37
[ -n "$built" ] || exit 0
# shellcheck disable=SC2086 # a word a build
"${PYTHON:-python3}" "$top/examples/demo/etcd_cluster.py" $built --tool "$3" --seconds "$1" --seed "$2"
