"""The end of the process, and forks."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PRELUDE = """
import faulthandler, os, sys, threading, time
faulthandler.enable()
sys.path[:0] = {path!r}
import rft
from conftest import quick, lead
from story import Commands, wait_for
engine = lead(rft.Engine(quick({settings}), sys.argv[1], Commands()))
engine.propose(b"x")
"""
SINGLE = ""


def run(script: str, directory: Path, *, code: int = 0, seconds: float = 5) -> str:
    """Runs a program that has an engine; it must end as it should and soon."""
    path = [str(Path(__file__).parent), str(Path(__file__).parent / "../examples")]
    began = time.monotonic()
    done = subprocess.run(
        [
            sys.executable,
            "-X",
            "dev",
            "-W",
            "error",
            "-c",
            PRELUDE.format(path=path, settings=SINGLE) + script,
            directory,
        ],
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == code
    assert time.monotonic() - began < seconds
    return done.stdout


def test_a_program_ends_with_an_engine_at_work(tmp_path: Path) -> None:
    assert run("print('end')", tmp_path) == "end\n"


def test_a_program_ends_with_an_exit_code(tmp_path: Path) -> None:
    run("sys.exit(3)", tmp_path, code=3)


def test_a_program_ends_in_the_middle_of_proposals(tmp_path: Path) -> None:
    script = """
def work():
    while True:
        try:
            engine.propose(b"more", timeout=None)
        except rft.ClosedError:
            return
for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.2)
"""
    for _ in range(5):
        run(script, tmp_path)


def test_a_program_ends_while_a_thread_waits_for_ever(tmp_path: Path) -> None:
    script = """
alone = rft.Engine(rft.Config(id=1, voters=(1, 2), tick_interval_ms=1000), sys.argv[1] + "/other", Commands())
threading.Thread(target=lambda: alone.read(timeout=None), daemon=True).start()
threading.excepthook = lambda args: None
time.sleep(0.2)
"""
    for _ in range(3):
        run(script, tmp_path)


def test_a_program_ends_while_a_callback_is_at_work(tmp_path: Path) -> None:
    script = """
engine._host  # the state machine is stuck from now on
def stuck(entries):
    time.sleep(1000)
machine.apply = stuck
try:
    engine.propose(b"y", timeout=0.1)
except rft.TimedOutError:
    print("stuck")
"""
    script = script.replace(
        "engine._host  # the state machine is stuck from now on",
        "engine.close(); machine = Commands()\n"
        "engine = lead(rft.Engine(quick(), sys.argv[1], machine)); engine.read()",
    )
    assert run(script, tmp_path, seconds=8) == "stuck\n"


def test_a_forked_child_is_refused_and_ends(tmp_path: Path) -> None:
    script = """
child = os.fork()
if child == 0:
    for call in (lambda: engine.propose(b"y"), engine.read, engine.status, engine.members, lambda: engine.step(b"")):
        try:
            call()
            os._exit(1)
        except rft.ClosedError as error:
            if "forked child" not in str(error):
                os._exit(2)
    repr(engine)
    engine.close()
    engine.close()
    del engine
    sys.exit(7)
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 7, status
assert engine.propose(b"the parent goes on").answer == b"2"
"""
    run(script, tmp_path)


def test_a_forked_child_may_open_an_engine_if_none_was_at_work(tmp_path: Path) -> None:
    script = """
child = os.fork()
if child == 0:
    try:
        rft.Engine(quick(), sys.argv[1] + "/child", Commands())
        os._exit(1)
    except rft.MisuseError:
        sys.exit(0)
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 0, status
engine.close()
store = rft.Store(quick(), sys.argv[1] + "/store")
child = os.fork()
if child == 0:
    try:
        store.snapshot()
        os._exit(1)
    except rft.ClosedError:
        pass
    with rft.Engine(quick(), sys.argv[1] + "/child", Commands()) as own:
        assert lead(own).propose(b"x").answer == b"1"
    sys.exit(0)
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 0, status
"""
    run(script, tmp_path)


@pytest.mark.skipif(not hasattr(signal, "SIGINT"), reason="there are no signals")
def test_ctrl_c_ends_a_program_that_waits(tmp_path: Path) -> None:
    path = [str(Path(__file__).parent), str(Path(__file__).parent / "../examples")]
    script = (
        PRELUDE.format(path=path, settings=SINGLE)
        + """
other = rft.Engine(rft.Config(id=1, voters=(1, 2), tick_interval_ms=1000), sys.argv[1] + "/other", Commands())
print("waits", flush=True)
other.read(timeout=None)
"""
    )
    program = subprocess.Popen(
        [sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert program.stdout is not None
        assert program.stdout.readline() == "waits\n"
        os.kill(program.pid, signal.SIGINT)
        _, errors = program.communicate(timeout=10)
        assert errors.rstrip().endswith("KeyboardInterrupt")
        assert program.returncode in (-signal.SIGINT, 130)
    finally:
        program.kill()
        program.communicate()
