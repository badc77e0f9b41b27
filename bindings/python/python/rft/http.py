"""A transport over HTTP, for `pip install raft-ffi[http]`.

Messages go as etcd's raft example sends them: `POST /raft` with one message as the body, the sender and the cluster in
headers. Several messages at once go in frames, each behind its length, which every host in this repository understands.
"""

from __future__ import annotations

import logging
import os
import ssl
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from rft import host
from rft._http_server import Server
from rft.errors import BusyError, MisuseError, RaftError
from rft.host import Receiver, log

__all__ = ["Contexts", "Inbound", "Transport"]

ONE = "application/protobuf"
FRAMES = "application/x-raft-frames"
BODY_MAX = 64 << 20

_HEAD = 8
_QUEUE_MESSAGES_MAX = 4096
_QUEUE_BYTES_MAX = 64 << 20
_BATCH_BYTES_MAX = 4 << 20
_POST_SECONDS = httpx.Timeout(5.0, connect=1.0)
_RETRY_SECONDS = 0.05


@dataclass(frozen=True)
class Contexts:
    """How connections are made and taken under TLS: both sides show a certificate and check the other's.

    A node's certificate has the common name `rft-node-ID`, and the host name or address where the node answers.
    """

    client: ssl.SSLContext
    """For connections that this node makes."""

    server: ssl.SSLContext
    """For connections that it takes."""

    @classmethod
    def load(
        cls,
        authority: str | os.PathLike[str],
        certificate: str | os.PathLike[str],
        key: str | os.PathLike[str],
    ) -> Contexts:
        """Make both from files of PEM: who is believed, and what this node shows.

        Raises `OSError`, also `ssl.SSLError`, where a file is missing or no good.
        """
        client = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=authority)
        server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority)
        for context in (client, server):
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_cert_chain(certificate, key)
        return cls(client, server)


class Inbound:
    """Takes what peers post. Mount it in any web server: it is not bound to one."""

    def __init__(self, engine: Receiver, cluster_id: int, *, tls: bool = False) -> None:
        """Hand messages of cluster `cluster_id` to `engine`.

        With `tls`, only those whose sender has a certificate of its name: the web server has to ask for one, to check
        it, and to tell what common name stands in it.
        """
        self._engine = engine
        self._cluster_id = cluster_id
        self._tls = tls

    def refuse(self, headers: Mapping[str, str], common_name: str | None = None) -> tuple[int, str] | None:
        """Say by the headers alone whether the body is not worth reading: the status to answer, and why.

        The names of the headers must be found in any case, as the mappings of web servers do it. `common_name` is that
        of the client's certificate.
        """
        if _hex(headers.get("X-Etcd-Cluster-ID")) != self._cluster_id:
            return 412, "cluster ID mismatch"
        sender = _hex(headers.get("X-Server-From"))
        if not sender:
            return 400, "X-Server-From is not a node's id in hex"
        if self._tls and common_name != f"rft-node-{sender}":
            return 403, f"the certificate is not that of rft-node-{sender}"
        length = headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit():
            return 411, "Content-Length is missing"
        if len(length) > 12 or int(length) > BODY_MAX + _HEAD:
            return 413, "too many bytes"
        return None

    def take(
        self, headers: Mapping[str, str], body: bytes, common_name: str | None = None
    ) -> tuple[int, str]:
        """Hand the body to the engine. Returns the status to answer, and why: 204 and nothing if all is well."""
        if (refused := self.refuse(headers, common_name)) is not None:
            return refused
        messages = [body]
        if headers.get("Content-Type") == FRAMES:
            split = _split(body)
            if split is None:
                return 400, "the body is not whole frames"
            messages = split
        try:
            # Whoever was let in as one node does not speak for another.
            refusals = self._engine.step_many(messages, peer=_hex(headers.get("X-Server-From")))
        except BusyError as error:
            return 503, str(error)
        except RaftError as error:
            return 500, str(error)
        for _, refusal in refusals:
            # A stranger may have been a member a moment ago, and says nothing about the other messages.
            if refusal.name != "UNKNOWN_PEER":
                return 400, str(refusal)
        return 204, ""


class Transport(host.Transport):
    """Posts messages to peers, and listens for theirs.

    `engine = rft.Engine(config, directory, machine, rft.http.Transport(config.id, config.cluster_id, listen, peers))`
    starts it, and closing the engine stops it. It goes with `rft.aio.Engine` too. Without `tls` there is no
    authentication and no encryption: use it on a network that you trust.
    """

    def __init__(
        self,
        id: int,
        cluster_id: int,
        listen: tuple[str, int] | None,
        peers: Mapping[int, str] | None = None,
        *,
        tls: Contexts | None = None,
    ) -> None:
        """Speak for node `id`.

        `listen` is the address and port to listen on; None is nowhere, for a program that mounts an `Inbound` in a web
        server of its own. `peers` gives the address of each node as `"host:port"` or as an URL. With `tls` nothing is
        said or heard without it.
        """
        self._headers = {"X-Etcd-Cluster-ID": f"{cluster_id:x}", "X-Server-From": f"{id:x}"}
        self._cluster_id = cluster_id
        self._lock = threading.Lock()
        self._peers: dict[int, _Peer] = {}
        self._addresses: dict[int, str] = {}
        self._engine: Receiver | None = None
        self._stopped = False
        self._tls = tls
        self._server = None if listen is None else Server(listen, None if tls is None else tls.server)
        for peer, address in (peers or {}).items():
            if peer != id:
                self.add_peer(peer, address)

    @property
    def port(self) -> int:
        """The port it listens on, 0 if on none: for a transport that was told to take any free one."""
        return 0 if self._server is None else int(self._server.server_address[1])

    def add_peer(self, id: int, address: str) -> None:
        """Say where a node is. Also for a node that has moved."""
        with self._lock:
            old = self._peers.pop(id, None)
            self._addresses[id] = address
        if old is not None:
            old.stop(wait=False)

    def remove_peer(self, id: int) -> None:
        """Forget a node."""
        with self._lock:
            old = self._peers.pop(id, None)
            self._addresses.pop(id, None)
        if old is not None:
            old.stop(wait=False)

    def send(self, messages: list[tuple[int, bytes]]) -> None:
        """Leave the messages with the threads of their peers. What does not fit is dropped."""
        unknown = set()
        with self._lock:
            for to, data in messages:
                peer = self._peer(to)
                if peer is None:
                    unknown.add(to)
                else:
                    peer.put(data)
        for to in unknown:
            _report(self._engine, to)

    def _peer(self, id: int) -> _Peer | None:
        peer = self._peers.get(id)
        if peer is None and id in self._addresses and not self._stopped:
            context = None if self._tls is None else self._tls.client
            peer = self._peers[id] = _Peer(id, self._addresses[id], self._headers, self._engine, context)
        return peer

    def start(self, engine: Receiver) -> None:
        """Listen, and hand what comes to the engine. A transport that was stopped cannot be started again."""
        with self._lock:
            if self._stopped:
                raise MisuseError("the transport was stopped: another engine needs another one")
        self._engine = engine
        with self._lock:
            for peer in self._peers.values():
                peer.engine = engine
        if self._server is not None:
            self._server.begin(Inbound(engine, self._cluster_id, tls=self._tls is not None))

    def stop(self) -> None:
        """Stop listening and sending."""
        with self._lock:
            self._stopped = True
            peers = list(self._peers.values())
            self._peers.clear()
        if self._server is not None:
            self._server.end()
        for peer in peers:
            peer.stop(wait=True)
        self._engine = None


class _Peer:
    """The way to one node: a bounded queue, a thread that empties it, and a connection that is kept."""

    def __init__(
        self,
        id: int,
        address: str,
        headers: dict[str, str],
        engine: Receiver | None,
        context: ssl.SSLContext | None,
    ) -> None:
        self.engine = engine
        self._id = id
        self._context = context
        scheme = "http" if context is None else "https"
        url = address if "://" in address else f"{scheme}://{address}"
        self._url = url.rstrip("/") + "/raft"
        self._headers = headers
        self._changed = threading.Condition()
        self._queue: deque[bytes] = deque()
        self._bytes = 0
        self._overflowed = False
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"rft-peer-{id}", daemon=True)
        self._thread.start()

    def put(self, data: bytes) -> None:
        with self._changed:
            if len(self._queue) >= _QUEUE_MESSAGES_MAX or self._bytes + len(data) > _QUEUE_BYTES_MAX:
                self._overflowed = True
            else:
                self._queue.append(data)
                self._bytes += len(data)
            self._changed.notify()

    def stop(self, *, wait: bool) -> None:
        with self._changed:
            self._stopping = True
            self._queue.clear()
            self._changed.notify()
        if wait:
            self._thread.join()

    def _batch(self) -> list[bytes] | None:
        """Wait for messages; None is the end."""
        with self._changed:
            while not self._queue and not self._overflowed and not self._stopping:
                self._changed.wait()
            if self._stopping:
                return None
            batch: list[bytes] = []
            size = 0
            while self._queue and (not batch or size + _HEAD + len(self._queue[0]) <= _BATCH_BYTES_MAX):
                batch.append(self._queue.popleft())
                size += _HEAD + len(batch[-1])
                self._bytes -= len(batch[-1])
            overflowed, self._overflowed = self._overflowed, False
        if overflowed:
            _report(self.engine, self._id)
        return batch

    def _run(self) -> None:
        reachable = True
        # Environment variables that name a proxy are for other traffic.
        with httpx.Client(
            headers=self._headers, timeout=_POST_SECONDS, trust_env=False, verify=self._context or True
        ) as client:
            while (batch := self._batch()) is not None:
                if not batch:
                    continue
                why = self._post(client, batch)
                if why is not None:
                    _report(self.engine, self._id)
                if (why is None) != reachable:
                    reachable = why is None
                    level = logging.INFO if reachable else logging.WARNING
                    log(level, "node %d at %s: %s", self._id, self._url, why or "reachable again")
                if not reachable:
                    # What is not there does not come back sooner for being asked all the time.
                    with self._changed:
                        self._changed.wait_for(lambda: self._stopping, _RETRY_SECONDS)

    def _post(self, client: httpx.Client, batch: list[bytes]) -> str | None:
        """Post the messages; returns why not."""
        # A single message goes bare, which etcd's nodes understand.
        kind, body = (ONE, batch[0]) if len(batch) == 1 else (FRAMES, b"".join(map(_frame, batch)))
        try:
            response = client.post(self._url, content=body, headers={"Content-Type": kind})
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            # The last of them is Python's for a host that can be no name, "a..b" for one.
            return str(error) or type(error).__name__
        return (
            None
            if response.status_code == 204
            else f"it answers {response.status_code}: {response.text[:200]}"
        )


def _report(engine: Receiver | None, id: int) -> None:
    if engine is not None:
        try:
            engine.report_unreachable(id)
        except RaftError:
            log(logging.DEBUG, "the engine is not there any more")


def _hex(text: str | None) -> int | None:
    if not text or len(text) > 16 or any(letter not in "0123456789abcdefABCDEF" for letter in text):
        return None
    return int(text, 16)


def _frame(message: bytes) -> bytes:
    return len(message).to_bytes(_HEAD, "big") + message


def _split(body: bytes) -> list[bytes] | None:
    """The messages of frames, or None if they are cut short."""
    messages = []
    at = 0
    while at < len(body):
        start = at + _HEAD
        end = start + int.from_bytes(body[at:start], "big")
        if start > len(body) or end > len(body):
            return None
        messages.append(body[start:end])
        at = end
    return messages
