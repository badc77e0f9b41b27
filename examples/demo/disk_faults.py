#!/usr/bin/env python3
"""Disks that fail under real processes: errors, short and interrupted writes, slow syncs, and a disk that fills up.

usage: disk_faults.py SHIM [--server PATH]      SHIM is disk_fault.c as a shared library

Three nodes, of which one gets a fault while clients write. The other two go on, the faulty one says why it ended or
goes on too, and after its restart every acknowledged write is there. All of that twice: with logs that are written past
the system's cache, and where no file can be; where the file system refuses the first, that is skipped, in words. The disk
that fills up is a small one of its own, which only root can mount; without that it is skipped likewise."""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Dict, List, NamedTuple, Tuple

from cluster import DEFAULT_SERVER, Cluster, Failure, Node, end_on_signals, wait_for
from history import History
from report import Progress, print_table, skip

FLAGS = ["--tick-ms", "20", "--segment-bytes", str(1 << 18), "--snapshot-entries", "1000"]
WRITERS = 4
KEYS = 50
NO_DIRECT = "cannot be written past the system's cache"  # what a node's log says then
SECONDS = 30.0  # more than any wait takes
LONG = bytes(1 << 16)  # a value of many blocks
MIB = 1 << 20


class Fault(NamedTuple):
    operation: str
    how: str
    call: int
    of_leader: bool
    text: str = ""  # what the log must say; nothing: the node goes on


FAULTS = [
    Fault("sync", "EIO", 3, True, "Input/output error"),
    Fault("sync", "EIO", 20, False, "Input/output error"),
    Fault("write", "EIO", 5, True, "Input/output error"),
    Fault("write", "ENOSPC", 5, False, "No space left"),
    Fault("write", "short", 1, True),
    Fault("write", "EINTR", 1, False),
    Fault("sync", "EINTR", 1, True),
    Fault("sync", "slow", 1, False),
    # With the next segment or snapshot.
    Fault("fsync", "EIO", 1, False, "Input/output error"),
]


class Faults:
    def __init__(self, cluster: Cluster, progress: Progress):
        self._cluster = cluster
        self._progress = progress
        self._history = History(cluster, WRITERS, KEYS)
        self.ended = self.survived = 0

    def run(self) -> None:
        self._cluster.wait_leader()
        self._history.start()
        for fault in FAULTS:
            self._try(fault)
        self._history.end()
        for node in self._cluster.running:
            node.stop()

    def rows(self, logs: str) -> List[Tuple[str, str]]:
        return [
            (f"{logs}: faults that ended a node", str(self.ended)),
            (f"{logs}: faults that a node survived", str(self.survived)),
            (f"{logs}: writes acknowledged, and found again", str(self._history.count())),
        ]

    def _try(self, fault: Fault) -> None:
        leader = self._cluster.wait_leader(SECONDS)
        node = leader if fault.of_leader else self._cluster.nodes[leader.id % len(self._cluster.nodes) + 1]
        self._progress.phase(f"{fault.operation} {fault.how} at {'the leader' if fault.of_leader else 'a follower'}")
        self._wait_writes(20)
        node.disk_fault(f"{fault.operation} {fault.how} {fault.call}")
        wait_for("the fault to come about", SECONDS, lambda: self._is_hit(node, fault))
        if fault.text:
            self._wait_end(node, fault)
            self.ended += 1
        else:
            self._wait_writes(200 if fault.how != "slow" else 20)
            if fault.how == "slow":
                self._wait_applied(node)
            node.status()  # raises if it has failed
            self.survived += 1
        node.disk_fault(None)
        if fault.text:
            node.kill()
            node.start()
        self._check()

    def _is_hit(self, node: Node, fault: Fault) -> bool:
        if fault.how == "short":
            node.request("PUT", "/kv/long", LONG)  # past the cache, a write of one block is never short
        return node.disk_has_failed()

    def _wait_applied(self, node: Node) -> None:
        """The others go on without it: it has to as well."""
        before = node.status()["applied"]
        wait_for(f"node {node.id} to apply something", SECONDS, lambda: node.status()["applied"] > before)

    def _wait_end(self, node: Node, fault: Fault) -> None:
        wait_for(f"the end of node {node.id}", SECONDS, lambda: raw_status(node)["failure"] == "RFT_E_IO")
        wait_for(f"the reason in the log of node {node.id}", SECONDS, lambda: node.has_said(fault.text))
        # It is there and says no: nothing is taken, nothing is read as if it were the newest.
        for method, path, body in [("PUT", "/kv/refused", b"x"), ("GET", "/kv/c0-0", b"")]:
            response = node.request(method, path, body)
            if response.status < 300 or b"RFT_E_IO" not in response.body:
                raise Failure(f"node {node.id} answers {method} with {response.status} after its end")
        self._wait_writes(50)

    def _wait_writes(self, count: int) -> None:
        goal = self._history.count() + count

        def look() -> bool:
            self._history.check()
            return self._history.count() >= goal

        wait_for(f"{count} more writes", SECONDS, look)

    def _check(self) -> None:
        """Nobody writes: all nodes come to the same state, with every acknowledged value in it."""
        self._history.pause(SECONDS)
        self._cluster.wait_leader(SECONDS)
        self._cluster.wait_agreement(SECONDS)
        for node in self._cluster.running:
            self._history.read_back(node, stale=True)
        self._history.go_on()


def faults_of(args: argparse.Namespace, logs: str, environment: Dict[str, str], progress: Progress) -> List[Tuple[str, str]]:
    progress.phase(f"logs {logs}")
    cluster = Cluster(3, FLAGS, args.server, shim=args.shim)
    for node in cluster.nodes.values():
        node.run_with(environment)
    faults = Faults(cluster, progress)
    with cluster:
        faults.run()
        refused = [node.has_said(NO_DIRECT) for node in cluster.nodes.values()]
    if environment and not all(refused):
        raise Failure("a node writes past the cache")
    if not environment and any(refused):
        skip(f"faults of logs past the system's cache: the file system of {tempfile.gettempdir()} refuses them")
        return []
    return faults.rows(logs)


def raw_status(node: Node) -> dict:
    return json.loads(node.request("GET", "/status?hash=0").body)


class SmallDisk:
    """A file system in memory of its own, as the directory of a node. `with` unmounts it."""

    def __init__(self, path: Path, size: int):
        self._path, self._size = path, size

    def __enter__(self) -> "SmallDisk":
        self._path.mkdir(parents=True)
        options = f"size={self._size}"
        mount = ["mount", "-t", "tmpfs", "-o", options, "rft-small-disk", str(self._path)]
        subprocess.run(mount, check=True, capture_output=True)
        return self

    def grow(self, size: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", str(self._path)], check=True, capture_output=True)

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", "-l", str(self._path)], check=False, capture_output=True)
        # Whoever cleared up before could not remove what it was mounted on. With KEEP=1 there is more, which stays.
        with contextlib.suppress(OSError):
            self._path.rmdir()
            self._path.parent.rmdir()


def can_mount() -> bool:
    path = Path(tempfile.mkdtemp(prefix="rft-"))
    try:
        with SmallDisk(path / "disk", MIB):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False
    finally:
        shutil.rmtree(path, ignore_errors=True)


def fill_up(server: Path, progress: Progress) -> int:
    """One node on a small disk: it refuses writes before the disk is full, reads on, and heals when it grows."""
    progress.phase("a disk that fills up, and grows")
    flags = ["--tick-ms", "20", "--segment-bytes", str(1 << 18), "--snapshot-entries", "0"]
    cluster = Cluster(1, flags + ["--disk-reserve", str(4 * MIB)], server)
    node = cluster.nodes[1]
    with SmallDisk(node.directory, 24 * MIB) as disk, cluster:
        cluster.wait_leader()
        client, value, count = cluster.client(), b"x" * 60_000, 0
        while (response := client.attempt("PUT", f"/kv/big{count}", value)).status == 204:
            count += 1
            if count > 1000:
                raise Failure("a disk of 24 MiB takes 60 MB")
        if response.status != 503 or b"RFT_E_DISK_FULL" not in response.body:
            raise Failure(f"a full disk answers {response.status} {response.body!r}")
        wait_for("the status", SECONDS, lambda: node.status()["disk_full"])
        if client.attempt("GET", "/kv/big0").body != value:
            raise Failure("a full disk does not read")
        free = os.statvfs(node.directory)
        if free.f_bavail * free.f_frsize < 2 * MIB:
            raise Failure("the reserve was used up")
        disk.grow(64 * MIB)
        wait_for("room to be noticed", SECONDS, lambda: not node.status()["disk_full"])
        if client.attempt("PUT", "/kv/healed", b"yes").status != 204:
            raise Failure("a disk with room again takes no write")
        client.close()
        node.kill()
        node.start()
        cluster.wait_leader()
        client = cluster.client()
        for number in range(count):
            if client.attempt("GET", f"/kv/big{number}").body != value:
                raise Failure(f"lost write: big{number}")
        client.close()
    return count


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shim", type=Path)
    parser.add_argument("--server", type=Path, default=DEFAULT_SERVER)
    args = parser.parse_args()
    end_on_signals()
    progress = Progress()
    began = time.monotonic()
    rows = []
    try:
        rows += faults_of(args, "past the cache", {}, progress)
        rows += faults_of(args, "through the cache", {"NO_DIRECT": "1"}, progress)
        if can_mount():
            rows.append(("writes until the small disk was full", str(fill_up(args.server, progress))))
        else:
            skip("a real disk that fills up: only root can mount a small one")
    except (Failure, OSError, subprocess.CalledProcessError, KeyboardInterrupt) as failure:
        progress.done()
        print(f"disk faults: FAIL: {str(failure) or 'interrupted'}")
        return 1
    progress.done()
    print_table(rows)
    print(f"disk faults: PASS, {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
