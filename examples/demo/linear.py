"""Whether a history of one register is linearizable: every call takes effect at one moment between its start and
its end. The search of Wing and Gong, with the memory of Lowe for what was tried already.

A register holds a value, or nothing. Each write gives it a revision, which is greater than all before; a write may ask
for the revision that the register has to have. Values are unique, so that a value stands for the write it came from."""

from typing import Dict, List, NamedTuple, Optional, Set, Tuple

FOREVER = float("inf")
TRIED_MAX = 500_000
ABSENT = 0  # the revision of a register that holds nothing

READ, WRITE, REFUSED = "read", "write", "refused"


class Call(NamedTuple):
    """One request of a client and what it was told. A value of None is a register that holds nothing."""

    kind: str
    value: Optional[str]  # what was written, or what a read found
    start: float
    end: float  # FOREVER: nobody knows whether the write took effect
    revision: Optional[int] = None  # of the write, of what was read, or of what refused a write; None is not known
    expected: Optional[int] = None  # what the register had to have; None is no matter


class TooMuch(Exception):
    """More orders than can be tried."""


class Contradiction(Exception):
    """Revisions that no order could give."""


State = Tuple[int, Optional[str]]  # which calls are done, and what the register holds


class History:
    """The calls on one register."""

    def __init__(self, history: List[Call]):
        found = {call.value for call in history if call.kind == READ}
        self._revisions = revisions(history)
        seen = {revision for call in history for revision in (call.revision, call.expected) if revision}
        # A write without an answer whose value nobody ever saw may as well not have taken effect, unless somebody met
        # a revision that could be its own. One that empties the register shows in the others.
        traces = bool(seen - set(self._revisions.values()))
        kept = (call for call in history if call.end != FOREVER or call.value in found or call.value is None or traces)
        self._calls = sorted(kept, key=lambda call: call.start)

    def is_linearizable(self) -> bool:
        """Whether some order explains all that was told. The register holds nothing at first."""
        known = sum(1 << at for at, call in enumerate(self._calls) if call.end != FOREVER)
        start: State = (0, None)
        tried: Set[State] = {start}
        open_states = [start]
        while open_states:
            done, value = open_states.pop()
            if done & known == known:
                return True
            for state in self._next(done, value):
                if state not in tried:
                    tried.add(state)
                    open_states.append(state)
            if len(tried) > TRIED_MAX:
                raise TooMuch()
        return False

    def _next(self, done: int, value: Optional[str]) -> List[State]:
        """Whatever is next started before the first of the others ended. Those that started late come first."""
        states = []
        bound = FOREVER
        # The lowest bit that is not set: all before it is done.
        for at in range((~done & (done + 1)).bit_length() - 1, len(self._calls)):
            call = self._calls[at]
            if call.start > bound:
                break
            if done >> at & 1:
                continue
            bound = min(bound, call.end)
            if self._fits(call, value):
                states.append((done | 1 << at, call.value if call.kind == WRITE else value))
        states.reverse()
        return states

    def _fits(self, call: Call, held: Optional[str]) -> bool:
        if call.kind == READ:
            return call.value == held
        if call.kind == REFUSED:
            return self._may_be(held, call.revision) and not self._must_be(held, call.expected)
        before, after = self._revision(held), self._revision(call.value)
        rises = before is None or after is None or after == ABSENT or before < after
        return rises and self._may_be(held, call.expected)

    def _revision(self, value: Optional[str]) -> Optional[int]:
        return ABSENT if value is None else self._revisions.get(value)

    def _may_be(self, held: Optional[str], revision: Optional[int]) -> bool:
        """Whether the register, holding this, can have the revision. A write of which nobody heard can have any that
        no other one has."""
        known = self._revision(held)
        if revision is None or known is not None:
            return revision in (None, known)
        return revision != ABSENT and revision not in self._revisions.values()

    def _must_be(self, held: Optional[str], revision: Optional[int]) -> bool:
        return revision is not None and self._revision(held) == revision


def revisions(history: List[Call]) -> Dict[str, int]:
    """The revision of each value, from those who wrote or read it."""
    known: Dict[str, int] = {}
    values: Dict[int, str] = {}
    for call in history:
        if call.kind != REFUSED and call.value is not None and call.revision is not None:
            revision = known.setdefault(call.value, call.revision)
            value = values.setdefault(call.revision, call.value)
            if (revision, value) != (call.revision, call.value):
                raise Contradiction(f"{call.value} has revision {revision} and {call.revision}, which is {value}'s")
    return known


def is_linearizable(history: List[Call]) -> bool:
    """Whether some order explains all that was told."""
    try:
        return History(history).is_linearizable()
    except Contradiction:
        return False


def self_test() -> None:
    """What must hold of a checker before it is believed."""

    def write(value: Optional[str], start: float, end: float, *rest: Optional[int]) -> Call:
        return Call(WRITE, value, start, end, *rest)

    def read(value: Optional[str], start: float, end: float, *rest: Optional[int]) -> Call:
        return Call(READ, value, start, end, *rest)

    def refused(start: float, end: float, revision: Optional[int], expected: int) -> Call:
        return Call(REFUSED, None, start, end, revision, expected)

    fine = [
        [],
        [read(None, 0, 1), write("a", 2, 3), read("a", 4, 5), write(None, 6, 7), read(None, 8, 9)],
        [write("a", 0, 9), read(None, 1, 2), read("a", 3, 4)],
        [write("a", 0, FOREVER), read(None, 5, 6), read("a", 7, 8)],
        [write("a", 0, FOREVER), read(None, 5, 6)],
        # Compare and swap.
        [write("a", 0, 1, 7), write("b", 2, 3, 8, 7), read("b", 4, 5, 8)],
        [write("a", 0, 1, 7, ABSENT), write(None, 2, 3, None, 7), write("b", 4, 5, 9, ABSENT)],
        [write("a", 0, 9, 7), refused(1, 2, 7, ABSENT)],
        [write("a", 0, 1, 7), write("b", 2, 9, 8, 7), refused(3, 4, 8, 7)],
        # One of which nobody heard has made way for the next, or stood in the way.
        [write("a", 0, FOREVER), write("b", 2, 3, 9, 8), read("b", 4, 5)],
        [write("a", 0, 1, 7), write("b", 2, FOREVER, None, 7), refused(4, 5, 8, 7)],
        [write("a", 0, 1, 7), write(None, 2, FOREVER, None, 7), refused(4, 5, ABSENT, 7)],
        [write("a", 0, 1, 7), write("b", 2, FOREVER, None, 6), read("a", 4, 5, 7)],
    ]
    wrong = [
        [read("a", 0, 1)],
        [write("a", 0, 1), read(None, 2, 3)],
        [write("a", 0, 9), read("a", 1, 2), read(None, 3, 4)],
        [write("a", 0, 1), write("b", 2, 3), read("a", 4, 5)],
        [write("a", 0, FOREVER), read("a", 5, 6), write("b", 7, 8), read("a", 9, 10)],
        # Two swaps of one revision; a swap of one that was gone; one refused for no reason; what was refused is there.
        [write("a", 0, 1, 7), write("b", 2, 9, 8, 7), write("c", 2, 9, 9, 7)],
        [write("a", 0, 1, 7), write("b", 2, 3, 8), write("c", 4, 5, 9, 7)],
        [write("a", 0, 1, 7, ABSENT), write("b", 2, 3, 8, ABSENT)],
        [write("a", 0, 1, 7), refused(2, 3, 7, 7)],
        [write("a", 0, 1, 7), refused(2, 3, 6, 5)],
        [refused(0, 1, ABSENT, ABSENT)],
        [write("a", 0, 1, 7), refused(2, 3, ABSENT, 6)],
        # Revisions that fall, that two have, and that change.
        [write("a", 0, 1, 7), write("b", 2, 3, 6)],
        [write("a", 0, 1, 7), write("b", 2, 3, 7)],
        [write("a", 0, 1, 7), read("a", 2, 3, 8)],
        # One of which nobody heard cannot have happened when another stood there.
        [write("a", 0, 1, 7), write("b", 2, FOREVER, None, 6), read("b", 4, 5)],
    ]
    for history in fine:
        assert is_linearizable(history), history
    for history in wrong:
        assert not is_linearizable(history), history


if __name__ == "__main__":
    self_test()
    print("linear: ok")
