#!/bin/sh
# test-rafthttp.sh: the Go package etcdhttp against the transport of etcd's server, in one cluster. Where Go cannot get
# that, it is told, and skipped.
set -eu
cd "$(dirname "$0")/../bindings/go/rfthttp/etcdhttp/interop"

if go mod download go.etcd.io/etcd/server/v3 go.etcd.io/raft/v3; then
    go vet -tags rft_static .
    go test -count=1 -timeout 300s -race -tags rft_static -v .
else
    echo "skipped: the test against etcd's transport (Go cannot get its packages, see above)" |
        tee -a "${RFT_SKIPPED:-/dev/null}"
fi
