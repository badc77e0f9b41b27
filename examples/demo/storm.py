"""Faults under which clients go on, drawn by a seed: of processes, and of networks and disks where the cluster has its own."""

import random
import time
from typing import Callable, Dict, List, Optional, Tuple

from cluster import Cluster, Node, wait_for
from network import Network
from registers import Clients
from report import Progress

STUCK_SECONDS = 30.0
ENOUGH = 30  # calls that must be answered between two faults
NODES_MAX = 200  # the last byte of an address is a node's id

Undo = Callable[[], object]
Fault = Callable[[], Undo]


class Storm:
    """Faults, drawn by a seed. Without a network only processes suffer."""

    def __init__(self, cluster: Cluster, network: Optional[Network], seed: int, stale: bool, progress: Progress):
        self._cluster = cluster
        self._net = network
        self._chance = random.Random(seed)
        self._clients = Clients(seed, stale, cluster.tls)
        self._progress = progress
        self._is_late = False
        self.counts: Dict[str, int] = {}
        self.keys = 0

    def run(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self._cluster.wait_leader(STUCK_SECONDS)
        self._clients.follow(list(self._cluster.nodes.values()))
        self._clients.start()
        self._prepare()
        while time.monotonic() < end:
            # Now and then a second fault comes before the first has passed.
            faults = [self._draw() for _ in range(self._chance.choice([1, 1, 2]))]
            undo = [self._begin(*fault) for fault in faults]
            time.sleep(self._chance.uniform(0.3, 1.5))
            # A change of the members takes a majority that runs and is heard: it waits until all else is over.
            for heal in sorted(reversed(undo), key=lambda heal: heal == self._add_and_remove):
                heal()
            self._await_progress()
        self._close()

    def _prepare(self) -> None:
        """What comes before the faults, under load."""

    def faults(self) -> List[Fault]:
        """What may be drawn."""
        faults: List[Fault] = [self.stand_still, self.kill]
        # What leads messages through proxies knows the first members only; an address has one byte for the id.
        if not self._is_late and self._cluster.next_id() <= NODES_MAX:
            faults.append(self.change_members)
        if self._net is not None:
            faults += [self.cut_off, self.cut_off_leader, self.deafen, self.silence, self.split, self.cut_pairs]
            faults += [self.lose_packets]
            faults += [self.slow_down] if self._net.has_rate else []
            faults += [self.be_late] if self._is_late else []
        if self._cluster.has_disk_faults:
            faults += [self.slow_disks, self.slow_disks]
        return faults

    def _draw(self) -> Tuple[str, Fault]:
        fault = self._chance.choice(self.faults())
        return fault.__name__.replace("_", " "), fault

    @property
    def _network(self) -> Network:
        assert self._net is not None
        return self._net

    def _begin(self, name: str, fault: Fault) -> Undo:
        self.counts[name] = self.counts.get(name, 0) + 1
        self._progress.update(f"{sum(self.counts.values())} faults, {self._clients.done()} calls: {name}")
        return fault()

    # ---- faults: each begins one and returns what ends it ----

    def cut_off(self) -> Undo:
        return self._isolate(self._any().id)

    def cut_off_leader(self) -> Undo:
        return self._isolate(self._leader().id)

    def deafen(self) -> Undo:
        """No packet of the others reaches it; what it sends, without an answer, is little."""
        node = self._any().id
        return self._rules({node: {"into": self._network.lose_from(self._others(node))}})

    def silence(self) -> Undo:
        """It hears the others and cannot call them."""
        node = self._any().id
        return self._rules({node: {"out_of": self._network.lose_calls_to(self._others(node))}})

    def split(self) -> Undo:
        ids = self._chance.sample(list(self._cluster.nodes), len(self._cluster.nodes))
        at = self._chance.randrange(1, len(ids))
        left, right = ids[:at], ids[at:]
        return self._cut({node: right for node in left})

    def cut_pairs(self) -> Undo:
        """Some pairs do not reach each other: rings, bridges and what else comes of it."""
        cut: Dict[int, List[int]] = {}
        for one, other in pairs(list(self._cluster.nodes)):
            if self._chance.random() < 0.4:
                cut.setdefault(one, []).append(other)
        return self._cut(cut)

    def lose_packets(self) -> Undo:
        percent = self._chance.choice([5, 20, 50])
        every = {node: {"into": self._network.lose_from(self._others(node), percent)} for node in self._cluster.nodes}
        return self._rules(every)

    def slow_down(self) -> Undo:
        node = self._any().id
        self._network.slow_down(node, self._chance.choice([64, 256]))
        return lambda: self._network.slow_down(node, 0)

    def be_late(self) -> Undo:
        latest, double, lost = self._chance.choice([(50, 0, 0), (200, 20, 0), (500, 50, 10)])
        nodes = list(self._cluster.nodes)
        for node in nodes:
            self._network.be_late(node, latest, double, lost)
        return lambda: [self._network.be_late(node, 0, 0, 0) for node in nodes]

    def stand_still(self) -> Undo:
        node = self._chance.choice([self._leader(), self._any()])
        node.stand_still(True)
        return lambda: node.stand_still(False)

    def kill(self) -> Undo:
        count = self._chance.choice([1, 1, 1, 2, len(self._cluster.nodes)])
        victims = self._chance.sample(self._cluster.running, min(count, len(self._cluster.running)))
        for victim in victims:
            victim.kill()
        return lambda: [victim.start() for victim in victims]

    def slow_disks(self) -> Undo:
        """Each sync of some nodes takes its time; sometimes of all."""
        nodes = list(self._cluster.nodes.values())
        victims = self._chance.sample(nodes, self._chance.choice([1, 1, 2, len(nodes)]))
        for victim in victims:
            victim.disk_fault(f"{self._chance.choice(['sync', 'sync', 'fsync'])} slow 1")
        return lambda: [victim.disk_fault(None) for victim in victims]

    def change_members(self) -> Undo:
        """A node comes and another goes for good, as soon as a fault that began with it is over."""
        return self._add_and_remove

    def _add_and_remove(self) -> None:
        leaving = self._any()
        node_id = self._cluster.next_id()
        # In the place of a node comes one of the same program.
        newcomer = self._cluster.join(node_id, leaving.server)
        self._change(f"add-learner {node_id}={newcomer.address}", lambda ids: node_id in ids)
        self._change(f"promote {node_id}", lambda ids: ids.get(node_id) == ["voter"])
        self._clients.follow([node for node in self._cluster.nodes.values() if node is not leaving])
        self._change(f"remove {leaving.id}", lambda ids: leaving.id not in ids)
        self._cluster.forget(leaving.id)
        if self._net is not None:
            self._net.unplug(leaving.id)

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

    def _isolate(self, node: int) -> Undo:
        return self._cut({node: self._others(node)})

    def _cut(self, cut: Dict[int, List[int]]) -> Undo:
        """Between each of these nodes and those that it is given nothing passes, either way."""
        lose_from, lose_to = self._network.lose_from, self._network.lose_to
        rules = {node: {"into": lose_from(others), "out_of": lose_to(others)} for node, others in cut.items()}
        return self._rules(rules)

    def _rules(self, by_node) -> Undo:
        for node, rules in by_node.items():
            self._network.rules(node, **rules)
        return lambda: [self._network.rules(node) for node in by_node]

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


def pairs(ids: List[int]) -> List[Tuple[int, int]]:
    return [(a, b) for a in ids for b in ids if a < b]
