#!/bin/sh
# test-wheel.sh VENV WORK: builds the wheel of the Python binding with the tools in VENV, has abi3audit look at what it
# takes from the interpreter, and installs it into an environment that knows nothing else, where a node has to work.
set -eu
venv=$1
work=$2
cd "$(dirname "$0")/../bindings/python"
rm -rf "$work" && mkdir -p "$work/elsewhere"

VIRTUAL_ENV=$venv PATH="$venv/bin:$PATH" maturin build --quiet --locked --out "$work"
wheel=$(echo "$work"/raft_ffi-*-cp310-abi3-*.whl)
[ -f "$wheel" ] || { echo "test-wheel: no wheel for the stable interface of 3.10: $(ls "$work")" >&2; exit 1; }
"$venv/bin/abi3audit" --strict --summary --assume-minimum-abi3 3.10 "$wheel"

tried=0
for python in "$venv/bin/python" python3.10 python3.12 python3.13 python3.14; do
    "$python" -c 'import venv, ensurepip' 2>/dev/null || continue
    tried=$((tried + 1))
    "$python" -m venv --clear "$work/fresh"
    "$work/fresh/bin/python" -m pip install --quiet --disable-pip-version-check --no-index "$wheel"
    (cd "$work/elsewhere" && rm -rf data && "$work/fresh/bin/python" -I -W error -X dev - <<'END'
import importlib.metadata
import importlib.resources
import platform
import time

import rft


class Text:
    """A state machine that is a text."""

    text = b""

    def apply(self, entries):
        for entry in entries:
            self.text = entry.data

    def save(self, writer):
        writer.write(self.text)

    def restore(self, reader):
        self.text = reader.read()


assert importlib.metadata.version("raft-ffi") == rft.__version__
assert importlib.resources.files("rft").joinpath("py.typed").is_file()
assert importlib.resources.files("rft").joinpath("_native.pyi").is_file()
machine = Text()
with rft.Engine(rft.Config(id=1, voters=(1,), tick_interval_ms=10), "data", machine) as engine:
    engine.campaign()
    deadline = time.monotonic() + 60
    while engine.status().role != "leader":
        assert time.monotonic() < deadline, "it does not lead"
        time.sleep(0.01)
    engine.propose(b"hello")
    engine.snapshot()
assert machine.text == b"hello", machine.text
print(f"the wheel works on Python {platform.python_version()}")
END
    )
done
[ "$tried" -gt 0 ] || { echo 'test-wheel: no Python here can make an environment to try the wheel in' >&2; exit 1; }
rm -rf "$work"
