#!/usr/bin/env python3
"""The walk through the whole house, over real HTTP with real processes: a node in each language serves writes, the
leader is killed and comes back, another node joins from a snapshot and is promoted, one is removed. At the end every
acknowledged write is read back from every node, and all nodes have the same state.

A page on loopback shows it as it happens. With --serve the cluster stays up instead, until Ctrl-C, and the page can write
to it, and pause, kill and restart its nodes.

usage: demo.py [--serve] [--tls] [--port N] [SERVER...]      KEEP=1 keeps directories and logs"""

import argparse
import sys
import time
from pathlib import Path
from typing import List, Optional, Tuple

from cluster import DEFAULT_SERVER, Cluster, Failure, Node, end_on_signals, wait_for
from history import History
from live import Live
from report import Progress, print_table, skip
from watch import Watch
from web import Web

WRITERS = 8
TICK_MS = 20
NODES_MIN = 3
CAUGHT_UP = 1000  # entries behind, while writing goes on
# Small, so that a minute of writing fills several and old ones are deleted.
FLAGS = ["--tick-ms", str(TICK_MS), "--segment-bytes", str(1 << 20), "--snapshot-entries", "2000"]


class Demo:
    def __init__(self, cluster: Cluster, watch: Watch, progress: Progress):
        self._cluster = cluster
        self._watch = watch
        self._progress = progress
        self._newcomer = cluster.next_id()
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

    def _phase(self, text: str) -> None:
        self._progress.phase(text)
        self._watch.note("story", text[0].upper() + text[1:])

    def elect(self) -> Node:
        self._phase(f"{len(self._cluster.nodes)} nodes start and elect a leader")
        leader = self._cluster.wait_leader()
        self._history.start()
        return leader

    def write(self, text: str, seconds: float) -> None:
        """Lets the writers write."""
        self._phase(f"{text}, {WRITERS} clients, for {seconds:g} s")
        start, end = self._history.count(), time.monotonic() + seconds
        while time.monotonic() < end:
            self._history.check()
            self._watch.writes = self._history.count()
            self._progress.update(f"{text}: {self._history.count()} writes acknowledged")
            time.sleep(0.1)
        if self._history.count() == start:
            raise Failure(f"{text}: nothing was acknowledged in {seconds:g} s")

    def kill_and_restart(self, leader: Node) -> None:
        self._phase(f"kill -9 of node {leader.id}, the leader")
        killed = time.monotonic()
        leader.kill()
        at_kill = self._history.count()
        self._wait("an acknowledgement after the leader's end", 20.0, lambda: self._history.count() > at_kill + WRITERS)
        self.write("writing on without it", 2.0)
        gap = self._history.longest_gap(killed - 0.1, time.monotonic())
        self._rows.append(("failover, last to first acknowledgement", f"{gap * 1000:.0f} ms"))

        self._phase(f"node {leader.id} starts again")
        leader.start()
        self._wait(f"node {leader.id} catching up", 30.0, lambda: self._caught_up(leader))

    def force_snapshots(self) -> None:
        """Every node takes one now, and drops log: a newcomer cannot be served from the log any more."""
        self._phase("every node takes a snapshot")
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
        self._phase(f"node {self._newcomer} joins as a learner")
        newcomer = self._cluster.join(self._newcomer)
        self._change(f"add-learner {self._newcomer}={newcomer.address}", lambda flags: flags.get(self._newcomer) == ["learner"])
        self._wait("the newcomer catching up", 30.0, lambda: self._caught_up(newcomer))
        if newcomer.status()["counters"]["snapshots_restored"] == 0:
            raise Failure("the newcomer was not installed from a snapshot")
        return newcomer

    def promote(self, newcomer: Node) -> None:
        self._phase(f"node {newcomer.id} is promoted to a voter")
        self._change(f"promote {newcomer.id}", lambda flags: flags.get(newcomer.id) == ["voter"])

    def remove_one(self) -> None:
        leader = self._cluster.wait_leader()
        victim = next(node.id for node in self._cluster.running if node.id not in (leader.id, self._newcomer))
        self._phase(f"node {victim} is removed")
        self._change(f"remove {victim}", lambda flags: victim not in flags)
        self._cluster.forget(victim)

    def verify(self) -> None:
        self._phase("every acknowledged write is read back from every node")
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
        newcomer = self._cluster.nodes[self._newcomer].status()["counters"]
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
            self._watch.writes = self._history.count()
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


def present(servers: List[Path]) -> List[Path]:
    """The programs that are there; the others are named."""
    there = [server for server in servers if server.exists()]
    for missing in sorted(set(servers) - set(there)):
        skip(f"{missing.name} in the demo (not built)")
    return there or [DEFAULT_SERVER]


def tell_story(cluster: Cluster, port: int, progress: Progress) -> None:
    with Watch(cluster) as watch, Web(watch, port=port) as web:
        print(f"to be watched at {web.url}", flush=True)
        rows = Demo(cluster, watch, progress).run()
    progress.done()
    print_table(rows)
    print("demo: PASS")


def serve(cluster: Cluster, port: int) -> None:
    cluster.wait_leader()
    with Watch(cluster) as watch:
        live = Live(cluster, watch)
        with Web(watch, live.actions(), port) as web:
            print(f"the cluster is at {web.url} until Ctrl-C", flush=True)
            for node in cluster.nodes.values():
                scheme = "https" if cluster.tls else "http"
                print(f"  node {node.id}, {node.program}: {scheme}://{node.address}/status", flush=True)
            live.run()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("servers", type=Path, nargs="*", default=[DEFAULT_SERVER], metavar="SERVER")
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--tls", action="store_true", help="all speak HTTPS, with certificates made for the occasion")
    parser.add_argument("--port", type=int, default=0, help="of the page; any free one if it is not given")
    args = parser.parse_args()
    end_on_signals()
    progress = Progress()
    servers = present(args.servers)
    try:
        with Cluster(max(NODES_MIN, len(servers)), FLAGS, servers, args.tls) as cluster:
            if args.serve:
                serve(cluster, args.port)
            else:
                tell_story(cluster, args.port, progress)
    except KeyboardInterrupt:
        progress.done()
        print("demo: interrupted" if not args.serve else "demo: over")
        return 0 if args.serve else 1
    except (Failure, OSError) as failure:
        progress.done()
        print(f"demo: FAIL: {failure}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
