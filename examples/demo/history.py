"""Clients that write, what was acknowledged to them, and whether it is still there."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Dict, List, Optional, Tuple

from cluster import Cluster, Failure, Node, wait_for
from http_client import Client, Connection, NotSent, Response

NO_ANSWER = (503, 504)  # to a read: it may be tried again
DISK_FAILED = b"RFT_E_IO"  # why a node whose disk has failed answers nothing, with 500
KEYS_FOREVER = 0  # a writer that never writes a key twice


class Writer(threading.Thread):
    """One client: writes its own keys one after the other, each value unlike any other, and repeats a write
    until it is acknowledged. So a key holds its last acknowledged value, or the one being written now.

    With `keys` > 0 it goes round so many keys, and reads some back, linearizably, from a node picked by
    chance: that has to give the last acknowledged value."""

    RETRY_SECONDS = 0.01

    def __init__(self, name: str, client: Client, keys: int, seed: int):
        super().__init__(name=name, daemon=True)
        self.acknowledged: Dict[str, str] = {}
        self.times: List[float] = []  # of each acknowledgement
        self.error: Optional[str] = None
        self.unknown = 0  # tries of which nobody could tell whether they were done
        self.reads = 0
        self._client = client
        self._keys = keys
        self._random = random.Random(seed)
        self._running = threading.Event()
        self._running.set()
        self._idle = threading.Event()
        self._ending = False

    def run(self) -> None:
        count = 0
        try:
            while not self._ending:
                if not self._running.is_set():
                    self._idle.set()
                    self._running.wait()
                    continue
                number = count % self._keys if self._keys else count
                self._write(f"{self.name}-{number}", f"{self.name}:{count}")
                count += 1
                if self._keys and self._random.random() < 0.1:
                    self._read_back()
        except Failure as failure:
            self.error = str(failure)
        except Exception as error:  # a thread's end must not go unnoticed: History.check shows it
            self.error = f"{self.name}: {error!r}"
        finally:
            self._idle.set()
            self._client.close()

    def follow(self, addresses: List[str]) -> None:
        self._client.addresses = addresses

    def pause(self) -> None:
        self._idle.clear()
        self._running.clear()

    def wait_idle(self, seconds: float) -> bool:
        return self._idle.wait(seconds)

    def go_on(self) -> None:
        self._running.set()

    def end(self) -> None:
        self._ending = True
        self._running.set()

    def _write(self, key: str, value: str) -> None:
        while not self._ending:
            try:
                response = self._client.attempt("PUT", f"/kv/{key}", value.encode())
            except NotSent:
                time.sleep(self.RETRY_SECONDS)
                continue
            except OSError:
                self.unknown += 1
                continue
            if response.status == 204:
                self.times.append(time.monotonic())
                self.acknowledged[key] = value
                return
            if response.status not in (500, 503, 504):
                raise Failure(f"PUT answered {response.status}: {response.body!r}")
            self.unknown += response.status != 503
            time.sleep(self.RETRY_SECONDS)

    def _read_back(self) -> None:
        key = self._random.choice(list(self.acknowledged))
        address = self._random.choice(self._client.addresses)
        try:
            response = self._client.get_from(address, f"/kv/{key}")
        except OSError:
            return
        if response.status in (200, 404):
            self.reads += 1
            check_value(f"{address}, read linearizably", key, response.status, response.body, self.acknowledged[key])
        elif response.status not in (307, *NO_ANSWER) and not (response.status == 500 and DISK_FAILED in response.body):
            raise Failure(f"GET answered {response.status}: {response.body!r}")


def check_value(where: str, key: str, status: int, body: bytes, expected: str) -> None:
    found = body.decode(errors="replace") if status == 200 else f"status {status}"
    if status != 200 or found != expected:
        raise Failure(f"lost write: {key} at {where} is {found}, acknowledged was {expected}")


class History:
    """All writers of a run."""

    def __init__(self, cluster: Cluster, writers: int, keys: int = KEYS_FOREVER, seed: int = 0):
        self._cluster = cluster
        self.writers = [Writer(f"c{n}", cluster.client(), keys, seed * 1000 + n) for n in range(writers)]

    def start(self) -> None:
        for writer in self.writers:
            writer.start()

    def check(self) -> None:
        """A writer or a node that has given up is a failure."""
        for writer in self.writers:
            if writer.error:
                raise Failure(writer.error)
        for node in self._cluster.running:
            node.check_alive()

    def count(self) -> int:
        return sum(len(writer.times) for writer in self.writers)

    def reads(self) -> int:
        return sum(writer.reads for writer in self.writers)

    def unknown(self) -> int:
        return sum(writer.unknown for writer in self.writers)

    def longest_gap(self, start: float, end: float) -> float:
        """The longest time without any acknowledgement, in seconds, between two moments."""
        times = sorted(t for writer in self.writers for t in writer.times if start <= t <= end)
        return max((later - earlier for earlier, later in zip(times, times[1:])), default=end - start)

    def follow(self, nodes: List[Node]) -> None:
        """These are the nodes to ask from now on."""
        for writer in self.writers:
            writer.follow([node.address for node in nodes])

    def pause(self, seconds: float) -> None:
        """Lets every writer finish its write."""
        for writer in self.writers:
            writer.pause()
        deadline = time.monotonic() + seconds
        for writer in self.writers:
            if not writer.wait_idle(deadline - time.monotonic()):
                raise Failure(f"stuck: {writer.name} got no acknowledgement within {seconds:g} s")
        self.check()

    def go_on(self) -> None:
        for writer in self.writers:
            writer.go_on()

    def end(self) -> None:
        for writer in self.writers:
            writer.end()
        for writer in self.writers:
            writer.join()

    def read_back(self, node: Node, stale: bool) -> int:
        """Every acknowledged value from one node, while nobody writes. How many there were."""
        pairs = [list(writer.acknowledged.items()) for writer in self.writers]
        with ThreadPoolExecutor(len(pairs)) as pool:
            return sum(pool.map(lambda some: read_pairs(node, stale, some), pairs))


def read_pairs(node: Node, stale: bool, pairs: List[Tuple[str, str]]) -> int:
    query = "?stale=1" if stale else ""
    where = f"node {node.id}" + ("" if stale else ", read linearizably")
    connection = node.connect(30.0)
    again = []
    try:
        responses = connection.pipeline(f"/kv/{key}{query}" for key, _ in pairs)
        for (key, value), response in zip(pairs, responses):
            if response.status in NO_ANSWER:
                again.append((key, value))
            else:
                check_value(where, key, response.status, response.body, value)
        for key, value in again:
            response = wait_for(f"an answer for {key} from {where}", 30.0, lambda key=key: answer(connection, key, query))
            check_value(where, key, response.status, response.body, value)
    finally:
        connection.close()
    return len(pairs)


def answer(connection: Connection, key: str, query: str) -> Optional[Response]:
    response = connection.request("GET", f"/kv/{key}{query}")
    return None if response.status in NO_ANSWER else response
