"""What the service replicates, and its bytes, which are the same in every language's host: ../README.md draws them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from kv import book

KEY_MAX = 1024
VALUE_MAX = 4 << 20
ABSENT = 0
"""The revision of a key that is not there."""

_MAGIC = b"RFTKV\0\0\2"
_PUT, _DELETE, _PUT_IF, _DELETE_IF = 1, 2, 3, 4
_HEAD = struct.Struct("<BI")
_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
_ANSWER = struct.Struct("<BQ")
_FNV_START, _FNV_PRIME, _U64_MASK = 0xCBF29CE484222325, 0x100000001B3, (1 << 64) - 1


class Item(NamedTuple):
    """What a key holds."""

    revision: int
    value: bytes


class Written(NamedTuple):
    """What apply answers to a command."""

    done: bool
    revision: int

    @classmethod
    def decode(cls, answer: bytes) -> Written:
        done, revision = _ANSWER.unpack(answer)
        return cls(bool(done), revision)


def put(key: bytes, value: bytes, revision: int | None = None) -> bytes:
    """The command that writes a key, if it has this revision; None is whatever it has."""
    if revision is None:
        return _HEAD.pack(_PUT, len(key)) + key + value
    return _HEAD.pack(_PUT_IF, len(key)) + key + _U64.pack(revision) + value


def delete(key: bytes, revision: int | None = None) -> bytes:
    """The command that removes a key, if it has this revision; None is whatever it has."""
    if revision is None:
        return _HEAD.pack(_DELETE, len(key)) + key
    return _HEAD.pack(_DELETE_IF, len(key)) + key + _U64.pack(revision)


class _Command(NamedTuple):
    deletes: bool
    key: bytes
    revision: int | None
    value: bytes

    @classmethod
    def decode(cls, data: bytes) -> _Command:
        """Raises ValueError: to skip what a newer program wrote would be to differ from the nodes that know it."""
        if len(data) < _HEAD.size:
            raise ValueError("a command that is cut short")
        op, key_len = _HEAD.unpack_from(data)
        end = _HEAD.size + key_len
        if op not in (_PUT, _DELETE, _PUT_IF, _DELETE_IF) or not 0 < key_len <= KEY_MAX or end > len(data):
            raise ValueError(f"a command {op} with a key of {key_len} bytes")
        key, revision = data[_HEAD.size : end], None
        if op in (_PUT_IF, _DELETE_IF):
            if len(data) < end + _U64.size:
                raise ValueError("a command without its revision")
            (revision,) = _U64.unpack_from(data, end)
            end += _U64.size
        deletes = op in (_DELETE, _DELETE_IF)
        if len(data) - end > (0 if deletes else VALUE_MAX):
            raise ValueError(f"a command {op} with {len(data) - end} bytes behind its key")
        return cls(deletes, key, revision, data[end:])


@dataclass
class State:
    """The keys, and where the nodes are."""

    applied: int = 0
    members: dict[int, str] = field(default_factory=dict)
    items: dict[bytes, Item] = field(default_factory=dict)

    def apply(self, index: int, data: bytes) -> bytes:
        """Carry out the command that stands at this index of the log, and return what its proposer is told."""
        command = _Command.decode(data)
        held = self.items.get(command.key)
        revision = ABSENT if held is None else held.revision
        done = command.revision in (None, revision)
        if done and command.deletes:
            self.items.pop(command.key, None)
            revision = ABSENT
        elif done:
            self.items[command.key] = Item(index, command.value)
            revision = index
        self.applied = index
        return _ANSWER.pack(done, revision)

    def change(self, index: int, context: bytes) -> None:
        """Take over the addresses that the membership change at this index of the log brings along."""
        book.follow(self.members, book.to_text(context), is_made=True)
        self.applied = index

    def copy(self) -> State:
        """The same, untouched by what is applied later: keys and values are shared, for they never change."""
        return State(self.applied, dict(self.members), dict(self.items))

    def encode(self) -> Iterator[bytes]:
        """The state in pieces."""
        yield _MAGIC + _U64.pack(self.applied) + _U32.pack(len(self.members))
        for id in sorted(self.members):
            address = book.to_bytes(self.members[id])
            yield _U64.pack(id) + _U32.pack(len(address)) + address
        yield _U64.pack(len(self.items))
        for key in sorted(self.items):
            revision, value = self.items[key]
            yield _U32.pack(len(key)) + key + _U64.pack(revision) + _U32.pack(len(value)) + value

    def hash(self) -> int:
        """FNV-1a over the encoded bytes: equal on all nodes that have applied the same index."""
        sum = _FNV_START
        for piece in self.encode():
            for byte in piece:
                sum = (sum ^ byte) * _FNV_PRIME & _U64_MASK
        return sum


def decode(reader: BinaryIO) -> State:
    """The state that was encoded. Raises ValueError on anything else."""
    if _take(reader, len(_MAGIC)) != _MAGIC:
        raise ValueError("not a state of this service, or of another version")
    state = State(applied=_number(reader, _U64))
    for _ in range(_bounded(reader, book.MEMBERS_MAX)):
        id = _number(reader, _U64)
        state.members[id] = book.to_text(_take(reader, _bounded(reader, book.ADDRESS_MAX)))
    for _ in range(_number(reader, _U64)):
        key = _take(reader, _bounded(reader, KEY_MAX))
        revision = _number(reader, _U64)
        state.items[key] = Item(revision, _take(reader, _bounded(reader, VALUE_MAX)))
    if reader.read(1):
        raise ValueError("bytes behind the end of the state")
    return state


def _take(reader: BinaryIO, size: int) -> bytes:
    data = reader.read(size)
    if len(data) != size:
        raise ValueError("a state that is cut short")
    return data


def _number(reader: BinaryIO, form: struct.Struct) -> int:
    (number,) = form.unpack(_take(reader, form.size))
    return int(number)


def _bounded(reader: BinaryIO, most: int) -> int:
    """A length; one beyond `most` was never written by us, and must not size anything."""
    length = _number(reader, _U32)
    if length > most:
        raise ValueError(f"a length of {length} in a state, at most {most}")
    return length
