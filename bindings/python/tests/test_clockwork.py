"""Time, full queues and snapshots beside further applies."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import rft
import rft.aio
from conftest import lead, quick
from story import Cluster, Commands, wait_for


class Viewing(Commands):
    """Hands out copies, which are written when the gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.refused: list[BaseException] = []
        self.engine: rft.Engine | None = None

    def view(self) -> Callable[[BinaryIO], None]:
        copy = Commands()
        copy.held = list(self.held)

        def save(writer: BinaryIO) -> None:
            if self.engine is not None:
                try:
                    self.engine.read()
                except rft.MisuseError as error:
                    self.refused.append(error)
            assert self.gate.wait(20)
            copy.save(writer)

        return save


def test_applying_goes_on_while_a_view_is_written(tmp_path: Path) -> None:
    machine = Viewing()
    with rft.Engine(quick(snapshot_entries=0), tmp_path, machine) as engine:
        machine.engine = lead(engine)
        engine.propose(b"before")
        saved: list[rft.Outcome] = []
        thread = threading.Thread(target=lambda: saved.append(engine.snapshot(timeout=20)))
        thread.start()
        wait_for(lambda: engine.status().host_call > 0.02)
        after = engine.propose(b"after")
        assert not saved
        machine.gate.set()
        thread.join()
        assert saved[0].index < after.index
        assert len(machine.refused) == 1
        machine.engine = None
    again = Commands()
    with rft.Engine(quick(snapshot_entries=0), tmp_path, again) as engine:
        lead(engine)
        wait_for(lambda: again.held == [b"before", b"after"])


def test_a_view_that_raises_is_no_snapshot(tmp_path: Path) -> None:
    class Faulty(Commands):
        faults: list[str]

        def view(self) -> Callable[[BinaryIO], None] | None:
            fault = self.faults.pop()
            if fault == "view":
                raise ValueError(fault)
            if fault == "save":
                return self.fail
            return None

        def fail(self, writer: BinaryIO) -> None:
            writer.write(b"half")
            raise ValueError("save")

    machine = Faulty()
    machine.faults = ["none", "save", "view"]
    with rft.Engine(quick(), tmp_path, machine) as engine:
        lead(engine)
        engine.propose(b"x")
        for what in ("view", "save"):
            with pytest.raises(rft.CallbackError) as caught:
                engine.snapshot()
            assert str(caught.value.__cause__) == what
        assert engine.snapshot().index == engine.status().applied


def test_a_snapshot_is_taken_after_so_many_bytes(tmp_path: Path) -> None:
    with rft.Engine(quick(snapshot_entries=0, snapshot_bytes=10_000), tmp_path, Commands()) as engine:
        lead(engine)
        for _ in range(11):
            engine.propose(bytes(1000))
        wait_for(lambda: engine.counters()["snapshots_saved"] == 1)


class Held(Commands):
    """Applies when the gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()

    def apply(self, entries: list[rft.Entry]) -> list[bytes | None]:
        assert self.gate.wait(30)
        return super().apply(entries)


# With fewer places a burst of messages does not fit in, and an answer that is lost leaves its request unknown.
FEW = 16


@contextmanager
def pair(root: Path, make: Callable[..., Any], **settings: Any) -> Iterator[tuple[Held, Any]]:
    """The leader's state machine, and a follower that may have a few requests on their way to it."""
    cluster = Cluster(root)
    leader = Held()
    # A busy machine holds messages up: an election must not come of it.
    common: dict[str, Any] = {"voters": (1, 2), "tick_interval_ms": 30, "election_ticks": 100}
    engine = rft.Engine(rft.Config(id=1, **common), root / "1", leader, cluster.network)
    cluster.engines[1] = engine
    config = rft.Config(id=2, queue_items_max=FEW, **common, **settings)
    other = make(config, root / "2", Commands(), cluster.network)
    cluster.engines[2] = other
    try:
        engine.campaign()
        wait_for(lambda: engine.status().role == "leader" and other.status().leader == 1)
        engine.propose(b"first")
        leader.gate.clear()
        yield leader, other
    finally:
        leader.gate.set()
        engine.close()


def on_their_way(engine: rft.Engine) -> list[threading.Thread]:
    threads = [threading.Thread(target=engine.propose, args=(b"on its way",)) for _ in range(FEW)]
    for number, thread in enumerate(threads):
        thread.start()
        wait_for(lambda number=number: engine.counters()["forwarded"] > number)  # type: ignore[misc]
    return threads


def test_what_is_full_is_busy_at_once(tmp_path: Path) -> None:
    with pair(tmp_path, rft.Engine) as (leader, engine), engine:
        threads = on_their_way(engine)
        with pytest.raises(rft.BusyError):
            engine.propose(b"one too many")
        leader.gate.set()
        for thread in threads:
            thread.join()


def test_what_is_full_is_waited_for(tmp_path: Path) -> None:
    with pair(tmp_path, rft.Engine, wait_for_room=True) as (leader, engine), engine:
        threads = on_their_way(engine)
        with pytest.raises(rft.BusyError):
            engine.propose(b"too late", timeout=0.5)
        threading.Timer(0.1, leader.gate.set).start()
        assert engine.propose(b"in time", timeout=20).index > 0
        for thread in threads:
            thread.join()
        assert leader.held.count(b"in time") == 1
        assert b"too late" not in leader.held


def test_what_is_full_is_awaited(tmp_path: Path) -> None:
    async def work() -> None:
        with pair(tmp_path, rft.aio.Engine, wait_for_room=True) as (leader, engine):
            async with engine:
                first = [asyncio.create_task(engine.propose(b"on its way", timeout=20)) for _ in range(FEW)]
                while engine.counters()["forwarded"] < FEW:
                    await asyncio.sleep(0.005)
                with pytest.raises(rft.BusyError):
                    await engine.propose(b"too late", timeout=0.5)
                asyncio.get_running_loop().call_later(0.1, leader.gate.set)
                assert (await engine.propose(b"in time", timeout=20)).index > 0
                await asyncio.gather(*first)
                outcomes = await engine.propose_many([b"1", b"2"])
                assert all(isinstance(outcome, rft.Outcome) for outcome in outcomes)
                assert b"too late" not in leader.held

    asyncio.run(asyncio.wait_for(work(), 40))


def test_leases_need_their_settings(tmp_path: Path) -> None:
    with pytest.raises(rft.ConfigError, match="lease_reads needs check_quorum"):
        rft.Config(id=1, lease_reads=True, check_quorum=False)
    with pytest.raises(rft.ConfigError, match="snapshot_send_bytes_per_second"):
        rft.Config(id=1, snapshot_send_bytes_per_second=1023)
    with rft.Engine(quick(lease_reads=True), tmp_path, Commands()) as engine:
        lead(engine)
        outcome = engine.propose(b"x")
        assert engine.read().index >= outcome.index


PAUSED = """
import sys
sys.path[:0] = {path!r}
import rft
from conftest import lead, quick
from story import Commands
def tell(event):
    if event.kind == "paused":
        print("paused", event.time, flush=True)
with rft.Engine(quick(), sys.argv[1], Commands(), on_event=tell) as engine:
    lead(engine).propose(b"x")
    print("ready", engine.status().term, flush=True)
    sys.stdin.readline()
    print("counted", engine.counters()["pauses"], engine.status().role, engine.status().term, flush=True)
"""


def test_a_process_that_was_stopped_knows_it(tmp_path: Path) -> None:
    path = [str(Path(__file__).parent), str(Path(__file__).parent / "../examples")]
    with subprocess.Popen(
        [sys.executable, "-c", PAUSED.format(path=path), tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdout = process.stdout

        def answer(word: str) -> list[str]:
            """The rest of the next line that begins like this."""
            for line in stdout:
                first, *rest = line.split()
                if first == word:
                    return rest
            raise AssertionError(f"it ended without a word of {word}")

        term = answer("ready")[0]
        os.kill(process.pid, signal.SIGSTOP)
        assert os.waitid(os.P_PID, process.pid, os.WSTOPPED) is not None
        # Ten election timeouts, which is what the pause is about.
        threading.Event().wait(1.0)
        os.kill(process.pid, signal.SIGCONT)
        # A busy machine may have held it up before, for less.
        while float(answer("paused")[0]) < 0.9:
            pass
        process.stdin.write("\n")
        process.stdin.flush()
        pauses, *situation = answer("counted")
        assert int(pauses) >= 1
        assert situation == ["leader", term], "an election came of it"
        assert process.wait(20) == 0
