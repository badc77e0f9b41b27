"""Nothing is left behind: neither memory nor threads nor files."""

import gc
import os
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import rft
from conftest import lead, quick
from story import Commands

PAGE = os.sysconf("SC_PAGE_SIZE")


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def grows(work: Callable[[], None], *, warm: int, rounds: int) -> tuple[int, int]:
    """By how many bytes the process and its Python objects grow in `rounds` rounds, after `warm` ones."""
    for _ in range(warm):
        work()
    gc.collect()
    tracemalloc.start()
    try:
        before, objects = resident(), tracemalloc.get_traced_memory()[0]
        for _ in range(rounds):
            work()
        gc.collect()
        return resident() - before, tracemalloc.get_traced_memory()[0] - objects
    finally:
        tracemalloc.stop()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the size of a process is read from /proc")
def test_opening_and_closing_leaves_nothing_behind(tmp_path: Path) -> None:
    def work() -> None:
        with rft.Engine(quick(), tmp_path, Commands()) as engine:
            lead(engine).propose(b"x")

    threads, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
    process, objects = grows(work, warm=20, rounds=60)
    assert threading.active_count() == threads
    assert len(os.listdir("/proc/self/fd")) == files
    assert objects < 100_000
    assert process < 8 << 20


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the size of a process is read from /proc")
def test_proposals_leave_nothing_behind(tmp_path: Path) -> None:
    class Counting(Commands):
        def apply(self, entries: list[rft.Entry]) -> list[bytes | None]:
            return [b"answer" * 100 for _ in entries]

    config = quick(snapshot_entries=1000, snapshot_trailing=100)
    with rft.Engine(config, tmp_path, Counting()) as engine:
        lead(engine)

        def work() -> None:
            engine.propose_many([b"x" * 1000] * 1000)
            engine.propose(b"y")
            engine.read()

        process, objects = grows(work, warm=20, rounds=60)
    assert objects < 100_000
    assert process < 16 << 20


def test_errors_leave_nothing_behind(tmp_path: Path) -> None:
    with rft.Engine(quick(), tmp_path, Commands()) as engine:
        lead(engine)

        def work() -> None:
            for call in (
                lambda: engine.step(b"junk" * 1000),
                lambda: engine.add_voter(0),
                engine.leave_joint,
            ):
                with pytest.raises(rft.RaftError):
                    call()

        _, objects = grows(work, warm=50, rounds=200)
    assert objects < 100_000


def test_an_engine_that_failed_in_a_callback_can_be_collected(tmp_path: Path) -> None:
    class Faulty(Commands):
        def apply(self, entries: list[rft.Entry]) -> list[bytes | None]:
            raise LookupError("with a traceback that holds frames")

    before = sum(isinstance(thing, Faulty) for thing in gc.get_objects())
    for number in range(5):
        with rft.Engine(quick(), tmp_path / str(number), Faulty()) as engine:
            lead(engine)
            with pytest.raises(rft.RaftError):
                engine.propose(b"x")
        del engine
    gc.collect()
    assert sum(isinstance(thing, Faulty) for thing in gc.get_objects()) == before
