"""What a cluster looks like from outside, all the time: a thread for each node asks how it stands."""

import json
import threading
import time
from collections import deque
from typing import Deque, Dict, List, Optional, Tuple

from cluster import Cluster, Node
from http_client import Connections

LOOK_SECONDS = 0.2
PATIENCE_SECONDS = 0.6  # a node that says nothing for so long is silent
NOTES_MAX = 200
SHOWN = ("role", "term", "leader", "first_index", "last_index", "commit", "applied", "disk_full", "failure")


class Watch:
    """`with Watch(cluster) as watch`: `state()` is the newest picture, `notes(n)` what has happened behind note n."""

    def __init__(self, cluster: Cluster):
        self._cluster = cluster
        self._seen: Dict[int, Optional[dict]] = {}
        self._watched: Dict[int, threading.Thread] = {}
        self._notes: Deque[Tuple[int, dict]] = deque(maxlen=NOTES_MAX)
        self._count = 0
        self._changed = threading.Condition()
        self._led = (0, 0)  # term and leader, the newest that is known
        self._ending = False
        self._began = time.monotonic()
        self.writes = 0  # acknowledged to anybody
        self._writes_before: Deque[Tuple[float, int]] = deque(maxlen=int(2 / LOOK_SECONDS))

    def __enter__(self) -> "Watch":
        self._follow()
        threading.Thread(target=self._run, name="watch", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        for thread in self._watched.values():
            thread.join()

    @property
    def ended(self) -> bool:
        return self._ending

    def note(self, kind: str, text: str) -> None:
        """Something has happened: an election, a write, a fault, a step of the story."""
        with self._changed:
            self._count += 1
            at = round(time.monotonic() - self._began, 1)
            self._notes.append((self._count, {"kind": kind, "text": text, "at": at}))
            self._changed.notify_all()

    def notes(self, behind: int) -> Tuple[int, List[dict]]:
        """What has been noted behind this number, and the number of the last."""
        with self._changed:
            return self._count, [note for number, note in self._notes if number > behind]

    def wait(self, seconds: float) -> None:
        """Until something is noted, or so long."""
        with self._changed:
            if not self._ending:
                self._changed.wait(seconds)

    def state(self) -> dict:
        """All nodes as they were seen last."""
        nodes = [self._describe(node) for node in list(self._cluster.nodes.values())]
        term, leader = self._led
        leads = any(node["id"] == leader and node["role"] == "leader" for node in nodes)
        return {
            "nodes": nodes,
            "term": term,
            "leader": leader if leads else 0,
            "writes": self.writes,
            "writes_per_second": self._rate(),
        }

    def _describe(self, node: Node) -> dict:
        status = self._seen.get(node.id)
        process = "down" if not node.running else "paused" if node.paused else "up"
        if process == "up" and status is None:
            process = "silent"
        shown = {name: (status or {}).get(name) for name in SHOWN}
        if process in ("down", "paused"):
            shown["role"] = None
        return {"id": node.id, "program": node.program, "address": node.address, "process": process, **shown}

    def _rate(self) -> int:
        before = list(self._writes_before)
        if len(before) < 2 or before[-1][0] == before[0][0]:
            return 0
        return round((before[-1][1] - before[0][1]) / (before[-1][0] - before[0][0]))

    def _run(self) -> None:
        while not self._ending:
            self._follow()
            self._writes_before.append((time.monotonic(), self.writes))
            time.sleep(LOOK_SECONDS)

    def _follow(self) -> None:
        """New members are watched too."""
        for node in list(self._cluster.nodes.values()):
            if node.id not in self._watched and not self._ending:
                thread = threading.Thread(target=self._look_at, args=(node,), name=f"watch {node.id}", daemon=True)
                self._watched[node.id] = thread
                thread.start()

    def _look_at(self, node: Node) -> None:
        connections = Connections(PATIENCE_SECONDS, self._cluster.tls)
        while not self._ending and self._cluster.nodes.get(node.id) is node:
            try:
                status = json.loads(connections.request(node.address, "GET", "/status?hash=0").body)
            except (OSError, ValueError):
                status = None
            if status is not None or not node.paused:
                # Of one that stands still, what it said last is how it stands.
                self._seen[node.id] = status
            if status is not None and status["role"] == "leader":
                self._elected(status["term"], node)
            time.sleep(LOOK_SECONDS)
        connections.close()

    def _elected(self, term: int, node: Node) -> None:
        with self._changed:
            is_new = term > self._led[0]
            if is_new:
                self._led = (term, node.id)
        if is_new:
            self.note("election", f"Node {node.id}, {node.program}, leads in term {term}")
