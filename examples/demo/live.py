"""A cluster that is kept up for somebody to play with: gentle writers, and what the buttons of the page do."""

import signal
import threading
import time
from typing import Callable, Dict
from urllib.parse import quote

from cluster import Cluster, Node
from http_client import Client, NotSent
from watch import Watch
from web import Action, Refused

WRITERS = 2
PAUSE_SECONDS = 0.25
WRITE_SECONDS = 6.0
KEY_MAX, VALUE_MAX = 64, 200
KEYS = 20


class Trickle(threading.Thread):
    """A client that writes now and then, and tells each write."""

    def __init__(self, watch: Watch, client: Client, number: int):
        super().__init__(name=f"trickle {number}", daemon=True)
        self._watch = watch
        self._client = client
        self._number = number
        self._ending = threading.Event()

    def run(self) -> None:
        count = 0
        while not self._ending.wait(PAUSE_SECONDS):
            count += 1
            key, value = f"c{self._number}-{count % KEYS}", str(count)
            began = time.monotonic()
            try:
                response = self._client.attempt("PUT", f"/kv/{key}", value.encode())
            except OSError:
                continue
            if response.status == 204:
                self._watch.writes += 1
                self._watch.note("write", told(key, value, response.headers.get("etag", ""), time.monotonic() - began))
        self._client.close()

    def end(self) -> None:
        self._ending.set()


def told(key: str, value: str, tag: str, seconds: float) -> str:
    revision = tag.strip('"')
    return f"{key} = {value}, revision {revision}, in {seconds * 1000:.0f} ms"


class Live:
    """The actions, one at a time: several browsers may press at once."""

    def __init__(self, cluster: Cluster, watch: Watch):
        self._cluster = cluster
        self._watch = watch
        self._lock = threading.Lock()
        self._trickles = [Trickle(watch, cluster.client(), number) for number in range(1, WRITERS + 1)]

    def actions(self) -> Dict[str, Action]:
        actions: Dict[str, Action] = {"write": self.write}
        for node in self._cluster.nodes.values():
            for name, act in [("pause", self.pause), ("continue", self.go_on), ("kill", self.kill), ("restart", self.restart)]:
                actions[f"node/{node.id}/{name}"] = self._on(node, act)
        return actions

    def run(self) -> None:
        """Until Ctrl-C. Writers that lose their nodes go on when there are some again."""
        for trickle in self._trickles:
            trickle.start()
        try:
            while True:
                signal.pause()
        finally:
            for trickle in self._trickles:
                trickle.end()

    def _on(self, node: Node, act: Callable[[Node], str]) -> Action:
        def locked(_: Dict[str, str]) -> str:
            with self._lock:
                text = act(node)
            self._watch.note("fault", text)
            return text

        return locked

    def pause(self, node: Node) -> str:
        if not node.running or node.paused:
            raise Refused(f"Node {node.id} does not run")
        node.pause()
        return f"Node {node.id}, {node.program}, stands still"

    def go_on(self, node: Node) -> str:
        if not node.paused:
            raise Refused(f"Node {node.id} is not paused")
        node.resume()
        return f"Node {node.id}, {node.program}, goes on"

    def kill(self, node: Node) -> str:
        if not node.running:
            raise Refused(f"Node {node.id} does not run")
        node.kill()
        return f"Node {node.id}, {node.program}, was killed"

    def restart(self, node: Node) -> str:
        node.kill()
        node.start()
        return f"Node {node.id}, {node.program}, starts again"

    def write(self, asked: Dict[str, str]) -> str:
        key, value = asked.get("key", ""), asked.get("value", "")
        if not 0 < len(key.encode()) <= KEY_MAX or len(value.encode()) > VALUE_MAX:
            raise Refused(f"A key has 1 to {KEY_MAX} bytes here, a value up to {VALUE_MAX}")
        running = [node.address for node in self._cluster.running]
        if not running:
            raise Refused("No node runs")
        client = Client(running, WRITE_SECONDS, self._cluster.tls)
        began = time.monotonic()
        try:
            return self._write(client, key, value, began)
        finally:
            client.close()

    def _write(self, client: Client, key: str, value: str, began: float) -> str:
        while time.monotonic() < began + WRITE_SECONDS:
            try:
                response = client.attempt("PUT", f"/kv/{quote(key, safe='')}", value.encode())
            except NotSent:
                time.sleep(0.05)
                continue
            except OSError:
                raise Refused("Nobody can tell whether it was written") from None
            if response.status == 204:
                text = told(key, value, response.headers.get("etag", ""), time.monotonic() - began)
                self._watch.writes += 1
                self._watch.note("write", f"{text}, from this page")
                return f"Written: {text}"
            if response.status != 503:
                raise Refused(f"Not acknowledged, status {response.status}: {response.body.decode(errors='replace').strip()}")
            time.sleep(0.05)
        raise Refused("No node takes it: is there a majority?")
