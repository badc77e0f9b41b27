#!/bin/sh
# fuzz.sh SECONDS [TARGET]: runs all fuzz targets, or this one, for SECONDS in all, and prints how many inputs each has
# had. At a crash it prints the line that replays it, goes on to the next target, and ends with 1.
set -eu
cd "$(dirname "$0")/../raft-core/fuzz"
targets=${2:-$(ls fuzz_targets | sed 's/\.rs$//')}
for target in $targets; do
    [ -f "fuzz_targets/$target.rs" ] || { echo "no fuzz target $target; there are:" $(ls fuzz_targets | sed 's/\.rs$//') >&2; exit 2; }
done

cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz
# Sanitizers are unstable options; this has a stable compiler take them.
export RUSTC_BOOTSTRAP=1
cargo fuzz build

share=$(($1 / $(echo "$targets" | wc -w)))
[ "$share" -gt 0 ] || share=1
failed=0
for target in $targets; do
    mkdir -p "corpus/$target" "artifacts/$target"
    log=artifacts/$target/log
    # No input is larger than a few KiB: whoever asks for a piece of 64 MiB believes a length that lies.
    if cargo fuzz run "$target" "corpus/$target" "seeds/$target" -- -max_total_time="$share" -malloc_limit_mb=64 \
        -print_final_stats=1 >"$log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        echo "fuzz $target: ${runs:?see raft-core/fuzz/$log} inputs in $share s, no crash"
    else
        failed=1
        tail -n 40 "$log"
        input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
        echo "fuzz $target: CRASH. Replay:"
        echo "    cd raft-core/fuzz && RUSTC_BOOTSTRAP=1 cargo fuzz run $target ${input#"$PWD"/}"
    fi
done
exit $failed
