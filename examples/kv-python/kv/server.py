"""HTTP/1.1 by uvicorn, with bounds on what a client may take of time and connections."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from kv.request import Receive
from kv.routes import Routes, Send

REQUEST_SECONDS = 10.0
"""A request has so long for its head and its body, and a connection for its handshake."""

IDLE_SECONDS = 120
"""A connection ends that has been idle for so long, or has not taken its answer."""

CONNECTIONS_MAX = 1000
_ACCEPT_MAX = 128
_STOP_SECONDS = 2
_CLOSE_SECONDS = 0.2


class Connection(H11Protocol):
    """One connection, which ends where a request takes too long to come, or its answer to go."""

    _deadline: asyncio.TimerHandle | None = None
    _limit: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        certificate = transport.get_extra_info("peercert")
        extensions = {} if certificate is None else {"certificate": common_name(certificate)}
        routes = self.app

        async def with_certificate(scope: Any, receive: Receive, send: Send) -> None:
            await routes({**scope, "extensions": extensions}, receive, send)

        self.app = with_certificate
        if len(self.connections) > CONNECTIONS_MAX:
            transport.abort()
        self._watch(begins=True)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            # It closes when the answer has been taken, or then.
            self.loop.call_later(IDLE_SECONDS, self.transport.abort)
        self._end_watch()
        self._watch()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self.transport.abort()

    def shutdown(self) -> None:
        super().shutdown()
        if self.transport.is_closing():
            # Under TLS a connection is closed when the client says so, too. It may not.
            self.loop.call_later(_CLOSE_SECONDS, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_watch()
        super().connection_lost(exc)

    def _watch(self, *, begins: bool = False) -> None:
        """While a request is on its way, the time runs that it has for all of itself, and then that of its answer."""
        state = self.conn.their_state
        limit = None
        if state is h11.SEND_BODY or (state is h11.IDLE and (begins or self.conn.trailing_data[0])):
            limit = REQUEST_SECONDS
        elif state in (h11.DONE, h11.MUST_CLOSE):
            limit = IDLE_SECONDS
        if limit != self._limit:
            self._end_watch()
            if limit is not None:
                self._limit, self._deadline = limit, self.loop.call_later(limit, self.transport.abort)

    def _end_watch(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._limit = self._deadline = None


class Server(uvicorn.Server):
    """Listens on one address until `should_exit` is set. Signals are left to the program."""

    def __init__(self, routes: Routes, listen: socket.socket, context: ssl.SSLContext | None) -> None:
        super().__init__(
            uvicorn.Config(
                routes,
                http=Connection,
                ws="none",
                lifespan="off",
                interface="asgi3",
                proxy_headers=False,
                server_header=False,
                access_log=False,
                log_config=None,
                timeout_keep_alive=IDLE_SECONDS,
                timeout_graceful_shutdown=_STOP_SECONDS,
            )
        )
        self._listen, self._context = listen, context

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, with a bound on the handshake too."""

        def connection() -> Connection:
            return Connection(config=self.config, server_state=self.server_state, app_state={})

        listener = await asyncio.get_running_loop().create_server(
            connection,
            sock=self._listen,
            ssl=self._context,
            ssl_handshake_timeout=None if self._context is None else REQUEST_SECONDS,
            backlog=_ACCEPT_MAX,
        )
        self.servers = [listener]
        self.started = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing: the engine is closed first, so that the requests that wait have their answers."""
        yield


def common_name(certificate: dict[str, Any]) -> str:
    """The name in a client's certificate; none if it has several."""
    names = [value for part in certificate.get("subject", ()) for name, value in part if name == "commonName"]
    return names[0] if len(names) == 1 else ""


def listen_on(address: str) -> socket.socket:
    """A socket that listens there. Raises OSError."""
    host, _, port = address.rpartition(":")
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except ValueError:
        raise OSError(f"{address} is not HOST:PORT") from None
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(where)
        listening.listen(_ACCEPT_MAX)
    except BaseException:
        listening.close()
        raise
    return listening
