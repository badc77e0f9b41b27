#!/bin/sh
# test-tutorials.sh BUILT VENV: the programs that the manual is written around, in every language that is there: each has to
# say what examples/tutorial/expected.txt says. BUILT is cargo's target directory, VENV Python's environment with the package.
set -eu
built=$1
venv=$2
cd "$(dirname "$0")/.."
top=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Static, so that nothing depends on where the library lies.
link="-I$top/include $built/release/librft.a -lgcc_s -lpthread -lm -ldl"

# tells LANGUAGE COMMAND...: runs it on a directory of its own.
tells() {
    language=$1
    shift
    "$@" "$work/$language.data" >"$work/$language.out" || { echo "test-tutorials: $language failed" >&2; exit 1; }
    diff examples/tutorial/expected.txt "$work/$language.out" || { echo "test-tutorials: $language tells another story" >&2; exit 1; }
    echo "test-tutorials: $language tells it"
}

# shellcheck disable=SC2086 # a word an option
"${CC:-cc}" -std=c11 -Wall -Wextra -Werror -o "$work/c" examples/tutorial/tutorial.c $link
tells c "$work/c"
if scripts/need.sh --optional 'the tutorial in C++' g++; then
    # shellcheck disable=SC2086
    "${CXX:-c++}" -std=c++17 -Wall -Wextra -Werror -o "$work/cpp" examples/tutorial/tutorial.cpp $link
    tells cpp "$work/cpp"
fi
if scripts/need.sh --optional 'the tutorial in Go' go-1.24; then
    (cd examples/tutorial/go && test -z "$(gofmt -l . | tee /dev/stderr)" && go vet -tags rft_static . &&
        go build -tags rft_static -o "$work/go" .)
    tells go "$work/go"
fi
if "$venv/bin/python" -c 'import rft' 2>/dev/null; then
    tells python "$venv/bin/python" examples/tutorial/tutorial.py
else
    echo 'skipped: the tutorial in Python (make test-python builds the package first)' | tee -a "${RFT_SKIPPED:-/dev/null}"
fi
