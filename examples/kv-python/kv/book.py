"""Where the nodes are: the addresses that every node keeps as a part of the state, and how they are written."""

from __future__ import annotations

MEMBERS_MAX = 64
ADDRESS_MAX = 255
_ID_MAX = (1 << 64) - 1


def parse_id(text: str) -> int:
    """A node's id, in decimal. Raises ValueError."""
    if not (text.isascii() and text.isdigit() and len(text) <= 20 and 0 < int(text) <= _ID_MAX):
        raise ValueError(f"{text[:40]!r} is not a node's id")
    return int(text)


def parse_address(text: str) -> str:
    """host:port, as it may stand in a list. Raises ValueError."""
    if not text or len(text.encode()) > ADDRESS_MAX or "," in text:
        raise ValueError(f"{text[:40]!r} is not HOST:PORT")
    return text


def follow(members: dict[int, str], context: str) -> None:
    """Do to the addresses what `4=127.0.0.1:7004,2=` says: the one is set, the other one forgotten.

    Raises ValueError. A membership change without a context, as the library makes one itself, changes nothing.
    """
    for part in context.split(",") if context else ():
        id, equals, address = part.partition("=")
        if not equals:
            raise ValueError(f"{part[:40]!r} is not ID=HOST:PORT")
        if address:
            members[parse_id(id)] = parse_address(address)
        else:
            members.pop(parse_id(id), None)
    if len(members) > MEMBERS_MAX:
        raise ValueError(f"more than {MEMBERS_MAX} members")
