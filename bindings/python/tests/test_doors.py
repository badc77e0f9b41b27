"""What is refused before anything begins, what is taken that need not be of a class of ours, and what errors tell."""

import asyncio
import copy
import pickle
import socket
from pathlib import Path
from typing import BinaryIO

import pytest
import rft
import rft.aio
import rft.http
from conftest import lead, quick
from rft import _native, errors
from story import Commands, wait_for


class Bare:
    """A state machine and a transport that are of no class of the package; the last argument's name is its own."""

    def __init__(self) -> None:
        self.count = 0

    def apply(self, new: list[rft.Entry]) -> list[bytes]:
        self.count += len(new)
        return [b"%d" % self.count for _ in new]

    def save(self, to: BinaryIO) -> None:
        to.write(b"%d" % self.count)

    def restore(self, source: BinaryIO) -> None:
        self.count = int(source.read())

    def send(self, messages: list[tuple[int, bytes]]) -> None:
        pass


class Unsaved(Commands):
    """One of which there is no snapshot."""

    def save(self, writer: BinaryIO) -> None:
        raise OSError("no room")


def test_any_object_with_the_methods_will_do(tmp_path: Path) -> None:
    bare = Bare()
    with rft.Engine(quick(), tmp_path, bare, bare) as engine:
        assert lead(engine).propose(b"x").answer == b"1"
        engine.snapshot()


def test_a_listener_that_cannot_be_called_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="on_event cannot be called: 5"):
        rft.Engine(quick(), tmp_path, Commands(), on_event=5)  # type: ignore[arg-type]
    rft.Engine(quick(), tmp_path, Commands()).close()


def test_a_directory_of_bytes_is_refused_as_such(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"for directory a str or a path that is one is required, not bytes"):
        rft.Engine(quick(), b"bytes", Commands())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not int"):
        rft.Store(quick(), 7)  # type: ignore[arg-type]


def test_many_come_from_anything_that_can_be_gone_through(engine: rft.Engine) -> None:
    outcomes = engine.propose_many(b"%d" % number for number in range(3))
    assert [type(outcome) for outcome in outcomes] == [rft.Outcome] * 3
    assert engine.propose_many(iter(())) == []
    with pytest.raises(TypeError, match="bytes-like"):
        engine.propose_many(b"abc")  # type: ignore[arg-type]


def is_free(port: int) -> bool:
    with socket.socket() as taken:
        # The server sets it too: what lingers of a connection is nothing that listens.
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def test_an_engine_that_does_not_open_keeps_no_port(tmp_path: Path) -> None:
    serving = rft.http.Transport(1, 1, ("127.0.0.1", 0))
    with rft.Engine(quick(), tmp_path, Commands(), serving):
        transport = rft.http.Transport(1, 1, ("127.0.0.1", 0))
        port = transport.port
        assert not is_free(port)
        with pytest.raises(rft.LockedError):
            rft.Engine(quick(), tmp_path, Commands(), transport)
        assert is_free(port)
        # One that another engine has is left to it.
        with pytest.raises(rft.LockedError):
            rft.Engine(quick(), tmp_path, Commands(), serving)
        assert not is_free(serving.port)


def test_errors_say_whether_it_is_worth_another_try() -> None:
    for name, code in _native.CODES.items():
        error = errors.error_of(code, "why", 0)
        assert (error.retryable, error.fatal) == (code in _native.RETRYABLE, code in _native.FATAL), name
        again = pickle.loads(pickle.dumps(error))
        assert (again.retryable, again.fatal) == (error.retryable, error.fatal)
    assert rft.BusyError().retryable
    assert rft.LockedError().retryable
    assert not rft.LockedError().fatal
    assert rft.ClosedError().fatal
    assert rft.InternalError().fatal
    assert not rft.SnapshotError().retryable
    assert (rft.UncertainError().retryable, rft.TimedOutError().fatal) == (False, False)


def test_a_snapshot_that_fails_is_not_fatal_while_the_engine_goes_on(tmp_path: Path) -> None:
    with rft.Engine(quick(), tmp_path, Unsaved()) as engine:
        lead(engine).propose(b"x")
        with pytest.raises(rft.CallbackError) as unsaved:
            engine.snapshot()
        assert not unsaved.value.fatal
        engine.propose(b"y")
    with pytest.raises(rft.ClosedError) as closed:
        engine.snapshot()
    assert closed.value.fatal


def test_the_same_in_an_event_loop(tmp_path: Path) -> None:
    async def main() -> None:
        async with rft.aio.Engine(quick(), tmp_path, Unsaved()) as engine:
            engine.campaign()
            await asyncio.to_thread(wait_for, lambda: engine.status().role == "leader")
            await engine.propose_many(iter([b"x"]))
            with pytest.raises(rft.CallbackError) as unsaved:
                await engine.snapshot()
            assert not unsaved.value.fatal

    asyncio.run(main())


def test_a_callback_that_fails_is_named(tmp_path: Path) -> None:
    class Faulty(Commands):
        def apply(self, entries: list[rft.Entry]) -> list[bytes | None]:
            raise ValueError("mine")

    with rft.Engine(quick(), tmp_path, Faulty()) as engine:
        with pytest.raises(rft.RaftError):
            lead(engine).propose(b"x")
        wait_for(lambda: engine.status().failure is not None)
        failure = engine.status().failure
        assert str(failure) == "apply of the host failed with -24 (RFT_E_HOST)"
        assert failure is not None
        assert failure.fatal


def test_an_outcome_can_be_copied_and_sent(engine: rft.Engine) -> None:
    for outcome in (engine.propose(b"x"), engine.read(), rft.Outcome(7, 1, 0.25, b"answer")):
        for again in (pickle.loads(pickle.dumps(outcome)), copy.copy(outcome), copy.deepcopy(outcome)):
            assert again == outcome
    assert rft.Outcome(7, 1) == rft.Outcome(7, 1, 0.0, b"")
    with pytest.raises(rft.InvalidArgumentError, match="age"):
        rft.Outcome(7, 1, -1.0)
