"""The engine for asyncio: requests are awaited."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from types import TracebackType
from typing import TypeVar

from rft._native import Event, Outcome
from rft.config import Config
from rft.engine import TIMEOUT, Bytes, ChangeKind, EngineBase, Transition
from rft.errors import BusyError, ClosedError, InvalidArgumentError, RaftError, TimedOutError
from rft.host import Machine, Sender, log

__all__ = ["Engine"]

_Future = asyncio.Future[Outcome]
_T = TypeVar("_T")


# How long a request that waits for room does so before it asks again, in seconds.
_ROOM_FIRST = 0.001
_ROOM_MOST = 0.02


def _check(timeout: float | None) -> None:
    """Refuse what is no time, before anything is asked for."""
    if timeout is not None and not timeout >= 0:
        raise InvalidArgumentError(f"timeout is {timeout}: it must not be negative")


class _Time:
    """What is left of a timeout."""

    def __init__(self, timeout: float | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = None if timeout is None else self._loop.time() + timeout

    def left(self) -> float | None:
        return None if self._end is None else max(0.0, self._end - self._loop.time())


class _Many:
    """Requests that are awaited together."""

    def __init__(self, loop: asyncio.AbstractEventLoop, first: int, count: int) -> None:
        self.first = first
        self.missing = count
        self.results: list[Outcome | RaftError | None] = [None] * count
        self.done: asyncio.Future[None] = loop.create_future()

    def put(self, number: int, outcome: Outcome | RaftError) -> None:
        self.results[number - self.first] = outcome
        self.missing -= 1
        if self.missing == 0 and not self.done.done():
            self.done.set_result(None)


class _Pending:
    """Who waits in one event loop, by the number of the request."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.waiting: dict[int, _Future | _Many] = {}

    def told(self, outcomes: dict[int, Outcome | RaftError]) -> None:
        """Outcomes have come, on the state machine's thread: one wake-up of the loop for all of them."""
        try:
            self.loop.call_soon_threadsafe(self.settle, outcomes)
        except RuntimeError:
            log(logging.DEBUG, "the event loop is closed, %d outcomes are lost", len(outcomes))

    def settle(self, outcomes: dict[int, Outcome | RaftError]) -> None:
        for number, outcome in outcomes.items():
            waiting = self.waiting.pop(number, None)
            if isinstance(waiting, _Many):
                waiting.put(number, outcome)
            # One that was cancelled has nobody who waits.
            elif waiting is not None and not waiting.done():
                if isinstance(outcome, RaftError):
                    waiting.set_exception(outcome)
                else:
                    waiting.set_result(outcome)

    def end(self) -> None:
        """The engine has stopped, and tells nothing more."""
        error = ClosedError("the engine has stopped: it may or may not be applied")
        self.settle(dict.fromkeys(list(self.waiting), error))


def _expire(future: _Future) -> None:
    if not future.done():
        future.set_exception(TimedOutError("timed out before the outcome was known"))


class Engine(EngineBase):
    """`rft.Engine` for a coroutine. Make it, use it and close it in one event loop; `async with` does the last.

    To cancel a request is to stop waiting for it: it may or may not be carried out. The state machine and the transport
    are called on threads of the engine's, not in the loop.
    """

    def __init__(
        self,
        config: Config,
        directory: str | os.PathLike[str],
        state_machine: Machine,
        transport: Sender | None = None,
        *,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        """Open the node, see `rft.Engine`. It blocks for the disk and for `restore`: `Engine.open` does not."""
        self._closed = True
        self._pending = _Pending()
        super().__init__(
            config, directory, state_machine, transport, on_event=on_event, _told=self._pending.told
        )

    @classmethod
    async def open(
        cls,
        config: Config,
        directory: str | os.PathLike[str],
        state_machine: Machine,
        transport: Sender | None = None,
        *,
        on_event: Callable[[Event], None] | None = None,
    ) -> Engine:
        """Open the node while the loop goes on."""
        engine = cls.__new__(cls)
        engine._closed = True
        engine._pending = pending = _Pending()

        def make() -> None:
            EngineBase.__init__(
                engine, config, directory, state_machine, transport, on_event=on_event, _told=pending.told
            )

        opening = asyncio.ensure_future(asyncio.to_thread(make))
        try:
            await asyncio.shield(opening)
        except asyncio.CancelledError:
            # The thread cannot be called back: what it opens has to be closed.
            def close(done: asyncio.Future[None]) -> None:
                if done.exception() is None:
                    engine._stop(None)

            opening.add_done_callback(close)
            raise
        return engine

    async def propose(self, data: Bytes, *, timeout: float | None = TIMEOUT) -> Outcome:
        """Propose an entry; the outcome is there when it is applied. A follower hands it to the leader."""
        return await self._request(lambda: self._native.start_propose([data]), timeout)

    async def propose_many(
        self, data: Iterable[Bytes], *, timeout: float | None = TIMEOUT
    ) -> list[Outcome | RaftError]:
        """Propose entries, in this order.

        All are taken or none; after that each has an outcome of its own: what `propose` would return, or would raise.
        """
        _check(timeout)
        payloads = list(data)
        if not payloads:
            return []
        time = _Time(timeout)

        async def start() -> int:
            return self._native.start_propose(payloads)

        first = await self._with_room(start, time)
        many = _Many(self._pending.loop, first, len(payloads))
        numbers = range(first, first + len(payloads))
        self._pending.waiting.update(dict.fromkeys(numbers, many))
        try:
            await asyncio.wait((many.done,), timeout=time.left())
        finally:
            if many.missing > 0:
                for number in numbers:
                    self._pending.waiting.pop(number, None)
        return [self._result(result) for result in many.results]

    async def open_session(self, *, timeout: float | None = TIMEOUT) -> int:
        """Open a session and return its id, see `rft.Engine.open_session`."""
        return (await self._request(self._native.start_open_session, timeout)).index

    async def close_session(self, session: int, *, timeout: float | None = TIMEOUT) -> Outcome:
        """Close a session."""
        return await self._request(lambda: self._native.start_close_session(session), timeout)

    async def propose_once(
        self, session: int, sequence: int, data: Bytes, *, timeout: float | None = TIMEOUT
    ) -> Outcome:
        """Propose the command number `sequence` of a session, see `rft.Engine.propose_once`."""
        return await self._request(lambda: self._native.start_propose_once(session, sequence, data), timeout)

    async def read(self, *, within: float = 0.0, timeout: float | None = TIMEOUT) -> Outcome:
        """Wait until the state machine may be read, see `rft.Engine.read`."""
        return await self._request(lambda: self._native.start_read(within), timeout)

    async def change(
        self,
        steps: Sequence[tuple[ChangeKind, int]],
        *,
        transition: Transition = "auto",
        context: Bytes = b"",
        forced: bool = False,
        timeout: float | None = TIMEOUT,
    ) -> Outcome:
        """Change the membership, see `rft.Engine.change`."""
        return await self._request(
            lambda: self._native.start_change(steps, transition, context, forced), timeout
        )

    async def replace(
        self, old: int | None, new: int, *, context: Bytes = b"", timeout: float | None = TIMEOUT
    ) -> Outcome:
        """Put a node in the place of a member, see `rft.Engine.replace`."""
        return await self._request(
            lambda: self._native.start_replace(old, new, context, timeout),
            None if timeout is None else timeout + 1.0,
        )

    async def add_voter(self, id: int, *, context: Bytes = b"", timeout: float | None = TIMEOUT) -> Outcome:
        """Make a node a voter. A newcomer is better added as a learner, and promoted when it has caught up."""
        return await self.change([("add_voter", id)], context=context, timeout=timeout)

    async def add_learner(self, id: int, *, context: Bytes = b"", timeout: float | None = TIMEOUT) -> Outcome:
        """Make a node a member that receives the log and does not vote."""
        return await self.change([("add_learner", id)], context=context, timeout=timeout)

    async def promote(self, id: int, *, context: Bytes = b"", timeout: float | None = TIMEOUT) -> Outcome:
        """Make a learner a voter that has caught up; `replace(None, id)` waits until it has."""
        return await self.change([("add_voter", id)], context=context, timeout=timeout)

    async def remove(self, id: int, *, context: Bytes = b"", timeout: float | None = TIMEOUT) -> Outcome:
        """Remove a member."""
        return await self.change([("remove", id)], context=context, timeout=timeout)

    async def leave_joint(self, *, timeout: float | None = TIMEOUT) -> Outcome:
        """Leave a joint configuration that was entered with "joint_explicit"."""
        return await self.change([], timeout=timeout)

    async def snapshot(self, *, timeout: float | None = TIMEOUT) -> Outcome:
        """Have a snapshot taken; the outcome is there when it is durable."""
        try:
            return await self._request(self._native.start_snapshot, timeout)
        except RaftError as error:
            self._unsaved(error)
            raise

    async def transfer_leader(self, to: int, *, timeout: float | None = TIMEOUT) -> Outcome:
        """Have the leader hand its leadership to a voter, see `rft.Engine.transfer_leader`."""
        return await self._request(lambda: self._native.start_transfer_leader(to), timeout)

    async def close(self, timeout: float | None = 30.0) -> None:
        """Stop the engine, see `rft.Engine.close`. May be called again."""
        stopping = asyncio.ensure_future(asyncio.to_thread(self._stop, timeout))
        # Also when a callback is still at work: nobody is told anything from then on.
        stopping.add_done_callback(lambda _: self._pending.end() if self._closed else None)
        # Not cut off by a cancellation: the threads have to be waited for.
        await asyncio.shield(stopping)

    async def __aenter__(self) -> Engine:
        """Return the engine."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        """Close it."""
        await self.close()

    async def _request(self, start: Callable[[], int], timeout: float | None) -> Outcome:
        _check(timeout)
        if not self._waits_for_room:
            return await self._wait(start(), timeout)
        time = _Time(timeout)

        async def once() -> Outcome:
            return await self._wait(start(), time.left())

        return await self._with_room(once, time)

    async def _with_room(self, ask: Callable[[], Awaitable[_T]], time: _Time) -> _T:
        pause = _ROOM_FIRST
        while True:
            try:
                return await ask()
            except BusyError:
                # Nothing was taken. Whoever has little time left would not hear that of another try.
                left = time.left()
                if self._waits_for_room and left is not None and left <= 2 * pause:
                    await asyncio.sleep(left)
                    raise
                if not self._waits_for_room:
                    raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, _ROOM_MOST)

    async def _wait(self, number: int, timeout: float | None) -> Outcome:
        # Nothing is awaited between the request and this, so its outcome has not been looked for yet.
        loop, waiting = self._pending.loop, self._pending.waiting
        future: _Future = loop.create_future()
        waiting[number] = future
        timer = None if timeout is None else loop.call_later(timeout, _expire, future)
        try:
            return await future
        except RaftError as error:
            self._host.explain(error)
            raise
        finally:
            waiting.pop(number, None)
            if timer is not None:
                timer.cancel()

    def _result(self, result: Outcome | RaftError | None) -> Outcome | RaftError:
        if result is None:
            return TimedOutError("timed out before the outcome was known")
        if isinstance(result, RaftError):
            self._host.explain(result)
        return result
