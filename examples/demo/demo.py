#!/usr/bin/env python3
"""The walk through the whole house, over real HTTP with real processes: three nodes serve writes, the leader
is killed and comes back, a fourth node joins from a snapshot and is promoted, one is removed. At the end every
acknowledged write is read back from every node, and all nodes have the same state.

usage: demo.py [--server PATH]      KEEP=1 keeps directories and logs"""

import argparse
import sys
import time
from pathlib import Path
from typing import List, Optional, Tuple

from cluster import DEFAULT_SERVER, Cluster, Failure, Node, end_on_signals, wait_for
from history import History
from report import Progress, print_table

WRITERS = 8
TICK_MS = 20
NEWCOMER = 4
CAUGHT_UP = 1000  # entries behind, while writing goes on
# Small, so that a minute of writing fills several and old ones are deleted.
FLAGS = ["--tick-ms", str(TICK_MS), "--segment-bytes", str(1 << 20), "--snapshot-entries", "2000"]


class Demo:
    def __init__(self, cluster: Cluster, progress: Progress):
        self._cluster = cluster
        self._progress = progress
        self._history = History(cluster, WRITERS)
        self._rows: List[Tuple[str, str]] = []

    def run(self) -> List[Tuple[str, str]]:
        began = time.monotonic()
        leader = self.elect()
        writing = time.monotonic()
        self.write("writing", 3.0)
        self.kill_and_restart(leader)
        self.force_snapshots()
        newcomer = self.add_newcomer()
        self.promote(newcomer)
        self.remove_one()
        self.write("writing with the new membership", 2.0)
        self._history.pause(30.0)
        seconds = time.monotonic() - writing
        self.verify()
        self.report(seconds, time.monotonic() - began)
        self._history.end()
        for node in self._cluster.running:
            node.stop()
        return self._rows

    def elect(self) -> Node:
        self._progress.phase("three nodes start and elect a leader")
        leader = self._cluster.wait_leader()
        self._history.start()
        return leader

    def write(self, text: str, seconds: float) -> None:
        """Lets the writers write."""
        self._progress.phase(f"{text}, {WRITERS} clients, for {seconds:g} s")
        start, end = self._history.count(), time.monotonic() + seconds
        while time.monotonic() < end:
            self._history.check()
            self._progress.update(f"{text}: {self._history.count()} writes acknowledged")
            time.sleep(0.1)
        if self._history.count() == start:
            raise Failure(f"{text}: nothing was acknowledged in {seconds:g} s")

    def kill_and_restart(self, leader: Node) -> None:
        self._progress.phase(f"kill -9 of node {leader.id}, the leader")
        killed = time.monotonic()
        leader.kill()
        at_kill = self._history.count()
        self._wait("an acknowledgement after the leader's end", 20.0, lambda: self._history.count() > at_kill + WRITERS)
        self.write("writing on without it", 2.0)
        gap = self._history.longest_gap(killed - 0.1, time.monotonic())
        self._rows.append(("failover, last to first acknowledgement", f"{gap * 1000:.0f} ms"))

        self._progress.phase(f"node {leader.id} starts again")
        leader.start()
        self._wait(f"node {leader.id} catching up", 30.0, lambda: self._caught_up(leader))

    def force_snapshots(self) -> None:
        """Every node takes one now, and drops log: a newcomer cannot be served from the log any more."""
        self._progress.phase("every node takes a snapshot")
        for node in self._cluster.running:
            saved = node.status()["counters"]["snapshots_saved"]
            response = node.post("/snapshot")
            if response.status != 202:
                raise Failure(f"POST /snapshot answered {response.status}: {response.body!r}")
            self._wait(
                f"a snapshot of node {node.id}",
                20.0,
                lambda node=node, saved=saved: node.status()["counters"]["snapshots_saved"] > saved,
            )

    def add_newcomer(self) -> Node:
        self._progress.phase(f"node {NEWCOMER} joins as a learner")
        newcomer = self._cluster.join(NEWCOMER)
        self._change(f"add-learner {NEWCOMER}={newcomer.address}", lambda flags: flags.get(NEWCOMER) == ["learner"])
        self._wait("the newcomer catching up", 30.0, lambda: self._caught_up(newcomer))
        if newcomer.status()["counters"]["snapshots_restored"] == 0:
            raise Failure("the newcomer was not installed from a snapshot")
        return newcomer

    def promote(self, newcomer: Node) -> None:
        self._progress.phase(f"node {newcomer.id} is promoted to a voter")
        self._change(f"promote {newcomer.id}", lambda flags: flags.get(newcomer.id) == ["voter"])

    def remove_one(self) -> None:
        leader = self._cluster.wait_leader()
        victim = next(node.id for node in self._cluster.running if node.id not in (leader.id, NEWCOMER))
        self._progress.phase(f"node {victim} is removed")
        self._change(f"remove {victim}", lambda flags: victim not in flags)
        self._cluster.forget(victim)

    def verify(self) -> None:
        self._progress.phase("every acknowledged write is read back from every node")
        self._cluster.wait_agreement()
        nodes = self._cluster.running
        for node in nodes:
            self._progress.update(f"reading everything back from node {node.id}")
            self._history.read_back(node, stale=True)
        self._progress.update(f"reading everything back linearizably from node {nodes[-1].id}")
        count = self._history.read_back(nodes[-1], stale=False)
        seen = self._cluster.wait_agreement()
        state = next(iter(seen.values()))["state"]
        if state["keys"] != count:
            raise Failure(f"the nodes have {state['keys']} keys, {count} were written")
        self._rows.append(("values read back", f"{count} from each of {len(nodes)} nodes, and linearizably from one"))
        self._rows.append(("state hash on all nodes", f"{state['hash']} at index {state['applied']}"))

    def report(self, writing: float, all_of_it: float) -> None:
        seen = [node.status()["counters"] for node in self._cluster.running]
        newcomer = self._cluster.nodes[NEWCOMER].status()["counters"]
        acknowledged = self._history.count()
        saved = sum(counters["snapshots_saved"] for counters in seen)
        saved_bytes = sum(counters["snapshot_bytes_saved"] for counters in seen)
        self._rows[:0] = [
            ("writes acknowledged", str(acknowledged)),
            ("writes/s, failover included", f"{acknowledged / writing:.0f}"),
            ("tries with unknown outcome, repeated", str(self._history.unknown())),
            ("elections seen by one node", str(max(counters["elections"] for counters in seen))),
            ("snapshots saved", f"{saved}, {saved_bytes} bytes"),
            ("newcomer's snapshot", f"{newcomer['snapshot_bytes_restored']} bytes"),
        ]
        self._rows.append(("time", f"{all_of_it:.1f} s"))

    def _wait(self, what, seconds, look) -> None:
        def look_and_check():
            self._history.check()
            self._progress.update(f"{what}: {self._history.count()} writes acknowledged")
            return look()

        wait_for(what, seconds, look_and_check)

    def _caught_up(self, node: Node) -> bool:
        """Whether a node has applied something, and nearly all that is committed."""
        applied = node.status()["applied"]
        committed = max(other.status()["commit"] for other in self._cluster.running)
        return applied > 0 and committed - applied < CAUGHT_UP

    def _change(self, text: str, holds) -> None:
        """POST /members until it is taken, then until every member knows."""
        client = self._cluster.client()

        def post() -> Optional[bool]:
            response = client.attempt("POST", "/members", text.encode())
            # 409: an earlier try of unknown outcome may still be under way
            if response.status in (204, 409, 503, 504):
                return response.status == 204
            raise Failure(f"POST /members '{text}' answered {response.status}: {response.body!r}")

        def known() -> bool:
            members = self._cluster.wait_leader().status()["members"]
            return holds({member["id"]: member["flags"] for member in members})

        try:
            self._wait(f"the change '{text}'", 30.0, post)
            self._wait(f"the members after '{text}'", 30.0, known)
        finally:
            client.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", type=Path, default=DEFAULT_SERVER)
    end_on_signals()
    progress = Progress()
    try:
        with Cluster(3, FLAGS, parser.parse_args().server) as cluster:
            rows = Demo(cluster, progress).run()
    except Failure as failure:
        progress.done()
        print(f"demo: FAIL: {failure}")
        return 1
    except KeyboardInterrupt:
        progress.done()
        print("demo: FAIL: interrupted")
        return 130
    progress.done()
    print_table(rows)
    print("demo: PASS")
    return 0


if __name__ == "__main__":
    sys.exit(main())
