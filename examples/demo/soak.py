#!/usr/bin/env python3
"""kill -9 and SIGSTOP of random nodes while clients write, round after round. No acknowledged write may get lost, and the
cluster must go on by itself each time.

usage: soak.py ROUNDS|SECONDSs SEED [--server PATH]      for instance: soak.py 200 7, soak.py 600s 7

What is killed and when depends on the seed alone; how the nodes' threads interleave does not. kill -9 leaves
the kernel's page cache alone: what a power cut does to unsynced files is not tried here.

--leases has leaders answer reads by their lease.

--wipe empties the directories whenever all nodes were killed. That must end in "lost write": it shows that a
loss would be seen."""

import argparse
import random
import shutil
import sys
import time
from pathlib import Path
from typing import List, NamedTuple

from cluster import DEFAULT_SERVER, Cluster, Failure, end_on_signals
from history import History
from report import Progress, print_table

NODES = 3
WRITERS = 6
KEYS = 50  # each writer's
STUCK_SECONDS = 20.0
CHECK_EVERY = 25  # rounds
FLAGS = ["--tick-ms", "10", "--segment-bytes", str(1 << 18), "--snapshot-entries", "1000"]


class Fault(NamedTuple):
    victims: List[int]
    before: float  # seconds of writing before the kill
    down: float  # seconds until the restart
    snapshot: int  # a node that takes a snapshot at the kill, 0: none
    paused: int  # a node that stands still while the others are down, 0: none


def draw(chance: random.Random) -> Fault:
    # One node most of the time; two take the majority away, three the whole cluster.
    count = chance.choices([1, 2, 3], weights=[75, 15, 10])[0]
    return Fault(
        victims=chance.sample(range(1, NODES + 1), count),
        before=chance.uniform(0.0, 0.15),
        down=chance.uniform(0.0, 0.25),
        snapshot=chance.choice([0, 0, 0, 1, 2, 3]),
        paused=chance.choice([0, 0, 1, 2, 3]),
    )


class Soak:
    def __init__(self, cluster: Cluster, seed: int, wipe: bool, progress: Progress):
        self._cluster = cluster
        self._wipe = wipe
        self._chance = random.Random(seed)
        self._history = History(cluster, WRITERS, KEYS, seed)
        self._progress = progress
        self.rounds = self.kills = self.pauses = self.checks = 0

    def run(self, rounds: int, seconds: float) -> None:
        end = time.monotonic() + seconds
        self._cluster.wait_leader()
        self._history.start()
        while self.rounds < rounds and time.monotonic() < end:
            self.rounds += 1
            self._round(draw(self._chance))
            if self.rounds % CHECK_EVERY == 0:
                self._check()
                self._history.go_on()
        self._check()
        self._history.end()
        for node in self._cluster.running:
            node.stop()

    def rows(self):
        return [
            ("rounds", str(self.rounds)),
            ("kills", str(self.kills)),
            ("pauses", str(self.pauses)),
            ("writes acknowledged", str(self._history.count())),
            ("tries with unknown outcome, repeated", str(self._history.unknown())),
            ("linearizable reads checked", str(self._history.reads())),
            ("full checks", str(self.checks)),
        ]

    def _round(self, fault: Fault) -> None:
        self._progress.update(f"round {self.rounds}: {self.kills} kills, {self._history.count()} writes")
        time.sleep(fault.before)
        self._wait_progress()
        if fault.snapshot:
            self._ask_snapshot(fault.snapshot)
        for victim in fault.victims:
            self._cluster.nodes[victim].kill()
            self.kills += 1
        if self._wipe and len(fault.victims) == NODES:
            for victim in fault.victims:
                shutil.rmtree(self._cluster.nodes[victim].directory)
        node = self._cluster.nodes.get(fault.paused)
        if node is not None and fault.paused not in fault.victims:
            node.pause()
            self.pauses += 1
        time.sleep(fault.down)
        if node is not None:
            node.resume()
        for victim in fault.victims:
            self._cluster.nodes[victim].start()

    def _wait_progress(self) -> None:
        """The cluster has to acknowledge something new, or it is stuck."""
        start, deadline = self._history.count(), time.monotonic() + STUCK_SECONDS
        while self._history.count() == start:
            self._history.check()
            if time.monotonic() > deadline:
                raise Failure(f"stuck: nothing acknowledged for {STUCK_SECONDS:g} s\n{self._states()}")
            time.sleep(0.002)

    def _ask_snapshot(self, node_id: int) -> None:
        try:
            self._cluster.nodes[node_id].post("/snapshot")
        except OSError:
            pass  # it was killed a moment ago and is not up yet

    def _check(self) -> None:
        """Nobody writes: all nodes must come to the same state, with every acknowledged value in it."""
        self._history.pause(STUCK_SECONDS)
        self._cluster.wait_agreement(STUCK_SECONDS)
        for node in self._cluster.running:
            self._history.read_back(node, stale=True)
        self._history.read_back(self._chance_node(), stale=False)
        self.checks += 1
        self._progress.phase(f"round {self.rounds}: {self.kills} kills, {self._history.count()} writes, all there")

    def _chance_node(self):
        return self._cluster.nodes[1 + self.checks % NODES]

    def _states(self) -> str:
        lines = []
        for node in self._cluster.running:
            try:
                lines.append(f"node {node.id}: {node.status()}\n{node.log_tail()}")
            except (OSError, Failure) as error:
                lines.append(f"node {node.id}: {error}\n{node.log_tail()}")
        return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("length", metavar="ROUNDS|SECONDSs")
    parser.add_argument("seed", type=int)
    parser.add_argument("--server", type=Path, default=DEFAULT_SERVER)
    parser.add_argument("--wipe", action="store_true")
    parser.add_argument("--leases", action="store_true")
    args = parser.parse_args()
    by_time = args.length.endswith("s")
    rounds = sys.maxsize if by_time else int(args.length)
    seconds = float(args.length[:-1]) if by_time else float("inf")
    replay = f"replay: python3 examples/demo/soak.py {' '.join(sys.argv[1:])}"
    print(replay, flush=True)

    end_on_signals()
    progress = Progress()
    soak = None
    try:
        with Cluster(NODES, FLAGS + ["--lease-reads"] * args.leases, args.server) as cluster:
            soak = Soak(cluster, args.seed, args.wipe, progress)
            soak.run(rounds, seconds)
    except (Failure, OSError, KeyboardInterrupt) as failure:
        progress.done()
        where = f" in round {soak.rounds}" if soak else ""
        print(f"soak: FAIL{where}: {str(failure) or 'interrupted'}\n{replay}")
        return 1
    progress.done()
    print_table(soak.rows())
    print("soak: PASS")
    return 0


if __name__ == "__main__":
    sys.exit(main())
