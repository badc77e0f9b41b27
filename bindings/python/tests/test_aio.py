"""The engine for asyncio."""

import asyncio
import threading
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
import rft
import rft.aio
from conftest import Stuck, quick
from story import Commands

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 40), debug=True)


async def lead(engine: rft.aio.Engine) -> None:
    engine.campaign()
    while engine.status().role != "leader":
        await asyncio.sleep(0.005)


def test_requests_are_awaited(tmp_path: Path) -> None:
    async def work() -> None:
        async with await rft.aio.Engine.open(quick(), tmp_path, Commands()) as engine:
            await lead(engine)
            assert (await engine.propose(b"one")).answer == b"1"
            outcomes = await asyncio.gather(*(engine.propose(b"x") for _ in range(500)))
            assert sorted(int(outcome.answer) for outcome in outcomes) == list(range(2, 502))
            many = await engine.propose_many([b"y"] * 100)
            assert [o.answer for o in many if isinstance(o, rft.Outcome)] == [
                b"%d" % n for n in range(502, 602)
            ]
            assert await engine.propose_many([]) == []
            assert (await engine.read()).index >= outcomes[-1].index
            assert (await engine.read(within=60)).age < 60
            session = await engine.open_session()
            once = await engine.propose_once(session, 1, b"once")
            assert await engine.propose_once(session, 1, b"once") == once
            await engine.close_session(session)
            with pytest.raises(rft.SessionError):
                await engine.propose_once(session, 2, b"late")
            assert (await engine.add_learner(2, context=b"there")).index > 0
            assert (await engine.remove(2)).index > 0
            with pytest.raises(rft.ChangeError):
                await engine.leave_joint()
            assert (await engine.snapshot()).index > 0
            with pytest.raises(rft.InvalidArgumentError):
                await engine.add_voter(0)
            with pytest.raises(rft.TooLargeError):
                await engine.propose(bytes(9 << 20))
            with pytest.raises(TypeError):
                await engine.propose("text")  # type: ignore[arg-type]
            times: list[Any] = [-1, float("nan"), "1"]
            before = engine.counters()["proposals"]
            for time_out in times:
                with pytest.raises((rft.InvalidArgumentError, TypeError)):
                    await engine.propose(b"never", timeout=time_out)
                with pytest.raises((rft.InvalidArgumentError, TypeError)):
                    await engine.propose_many([b"never"], timeout=time_out)
            await engine.read()
            assert engine.counters()["proposals"] == before
            assert not engine._pending.waiting
        with pytest.raises(rft.ClosedError):
            await engine.propose(b"late")
        await engine.close()

    run(work())


def test_a_request_that_is_cancelled_leaves_nothing_behind(tmp_path: Path) -> None:
    async def work() -> None:
        release = threading.Event()

        class Slow(Commands):
            def apply(self, entries: list[rft.Entry]) -> Any:
                release.wait(20)
                return super().apply(entries)

        machine = Slow()
        async with rft.aio.Engine(quick(), tmp_path, machine) as engine:
            await lead(engine)
            tasks = [asyncio.create_task(engine.propose(b"x")) for _ in range(10)]
            await asyncio.sleep(0.05)
            for task in tasks[:5]:
                task.cancel()
            with pytest.raises(rft.TimedOutError):
                await engine.propose(b"y", timeout=0.05)
            late = await engine.propose_many([b"z"], timeout=0.05)
            assert [type(outcome) for outcome in late] == [rft.TimedOutError]
            release.set()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(result, asyncio.CancelledError) for result in results[:5])
            assert all(isinstance(result, rft.Outcome) for result in results[5:])
            await engine.read()
            assert len(machine.held) == 12
            await asyncio.sleep(0)
            assert not engine._pending.waiting

    run(work())


def test_the_loop_goes_on_while_requests_wait(tmp_path: Path) -> None:
    async def work() -> None:
        async with rft.aio.Engine(quick(voters=(1, 2)), tmp_path, Commands()) as engine:
            waiting = asyncio.create_task(engine.read(timeout=1))
            longest = 0.0
            for _ in range(20):
                began = time.monotonic()
                await asyncio.sleep(0.01)
                longest = max(longest, time.monotonic() - began)
            assert longest < 0.5
            with pytest.raises((rft.TimedOutError, rft.NotLeaderError)):
                await waiting

    run(work())


def test_what_apply_raises_is_the_cause(tmp_path: Path) -> None:
    async def work() -> None:
        class Faulty(Commands):
            def apply(self, entries: list[rft.Entry]) -> Any:
                raise LookupError("not here")

        async with rft.aio.Engine(quick(), tmp_path, Faulty()) as engine:
            await lead(engine)
            results = await asyncio.gather(*(engine.propose(b"x") for _ in range(3)), return_exceptions=True)
            for result in results:
                assert isinstance(result, (rft.CallbackError, rft.ClosedError))
                assert isinstance(result.__cause__, LookupError)
            with pytest.raises(rft.CallbackError) as caught:
                await engine.read()
            assert isinstance(caught.value.__cause__, LookupError)

    run(work())


def test_closing_ends_what_is_under_way(tmp_path: Path) -> None:
    async def work() -> None:
        engine = rft.aio.Engine(quick(voters=(1, 2)), tmp_path, Commands())
        waiting = [asyncio.create_task(engine.read(timeout=None)) for _ in range(3)]
        await asyncio.sleep(0)
        await engine.close()
        for result in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(result, (rft.ClosedError, rft.NotLeaderError))

    run(work())


@pytest.mark.parametrize("cut_off", [False, True])
def test_closing_beside_a_callback_ends_what_is_under_way(tmp_path: Path, cut_off: bool) -> None:
    async def work() -> None:
        machine = Stuck()
        engine = rft.aio.Engine(quick(), tmp_path, machine)
        await lead(engine)
        waiting = asyncio.create_task(engine.propose(b"x", timeout=None))
        assert await asyncio.to_thread(machine.entered.wait, 20)
        if cut_off:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(engine.close(timeout=0.2), 0.05)
        else:
            with pytest.raises(rft.TimedOutError):
                await engine.close(timeout=0.05)
        with pytest.raises(rft.ClosedError):
            await asyncio.wait_for(waiting, 10)
        machine.release.set()
        await engine.close()

    run(work())


class Full:
    """An engine whose queue is full for the first requests."""

    def __init__(self, native: Any) -> None:
        self.native = native
        self.refused = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.native, name)

    def start_replace(self, *arguments: Any) -> int:
        if self.refused < 3:
            self.refused += 1
            raise rft.BusyError("full")
        number: int = self.native.start_replace(*arguments)
        return number


def test_a_replacement_waits_for_room_if_requests_do(tmp_path: Path) -> None:
    async def work() -> None:
        for waits in (True, False):
            config = quick(wait_for_room=waits)
            async with rft.aio.Engine(config, tmp_path, Commands()) as engine:
                await lead(engine)
                full: Any = Full(engine._native)
                engine._native = full
                if waits:
                    assert (await engine.replace(None, 1)).term == 0
                else:
                    with pytest.raises(rft.BusyError):
                        await engine.replace(None, 1)
                assert full.refused == (3 if waits else 1)

    run(work())


def test_an_open_that_is_cancelled_closes_what_it_opens(tmp_path: Path) -> None:
    async def work() -> None:
        opening = asyncio.create_task(rft.aio.Engine.open(quick(), tmp_path, Commands()))
        await asyncio.sleep(0)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        for _ in range(200):
            try:
                async with await rft.aio.Engine.open(quick(), tmp_path, Commands()):
                    return
            except rft.LockedError:
                await asyncio.sleep(0.02)
        raise AssertionError("the directory stays open")

    run(work())


def test_a_loop_that_is_closed_is_told_nothing(tmp_path: Path) -> None:
    release = threading.Event()

    class Slow(Commands):
        def apply(self, entries: list[rft.Entry]) -> Any:
            release.wait(20)
            return super().apply(entries)

    async def work() -> rft.aio.Engine:
        engine = rft.aio.Engine(quick(), tmp_path, Slow())
        await lead(engine)
        asyncio.get_running_loop().call_later(0.05, task.cancel) if (
            task := asyncio.create_task(engine.propose(b"x"))
        ) else None
        with pytest.raises(asyncio.CancelledError):
            await task
        return engine

    engine = asyncio.run(work())
    release.set()
    asyncio.run(engine.close())
    assert engine.status().applied > 1


def test_it_needs_a_loop(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        rft.aio.Engine(quick(), tmp_path, Commands())
