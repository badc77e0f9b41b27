#!/bin/sh
# test-etcd.sh BUILT: etcd's own packages, those of 3.6 and those of 3.7, write and read logs in turns with ours; and the
# transcripts of its raft 3.7 (those of 3.6 draw one picture differently) are run by our core. BUILT is where cargo has put
# the driver and the tool. Where Go cannot get the packages, that is told, and skipped.
set -eu
built=$1
export RFT_DRIVER="$built/debug/examples/etcd_driver" RFT_TOOL="$built/debug/rft"
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

raft=go.etcd.io/raft/v3
if go mod download -modfile=etcd37.mod "$raft"; then
    source=$(go list -modfile=etcd37.mod -m -f '{{.Dir}}' "$raft")
    transcripts="$built/etcd-transcripts"
    rm -rf "$transcripts"
    mkdir -p "$transcripts"
    ln -s "$source/testdata" "$transcripts/interaction"
    ln -s "$source/quorum/testdata" "$transcripts/quorum"
    ln -s "$source/confchange/testdata" "$transcripts/confchange"
    RFT_TRANSCRIPTS="$transcripts" "${CARGO:-cargo}" test --quiet -p raft-core --test transcripts
else
    echo "skipped: the transcripts of etcd's raft (Go cannot get it, see above)" | tee -a "${RFT_SKIPPED:-/dev/null}"
fi
