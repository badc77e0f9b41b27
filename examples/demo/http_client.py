"""HTTP/1.1 over one kept-alive socket, with TLS or without: small, quick, and able to pipeline, which http.client is
not."""

import socket
import ssl
from typing import Dict, Iterable, Iterator, NamedTuple, Optional


class Response(NamedTuple):
    status: int
    headers: Dict[str, str]
    body: bytes


class NotSent(OSError):
    """The request did not reach the server: it certainly did nothing."""


class Connection:
    """One connection to host:port. Any OSError leaves it unusable: close it and make another."""

    def __init__(self, address: str, timeout: float, tls: Optional[ssl.SSLContext] = None):
        self.address = address
        host, _, port = address.rpartition(":")
        try:
            self.socket = socket.create_connection((host, int(port)), timeout)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls is not None:
                self.socket = tls.wrap_socket(self.socket, server_hostname=host)
        except OSError as error:
            raise NotSent(str(error)) from error
        self._buffer = b""

    def close(self) -> None:
        self.socket.close()

    def request(self, method: str, path: str, body: bytes = b"", headers: str = "") -> Response:
        self.socket.sendall(self._encode(method, path, body, headers))
        return self._receive()

    def chunked(self, method: str, path: str, chunks: Iterable[bytes]) -> Response:
        """A request whose length only shows as it comes; `chunks` are framed already."""
        self.socket.sendall(self._encode(method, path, b"", "Transfer-Encoding: chunked\r\n", length=False))
        for chunk in chunks:
            self.socket.sendall(chunk)
        return self._receive()

    def pipeline(self, paths: Iterable[str], window: int = 64) -> Iterator[Response]:
        """GETs every path, many in flight at once; the responses in order."""
        waiting = 0
        batch = []
        for path in paths:
            batch.append(self._encode("GET", path, b"", ""))
            if len(batch) == window:
                yield from self._collect(waiting)
                self.socket.sendall(b"".join(batch))
                waiting, batch = len(batch), []
        yield from self._collect(waiting)
        self.socket.sendall(b"".join(batch))
        yield from self._collect(len(batch))

    def _collect(self, count: int) -> Iterator[Response]:
        for _ in range(count):
            yield self._receive()

    def _encode(self, method: str, path: str, body: bytes, headers: str, length: bool = True) -> bytes:
        head = f"{method} {path} HTTP/1.1\r\nHost: {self.address}\r\n{headers}"
        if length and method in ("PUT", "POST"):
            head += f"Content-Length: {len(body)}\r\n"
        return head.encode() + b"\r\n" + body

    def _receive(self) -> Response:
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            self._more()
        lines = self._buffer[:end].decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ", 2)[1])
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        length = int(headers.get("content-length", "0"))
        start = end + 4
        while len(self._buffer) < start + length:
            self._more()
        body = self._buffer[start : start + length]
        self._buffer = self._buffer[start + length :]
        return Response(status, headers, body)

    def _more(self) -> None:
        piece = self.socket.recv(1 << 16)
        if not piece:
            raise ConnectionError(f"{self.address} closed the connection")
        self._buffer += piece


class Connections:
    """Kept-alive connections by address; one owner, one thread."""

    def __init__(self, timeout: float = 10.0, tls: Optional[ssl.SSLContext] = None):
        self._timeout = timeout
        self._tls = tls
        self._open: Dict[str, Connection] = {}

    def request(self, address: str, method: str, path: str, body: bytes = b"", headers: str = "") -> Response:
        """One request. NotSent: nothing was done. Another OSError: nobody can tell.

        A kept-alive connection may have been closed since its last use, for instance because the server was
        restarted. Then whether the request was taken is unknown too, and the caller is told so."""
        connection = self._open.pop(address, None) or Connection(address, self._timeout, self._tls)
        try:
            response = connection.request(method, path, body, headers)
        except OSError:
            connection.close()
            raise
        if response.headers.get("connection", "").lower() == "close":
            connection.close()
        else:
            self._open[address] = connection
        return response

    def close(self) -> None:
        for connection in self._open.values():
            connection.close()
        self._open.clear()


class Client:
    """Talks to a whole cluster: follows redirects to the leader, and tries the next node when one is down.
    One thread."""

    REDIRECTS_MAX = 4

    def __init__(self, addresses: Iterable[str], timeout: float = 10.0, tls: Optional[ssl.SSLContext] = None):
        self.addresses = list(addresses)
        self._connections = Connections(timeout, tls)
        self._next = 0
        self._leader = ""

    def attempt(self, method: str, path: str, body: bytes = b"", headers: str = "") -> Response:
        """One try, redirects followed. Raises what Connections.request raises; the next try goes elsewhere."""
        addresses = self.addresses  # others may come in their place meanwhile
        address = self._leader or addresses[self._next % len(addresses)]
        for _ in range(self.REDIRECTS_MAX):
            try:
                response = self._connections.request(address, method, path, body, headers)
            except OSError:
                self._forget()
                raise
            if response.status != 307:
                if response.status >= 500:
                    self._forget()
                else:
                    self._leader = address
                return response
            address = response.headers["location"].split("/", 3)[2]
        self._forget()
        return Response(503, {}, b"the nodes do not agree on a leader")

    def get_from(self, address: str, path: str) -> Response:
        return self._connections.request(address, "GET", path)

    def close(self) -> None:
        self._connections.close()

    def _forget(self) -> None:
        self._leader = ""
        self._next += 1
