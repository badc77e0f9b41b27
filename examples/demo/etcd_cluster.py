#!/usr/bin/env python3
"""Nodes on etcd's own raft and nodes on this library in one cluster: clients write all the time, leaders of either make are
killed, nodes that have fallen behind are brought up by the other make's snapshots, leadership and membership go back
and forth. At the end the logs of all nodes have to hold the same, byte for byte.

usage: etcd_cluster.py KV_ETCD... [--server KV_C] [--tool RFT] [--seconds S] [--seed N]

Each KV_ETCD is a build of kv-etcd, tried in two clusters: one node of it beside two of KV_C, and two beside one."""

import argparse
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Dict, List, Optional

from cluster import DEFAULT_SERVER, Cluster, Failure, Node, end_on_signals, wait_for
from counters import Counters
from entries import compare_logs, self_test
from history import History
from registers import Clients
from report import Progress, print_table

WRITERS = 4
KEYS = 40  # each writer's
PATIENCE = 20.0
TRIES = 5
DAMAGE_FROM_END = 2000  # bytes
SNAPSHOT_EVERY = 500
FLAGS = ["--tick-ms", "20", "--snapshot-entries", str(SNAPSHOT_EVERY)]
# Further behind than any make keeps of its log for a follower: the engine's RFT_CONFIG_SNAPSHOT_TRAILING, and one snapshot.
FAR_BEHIND = 5000 + 2 * SNAPSHOT_EVERY
OURS, THEIRS = "ours", "theirs"


class Story:
    """What happens to one cluster."""

    def __init__(self, makes: List[str], programs: Dict[str, Path], tool: Path, seed: int, progress: Progress):
        self.programs = programs
        self.makes = dict(enumerate(makes, start=1))
        self.tool = tool
        self.progress = progress
        self.chance = random.Random(seed)
        self.cluster = Cluster(len(makes), FLAGS, [programs[make] for make in makes])
        self.history = History(self.cluster, WRITERS, KEYS, seed)
        self.clients = Clients(seed, stale=False)
        self.counters = Counters(self.cluster, 2)
        self.counts: Dict[str, int] = {}
        self.rows: List[tuple] = []

    def run(self, seconds: float) -> None:
        with self.cluster:
            try:
                self.tell(seconds)
            except (Failure, OSError) as failure:
                raise Failure(f"{failure}\n{self.counts}\n{self.states()}") from failure

    def tell(self, seconds: float) -> None:
        self.cluster.wait_leader(PATIENCE)
        self.clients.follow(list(self.cluster.nodes.values()))
        self.fill()
        self.history.start()
        self.clients.start()
        self.counters.start()
        self.fall_behind(THEIRS, OURS)
        self.fall_behind(OURS, THEIRS)
        self.change_members(OURS)
        self.change_members(THEIRS)
        self.exchange()
        self.damage()
        end = time.monotonic() + seconds
        rounds = 0
        while rounds < 2 or time.monotonic() < end:
            self.kill_leader(OURS)
            self.kill_leader(THEIRS)
            self.kill_some()
            self.stop_leader(OURS if rounds % 2 else THEIRS)
            rounds += 1
        self.finish()

    # ---- what is done to it ----

    def leader(self) -> Node:
        """The one that all of its members that run know; a node that waits to be added knows nobody."""

        def look() -> Optional[Node]:
            self.check()
            seen = [node.status() for node in self.cluster.running]
            newest = max(seen, key=lambda status: (status["term"], status["role"] == "leader"))
            members = {member["id"] for member in newest["members"]}
            agree = all(status["leader"] == newest["id"] for status in seen if status["id"] in members)
            return self.cluster.nodes[newest["id"]] if agree and newest["role"] == "leader" else None

        return wait_for("a leader that all members know", PATIENCE, look)

    def fill(self) -> None:
        """Makes snapshots longer than what an engine sends to its like in one piece."""
        client = self.cluster.client()
        for number in range(4):
            value = random.Random(number).randbytes(100_000)
            wait_for("a write", PATIENCE, lambda: client.attempt("PUT", f"/kv/large{number}", value).status == 204)
        client.close()

    def count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    def lead(self, make: str) -> Node:
        """Has a node of this make lead, by a transfer."""
        for _ in range(20):
            leader = self.leader()
            if self.makes[leader.id] == make:
                return leader
            voters = [member["id"] for member in leader.status()["members"] if "voter" in member["flags"]]
            candidates = [node for node in self.cluster.running if self.makes[node.id] == make and node.id in voters]
            target = self.chance.choice(candidates)
            if self.cluster.hand_over(leader, target):
                self.count(f"leadership to {make}")
        raise Failure(f"leadership does not go to {make}: {self.states()}")

    def kill_leader(self, make: str) -> None:
        leader = self.lead(make)
        self.go_on(self.chance.uniform(0, 0.3))
        leader.kill()
        self.count(f"kill -9 of a leader of {make}")
        self.wait_progress()
        leader.start()
        self.wait_progress()

    def stop_leader(self, make: str) -> None:
        """The leader stands still until another one leads, and then goes on, as it thinks."""
        leader = self.lead(make)
        leader.pause()
        others = [node for node in self.cluster.running if node is not leader]
        try:
            wait_for("another leader", PATIENCE, lambda: any(node.status()["role"] == "leader" for node in others))
            self.go_on(self.chance.uniform(0, 0.3))
        finally:
            leader.resume()
        self.count(f"leader of {make} that stood still")
        self.leader()
        self.wait_progress()

    def kill_some(self) -> None:
        """One node or all, leader or not."""
        victims = self.chance.sample(self.cluster.running, self.chance.choice([1, 1, 3]))
        for victim in victims:
            victim.kill()
        self.count("kill -9 of others")
        time.sleep(self.chance.uniform(0, 0.2))
        for victim in victims:
            victim.start()
        self.leader()
        self.wait_progress()

    def fall_behind(self, behind: str, leading: str) -> None:
        """A node of one make is down until a leader of the other has let go of what it lacks."""
        victim = next(node for node in self.cluster.running if self.makes[node.id] == behind)
        lag = FAR_BEHIND if leading == OURS else 4 * SNAPSHOT_EVERY
        for _ in range(TRIES):
            self.lead(leading)
            have = victim.status()["last_index"]
            victim.kill()

            def far_ahead() -> Optional[Node]:
                leader = self.lead(leading)  # once more, where an election has come between
                now = leader.status()
                return leader if now["first_index"] > have + 1 and now["last_index"] > have + lag else None

            leader = wait_for(f"a log without what node {victim.id} lacks", 60.0, far_ahead)
            term = leader.status()["term"]
            victim.start()
            self.caught_up(victim)  # no way but by a snapshot
            if self.leader().status()["term"] == term:
                self.count(f"{behind} brought up by a snapshot of {leading}")
                return
        raise Failure(f"no leader of {leading} stays: {self.states()}")

    def change_members(self, leading: str) -> None:
        """A node of each make comes and goes, one by one and by a joint change: with nothing, or with what it had before."""
        new = {4: OURS, 5: THEIRS}
        for node_id, make in new.items():
            self.makes[node_id] = make
            if self.chance.random() < 0.5:
                shutil.rmtree(self.cluster.directory / f"node{node_id}", ignore_errors=True)
        joined = {node_id: self.cluster.join(node_id, self.programs[make]) for node_id, make in new.items()}
        four, five = (f"{node_id}={joined[node_id].address}" for node_id in new)
        self.change(leading, f"add-learner {four}")
        self.caught_up(joined[4])
        self.change(leading, "promote 4")
        self.change(leading, f"add {five}\nremove 4")
        self.caught_up(joined[5])
        self.cluster.forget(4)
        self.change(leading, "remove 5")
        self.cluster.forget(5)
        self.count(f"memberships changed under {leading}")

    def change(self, leading: str, lines: str) -> None:
        def tried() -> bool:
            leader = self.lead(leading)
            answer = leader.post("/members", lines.encode())
            if answer.status in (204, 409, 503, 504):
                time.sleep(0.02)
                return answer.status == 204
            raise Failure(f"{lines!r} at node {leader.id}: {answer}")

        wait_for(f"membership: {lines!r}", PATIENCE, tried)

        def settled() -> bool:
            flags = [set(member["flags"]) for member in self.leader().status()["members"]]
            return all(not flag & {"outgoing", "learner_next"} for flag in flags)

        wait_for("the end of the change", PATIENCE, settled)

    def damage(self) -> None:
        """A node of ours loses what it had acknowledged. A leader of theirs goes on believing in it; the next leader, of
        whatever make, asks anew, and refills it."""
        victim = next(node for node in self.cluster.running if self.makes[node.id] == OURS)
        leader = self.lead(THEIRS)
        victim.stop()
        segment = max((victim.directory / "raft" / "wal").glob("*.wal"))
        content = bytearray(segment.read_bytes())
        content[len(content.rstrip(b"\0")) - DAMAGE_FROM_END] ^= 1
        segment.write_bytes(content)
        victim.start()
        for _ in range(TRIES):
            heir = self.chance.choice([node for node in self.cluster.running if node not in (victim, leader)])
            if self.cluster.hand_over(leader, heir):
                break
            leader = self.leader()
        self.caught_up(victim)
        if not list(segment.parent.glob("*.broken")):
            raise Failure(f"node {victim.id} has not noticed the damage:\n{victim.log_tail()}")
        self.count("damaged logs of ours, refilled")

    def exchange(self) -> None:
        """A node of each make goes on with the directory of the other, is killed, and then it is as before."""
        for make, other in ((OURS, THEIRS), (THEIRS, OURS)):
            node = next(node for node in self.cluster.running if self.makes[node.id] == make)
            node.stop()
            node.run_by(self.programs[other])
            node.start()
            self.caught_up(node)
            if not node.program.startswith(node.status()["program"]):
                raise Failure(f"node {node.id} is run by {node.status()['program']}, not by {node.program}")
            self.go_on(self.chance.uniform(0, 0.3))
            node.kill()
            node.run_by(self.programs[make])
            node.start()
            self.caught_up(node)
            self.count(f"directories of {make} in the hands of {other}, and back")

    def caught_up(self, node: Node) -> None:
        leader = self.leader()
        least = leader.status()["commit"]
        wait_for(f"node {node.id} to catch up", PATIENCE, lambda: node.status()["applied"] >= least)

    # ---- what has to hold ----

    def check(self) -> None:
        self.history.check()
        self.clients.check()
        self.counters.check()

    def go_on(self, seconds: float) -> None:
        time.sleep(seconds)
        self.check()

    def wait_progress(self) -> None:
        """The cluster has to acknowledge something new."""
        start = self.history.count()

        def more() -> bool:
            self.check()
            return self.history.count() > start + 20

        wait_for("writes to be acknowledged", PATIENCE, more)
        self.progress.update(f"{self.history.count()} writes, {self.counts}")

    def finish(self) -> None:
        self.history.pause(PATIENCE)
        self.clients.end()
        self.counters.end()
        self.cluster.wait_agreement(PATIENCE)
        for node in self.cluster.running:
            self.history.read_back(node, stale=True)
            self.history.read_back(node, stale=False)
        increments = self.counters.judge()
        histories = self.clients.judge()
        self.history.end()
        last = {node.id: node.status()["applied"] for node in self.cluster.running}
        nodes = self.cluster.running
        for node in nodes:
            node.stop()
        compared = compare_logs(nodes, min(last.values()), self.tool, self.programs[THEIRS])
        self.rows = [
            ("writes acknowledged", str(self.history.count())),
            ("linearizable reads of them", str(self.history.reads())),
            ("calls in histories that are linearizable", f"{self.clients.done()} of {histories} keys"),
            ("increments by compare-and-swap, all there", str(increments)),
            ("entries that are the same on two nodes or three", str(compared)),
        ] + [(what, str(count)) for what, count in sorted(self.counts.items())]

    def states(self) -> str:
        lines = []
        for node in self.cluster.running:
            try:
                lines.append(f"node {node.id}: {node.status()}\n{node.log_tail(8)}")
            except (OSError, Failure) as error:
                lines.append(f"node {node.id}: {error}")
        return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kv_etcd", metavar="KV_ETCD", nargs="+", type=Path)
    parser.add_argument("--server", type=Path, default=DEFAULT_SERVER)
    parser.add_argument("--tool", type=Path, default=Path("target/release/rft"))
    parser.add_argument("--seconds", type=float, default=8.0, help="of killing, for all clusters together")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    self_test()
    end_on_signals()
    progress = Progress()
    stories = [(theirs, makes) for theirs in args.kv_etcd for makes in ([THEIRS, OURS, OURS], [THEIRS, THEIRS, OURS])]
    for theirs, makes in stories:
        name = f"{theirs.name}: {', '.join(makes)}"
        progress.phase(name)
        began = time.monotonic()
        story = None
        try:
            story = Story(makes, {OURS: args.server, THEIRS: theirs}, args.tool, args.seed, progress)
            story.run(args.seconds / len(stories))
        except (Failure, OSError, subprocess.SubprocessError, KeyboardInterrupt) as failure:
            progress.done()
            print(f"etcd_cluster: FAIL: {name}: {str(failure) or 'interrupted'}\nreplay: {' '.join(sys.argv)}")
            return 1
        progress.done()
        print_table(story.rows + [("seconds", f"{time.monotonic() - began:.1f}")])
    print("etcd_cluster: PASS")
    return 0


if __name__ == "__main__":
    sys.exit(main())
