#!/usr/bin/env python3
"""One cluster of nodes in several languages. Clients read, write, delete and swap through any node; each language leads,
and its leader is killed; nodes are killed, stopped, cut off one way, added and removed; a program in one language goes on
with the directory of another. What the clients were told must be explained by some order of what they did, every
acknowledged write must be there, and all nodes must end in the same state.

usage: mixed.py SECONDS SEED SERVER...      for instance: mixed.py 60 7 examples/kv-c/build/kv-c examples/kv-go/build/kv-go

As root every node has a network of its own, which can be cut. A SERVER that is not there is named as skipped. KEEP=1 keeps
directories and logs."""

import argparse
import contextlib
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Optional, Set, Tuple

import linear
from cluster import Cluster, Failure, Node, end_on_signals, wait_for
from history import History
from network import NetCluster, Network
from report import Progress, print_table, skip
from storm import STUCK_SECONDS, Fault, Storm, Undo

FLAGS = ["--tick-ms", "20", "--segment-bytes", str(1 << 18), "--snapshot-entries", "500", "--disk-reserve", "0"]
NODES_MIN = 3
WRITERS, KEYS = 3, 50
TAKE_OVER_SECONDS = 5.0


class Mixed(Storm):
    """A storm that knows who leads, in which language."""

    def __init__(self, cluster: Cluster, network: Optional[Network], seed: int, progress: Progress):
        super().__init__(cluster, network, seed, False, progress)
        self._history = History(cluster, WRITERS, KEYS, seed)
        self._programs = sorted({node.program for node in cluster.nodes.values()})
        self._led: Dict[str, int] = {}
        self._took_over: Set[Tuple[str, str]] = set()
        self._later: List[Callable[[], object]] = []  # what waits until no other fault is on

    def _prepare(self) -> None:
        """Each language leads under load, is killed as the leader, and one of its directories goes to the next one."""
        self._history.start()
        for program, following in zip(self._programs, [*self._programs[1:], self._programs[0]]):
            leader = self._have_lead(program)
            self._progress.phase(f"{program} leads; kill -9 of it; {following} goes on with its directory")
            self._await_progress()
            leader.kill()
            self._await_progress()
            self._swap(leader, self._node_of(following, leader))
            self._await_progress()

    def faults(self) -> List[Fault]:
        return [*super().faults(), self.hand_over, self.take_over]

    def hand_over(self) -> Undo:
        """Has a node of some language lead, once other faults are over."""
        program = self._chance.choice(self._programs)
        return lambda: self._later.append(lambda: self._have_lead(program))

    def take_over(self) -> Undo:
        """Two nodes stop, well or not, and each goes on with the program of the other one."""
        programs = self._chance.sample(self._programs, 2)
        end = self._chance.choice([Node.kill, Node.stop])

        def swap() -> None:
            nodes = [self._chance.choice(self._nodes_of(program)) for program in programs]
            for node in nodes:
                end(node)
            self._swap(*nodes)

        return lambda: self._later.append(swap)

    def _swap(self, one: Node, other: Node) -> None:
        self._took_over |= {(one.program, other.program), (other.program, one.program)}
        if other.running:
            other.stop()
        programs = one.server, other.server
        other.run_by(programs[0])
        one.run_by(programs[1])
        for node in (one, other):
            node.start()
        for node in (one, other):
            is_run = partial(is_run_by, node, node.program)
            wait_for(f"node {node.id} to be run by {node.program}", STUCK_SECONDS, is_run)

    def _have_lead(self, program: str) -> Node:
        """Transfers leadership until a node of this program has it."""

        def look() -> Optional[Node]:
            leader = self._cluster.wait_leader(STUCK_SECONDS)
            if leader.program == program:
                return leader
            target = self._chance.choice(self._nodes_of(program))
            return target if self._cluster.hand_over(leader, target, TAKE_OVER_SECONDS) else None

        leader = wait_for(f"{program} to lead", STUCK_SECONDS, look)
        self._led[program] = self._led.get(program, 0) + 1
        return leader

    def _nodes_of(self, program: str) -> List[Node]:
        return [node for node in self._cluster.nodes.values() if node.program == program]

    def _node_of(self, program: str, besides: Node) -> Node:
        return next(node for node in self._nodes_of(program) if node is not besides)

    def _await_progress(self) -> None:
        waiting, self._later = self._later, []
        for act in waiting:
            act()
        self._history.check()
        self._history.follow(self._cluster.running)
        super()._await_progress()

    def _close(self) -> None:
        self._history.pause(STUCK_SECONDS)
        self._clients.running.clear()
        self._clients.end()
        seen = self._cluster.wait_agreement(STUCK_SECONDS)
        self._state = next(iter(seen.values()))["state"]
        for node in self._cluster.running:
            self._history.read_back(node, stale=True)
        self._history.end()
        super()._close()

    def rows(self):
        led = ", ".join(f"{program} {count}" for program, count in sorted(self._led.items()))
        pairs = ", ".join(f"{after} after {before}" for before, after in sorted(self._took_over))
        return [
            *super().rows(),
            ("had leadership handed over, and led", led),
            ("went on with a directory of another", pairs),
            ("writes acknowledged, and found on every node", str(self._history.count())),
            ("state hash on all nodes", f"{self._state['hash']} at index {self._state['applied']}"),
        ]


def is_run_by(node: Node, program: str) -> bool:
    return node.status()["program"] == program


def has_namespaces() -> bool:
    if os.geteuid() != 0:
        return False
    tries = [["unshare", "-n", "true"], ["ip", "-V"], ["nft", "-v"]]
    try:
        return all(subprocess.run(command, capture_output=True, check=False).returncode == 0 for command in tries)
    except OSError:
        return False


@contextlib.contextmanager
def opened(servers: List[Path], seed: int) -> Iterator[Tuple[Cluster, Optional[Network]]]:
    """The cluster, with a network that can be cut where this machine has that."""
    size = max(NODES_MIN, len(servers))
    if not has_namespaces():
        skip("one-way cuts between languages (not root, or no namespaces)")
        with Cluster(size, FLAGS, servers) as cluster:
            yield cluster, None
        return
    with Network(seed) as network, NetCluster(network, size, FLAGS, servers) as cluster:
        for missing in network.probe(1):
            skip(missing)
        yield cluster, network


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seconds", type=float)
    parser.add_argument("seed", type=int)
    parser.add_argument("servers", type=Path, nargs="+", metavar="SERVER")
    args = parser.parse_args()
    replay = f"replay: python3 examples/demo/mixed.py {' '.join(sys.argv[1:])}"
    print(replay, flush=True)

    linear.self_test()
    end_on_signals()
    servers = [server for server in args.servers if server.exists()]
    for missing in sorted(set(args.servers) - set(servers)):
        skip(f"{missing.name} in the mixed cluster (not built)")
    if len(servers) < 2:
        skip("the mixed cluster (needs two languages)")
        return 0
    progress = Progress()
    began = time.monotonic()
    storm = None
    try:
        with opened(servers, args.seed) as (cluster, network):
            storm = Mixed(cluster, network, args.seed, progress)
            storm.run(args.seconds)
    except (Failure, OSError, KeyboardInterrupt) as failure:
        progress.done()
        counts = f" after {storm.counts}" if storm else ""
        print(f"mixed: FAIL{counts}: {str(failure) or 'interrupted'}\n{replay}")
        return 1
    progress.done()
    print_table(storm.rows())
    print(f"mixed: PASS, {', '.join(server.name for server in servers)}, {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
