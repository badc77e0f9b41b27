#!/bin/sh
# python-venv.sh DIR WHAT REQUIREMENTS...: makes the virtual environment DIR with what these files ask for, unless it is
# there. When that cannot be, it says that WHAT is skipped and why, also into the file that RFT_SKIPPED names, and ends
# with 1.
set -eu
cd "$(dirname "$0")/.."
venv=$1
what=$2
shift 2
python=${PYTHON:-python3}
wanted=
for file in "$@"; do wanted="$wanted -r $file"; done

cat "$@" | cmp -s - "$venv/made-from" && exit 0
scripts/need.sh --optional "$what" python3-venv || exit 1
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
    echo "skipped: $what (needs Python 3.10 or newer)" | tee -a "${RFT_SKIPPED:-/dev/null}"
    exit 1
fi
echo "making $venv"
# shellcheck disable=SC2086 # one word a file
if ! { "$python" -m venv --clear "$venv" &&
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check $wanted; }; then
    echo "skipped: $what (pip could not get$wanted)" | tee -a "${RFT_SKIPPED:-/dev/null}"
    exit 1
fi
cat "$@" >"$venv/made-from"
