"""Clients that read, write, delete and swap a few keys through any node, and remember what they were told."""

import random
import ssl
import threading
import time
from typing import Dict, List, Optional, Tuple

from cluster import Failure, Node
from http_client import Connection, NotSent, Response
from linear import ABSENT, FOREVER, READ, REFUSED, WRITE, Call, TooMuch, is_linearizable

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
        self._seen: Dict[str, int] = {}  # the revision of each key, as far as it was told

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
        kind = self._random.choices(["GET", "PUT", "DELETE"], weights=[45, 45, 10])[0]
        # Half of the writes ask for the revision that this client saw last, or for none.
        expected = None if kind == "GET" or self._random.random() < 0.5 else self._seen.get(key, ABSENT)
        if kind == "DELETE" and expected == ABSENT:
            expected = None
        value: Optional[str] = None
        if kind == "PUT":
            self._count += 1
            value = f"{self._number}:{self._count}"
        address = self._random.choice(self._clients.addresses)
        start = time.monotonic()
        response = self._request(address, kind, key, value, expected)
        self._note(key, kind, value, expected, start, response)

    def _note(
        self, key: str, kind: str, value: Optional[str], expected: Optional[int], start: float, response: Response
    ) -> None:
        end = time.monotonic()
        status, text = response.status, response.body.decode()
        revision = revision_of(response)
        if kind == "GET" and status in (200, 404):
            call = Call(READ, text if status == 200 else None, start, end, revision)
        elif kind != "GET" and status == 204:
            call = Call(WRITE, value, start, end, None if value is None else revision, expected)
        elif status == 412 and expected is not None:
            call = Call(REFUSED, None, start, end, revision, expected)
        elif kind != "GET" and status in (0, 500, 504):
            # A write that asked for a revision may have been refused as well: then it did nothing.
            self._clients.note(key, Call(WRITE, value, start, FOREVER, None, expected))
            return
        elif status in (307, 503) or (kind == "GET" and status in (0, 504)):
            return
        else:
            raise Failure(f"{kind} answered {status}: {text}")
        self._seen[key] = ABSENT if value is None and call.kind == WRITE else revision
        self._clients.note(key, call)

    def _request(self, address: str, kind: str, key: str, value: Optional[str], expected: Optional[int]) -> Response:
        """The answer; status 503 if the request was certainly not taken, 0 if nobody can tell."""
        connection = self._connections.pop(address, None)
        try:
            connection = connection or Connection(address, TIMEOUT_SECONDS, self._clients.tls)
            stale = "?stale=1" if kind == "GET" and self._clients.stale else ""
            response = connection.request(kind, f"/kv/{key}{stale}", (value or "").encode(), condition(expected))
        except NotSent:
            return Response(503, {}, b"")
        except OSError:
            if connection is not None:
                connection.close()
            return Response(0, {}, b"")
        if response.headers.get("connection", "").lower() == "close":
            connection.close()
        else:
            self._connections[address] = connection
        return response


def condition(expected: Optional[int]) -> str:
    """The headers that ask for a revision."""
    if expected is None:
        return ""
    return "If-None-Match: *\r\n" if expected == ABSENT else f'If-Match: "{expected}"\r\n'


def revision_of(response: Response) -> int:
    """What the answer says of the key's revision."""
    return int(response.headers.get("etag", f'"{ABSENT}"').strip('"'))


class Clients:
    """All clients of a run, and what they were told, by key."""

    def __init__(self, seed: int, stale: bool, tls: Optional[ssl.SSLContext] = None):
        self.stale = stale
        self.tls = tls
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

    def swaps(self) -> Tuple[int, int]:
        """How many writes that asked for a revision were done, and how many refused."""
        calls = [call for history in self.histories.values() for call in history if call.end != FOREVER]
        done = sum(call.kind == WRITE and call.expected is not None for call in calls)
        return done, sum(call.kind == REFUSED for call in calls)

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
        # Without a read nearly any order explains what was told.
        if not any(call.kind == READ for history in self.histories.values() for call in history):
            raise Failure("no read was answered")
        for key, history in self.histories.items():
            try:
                if not is_linearizable(history):
                    raise Failure(f"not linearizable: no order explains key {key}: {sorted(history, key=lambda c: c.start)}")
            except TooMuch:
                raise Failure(f"the history of key {key} has too much at once to be judged") from None
        return len(self.histories)
