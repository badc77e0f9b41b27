"""One request, whose body is read when somebody asks for it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any

from kv.answers import text
from kv.state import ABSENT, KEY_MAX

Receive = Callable[[], Awaitable[Any]]

_HEX = re.compile(rb"%([0-9a-fA-F]{2})?")
_TAG = re.compile(r'"([1-9][0-9]{0,19})"')


class Disconnected(Exception):
    """The client went away in the middle of its request."""


class Headers(Mapping[str, str]):
    """Headers, whose names are found in any case."""

    def __init__(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        self._values: dict[str, str] = {}
        for name, value in pairs:
            # One that comes twice is a list, which whoever wants one value does not take for it.
            text = value.decode("latin-1")
            before = self._values.get(name.decode("latin-1").lower())
            self._values[name.decode("latin-1").lower()] = text if before is None else f"{before}, {text}"

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class Request:
    """A request as ASGI hands it over. `certificate` is the name in the client's certificate, None without TLS; a body
    is owed that nobody has read."""

    def __init__(self, scope: Mapping[str, Any], receive: Receive) -> None:
        self.version: str = scope["http_version"]
        self.method: str = scope["method"]
        self.path: str = scope["raw_path"].decode("latin-1")
        self.headers = Headers(scope["headers"])
        self.certificate: str | None = scope["extensions"].get("certificate")
        self.owes_body = "Transfer-Encoding" in self.headers or self.headers.get("Content-Length", "0") != "0"
        self._query: bytes = scope["query_string"]
        self._receive = receive

    def asks(self, wanted: str) -> bool:
        """Whether the query says exactly this, for instance stale=1."""
        return wanted.encode() in self._query.split(b"&")

    async def body(self, most: int) -> bytes:
        """The body, which is refused when it is longer: at once if it says so, else as it comes."""
        length = self.headers.get("Content-Length", "0")
        if len(length) > 12 or int(length) > most:
            raise text(413, "the body is too large")
        pieces: list[bytes] = []
        left = most
        more = True
        while more:
            event = await self._receive()
            if event["type"] != "http.request":
                raise Disconnected
            left -= len(event["body"])
            if left >= 0:
                pieces.append(event["body"])
            more = event["more_body"]
        self.owes_body = False
        if left < 0:
            raise text(413, "the body is too large")
        return b"".join(pieces)


def parse_key(path: str) -> bytes:
    """Undoes the percent signs; a key may hold any byte."""

    def byte(match: re.Match[bytes]) -> bytes:
        if match[1] is None:
            raise text(400, "a percent sign stands before two hex digits")
        return bytes.fromhex(match[1].decode())

    key = _HEX.sub(byte, path.encode("latin-1"))
    if len(key) > KEY_MAX:
        raise text(414, f"a key has up to {KEY_MAX} bytes")
    if not key:
        raise text(400, "a key has at least one byte")
    return key


def parse_condition(request: Request) -> int | None:
    """The revision that the key must have, `ABSENT` for none, and None if it does not matter."""
    match, none = request.headers.get("If-Match"), request.headers.get("If-None-Match")
    if none is not None:
        if none != "*" or match is not None or request.method != "PUT":
            raise text(400, "If-None-Match is for a PUT, is * and stands alone")
        return ABSENT
    if match is None:
        return None
    revision = _TAG.fullmatch(match)
    if revision is None or int(revision[1]) >= 1 << 64:
        raise text(400, "an entity tag is a revision in quotes")
    return int(revision[1])
