#!/bin/sh
# test-etcd.sh BUILT: etcd's own packages, those of 3.6 and those of 3.7, write and read logs in turns with ours. BUILT is
# where cargo has put the driver and the tool. Where Go cannot get the packages, that is told, and skipped.
set -eu
export RFT_DRIVER="$1/debug/examples/etcd_driver" RFT_TOOL="$1/debug/rft"
cd "$(dirname "$0")/../raft-core/tests/etcd"

against() {
    version=$1
    shift
    if go mod download "$1"; then
        go test "$@" -count=1 -v .
    else
        echo "skipped: the test against the log of etcd $version (Go cannot get its packages, see above)" |
            tee -a "${RFT_SKIPPED:-/dev/null}"
    fi
}
against 3.6 -modfile=go.mod
against 3.7 -modfile=etcd37.mod -tags=etcd37
