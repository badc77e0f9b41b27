"""What calls cost a host in Python.

Usage: faces.py WHAT [BATCH [LEN]], with FACES_DIR to work in and FACES_RUST, the library `faces`, to load.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import rft
from rft import aio

PATIENCE = 60.0
SNAPSHOT_ENTRIES = 4096

rust = ctypes.CDLL(os.environ["FACES_RUST"])
rust.faces_node_propose.restype = ctypes.c_uint64
rust.faces_engine_propose.restype = ctypes.c_uint64
rust.faces_keep_memory()

folder = Path(os.environ["FACES_DIR"])


def config(snapshots: int = 0, page: int = 1 << 20) -> rft.Config:
    return rft.Config(
        id=1,
        voters=[1],
        snapshot_entries=snapshots,
        snapshot_trailing=0,
        apply_bytes_max=page,
        tick_interval_ms=10,
    )


class Machine(rft.StateMachine):
    """The least state machine: it looks at each payload once."""

    def __init__(self) -> None:
        self.entries = 0
        self.bytes = 0
        self.first = 0
        self.last = 0

    def apply(self, entries: list[rft.Entry]) -> None:
        self.first = self.first or time.monotonic_ns()
        total = 0
        for entry in entries:
            total += len(entry.data)
        self.bytes += total
        self.last = time.monotonic_ns()
        self.entries += len(entries)

    def wait(self, target: int) -> None:
        wait(lambda: self.entries >= target)

    def save(self, writer: object) -> None:
        pass

    def restore(self, reader: object) -> None:
        pass


class Alone:
    """A node of the node layer."""

    def __init__(self) -> None:
        self.node = rft.Node(config())
        self.node.campaign()
        self.compacted = 1
        self.settle()

    def settle(self) -> None:
        while self.node.ready() is not None:
            self.node.advance()
        applied = self.node.status().applied
        if applied - self.compacted >= 1024:
            self.node.snapshot(applied, b"s")
            self.compacted = applied

    def propose(self, calls: int, payloads: list[bytes]) -> int:
        propose = self.node.propose
        if len(payloads) == 1:
            payload = payloads[0]
            begun = time.thread_time_ns()
            for _ in range(calls):
                propose(payload)
            took = time.thread_time_ns() - begun
        else:
            begun = time.thread_time_ns()
            for _ in range(calls):
                propose(*payloads)
            took = time.thread_time_ns() - begun
        self.settle()
        return took


def wait(done: Callable[[], bool]) -> None:
    begun = time.monotonic()
    while not done():
        if time.monotonic() - begun > PATIENCE:
            sys.exit("the engine stands still")
        time.sleep(0.0005)


def lead(engine: rft.Engine) -> None:
    engine.campaign()
    wait(lambda: engine.status().leader == 1)


def queue(calls: int, payloads: list[bytes], rounds: int) -> tuple[list[float], list[float]]:
    """What asyncio's calls begin with: into the engine's queue, attached to the interpreter."""
    machine = Machine()
    face, beside = [], []
    items = calls * len(payloads)
    with rft.Engine(config(SNAPSHOT_ENTRIES), folder / "python", machine) as engine:
        lead(engine)
        start = engine._native.start_propose
        for _ in range(rounds):
            took = rust.faces_engine_propose(bytes(folder / "rust"), calls, len(payloads), len(payloads[0]))
            beside.append(took / items)
            target = machine.entries + items
            begun = time.thread_time_ns()
            for _ in range(calls):
                start(payloads)
            face.append((time.thread_time_ns() - begun) / items)
            machine.wait(target)
        rust.faces_engine_end()
    return face, beside


def round_trips(rounds: int, payloads: list[bytes]) -> float:
    with rft.Engine(config(SNAPSHOT_ENTRIES), folder / "python", Machine()) as engine:
        lead(engine)
        begun = time.monotonic_ns()
        for _ in range(rounds):
            engine.propose_many(payloads)
        return (time.monotonic_ns() - begun) / rounds / len(payloads)


async def loop_round_trips(rounds: int, payloads: list[bytes]) -> float:
    """As many tasks as payloads, each of which awaits one proposal after the other."""
    async with await aio.Engine.open(config(SNAPSHOT_ENTRIES), folder / "python", Machine()) as engine:
        engine.campaign()
        while engine.status().leader != 1:
            await asyncio.sleep(0.001)

        async def client(payload: bytes) -> None:
            for _ in range(rounds):
                await engine.propose(payload)

        begun = time.monotonic_ns()
        await asyncio.gather(*(client(payload) for payload in payloads))
        return (time.monotonic_ns() - begun) / rounds / len(payloads)


async def loop_reads(rounds: int, clients: int) -> float:
    async with await aio.Engine.open(config(SNAPSHOT_ENTRIES), folder / "python", Machine()) as engine:
        engine.campaign()
        while engine.status().leader != 1:
            await asyncio.sleep(0.001)

        async def client() -> None:
            for _ in range(rounds):
                await engine.read()

        begun = time.monotonic_ns()
        await asyncio.gather(*(client() for _ in range(clients)))
        return (time.monotonic_ns() - begun) / rounds / clients


def apply(n: int, batch: int, length: int) -> float:
    log = folder / "log"
    rust.faces_fill(bytes(log), ctypes.c_uint64(n), length)
    machine = Machine()
    with rft.Engine(config(0, batch * (length + 16)), log, machine):
        machine.wait(n)
    return (machine.last - machine.first) / n


def loop_ns(body: Callable[[], object], n: int = 1000000) -> float:
    begun = time.thread_time_ns()
    for _ in range(n):
        body()
    return (time.thread_time_ns() - begun) / n


def length_ns(payload: bytes, n: int = 1000000) -> float:
    begun = time.thread_time_ns()
    for _ in range(n):
        len(payload)
    return (time.thread_time_ns() - begun) / n


def over(face: list[float], beside: list[float]) -> float:
    mine, theirs = statistics.median(face), statistics.median(beside)
    print(f"face {mine:.1f} ns, Rust {theirs:.1f} ns", file=sys.stderr)
    return max(mine - theirs, 0.1)


def leader_ns(n: int = 1000000) -> float:
    node = rft.Node(config())
    begun = time.thread_time_ns()
    for _ in range(n):
        _ = node.leader
    return (time.thread_time_ns() - begun) / n


def propose(calls: int, payloads: list[bytes], rounds: int) -> tuple[list[float], list[float]]:
    """Proposals to a node of the node layer, by one call each or by calls of many."""
    alone = Alone()
    face, beside = [], []
    batch, length = len(payloads), len(payloads[0])
    for _ in range(rounds):
        beside.append(rust.faces_node_propose(calls, batch, length) / calls / batch)
        face.append(alone.propose(calls, payloads) / calls / batch)
    return face, beside


def main() -> None:
    what = sys.argv[1]
    batch = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    length = int(sys.argv[3]) if len(sys.argv) > 3 else 256
    payloads = [bytes(length) for _ in range(batch)]
    calls = max(1024 // batch, 1)
    rounds = 201
    trips = 50000 // batch
    measured: dict[str, Callable[[], float]] = {
        "len": lambda: length_ns(payloads[0]),
        "lambda": lambda: loop_ns(lambda: None),
        "call": leader_ns,
        "propose": lambda: over(*propose(calls, payloads, rounds)),
        "queue": lambda: over(*queue(calls, payloads, rounds)),
        "round-trips": lambda: round_trips(trips, payloads),
        "loop-round-trips": lambda: asyncio.run(loop_round_trips(trips, payloads)),
        "loop-reads": lambda: asyncio.run(loop_reads(trips, batch)),
        "apply": lambda: apply(400000, batch, length),
    }
    if what not in measured:
        sys.exit("there is no such measurement")
    print(json.dumps({"value": round(measured[what](), 3)}))


if __name__ == "__main__":
    main()
