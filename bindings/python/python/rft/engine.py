"""The engine for programs with threads: calls wait."""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import warnings
import weakref
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Literal, TypeVar

from rft import _native
from rft._native import Event, Member, Outcome, Status
from rft.config import Config
from rft.errors import ClosedError, InvalidArgumentError, MisuseError, RaftError
from rft.host import Machine, Sender, StateMachine, Told, start_threads

ChangeKind = Literal["add_voter", "add_learner", "remove", "update"]
Transition = Literal["auto", "joint_implicit", "joint_explicit"]
Bytes = bytes | bytearray | memoryview
Self = TypeVar("Self", bound="EngineBase")

TIMEOUT = 10.0
"""How long a call waits unless it is told otherwise, in seconds."""

_EXIT_TIMEOUT = 2.0
_open: weakref.WeakSet[EngineBase] = weakref.WeakSet()
_forked_while_open = False


class EngineBase:
    """What `rft.Engine` and `rft.aio.Engine` have in common: everything that does not wait."""

    def __init__(
        self,
        config: Config,
        directory: str | os.PathLike[str],
        state_machine: Machine,
        transport: Sender | None = None,
        *,
        on_event: Callable[[Event], None] | None = None,
        _told: Told | None = None,
    ) -> None:
        """Open the node in `directory`, which is created if it is missing, and start to work.

        Before it returns, the state machine is restored from the newest snapshot, if there is one; what was applied
        after that is applied again. Without a transport all messages are lost, which a cluster of one node does not
        notice. `on_event` is called on the state machine's thread. If the engine does not open, the transport is
        stopped.
        """
        self._closed = True
        self._process = os.getpid()
        self._transport = transport
        if _forked_while_open:
            # Locks remember threads that wait for them, and those are in the other process.
            raise MisuseError("an engine was at work when this process was forked off: use spawn or exec")
        try:
            self._open(config, directory, state_machine, on_event, _told)
        except BaseException:
            # A port that it keeps would be in the way of the next try. One that serves another engine goes on.
            if not any(other._transport is transport for other in list(_open)):
                _stop(transport)
            raise
        self._closed = False
        self._stopping = threading.Lock()
        _open.add(self)
        start = getattr(transport, "start", None)
        if start is not None:
            try:
                start(self)
            except BaseException:
                self._stop(None)
                raise

    def _open(
        self,
        config: Config,
        directory: str | os.PathLike[str],
        machine: Machine,
        on_event: Callable[[Event], None] | None,
        told: Told | None,
    ) -> None:
        transport = self._transport
        _check_machine(config, machine)
        if transport is not None and not callable(getattr(transport, "send", None)):
            raise TypeError(f"transport has no method send: {transport!r}")
        if on_event is not None and not callable(on_event):
            raise TypeError(f"on_event cannot be called: {on_event!r}")
        host = _native.Host()
        self._host = host
        self._waits_for_room = config.wait_for_room
        self._threads = start_threads(host, f"rft-{config.id}", machine, transport, on_event, told)
        try:
            self._native = _native.Engine(config, directory, host)
        except BaseException:
            self._end_threads()
            raise

    def _end_threads(self, timeout: float | None = None) -> None:
        self._host.end()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(timeout)

    def _stop(self, timeout: float | None) -> None:
        if self._process != os.getpid():
            # Forked off: the threads, and all that they hold, are in the other process.
            self._closed = True
            return
        try:
            self._native.stop(timeout)
        except MisuseError:
            # From inside of a callback: nothing has happened.
            raise
        except BaseException:
            self._stop_transport()
            raise
        self._stop_transport()
        self._end_threads(timeout)

    def _stop_transport(self) -> None:
        with self._stopping:
            first, self._closed = not self._closed, True
        _open.discard(self)
        if first:
            _stop(self._transport)

    def _unsaved(self, error: RaftError) -> None:
        """There is no snapshot: unless the engine has failed, or was closed, it goes on."""
        if error.fatal and not isinstance(error, ClosedError):
            error.fatal = self._native.status().failure is not None

    def __del__(self) -> None:
        if not self._closed and self._process == os.getpid():
            try:
                warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)
            finally:
                # Also where warnings are errors.
                if threading.current_thread() not in self._threads:
                    self._stop(_EXIT_TIMEOUT)

    def __repr__(self) -> str:
        """Tell how it stands."""
        if self._closed:
            return f"<{type(self).__module__}.{type(self).__name__} closed>"
        try:
            status = self._native.status()
        except ClosedError:
            return f"<{type(self).__module__}.{type(self).__name__} of another process>"
        return f"<{type(self).__module__}.{type(self).__name__} {status.id} {status.role}>"

    def step(self, message: Bytes, /) -> None:
        """Take a message from a peer.

        A `MessageError` or `BusyError` means that this message was dropped, which raft survives.
        """
        self._native.step(message)

    def step_many(self, messages: Sequence[Bytes], /, peer: int | None = None) -> list[tuple[int, RaftError]]:
        """Take messages from peers, in order.

        Those that are refused are passed over; their errors are returned, each with its place in `messages`. A
        transport that knows who has brought them says so by `peer`: a message that names another sender is refused.
        """
        return self._native.step_many(messages, peer)

    def report_unreachable(self, id: int, /) -> None:
        """A message could not be brought to node `id`. Optional: a leader then sends less until it hears of it."""
        self._native.report_unreachable(id)

    def campaign(self) -> None:
        """Campaign now, instead of waiting for the election timeout."""
        self._native.campaign()

    def status(self) -> Status:
        """How the node stands. Works after a failure, and after the engine was closed."""
        status = self._native.status()
        if status.failure is not None:
            self._host.explain(status.failure)
        return status

    def counters(self) -> dict[str, int]:
        """What the engine has counted since it was opened. Works after a failure, and after the engine was closed."""
        return self._native.counters()

    def metrics(self) -> str:
        """Counters, times and state in the text format of Prometheus, labelled with cluster and node."""
        return self._native.metrics()

    def status_json(self) -> str:
        """State, members, queue, counters and times as one JSON object on one line."""
        return self._native.status_json()

    def members(self) -> list[Member]:
        """Who is a member, by ascending id. Works after a failure, and after the engine was closed."""
        return self._native.members()


def _stop(transport: Sender | None) -> None:
    stop = getattr(transport, "stop", None)
    if stop is not None:
        stop()


def _check_machine(config: Config, machine: Machine) -> None:
    if not callable(getattr(machine, "apply", None)):
        raise TypeError(f"state_machine has no method apply: {machine!r}")
    if not isinstance(config, Config):
        raise TypeError(f"config must be an rft.Config, not {type(config).__name__}")
    if config.snapshot_entries == 0 and config.snapshot_bytes == 0:
        return
    for name in ("save", "restore"):
        method = getattr(type(machine), name, getattr(machine, name, None))
        if method in (None, getattr(StateMachine, name)):
            text = f"state_machine has no {name}, and snapshot_entries or snapshot_bytes is not 0"
            raise InvalidArgumentError(text)


class Engine(EngineBase):
    """A node with its directory, its clock and its threads. Any thread may call it.

    Requests wait for their outcome, for `timeout` seconds at the most (None is for ever), and Ctrl-C ends the wait. A
    request that fails raises a `NotAppliedError` if it certainly has not been carried out, an `UncertainError` if that
    is not known. It is not known either of one that was under way when the engine was closed, a `ClosedError`, or
    failed: a `CallbackError`, `StorageError` or `InternalError`. What a state machine's `apply` raises stops the
    engine, and is the `__cause__` of the `CallbackError` that later calls raise.
    """

    def propose(self, data: Bytes, *, timeout: float | None = TIMEOUT) -> Outcome:
        """Propose an entry and wait until it is applied. A follower hands it to the leader."""
        return self._native.propose(data, timeout)

    def propose_many(
        self, data: Iterable[Bytes], *, timeout: float | None = TIMEOUT
    ) -> list[Outcome | RaftError]:
        """Propose entries, in this order, and wait until each has an outcome.

        All are taken or none; after that each has an outcome of its own: what `propose` would return, or would raise.
        """
        return self._native.propose_many(list(data), timeout)

    def open_session(self, *, timeout: float | None = TIMEOUT) -> int:
        """Open a session and return its id. The cluster keeps the 4096 sessions that were used last."""
        return self._native.open_session(timeout).index

    def close_session(self, session: int, *, timeout: float | None = TIMEOUT) -> Outcome:
        """Close a session."""
        return self._native.close_session(session, timeout)

    def propose_once(
        self, session: int, sequence: int, data: Bytes, *, timeout: float | None = TIMEOUT
    ) -> Outcome:
        """Propose the command number `sequence` of a session, which is applied once however often it is proposed.

        The number rises from 1 on with each new command. Propose a command again under its number, here or at another
        node, until the outcome is certain: each try that returns has the same index, term and answer (one of more than
        64 KiB comes only the first time).
        """
        return self._native.propose_once(session, sequence, data, timeout)

    def read(self, *, within: float = 0.0, timeout: float | None = TIMEOUT) -> Outcome:
        """Wait until the state machine may be read.

        It then holds all that was acknowledged anywhere before this call, or `within` seconds ago: a node that knows
        its state to be that young answers at once. The outcome tells what has been applied at the least, and the age.
        """
        return self._native.read(within, timeout)

    def change(
        self,
        steps: Sequence[tuple[ChangeKind, int]],
        *,
        transition: Transition = "auto",
        context: Bytes = b"",
        forced: bool = False,
        timeout: float | None = TIMEOUT,
    ) -> Outcome:
        """Change the membership and wait until the change is in force.

        Several steps go through a joint configuration. No step at all leaves one that was entered with
        "joint_explicit". Every node's `apply` gets the context, an address for instance, and every node's `members`
        tells it of the one member that is added or updated: 64 KiB at the most.

        What would lose the quorum is refused with `QuorumAtRiskError`, a learner that is to vote before it has caught
        up with `LearnerBehindError`, unless it is `forced`.
        """
        return self._native.change(steps, transition, context, forced, timeout)

    def replace(
        self, old: int | None, new: int, *, context: Bytes = b"", timeout: float | None = TIMEOUT
    ) -> Outcome:
        """Put a node in the place of a member and wait until that is in force, a second longer at the most.

        The newcomer, whose engine is open without voters, becomes a learner with this context, catches up, and votes
        from the moment on in which the old one leaves. With None for the old one it is added, or promoted. After a
        change of leaders, a crash or an exception the same call, here or at any other node, goes on from where the
        membership stands.
        """
        return self._native.replace(old, new, context, timeout)

    def add_voter(self, id: int, *, context: Bytes = b"", timeout: float | None = TIMEOUT) -> Outcome:
        """Make a node a voter. A newcomer is better added as a learner, and promoted when it has caught up."""
        return self.change([("add_voter", id)], context=context, timeout=timeout)

    def add_learner(self, id: int, *, context: Bytes = b"", timeout: float | None = TIMEOUT) -> Outcome:
        """Make a node a member that receives the log and does not vote."""
        return self.change([("add_learner", id)], context=context, timeout=timeout)

    def promote(self, id: int, *, context: Bytes = b"", timeout: float | None = TIMEOUT) -> Outcome:
        """Make a learner a voter that has caught up; `replace(None, id)` waits until it has."""
        return self.change([("add_voter", id)], context=context, timeout=timeout)

    def remove(self, id: int, *, context: Bytes = b"", timeout: float | None = TIMEOUT) -> Outcome:
        """Remove a member."""
        return self.change([("remove", id)], context=context, timeout=timeout)

    def leave_joint(self, *, timeout: float | None = TIMEOUT) -> Outcome:
        """Leave a joint configuration that was entered with "joint_explicit"."""
        return self.change([], timeout=timeout)

    def snapshot(self, *, timeout: float | None = TIMEOUT) -> Outcome:
        """Have a snapshot taken and wait until it is durable, and the log before it dropped."""
        try:
            return self._native.snapshot(timeout)
        except RaftError as error:
            self._unsaved(error)
            raise

    def transfer_leader(self, to: int, *, timeout: float | None = TIMEOUT) -> Outcome:
        """Have the leader, this node or another, hand its leadership to a voter, and wait until it has.

        It ends within two election timeouts. A `DroppedError` means that another node leads now, a `TimedOutError`
        that the old leader goes on as far as is known here, and the other may still take over.
        """
        return self._native.transfer_leader(to, timeout)

    def close(self, timeout: float | None = 30.0) -> None:
        """Stop the engine and wait until its threads have ended. May be called again.

        Requests that are under way end with `ClosedError`. A `TimedOutError` means that a callback or the disk is still
        at work; the engine ends when it returns.
        """
        self._stop(timeout)

    def __enter__(self: Self) -> Self:
        """Return the engine."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        """Close it."""
        self.close()


def _after_fork() -> None:
    """Forget what is open: it is open in the process that opened it."""
    global _forked_while_open
    _forked_while_open = _forked_while_open or len(_open) > 0
    _open.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@atexit.register
def _close_all() -> None:
    """Stop the engines that are still at work, before the interpreter takes itself apart."""
    engines = list(_open)
    # All are told before one is waited for.
    for timeout in (0.0, _EXIT_TIMEOUT):
        for engine in engines:
            # A callback may be at work: the process ends without waiting longer for it.
            with contextlib.suppress(RaftError):
                engine._native.stop(timeout) if timeout == 0.0 else engine._stop(timeout)
