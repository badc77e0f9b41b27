"""Where the nodes are: the addresses that every node keeps as a part of the state, and how they are written."""

from __future__ import annotations

import re

MEMBERS_MAX = 64
ADDRESS_MAX = 255
_ID_MAX = (1 << 64) - 1
_PORT_MAX = (1 << 16) - 1
_ADDRESS = re.compile(r"[-._:\[\]0-9A-Za-z]+:([0-9]{1,5})", re.ASCII)


def parse_id(text: str) -> int:
    """A node's id, in decimal. Raises ValueError."""
    if not (text.isascii() and text.isdigit() and len(text) <= 20 and 0 < int(text) <= _ID_MAX):
        raise ValueError(f"{text[:40]!r} is not a node's id")
    return int(text)


def parse_address(text: str) -> str:
    """HOST:PORT, as a request may name it. Raises ValueError."""
    match = _ADDRESS.fullmatch(text)
    if match is None or len(text) > ADDRESS_MAX or not 0 < int(match[1]) <= _PORT_MAX:
        raise ValueError(f"{text[:40]!r} is not HOST:PORT")
    return text


def follow(members: dict[int, str], context: str, *, is_made: bool = False) -> None:
    """Do to the addresses what `4=127.0.0.1:7004,2=` says: the one is set, the other one forgotten.

    Raises ValueError. All hosts have to take the same for good: an address is only held against its length here.
    A membership change without a context, as the library makes one itself, changes nothing. One that is made already
    cannot be refused any more: an address that has no room is left out, by every node alike.
    """
    parts = context.split(",")
    if not parts[-1]:
        parts.pop()
    for part in parts:
        text, equals, address = part.partition("=")
        if not equals or len(to_bytes(address)) > ADDRESS_MAX:
            raise ValueError(f"{part[:40]!r} is not ID=HOST:PORT")
        id = parse_id(text)
        if not address:
            members.pop(id, None)
        elif id not in members and len(members) == MEMBERS_MAX:
            if not is_made:
                raise ValueError(f"not more than {MEMBERS_MAX} members have room")
        else:
            members[id] = address


def to_text(data: bytes) -> str:
    """Bytes of the log as text, whatever they are."""
    return data.decode(errors="surrogateescape")


def to_bytes(text: str) -> bytes:
    """The inverse."""
    return text.encode(errors="surrogateescape")
