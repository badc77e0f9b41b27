"""Whether a history of one register is linearizable: every call takes effect at one moment between its start and
its end. The search of Wing and Gong, with the memory of Lowe for what was tried already."""

from typing import Dict, List, NamedTuple, Optional, Set, Tuple

FOREVER = float("inf")
TRIED_MAX = 500_000


class Call(NamedTuple):
    """One request of a client and what it was told. A value of None is a register that holds nothing."""

    is_write: bool
    value: Optional[str]  # what was written, or what a read found
    start: float
    end: float  # FOREVER: nobody knows whether the write took effect


class TooMuch(Exception):
    """More orders than can be tried."""


def is_linearizable(history: List[Call]) -> bool:
    """Whether some order explains all that was told. The register holds nothing at first."""
    found = {call.value for call in history if not call.is_write}
    # A write without an answer whose value nobody ever saw may as well not have taken effect.
    calls = sorted((call for call in history if call.end != FOREVER or call.value in found), key=lambda call: call.start)
    known = sum(1 << at for at, call in enumerate(calls) if call.end != FOREVER)
    start: Tuple[int, Optional[str]] = (0, None)
    tried: Set[Tuple[int, Optional[str]]] = {start}
    open_states = [start]
    while open_states:
        done, value = open_states.pop()
        if done & known == known:
            return True
        for state in _next(calls, done, value):
            if state not in tried:
                tried.add(state)
                open_states.append(state)
        if len(tried) > TRIED_MAX:
            raise TooMuch()
    return False


def _next(calls: List[Call], done: int, value: Optional[str]) -> List[Tuple[int, Optional[str]]]:
    """Whatever is next started before the first of the others ended. Those that started late come first."""
    states = []
    bound = FOREVER
    # The lowest bit that is not set: all before it is done.
    for at in range((~done & (done + 1)).bit_length() - 1, len(calls)):
        call = calls[at]
        if call.start > bound:
            break
        if done >> at & 1:
            continue
        bound = min(bound, call.end)
        if call.is_write:
            states.append((done | 1 << at, call.value))
        elif call.value == value:
            states.append((done | 1 << at, value))
    states.reverse()
    return states


def unexplained(histories: Dict[str, List[Call]]) -> List[str]:
    """The keys whose history no order explains."""
    return [key for key, history in histories.items() if not is_linearizable(history)]


def self_test() -> None:
    """What must hold of a checker before it is believed."""
    write = lambda value, start, end: Call(True, value, start, end)  # noqa: E731
    read = lambda value, start, end: Call(False, value, start, end)  # noqa: E731
    fine = [
        [],
        [read(None, 0, 1), write("a", 2, 3), read("a", 4, 5), write(None, 6, 7), read(None, 8, 9)],
        [write("a", 0, 9), read(None, 1, 2), read("a", 3, 4)],
        [write("a", 0, FOREVER), read(None, 5, 6), read("a", 7, 8)],
        [write("a", 0, FOREVER), read(None, 5, 6)],
    ]
    wrong = [
        [read("a", 0, 1)],
        [write("a", 0, 1), read(None, 2, 3)],
        [write("a", 0, 9), read("a", 1, 2), read(None, 3, 4)],
        [write("a", 0, 1), write("b", 2, 3), read("a", 4, 5)],
        [write("a", 0, FOREVER), read("a", 5, 6), write("b", 7, 8), read("a", 9, 10)],
    ]
    assert all(is_linearizable(history) for history in fine)
    assert not any(is_linearizable(history) for history in wrong)
