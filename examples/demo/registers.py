"""Clients that write, delete and read a few keys through any node, and remember what they were told."""

import random
import threading
import time
from typing import Dict, List, Optional

from cluster import Failure, Node
from http_client import Connection, NotSent
from linear import FOREVER, Call, TooMuch, is_linearizable

KEYS = 5
CLIENTS = 6
GENERATION_SECONDS = 3.0  # then other keys come, so that no history grows long
TIMEOUT_SECONDS = 3.0  # so that many outcomes are not known
PAUSE_SECONDS = 0.02


class Client(threading.Thread):
    def __init__(self, clients: "Clients", number: int, seed: int):
        super().__init__(name=f"client {number}", daemon=True)
        self._clients = clients
        self._random = random.Random(seed)
        self._connections: Dict[str, Connection] = {}
        self._number = number
        self._count = 0

    def run(self) -> None:
        try:
            while not self._clients.ending:
                if self._clients.running.wait(0.1):
                    self._call()
                    time.sleep(self._random.uniform(0, PAUSE_SECONDS))
        except Exception as error:  # a thread's end must not go unnoticed
            self._clients.error = f"{self.name}: {error!r}"
        finally:
            for connection in self._connections.values():
                connection.close()

    def _call(self) -> None:
        key = self._clients.key(self._random.randrange(KEYS))
        kind = self._random.choices(["GET", "PUT", "DELETE"], weights=[50, 45, 5])[0]
        value: Optional[str] = None
        if kind == "PUT":
            self._count += 1
            value = f"{self._number}:{self._count}"
        address = self._random.choice(self._clients.addresses)
        start = time.monotonic()
        status, body = self._request(address, kind, key, value)
        end = time.monotonic()
        if kind == "GET":
            if status in (200, 404):
                self._clients.note(key, Call(False, body if status == 200 else None, start, end))
        elif status == 204:
            self._clients.note(key, Call(True, value, start, end))
        elif status in (0, 500, 504):
            self._clients.note(key, Call(True, value, start, FOREVER))
        elif status not in (307, 503):
            raise Failure(f"{kind} answered {status}: {body}")

    def _request(self, address: str, kind: str, key: str, value: Optional[str]):
        """Status and body; 503 if the request was certainly not taken, 0 if nobody can tell."""
        connection = self._connections.pop(address, None)
        try:
            connection = connection or Connection(address, TIMEOUT_SECONDS)
            stale = "?stale=1" if kind == "GET" and self._clients.stale else ""
            response = connection.request(kind, f"/kv/{key}{stale}", (value or "").encode())
        except NotSent:
            return 503, ""
        except OSError:
            if connection is not None:
                connection.close()
            return 0, ""
        self._connections[address] = connection
        return response.status, response.body.decode()


class Clients:
    """All clients of a run, and what they were told, by key."""

    def __init__(self, seed: int, stale: bool):
        self.stale = stale
        self.addresses: List[str] = []
        self.running = threading.Event()
        self.ending = False
        self.error: Optional[str] = None
        self.histories: Dict[str, List[Call]] = {}
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._done = 0
        self._all = [Client(self, number, seed * 1000 + number) for number in range(CLIENTS)]

    def start(self) -> None:
        for client in self._all:
            client.start()
        self.running.set()

    def follow(self, nodes: List[Node]) -> None:
        """These are the nodes to ask from now on."""
        self.addresses = [node.address for node in nodes]

    def key(self, number: int) -> str:
        return f"g{int((time.monotonic() - self._began) / GENERATION_SECONDS)}-{number}"

    def note(self, key: str, call: Call) -> None:
        with self._lock:
            self.histories.setdefault(key, []).append(call)
            self._done += call.end != FOREVER

    def done(self) -> int:
        """Calls whose outcome is known."""
        return self._done

    def check(self) -> None:
        if self.error:
            raise Failure(self.error)

    def end(self) -> None:
        self.ending = True
        for client in self._all:
            client.join()

    def judge(self) -> int:
        """Holds every history against the rule; how many there were. Nobody may work any more."""
        for key, history in self.histories.items():
            try:
                if not is_linearizable(history):
                    raise Failure(f"not linearizable: no order explains key {key}: {sorted(history, key=lambda c: c.start)}")
            except TooMuch:
                raise Failure(f"the history of key {key} has too much at once to be judged") from None
        return len(self.histories)
