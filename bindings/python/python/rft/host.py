"""What an engine needs of a program, and the two threads that bring the two together.

The threads of an engine never wait for the interpreter's lock: they leave work, which the threads here take. One
applies, the other one sends, so that a slow state machine does not hold up heartbeats.
"""

from __future__ import annotations

import contextlib
import io
import logging
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from rft._native import Entry, Event, Host, Outcome, Task
from rft.errors import RaftError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

logger = logging.getLogger("rft")
# A program that sets up no logging does not want lines of ours on its standard error.
logger.addHandler(logging.NullHandler())


def log(level: int, text: str, *args: object, exc_info: bool = False) -> None:
    """Write to the log: what a filter or a handler raises costs a line, and not the thread that writes it."""
    with contextlib.suppress(BaseException):
        logger.log(level, text, *args, exc_info=exc_info)


Answers = Iterable["bytes | bytearray | None"] | None
Told = Callable[["dict[int, Outcome | RaftError]"], None]
_STREAM_BYTES = 256 * 1024


class Machine(Protocol):
    """What an engine asks of a state machine, see `StateMachine`. A method `view` may be there, too."""

    def apply(self, entries: list[Entry], /) -> Answers:
        """Apply entries."""

    def save(self, writer: BinaryIO, /) -> None:
        """Write the whole state."""

    def restore(self, reader: BinaryIO, /) -> None:
        """Replace the whole state."""


class Sender(Protocol):
    """What an engine asks of a transport, see `Transport`. Methods `start` and `stop` may be there, too."""

    def send(self, messages: list[tuple[int, bytes]], /) -> None:
        """Send messages."""


class StateMachine:
    """The state that a cluster keeps. Subclass it, or bring an object with the same methods: `view` may be missing.

    All methods are called on one thread of the engine's, and may take their time: applying waits, nothing else does.
    They may call the engine's methods that do not wait. What `apply` or `restore` raises ends the engine.
    """

    def apply(self, entries: list[Entry]) -> Answers:
        """Apply entries, in order, each exactly once between two restores.

        Return an answer (or None) for each entry, or None for none at all: whoever proposed it gets it in the
        `Outcome`. Entries of type "conf_change" carry the context of a membership change. An entry without data is left
        out.
        """
        raise NotImplementedError

    def save(self, writer: BinaryIO) -> None:
        """Write the whole state, as of the last `apply`. Needed for snapshots."""
        raise NotImplementedError

    def view(self) -> Callable[[BinaryIO], None] | None:
        """Hand out the state as of the last `apply`, so that applying goes on while it is written.

        Return what writes it, from a copy or from a view that later calls of `apply` do not touch: it is called
        once, on a thread of its own. None, the default, has `save` called instead.
        """
        return None

    def restore(self, reader: BinaryIO) -> None:
        """Replace the whole state by what `save` has written, here or on another node."""
        raise NotImplementedError


class Receiver(Protocol):
    """Of an engine, what a transport needs."""

    def step(self, message: bytes, /) -> None:
        """Take a message from a peer."""

    def step_many(self, messages: list[bytes], /, peer: int | None = None) -> list[tuple[int, RaftError]]:
        """Take messages from peers, or from this one."""

    def report_unreachable(self, id: int, /) -> None:
        """A message could not be brought to node `id`."""


class Transport:
    """Brings messages to other nodes. Subclass it, or bring an object with the same methods: `send` is enough.

    Messages may be lost, doubled and reordered on the way. Deliver them unchanged to `Engine.step` of their receivers.
    """

    def send(self, messages: list[tuple[int, bytes]]) -> None:
        """Send messages, each with the id of its receiver.

        Called on one thread of the engine's, which must not be held up: heartbeats come this way. What is raised goes
        to the log, and the messages are lost, which raft survives.
        """
        raise NotImplementedError

    def start(self, engine: Receiver) -> None:
        """Called once, when the engine is open. Messages from peers can be taken from now on."""

    def stop(self) -> None:
        """Called once, when the engine is closed, or has not opened."""


class _Raw(io.RawIOBase):
    """The unbuffered stream of a snapshot."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def readable(self) -> bool:
        return self._task.kind == "restore"

    def writable(self) -> bool:
        return self._task.kind in ("save", "view")

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        data = self._task.read(len(view))
        view[: len(data)] = data
        return len(data)

    def write(self, data: ReadableBuffer, /) -> int:
        self._task.write(bytes(data))
        return memoryview(data).nbytes


def apply_all(
    host: Host, machine: Machine, on_event: Callable[[Event], None] | None, told: Told | None
) -> None:
    """Do what the engine wants of the state machine, until there is nothing more."""
    try:
        while (task := host.next_task()) is not None:
            if task.kind == "event":
                if task.event is not None and task.event.error is not None:
                    host.explain(task.event.error)
                _tell(on_event, task.event)
            elif task.kind == "outcomes":
                _tell(told, task.outcomes)
            else:
                _run(host, task, machine)
            # What waits for the next task must not keep the entries of this one.
            del task
    finally:
        host.abandon()


def _tell(listener: Callable[..., None] | None, what: object) -> None:
    if listener is None:
        return
    try:
        listener(what)
    except BaseException:
        log(logging.ERROR, "a listener has raised", exc_info=True)


def _run(host: Host, task: Task, machine: Machine) -> None:
    try:
        if task.kind == "apply":
            answers = machine.apply(task.entries)
            task.applied(None if answers is None else list(answers))
        elif task.kind == "save":
            _save(task, machine.save)
        elif task.kind == "view":
            _view(host, task, machine)
        else:
            with io.BufferedReader(_Raw(task), _STREAM_BYTES) as reader:
                machine.restore(cast("BinaryIO", reader))
            task.done()
    except BaseException as error:
        # Also SystemExit and the like: on this thread they would be lost.
        _failed(host, task, error)


def _failed(host: Host, task: Task, error: BaseException) -> None:
    host.raised(error, is_save=task.kind in ("save", "view"))
    # Not behind a handler that takes its time.
    task.failed()
    # As text: a handler that keeps its records must not keep the frames.
    log(logging.ERROR, "the state machine's %s has raised %s", task.kind, repr(error))


def _save(task: Task, save: Callable[[BinaryIO], None]) -> None:
    with io.BufferedWriter(_Raw(task), _STREAM_BYTES) as writer:
        save(cast("BinaryIO", writer))
    task.done()


def _view(host: Host, task: Task, machine: Machine) -> None:
    view = getattr(machine, "view", None)
    save = None if view is None else view()
    if save is not None:
        name = threading.current_thread().name.replace("apply", "save")
        threading.Thread(target=_save_view, args=(host, task, save), name=name, daemon=True).start()
    task.viewed(save is not None)


def _save_view(host: Host, task: Task, save: Callable[[BinaryIO], None]) -> None:
    host.enter()
    try:
        _save(task, save)
    except BaseException as error:
        _failed(host, task, error)


def send_all(host: Host, transport: Sender | None) -> None:
    """Bring messages to the transport and lines to the log, until there is nothing more."""
    while (batch := host.next_batch()) is not None:
        messages, lines = batch
        for level, text in lines:
            log(level, "%s", text)
        if messages and transport is not None:
            try:
                transport.send(messages)
            except BaseException:
                text = "the transport has raised, %d messages are lost"
                log(logging.ERROR, text, len(messages), exc_info=True)


def start_threads(
    host: Host,
    name: str,
    machine: Machine,
    transport: Sender | None,
    on_event: Callable[[Event], None] | None,
    told: Told | None,
) -> list[threading.Thread]:
    """Start the two threads. They hold nothing but what they need, so that an engine that is forgotten can go."""
    threads = [
        threading.Thread(
            target=apply_all, args=(host, machine, on_event, told), name=f"{name}-apply", daemon=True
        ),
        threading.Thread(target=send_all, args=(host, transport), name=f"{name}-send", daemon=True),
    ]
    for thread in threads:
        thread.start()
    return threads
