#!/bin/sh
# in-memory.sh PROGRAM ARGUMENT...: runs it with a new folder in memory as FACES_DIR, and deletes that.
set -eu
where=/dev/shm
[ -d "$where" ] && [ -w "$where" ] || where=${TMPDIR:-/tmp}
FACES_DIR=$(mktemp -d "$where/rft-faces.XXXXXX")
export FACES_DIR
trap 'rm -rf "$FACES_DIR"' EXIT
trap 'exit 1' HUP INT TERM
"$@"
