#!/bin/sh
# soak-engines.sh SECONDS SEED: the engine's tests of chaos and of registers again and again, each time from the next
# seed, until the time is up. The round that is under way then is finished.
set -eu
cd "$(dirname "$0")/.."
seed=$2
export RFT_STEPS=40
run="cargo test --release -p raft-core --test engine -- chaos:: registers::"
cargo test --release -p raft-core --test engine --no-run
log=$(mktemp)
trap 'rm -f "$log"' EXIT
end=$(($(date +%s) + $1))
while
    RFT_SEED=$seed $run >"$log" 2>&1 || {
        cat "$log"
        echo "soak-engines: FAIL. Replay:"
        echo "    RFT_SEED=$seed RFT_STEPS=$RFT_STEPS $run"
        exit 1
    }
    seed=$((seed + 1))
    [ "$(date +%s)" -lt "$end" ]
do :; done
echo "soak-engines: PASS, seeds $2 to $((seed - 1)), $RFT_STEPS steps each"
