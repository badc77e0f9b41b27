"""PySyncObj in three processes with its journal on. Its journal is a memory map that is never synced: not durable.

pysyncobj_e2e.py TICKS WORK OUTSTANDING BYTES SECONDS DIR: TICKS is `default` or `tuned` (0.5 ms). The leader's process
makes the load: so many outstanding, each answered by a callback.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

PATIENCE = 30.0


def main() -> None:
    """One sample, or one node of it."""
    if sys.argv[1] == "node":
        run(int(sys.argv[2]), sys.argv[3].split(","), sys.argv[4:])
        return
    ports = []
    for _ in range(3):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            ports.append(str(probe.getsockname()[1]))
    folder = tempfile.mkdtemp(prefix="pysyncobj-", dir=sys.argv[6])
    words = [*sys.argv[1:6], folder]
    nodes = [
        subprocess.Popen(
            [sys.executable, __file__, "node", str(at), ",".join(ports), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for at in range(3)
    ]
    lines: list[str] = []
    told = threading.Event()

    def hear(node: subprocess.Popen[str]) -> None:
        line = node.stdout.readline() if node.stdout else ""
        if line:
            lines.append(line)
            told.set()

    for node in nodes:
        threading.Thread(target=hear, args=(node,), daemon=True).start()
    told.wait(PATIENCE + float(sys.argv[5]))
    for node in nodes:
        node.kill()
        node.wait()
    shutil.rmtree(folder, ignore_errors=True)
    if not lines:
        sys.exit("pysyncobj: nobody led")
    print(lines[0], end="")


def run(at: int, ports: list[str], words: list[str]) -> None:
    """A node, which makes the load where it leads. It ends with its input."""
    from pysyncobj import SyncObj, SyncObjConf, replicated

    ticks, _, outstanding, size, seconds, folder = words

    class Counter(SyncObj):
        def __init__(self) -> None:
            tuned = {"autoTickPeriod": 0.0005, "appendEntriesPeriod": 0.0005} if ticks == "tuned" else {}
            conf = SyncObjConf(journalFile=f"{folder}/{at}.journal", appendEntriesUseBatch=True, **tuned)
            others = [f"127.0.0.1:{port}" for port in ports if port != ports[at]]
            super().__init__(f"127.0.0.1:{ports[at]}", others, conf)
            self.bytes = 0

        @replicated
        def write(self, data: bytes) -> None:
            self.bytes += len(data)

    counter = Counter()
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and not (counter.isReady() and counter._isLeader()):
        time.sleep(0.01)
    if not counter._isLeader():
        # Another leads; this process stays, and ends when its input does.
        sys.stdin.read()
        return
    lock, done, times = threading.Condition(), [0], []
    data = bytes(int(size))
    begun = time.perf_counter()
    end = begun + float(seconds)

    def start() -> None:
        since = time.perf_counter()

        def answered(_: object, error: object) -> None:
            now = time.perf_counter()
            if error:
                sys.exit(f"pysyncobj: error {error}")
            times.append(now - since)
            if now < end:
                start()
                return
            with lock:
                done[0] += 1
                lock.notify()

        counter.write(data, callback=answered)

    for _ in range(int(outstanding)):
        start()
    with lock:
        lock.wait_for(lambda: done[0] == int(outstanding), PATIENCE)
    took = time.perf_counter() - begun
    times.sort()
    at_percent = [times[(len(times) - 1) * percent // 100] * 1e6 for percent in (50, 99)]
    print(
        json.dumps({"value": len(times) / took, "p50_us": at_percent[0], "p99_us": at_percent[1]}), flush=True
    )
    sys.stdin.read()


if __name__ == "__main__":
    main()
