"""Changes of the membership, as they are asked for and as the library wants them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import rft
from rft.engine import ChangeKind

from kv import book
from kv.answers import text

_STEPS_MAX = 16
_VERBS: dict[str, tuple[ChangeKind, bool]] = {
    "add": ("add_voter", True),
    "add-learner": ("add_learner", True),
    "promote": ("add_voter", False),
    "remove": ("remove", False),
}


@dataclass
class Change:
    """Steps that are one change, and what they do to the addresses."""

    steps: list[tuple[ChangeKind, int]] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)

    def add(self, kind: ChangeKind, id: int, address: str | None = None) -> None:
        """A step. An address is set; a node that is removed is forgotten."""
        self.steps.append((kind, id))
        if kind == "remove":
            self.addresses.append(f"{id}=")
        elif address is not None:
            self.addresses.append(f"{id}={address}")

    @property
    def context(self) -> bytes:
        """What apply does to the addresses."""
        return ",".join(self.addresses).encode()


def parse_change(body: bytes) -> Change:
    """Lines such as `add-learner 4=127.0.0.1:7004`, `promote 4` and `remove 2`."""
    change = Change()
    for line in _lines(body, _STEPS_MAX):
        verb, _, rest = line.partition(" ")
        if verb not in _VERBS:
            raise text(400, "a line is: add ID=HOST:PORT, add-learner ID=HOST:PORT, promote ID, remove ID")
        kind, takes_address = _VERBS[verb]
        id, equals, address = rest.partition("=")
        if bool(equals) != takes_address:
            raise text(400, f"{verb} takes {'ID=HOST:PORT' if takes_address else 'ID'}")
        change.add(kind, _id(id), _address(address) if equals else None)
    return change


@dataclass(frozen=True)
class Wanted:
    """One member of a list that is to be all of them."""

    id: int
    address: str
    learner: bool


def parse_list(body: bytes) -> list[Wanted]:
    """Lines of `ID=HOST:PORT` and `learner ID=HOST:PORT`."""
    wanted = []
    for line in _lines(body, book.MEMBERS_MAX):
        member = line.removeprefix("learner ")
        id, equals, address = member.partition("=")
        if not equals:
            raise text(400, "a line is: ID=HOST:PORT, or learner ID=HOST:PORT")
        wanted.append(Wanted(_id(id), _address(address), learner=member != line))
    if len({member.id for member in wanted}) != len(wanted):
        raise text(400, "a node stands there twice")
    if all(member.learner for member in wanted):
        raise text(400, "nobody would vote")
    return wanted


def change_to(wanted: list[Wanted], members: Sequence[rft.Member], addresses: dict[int, str]) -> Change:
    """What makes these the members, and no others."""
    change = Change()
    learns = {member.id: member.learner for member in members}
    # Who goes is forgotten first: the addresses need not have room for both.
    for id in learns.keys() - {one.id for one in wanted}:
        change.add("remove", id)
    for one in wanted:
        if learns.get(one.id) is not one.learner:
            change.steps.append(("add_learner" if one.learner else "add_voter", one.id))
        if addresses.get(one.id) != one.address:
            change.addresses.append(f"{one.id}={one.address}")
    if change.addresses and not change.steps:
        # That needs an entry, too.
        change.steps.append(("update", wanted[0].id))
    return change


def _lines(body: bytes, most: int) -> list[str]:
    try:
        lines = body.decode().split("\n")
    except UnicodeDecodeError:
        raise text(400, "the body is not UTF-8") from None
    lines = [line for line in lines if line]
    if not 0 < len(lines) <= most:
        raise text(400, f"the body has 1 to {most} lines")
    return lines


def _id(id: str) -> int:
    try:
        return book.parse_id(id)
    except ValueError as error:
        raise text(400, str(error)) from None


def _address(address: str) -> str:
    try:
        return book.parse_address(address)
    except ValueError as error:
        raise text(400, str(error)) from None
