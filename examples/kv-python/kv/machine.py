"""The state behind the engine: applied on the engine's thread, read by requests."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import BinaryIO, NamedTuple

import rft

from kv import state
from kv.state import Item, State


class Summary(NamedTuple):
    """What /status tells of the state."""

    applied: int
    keys: int
    hash: int | None


class Machine(rft.StateMachine):
    """Keeps the keys and the addresses. `follow` hears of the addresses when they have changed."""

    def __init__(self, members: dict[int, str], follow: Callable[[dict[int, str]], None]) -> None:
        self._lock = threading.Lock()
        self._state = State(members=dict(members))
        self._follow = follow
        self.restored = self.restored_bytes = 0

    def apply(self, entries: list[rft.Entry]) -> list[bytes | None]:
        answers: list[bytes | None] = []
        moved = False
        with self._lock:
            for entry in entries:
                if entry.type == "conf_change":
                    self._state.change(entry.index, entry.data)
                    answers.append(None)
                    moved = True
                else:
                    answers.append(self._state.apply(entry.index, entry.data))
        if moved:
            self._follow(self.members())
        return answers

    def view(self) -> Callable[[BinaryIO], None]:
        """Applying goes on while this is written."""
        copy = self._copy()

        def save(writer: BinaryIO) -> None:
            for piece in copy.encode():
                writer.write(piece)

        return save

    def save(self, writer: BinaryIO) -> None:
        self.view()(writer)

    def restore(self, reader: BinaryIO) -> None:
        # Until all of it has been read well, the old state stays.
        fresh = state.decode(reader)
        with self._lock:
            self._state = fresh
        self.restored += 1
        self.restored_bytes += sum(map(len, fresh.encode()))
        self._follow(self.members())

    def get(self, key: bytes) -> Item | None:
        """What a key holds, as far as entries have been applied here."""
        return self._state.items.get(key)

    def members(self) -> dict[int, str]:
        """The addresses."""
        with self._lock:
            return dict(self._state.members)

    def summary(self, *, with_hash: bool) -> Summary:
        """How the state stands. The hash takes a while: a loop over all its bytes."""
        if not with_hash:
            with self._lock:
                return Summary(self._state.applied, len(self._state.items), None)
        copy = self._copy()
        return Summary(copy.applied, len(copy.items), copy.hash())

    def _copy(self) -> State:
        with self._lock:
            return self._state.copy()
