#!/usr/bin/env python3
"""Processes in network namespaces, cut off one at a time, one way, in groups or by pairs; with lossy, slow and late
networks; stopped and killed; added and removed. Meanwhile clients read, write, delete and swap through any node, and what
they were told must be explained by some order of what they did.

usage: netns.py SECONDS SEED [--nodes N] [--server PATH]      as root, for instance: netns.py 60 7

What is done and when depends on the seed alone; how processes and packets interleave does not.

--stale has the clients read without asking the leader. That must end in "not linearizable": it shows that a stale read
would be seen. KEEP=1 keeps directories and logs."""

import argparse
import random
import sys
import time
from pathlib import Path
from typing import Callable, List

import linear
from cluster import DEFAULT_SERVER, Failure, Node, end_on_signals, wait_for
from network import Network, NetCluster
from registers import Clients
from report import Progress, print_table

STUCK_SECONDS = 30.0
ENOUGH = 30  # calls that must be answered between two faults
NODES_MAX = 200  # the last byte of an address is a node's id
FLAGS = ["--tick-ms", "20", "--segment-bytes", str(1 << 18), "--snapshot-entries", "300", "--disk-reserve", "0"]


class Storm:
    """Faults, drawn by a seed."""

    def __init__(self, cluster: NetCluster, seed: int, stale: bool, progress: Progress):
        self._cluster = cluster
        self._network = cluster.network
        self._chance = random.Random(seed)
        self._clients = Clients(seed, stale)
        self._progress = progress
        self._is_late = False
        self.counts = {}
        self.keys = 0

    def run(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self._cluster.wait_leader(STUCK_SECONDS)
        self._clients.follow(self._cluster.running)
        self._clients.start()
        while time.monotonic() < end:
            # Now and then a second fault comes before the first has passed.
            faults = [self._draw() for _ in range(self._chance.choice([1, 1, 2]))]
            undo = [self._begin(*fault) for fault in faults]
            time.sleep(self._chance.uniform(0.3, 1.5))
            for heal in reversed(undo):
                heal()
            self._await_progress()
        self._close()

    def _draw(self):
        faults: List[Callable[[], Callable[[], None]]] = [
            self.cut_off,
            self.cut_off_leader,
            self.deafen,
            self.silence,
            self.split,
            self.cut_pairs,
            self.lose_packets,
            self.stand_still,
            self.kill,
        ]
        # What leads messages through proxies knows the first members only; an address has one byte for the id.
        if not self._is_late and self._cluster.next_id() <= NODES_MAX:
            faults.append(self.change_members)
        if self._network.has_rate:
            faults.append(self.slow_down)
        if self._is_late:
            faults.append(self.be_late)
        fault = self._chance.choice(faults)
        return fault.__name__.replace("_", " "), fault

    def _begin(self, name: str, fault: Callable[[], Callable[[], None]]) -> Callable[[], None]:
        self.counts[name] = self.counts.get(name, 0) + 1
        self._progress.update(f"{sum(self.counts.values())} faults, {self._clients.done()} calls: {name}")
        return fault()

    # ---- faults: each begins one and returns what ends it ----

    def cut_off(self) -> Callable[[], None]:
        return self._isolate(self._any().id)

    def cut_off_leader(self) -> Callable[[], None]:
        return self._isolate(self._leader().id)

    def deafen(self) -> Callable[[], None]:
        """No packet of the others reaches it; what it sends, without an answer, is little."""
        node = self._any().id
        return self._rules({node: {"into": self._network.lose_from(self._others(node))}})

    def silence(self) -> Callable[[], None]:
        """It hears the others and cannot call them."""
        node = self._any().id
        return self._rules({node: {"out_of": self._network.lose_calls_to(self._others(node))}})

    def split(self) -> Callable[[], None]:
        ids = self._chance.sample(list(self._cluster.nodes), len(self._cluster.nodes))
        at = self._chance.randrange(1, len(ids))
        left, right = ids[:at], ids[at:]
        return self._rules({node: {"into": self._network.lose_from(right)} for node in left})

    def cut_pairs(self) -> Callable[[], None]:
        """Some pairs do not reach each other: rings, bridges and what else comes of it."""
        cut = {}
        for one, other in self._cluster.pairs():
            if self._chance.random() < 0.4:
                cut.setdefault(one, []).append(other)
        return self._rules({node: {"into": self._network.lose_from(others)} for node, others in cut.items()})

    def lose_packets(self) -> Callable[[], None]:
        percent = self._chance.choice([5, 20, 50])
        every = {node: {"into": self._network.lose_from(self._others(node), percent)} for node in self._cluster.nodes}
        return self._rules(every)

    def slow_down(self) -> Callable[[], None]:
        node = self._any().id
        self._network.slow_down(node, self._chance.choice([64, 256]))
        return lambda: self._network.slow_down(node, 0) if node in self._cluster.nodes else None

    def be_late(self) -> Callable[[], None]:
        latest, double, lost = self._chance.choice([(50, 0, 0), (200, 20, 0), (500, 50, 10)])
        nodes = list(self._cluster.nodes)
        for node in nodes:
            self._network.be_late(node, latest, double, lost)
        return lambda: [self._network.be_late(node, 0, 0, 0) for node in nodes]

    def stand_still(self) -> Callable[[], None]:
        node = self._chance.choice([self._leader(), self._any()])
        node.stand_still(True)
        return lambda: node.stand_still(False)

    def kill(self) -> Callable[[], None]:
        count = self._chance.choice([1, 1, 1, 2, len(self._cluster.nodes)])
        victims = self._chance.sample(self._cluster.running, min(count, len(self._cluster.running)))
        for victim in victims:
            victim.kill()
        return lambda: [victim.start() for victim in victims]

    def change_members(self) -> Callable[[], None]:
        """A node comes and another goes for good, at the end, while a fault that began before may still be on."""
        return self._add_and_remove

    def _add_and_remove(self) -> None:
        node_id = self._cluster.next_id()
        newcomer = self._cluster.join(node_id)
        self._change(f"add-learner {node_id}={newcomer.address}", lambda ids: node_id in ids)
        self._change(f"promote {node_id}", lambda ids: ids.get(node_id) == ["voter"])
        others = [node.id for node in self._cluster.running if node.id != node_id]
        leaving = self._chance.choice(others)
        self._clients.follow([node for node in self._cluster.running if node.id != leaving])
        self._change(f"remove {leaving}", lambda ids: leaving not in ids)
        self._cluster.forget(leaving)
        self._network.unplug(leaving)

    def _change(self, line: str, is_made) -> None:
        """Asks until the change is made; a try of which nobody knows is looked for."""

        def look() -> bool:
            leader = self._leader()
            seen = {member["id"]: member["flags"] for member in leader.status()["members"]}
            if is_made(seen):
                return True
            leader.post("/members", line.encode())
            return False

        wait_for(line, STUCK_SECONDS, look)

    # ---- helpers ----

    def _any(self) -> Node:
        return self._chance.choice(list(self._cluster.nodes.values()))

    def _leader(self) -> Node:
        """Whom somebody takes for the leader; any node if nobody does."""
        for node in self._cluster.running:
            try:
                leader = node.request("GET", "/status?hash=0", b"")
            except OSError:
                continue
            if b'"role":"leader"' in leader.body:
                return node
        return self._any()

    def _others(self, node: int) -> List[int]:
        return [other for other in self._cluster.nodes if other != node]

    def _isolate(self, node: int) -> Callable[[], None]:
        return self._rules({node: {"into": self._network.lose_from(self._others(node))} for node in [node]})

    def _rules(self, by_node) -> Callable[[], None]:
        for node, rules in by_node.items():
            self._network.rules(node, **rules)
        return lambda: [self._network.rules(node) for node in by_node if node in self._cluster.nodes]

    def late_from_now_on(self) -> None:
        """Leads what the nodes say to each other through proxies; the members stay the same then."""
        members = {node.id: node.address for node in self._cluster.nodes.values()}
        for node_id in members:
            self._network.start_proxy(node_id, members)
        self._is_late = True

    def _await_progress(self) -> None:
        """With all faults gone the cluster has to answer again, or it is stuck."""
        self._clients.check()
        for node in self._cluster.running:
            node.check_alive()
        enough = self._clients.done() + ENOUGH
        wait_for("answers after all faults have gone", STUCK_SECONDS, lambda: self._clients.done() >= enough)
        self._clients.check()

    def _close(self) -> None:
        self._progress.update("the histories are judged")
        self._clients.running.clear()
        self._clients.end()
        self._clients.check()
        self.keys = self._clients.judge()
        self._cluster.wait_agreement(STUCK_SECONDS)
        for node in self._cluster.running:
            node.stop()

    def rows(self):
        faults = ", ".join(f"{name} {count}" for name, count in sorted(self.counts.items()))
        return [
            ("faults", faults),
            ("calls with a known outcome", str(self._clients.done())),
            ("of them compare-and-swap, done and refused", "{}, {}".format(*self._clients.swaps())),
            ("histories, all explained", str(self.keys)),
        ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seconds", type=float)
    parser.add_argument("seed", type=int)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--late", action="store_true", help="messages pass proxies, which delay, double and reorder")
    parser.add_argument("--server", type=Path, default=DEFAULT_SERVER)
    parser.add_argument("--stale", action="store_true")
    args = parser.parse_args()
    replay = f"replay: python3 examples/demo/netns.py {' '.join(sys.argv[1:])}"
    print(replay, flush=True)

    linear.self_test()
    end_on_signals()
    progress = Progress()
    try:
        with Network(args.seed) as network, NetCluster(network, args.nodes, FLAGS, args.server) as cluster:
            for missing in network.probe(1):
                print(f"skipped: {missing}")
            storm = Storm(cluster, args.seed, args.stale, progress)
            if args.late and network.has_proxies:
                storm.late_from_now_on()
            storm.run(args.seconds)
    except (Failure, OSError, KeyboardInterrupt) as failure:
        progress.done()
        print(f"netns: FAIL: {str(failure) or 'interrupted'}\n{replay}")
        return 1
    progress.done()
    print_table(storm.rows())
    print("netns: PASS")
    return 0


if __name__ == "__main__":
    sys.exit(main())
