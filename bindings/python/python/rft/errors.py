"""What can go wrong, as a tree of exceptions.

RaftError
    InvalidArgumentError (also a ValueError)
    ConfigError (also a ValueError)
    BusyError
    MisuseError (also a RuntimeError)
    NotAppliedError                     the request certainly has not been carried out
        NotLeaderError
        DroppedError
        ChangeError
            QuorumAtRiskError
            LearnerBehindError
        TooLargeError (also a ValueError)
        DiskFullError
    UncertainError                      it may or may not be carried out
        TimedOutError (also a TimeoutError)
        UnknownOutcomeError
        SessionError
    MessageError                        a message from a peer was refused
    SnapshotError
    StorageError
        CorruptError
        LockedError
        ForeignError
    CallbackError                       its __cause__ is what the callback has raised
    ClosedError
    InternalError
"""

from __future__ import annotations

from rft._native import CODES, FATAL, RETRYABLE

__all__ = [
    "BusyError",
    "CallbackError",
    "ChangeError",
    "ClosedError",
    "ConfigError",
    "CorruptError",
    "DiskFullError",
    "DroppedError",
    "ForeignError",
    "InternalError",
    "InvalidArgumentError",
    "LearnerBehindError",
    "LockedError",
    "MessageError",
    "MisuseError",
    "NotAppliedError",
    "NotLeaderError",
    "QuorumAtRiskError",
    "RaftError",
    "SessionError",
    "SnapshotError",
    "StorageError",
    "TimedOutError",
    "TooLargeError",
    "UncertainError",
    "UnknownOutcomeError",
]


class RaftError(Exception):
    """Anything that the library refuses or fails at."""

    code: int = 0
    """The number that the same error has in C, negative. 0 for a class that stands for several."""

    name: str = ""
    """The name of that number without RFT_E_, for instance "NOT_LEADER"."""

    retryable: bool = False
    """Whether the same call may succeed later, and had no effect now."""

    fatal: bool = False
    """Whether what was called will never work again: what is left is to close it. False of a snapshot that failed in an
    engine that goes on."""


class InvalidArgumentError(RaftError, ValueError):
    """An argument is out of range or unknown."""


class ConfigError(RaftError, ValueError):
    """A setting is out of range, or settings contradict each other; the text names them."""


class BusyError(RaftError):
    """A queue is full, or another thread is inside a call on the same object. Later it may work."""


class MisuseError(RaftError, RuntimeError):
    """Calls came out of order, or from inside a callback that would wait for itself."""


class NotAppliedError(RaftError):
    """The request certainly has not been carried out."""


class NotLeaderError(NotAppliedError):
    """This node does not lead, and nobody was found who does."""

    leader_id: int = 0
    """The leader to ask instead; 0 is unknown."""


class DroppedError(NotAppliedError):
    """The request was not taken, or superseded by another leader's entry."""

    leader_id: int = 0
    """Who leads instead of whom leadership was to go to; 0 is unknown."""


class ChangeError(NotAppliedError):
    """Another membership change is pending, or this one does not fit the membership."""


class QuorumAtRiskError(ChangeError):
    """The voters heard of lately would be no quorum after this change; the text names the others. It can be forced."""


class LearnerBehindError(ChangeError):
    """The learner that is to become a voter has not caught up yet."""


class TooLargeError(NotAppliedError, ValueError):
    """More bytes or items than the limit allows."""


class DiskFullError(NotAppliedError):
    """The disk has less room than `Config.disk_reserve_bytes`. It heals when there is room."""


class UncertainError(RaftError):
    """The request may or may not be carried out."""


class TimedOutError(UncertainError, TimeoutError):
    """The wait ended before the outcome was known."""


class UnknownOutcomeError(UncertainError):
    """Leadership was lost in flight."""


class SessionError(UncertainError):
    """The session is closed or has gone on. This try was not applied; an earlier one of its number may have been."""


class MessageError(RaftError):
    """A message was refused: malformed, of the wrong kind, from a stranger or forged, or for another node."""


class SnapshotError(RaftError):
    """Entries or a snapshot are not there: compacted away, not there yet, or too old."""


class StorageError(RaftError):
    """The operating system refused; the text names operation and file. A failed write or fsync is final."""


class CorruptError(StorageError):
    """A file holds what cannot have been written; the text names it and the place."""


class LockedError(StorageError):
    """The directory is open elsewhere, in this process or another."""


class ForeignError(StorageError):
    """The directory belongs to another node or cluster."""


class CallbackError(RaftError):
    """A callback has raised, which is the `__cause__`. In `apply` or `restore` that stops the engine."""


class ClosedError(RaftError):
    """The engine or store is closed. A request that was under way may or may not be carried out."""


class InternalError(RaftError):
    """A broken invariant or a contained panic: a fault of the library. The object refuses all further work."""


_CLASSES: dict[str, type[RaftError]] = {
    "INVALID_ARG": InvalidArgumentError,
    "CONFIG": ConfigError,
    "BUSY": BusyError,
    "PANIC": InternalError,
    "DECODE": MessageError,
    "LOCAL_MESSAGE": MessageError,
    "UNKNOWN_PEER": MessageError,
    "WRONG_RECEIVER": MessageError,
    "NOT_LEADER": NotLeaderError,
    "DROPPED": DroppedError,
    "CONF_CHANGE": ChangeError,
    "TOO_LARGE": TooLargeError,
    "TIMED_OUT": TimedOutError,
    "UNKNOWN": UnknownOutcomeError,
    "STOPPED": ClosedError,
    "COMPACTED": SnapshotError,
    "UNAVAILABLE": SnapshotError,
    "SNAPSHOT_OLD": SnapshotError,
    "SNAPSHOT_UNAVAILABLE": SnapshotError,
    "IO": StorageError,
    "CORRUPT": CorruptError,
    "LOCKED": LockedError,
    "FOREIGN": ForeignError,
    "HOST": CallbackError,
    "INVARIANT": InternalError,
    "REENTRANT": MisuseError,
    "MISUSE": MisuseError,
    "DISK_FULL": DiskFullError,
    "SESSION": SessionError,
    "QUORUM_AT_RISK": QuorumAtRiskError,
    "LEARNER_BEHIND": LearnerBehindError,
    "WRONG_SENDER": MessageError,
}
_NAMES = {code: name for name, code in CODES.items()}

# A class that stands for one code has it, and what all its codes have in common, also where a program raises it itself.
for _class in set(_CLASSES.values()):
    _of_class = [name for name, its in _CLASSES.items() if its is _class]
    if len(_of_class) == 1:
        _class.name, _class.code = _of_class[0], CODES[_of_class[0]]
    _class.retryable = all(CODES[name] in RETRYABLE for name in _of_class)
    _class.fatal = all(CODES[name] in FATAL for name in _of_class)


def error_of(code: int, text: str, leader: int) -> RaftError:
    """Makes the exception for a code; the native part calls it."""
    name = _NAMES.get(code, "?")
    error = _CLASSES.get(name, RaftError)(text)
    error.code, error.name = code, name
    error.retryable, error.fatal = code in RETRYABLE, code in FATAL
    if isinstance(error, (NotLeaderError, DroppedError)):
        error.leader_id = leader
    return error
