"""The bytes that hosts in four languages share, against the example of ../../README.md."""

import io

import pytest

from kv import book, state
from kv.state import Item, State, Written

EXAMPLE = bytes.fromhex(
    "52 46 54 4b 56 00 00 02  05 00 00 00 00 00 00 00"
    "01 00 00 00  01 00 00 00 00 00 00 00  03 00 00 00 61 3a 31"
    "02 00 00 00 00 00 00 00"
    "01 00 00 00 68  04 00 00 00 00 00 00 00  00 00 00 00"
    "02 00 00 00 68 69  05 00 00 00 00 00 00 00  03 00 00 00 79 6f 75"
)


def example() -> State:
    held = State()
    held.change(2, b"1=a:1,2=b:2")
    assert Written.decode(held.apply(3, bytes([1, 1, 0, 0, 0]) + b"hold")) == (True, 3)
    held.change(3, b"2=")
    assert held.apply(4, state.put(b"h", b"")) == bytes([1, 4, 0, 0, 0, 0, 0, 0, 0])
    assert Written.decode(held.apply(5, state.put(b"hi", b"you", 0))) == (True, 5)
    return held


def test_the_example() -> None:
    held = example()
    assert b"".join(held.encode()) == EXAMPLE
    assert held.hash() == 0x584B294D742C33D5
    assert state.decode(io.BytesIO(EXAMPLE)) == held


def test_commands_have_these_bytes() -> None:
    assert state.put(b"hi", b"you") == b"\1\2\0\0\0hiyou"
    assert state.delete(b"hi") == b"\2\2\0\0\0hi"
    assert state.put(b"hi", b"you", 258) == b"\3\2\0\0\0hi\2\1\0\0\0\0\0\0you"
    assert state.delete(b"hi", 258) == b"\4\2\0\0\0hi\2\1\0\0\0\0\0\0"


def test_a_command_with_a_revision_is_carried_out_only_there() -> None:
    held = example()
    for command in [state.put(b"hi", b"x", 4), state.put(b"hi", b"x", 0), state.delete(b"hi", 4)]:
        assert Written.decode(held.apply(6, command)) == (False, 5)
    for command in [state.put(b"none", b"x", 5), state.delete(b"none", 5)]:
        assert Written.decode(held.apply(7, command)) == (False, 0)
    assert held.applied == 7
    assert held.items[b"hi"] == Item(5, b"you")
    assert Written.decode(held.apply(8, state.put(b"hi", b"me", 5))) == (True, 8)
    assert Written.decode(held.apply(9, state.delete(b"hi", 8))) == (True, 0)
    assert Written.decode(held.apply(10, state.delete(b"hi"))) == (True, 0)
    assert Written.decode(held.apply(11, state.delete(b"hi", 0))) == (True, 0)
    assert list(held.items) == [b"h"]


def test_the_order_of_writing_leaves_no_trace() -> None:
    up, down = State(), State()
    for number in range(300):
        up.items[b"key%d" % number] = Item(number, b"value")
        down.items[b"key%d" % (299 - number)] = Item(299 - number, b"value")
    assert up.hash() == down.hash()
    down.items[b"key7"] = Item(8, b"value")
    assert up.hash() != down.hash()


def test_a_copy_stays_as_it_is() -> None:
    held = example()
    copy = held.copy()
    held.apply(6, state.delete(b"hi"))
    held.change(7, b"3=c:3")
    assert b"".join(copy.encode()) == EXAMPLE


@pytest.mark.parametrize(
    "command",
    [
        b"",
        b"\1\1\0\0",
        b"\0\1\0\0\0k",
        b"\5\1\0\0\0k",
        b"\1\0\0\0\0v",
        b"\1\xff\xff\xff\xffk",
        b"\1\2\0\0\0k",
        b"\1\1\4\0\0" + b"k" * 1025,
        b"\2\1\0\0\0kv",
        b"\3\1\0\0\0k\1\0\0\0\0\0\0",
        b"\4\1\0\0\0k\1\0\0\0\0\0\0\0v",
        state.put(b"k", bytes(state.VALUE_MAX + 1)),
    ],
)
def test_a_bad_command_is_refused_as_a_whole(command: bytes) -> None:
    held = example()
    with pytest.raises(ValueError, match="command"):
        held.apply(6, command)
    assert b"".join(held.encode()) == EXAMPLE


def test_a_bad_state_is_refused() -> None:
    bad = [EXAMPLE[:length] for length in range(len(EXAMPLE))]
    bad += [EXAMPLE + b"\0", EXAMPLE.replace(b"\2\5", b"\1\5", 1)]
    # Lengths that nobody wrote.
    bad += [
        EXAMPLE[:16] + b"\xff\xff\xff\xff" + EXAMPLE[20:],
        EXAMPLE[:43] + b"\xff\xff\xff\xff" + EXAMPLE[47:],
    ]
    for data in bad:
        with pytest.raises(ValueError, match="state"):
            state.decode(io.BytesIO(data))


@pytest.mark.parametrize("context", ["x", "=a:1", "0=a:1", "x=a:1", ",", f"{1 << 64}=a:1", "1=" + "a" * 256])
def test_a_bad_address_is_refused(context: str) -> None:
    with pytest.raises(ValueError, match="not"):
        book.follow({}, context)


def test_a_change_that_is_made_finds_a_full_book() -> None:
    held = State(members={id: "a:1" for id in range(1, book.MEMBERS_MAX + 1)})
    with pytest.raises(ValueError, match="room"):
        book.follow(dict(held.members), "98=a:1")
    held.change(2, b"98=a:1,1=,99=b:1,2=c:1")
    assert held.applied == 2
    assert len(held.members) == book.MEMBERS_MAX
    assert held.members.keys().isdisjoint({1, 98})
    assert (held.members[99], held.members[2]) == ("b:1", "c:1")
    with pytest.raises(ValueError, match="HOST"):
        held.change(3, b"2=" + b"a" * 256)
