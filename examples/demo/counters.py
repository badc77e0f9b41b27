"""Clients that count up with the revision they have read: each increment is there once, or was refused."""

import threading
import time
from typing import List, Optional

from cluster import Cluster, Failure, wait_for
from http_client import Client, NotSent, Response

KEYS = 2
TIMEOUT_SECONDS = 3.0
PATIENCE = 20.0


class Counter(threading.Thread):
    def __init__(self, client: Client, number: int):
        super().__init__(name=f"counter {number}", daemon=True)
        self.client = client
        self.done = [0] * KEYS
        self.unknown = [0] * KEYS
        self.ending = False
        self.error: Optional[str] = None

    def run(self) -> None:
        turn = 0
        try:
            while not self.ending:
                turn += 1
                self._count_up(turn % KEYS)
        except Exception as error:  # a thread's end must not go unnoticed
            self.error = f"{self.name}: {error!r}"
        finally:
            self.client.close()

    def _count_up(self, key: int) -> None:
        try:
            found = self.client.attempt("GET", f"/kv/counter{key}")
        except OSError:
            return
        if found.status == 200:
            value, condition = int(found.body) + 1, f"If-Match: {found.headers['etag']}\r\n"
        elif found.status == 404:
            value, condition = 1, "If-None-Match: *\r\n"
        elif found.status in (503, 504):
            time.sleep(0.01)
            return
        else:
            raise Failure(f"GET answered {found.status}")
        try:
            status = self.client.attempt("PUT", f"/kv/counter{key}", str(value).encode(), condition).status
        except NotSent:
            return
        except OSError:
            status = 0
        if status == 204:
            self.done[key] += 1
        elif status in (0, 500, 504):
            self.unknown[key] += 1
        elif status == 503:
            time.sleep(0.01)
        elif status != 412:
            raise Failure(f"PUT answered {status}")


class Counters:
    def __init__(self, cluster: Cluster, clients: int):
        self._cluster = cluster
        self._all: List[Counter] = []
        self._clients = clients

    def start(self) -> None:
        addresses = [node.address for node in self._cluster.nodes.values()]
        self._all = [Counter(Client(addresses, TIMEOUT_SECONDS), number) for number in range(self._clients)]
        for counter in self._all:
            counter.start()

    def check(self) -> None:
        for counter in self._all:
            if counter.error:
                raise Failure(counter.error)

    def end(self) -> None:
        for counter in self._all:
            counter.ending = True
        for counter in self._all:
            counter.join()
        self.check()

    def judge(self) -> int:
        """Nobody counts any more: how many increments there are. None may be missing, and none be there twice."""
        client = self._cluster.client()
        total = 0
        for key in range(KEYS):
            found = wait_for(f"the value of counter {key}", PATIENCE, lambda key=key: read(client, key))
            value = int(found.body) if found.status == 200 else 0
            least = sum(counter.done[key] for counter in self._all)
            most = least + sum(counter.unknown[key] for counter in self._all)
            if not least <= value <= most:
                raise Failure(f"counter {key} is {value}, after {least} increments that were done and {most - least} that may be")
            total += value
        client.close()
        if total == 0:
            raise Failure("nobody has counted up")
        return total


def read(client: Client, key: int) -> Optional[Response]:
    found = client.attempt("GET", f"/kv/counter{key}")
    return found if found.status in (200, 404) else None
