"""The server of `rft.http.Transport`: a thread for each connection, of which there are few."""

from __future__ import annotations

import http.server
import io
import logging
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast

from rft.host import log

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# A peer is heard of once a tick; a connection that says nothing for so long is none.
_IDLE_SECONDS = 120.0
_REQUEST_SECONDS = 10.0
_CONNECTIONS_MAX = 256


class Inbound(Protocol):
    """What the server asks of what takes the messages."""

    def refuse(self, headers: Mapping[str, str], common_name: str | None) -> tuple[int, str] | None:
        """Say whether the body is not worth reading."""

    def take(self, headers: Mapping[str, str], body: bytes, common_name: str | None) -> tuple[int, str]:
        """Take the body."""


class Server(http.server.ThreadingHTTPServer):
    """Listens from the start, so that a port that is taken is noticed, and answers from `begin` on."""

    daemon_threads = True
    # Connections are kept by the peers: closing does not wait for them.
    block_on_close = False
    request_queue_size = 128

    def __init__(self, listen: tuple[str, int], context: ssl.SSLContext | None) -> None:
        super().__init__(listen, _Handler)
        self.inbound: Inbound | None = None
        self.context = context
        self._connections: set[Any] = set()
        self._connections_lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def begin(self, inbound: Inbound) -> None:
        """Answer from now on."""
        self.inbound = inbound
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), name="rft-http", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stop listening, and end what is open."""
        if self._thread is not None:
            self.shutdown()
            self._thread.join()
        self.server_close()
        with self._connections_lock:
            connections = list(self._connections)
        for connection in connections:
            self.shutdown_request(connection)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Refuse what is too much."""
        with self._connections_lock:
            return len(self._connections) < _CONNECTIONS_MAX

    def process_request(self, request: Any, client_address: Any) -> None:
        """Count it before its thread begins."""
        with self._connections_lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._connections_lock:
                self._connections.discard(request)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands on the connection's own thread, so that a client that is silent holds up nobody else."""
        if self.context is None:
            super().finish_request(request, client_address)
            return
        request.settimeout(_REQUEST_SECONDS)
        with self.context.wrap_socket(request, server_side=True, do_handshake_on_connect=False) as wrapped:
            with self._connections_lock:
                # It has taken over what the other one was.
                self._connections.add(wrapped)
            try:
                wrapped.do_handshake()
                super().finish_request(wrapped, client_address)
            finally:
                with self._connections_lock:
                    self._connections.discard(wrapped)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say little: whoever has no certificate, or goes away, must not fill the log."""
        log(logging.DEBUG, "a connection from %s has ended", client_address, exc_info=True)


class _Timed(io.RawIOBase):
    """Reads from a connection, until a moment that is set for the whole request."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.until = 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the request takes too long")
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer is small, and a peer waits for it.
    disable_nagle_algorithm = True
    timeout = _REQUEST_SECONDS
    server: Server
    connection: socket.socket
    rfile: io.BufferedReader

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self._timed = _Timed(self.connection)
        self.rfile = io.BufferedReader(self._timed)
        self._name = _common_name(self.connection)

    def handle_one_request(self) -> None:
        self._timed.until = time.monotonic() + _IDLE_SECONDS
        if not self.rfile.peek(1):
            self.close_connection = True
            return
        self._timed.until = time.monotonic() + _REQUEST_SECONDS
        super().handle_one_request()

    def do_POST(self) -> None:
        inbound = self.server.inbound
        if inbound is None or self.path != "/raft":
            self._answer(404, "there is nothing here but /raft", close=True)
            return
        headers = cast("Mapping[str, str]", self.headers)
        if (refused := inbound.refuse(headers, self._name)) is not None:
            self._answer(*refused, close=True)
            return
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
            return
        self._answer(*inbound.take(headers, body, self._name))

    def _answer(self, status: int, text: str, *, close: bool = False) -> None:
        self.connection.settimeout(_REQUEST_SECONDS)
        body = text.encode()
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
        if close:
            # The body was not read.
            self.send_header("Connection", "close")
        self.end_headers()
        if status != 204:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a cluster posts many times a second."""


def _common_name(connection: socket.socket) -> str | None:
    """The name in the client's certificate, None without TLS; an empty one if it has several."""
    if not isinstance(connection, ssl.SSLSocket):
        return None
    certificate: Any = connection.getpeercert() or {}
    names = [
        str(value) for part in certificate.get("subject", ()) for name, value in part if name == "commonName"
    ]
    return names[0] if len(names) == 1 else ""
