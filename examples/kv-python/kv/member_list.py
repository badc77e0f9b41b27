"""PUT /members: the membership as a whole. One joint change leads there from whatever it was."""

from __future__ import annotations

import asyncio

import rft

from kv.answers import Answer, text
from kv.change import Wanted, change_to
from kv.node import Node

_LOOK_AGAIN_SECONDS = 0.01


class Reaching:
    """The way to a list of members, from one request."""

    def __init__(self, node: Node, wanted: list[Wanted], seconds: float) -> None:
        self._node = node
        self._wanted = wanted
        self._loop = asyncio.get_running_loop()
        self._end = self._loop.time() + seconds
        self._tried = self._made = False

    async def run(self) -> Answer:
        """Go there until the time is over."""
        failure: rft.RaftError | None = None
        while self._left() > 0:
            try:
                if await self._step():
                    return Answer(204)
            except rft.RaftError as error:
                failure = error
                if not self._is_worth_another(error):
                    break
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        if self._made:
            # For who goes, or where a leader has gone meanwhile.
            return text(504, "the outcome is unknown: the change was made, and may not be over")
        if failure is None:
            return text(409, "another change is under way")
        if not self._tried and isinstance(failure, rft.TimedOutError):
            return text(503, "nothing was done: nobody knows how the cluster stands")
        raise failure

    def _left(self) -> float:
        return self._end - self._loop.time()

    async def _step(self) -> bool:
        """Look, and change what is not as wanted. True when nothing is left to do."""
        engine = self._node.engine
        # Who goes can ask nobody then, and looks at what has come here. All others read: behind it, they have applied
        # what the leader had, and so their own change, too.
        goes = self._made and all(one.id != self._node.options.id for one in self._wanted)
        if not goes:
            await engine.read(timeout=self._left())
        members = engine.members()
        if any(member.outgoing or member.learner_next for member in members):
            return False
        if self._made and not goes:
            return True
        change = change_to(self._wanted, members, self._node.machine.members())
        if change.steps and not self._made:
            try:
                await engine.change(change.steps, context=change.context, timeout=self._left())
            except rft.ChangeError:
                raise
            except rft.RaftError:
                self._tried = True
                raise
            self._made = True
            return False
        return not change.steps

    def _is_worth_another(self, error: rft.RaftError) -> bool:
        """Another change ends by itself, a learner catches up, and an election ends while nothing was asked for."""
        if error.name in ("CONF_CHANGE", "LEARNER_BEHIND"):
            return True
        # A read changes nothing; a change that was dropped is nothing either.
        passes = isinstance(error, (rft.NotLeaderError, rft.DroppedError, rft.TimedOutError))
        return passes and not self._tried
