#!/bin/sh
# test-rafthttp.sh: the Go package etcdhttp against the transport of etcd's server, that of 3.6 and that of 3.7, in one
# cluster. Where Go cannot get the packages, that is told, and skipped.
set -eu
cd "$(dirname "$0")/../bindings/go/rfthttp/etcdhttp/interop"

against() {
    version=$1 module=$2 tags=$3
    if go mod download -modfile="$module"; then
        go vet -modfile="$module" -tags="$tags" .
        go test -modfile="$module" -tags="$tags" -count=1 -timeout 300s -race -v .
    else
        echo "skipped: the test against the transport of etcd $version (Go cannot get its packages, see above)" |
            tee -a "${RFT_SKIPPED:-/dev/null}"
    fi
}
against 3.6 go.mod rft_static
against 3.7 etcd37.mod rft_static,etcd37
