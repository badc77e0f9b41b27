"""Raft consensus to link like SQLite.

Three ways to use it:

* `rft.Engine`: a node with its directory, clock and threads. The program brings a `StateMachine` and a `Transport`
  (`rft.http.Transport` is one), and calls wait.
* `rft.aio.Engine`: the same for asyncio.
* `rft.Node`: consensus alone, without thread, callback, clock or file, for programs with a loop of their own. With an
  `rft.Store` it keeps its log on disk.
"""

from rft._native import (
    Entry,
    Event,
    HardState,
    Member,
    Message,
    Node,
    Outcome,
    ReadState,
    Ready,
    Snapshot,
    Status,
    Store,
    __version__,
)
from rft.config import Config
from rft.engine import Engine
from rft.errors import (
    BusyError,
    CallbackError,
    ChangeError,
    ClosedError,
    ConfigError,
    CorruptError,
    DiskFullError,
    DroppedError,
    ForeignError,
    InternalError,
    InvalidArgumentError,
    LearnerBehindError,
    LockedError,
    MessageError,
    MisuseError,
    NotAppliedError,
    NotLeaderError,
    QuorumAtRiskError,
    RaftError,
    SessionError,
    SnapshotError,
    StorageError,
    TimedOutError,
    TooLargeError,
    UncertainError,
    UnknownOutcomeError,
)
from rft.host import StateMachine, Transport

__all__ = [
    "BusyError",
    "CallbackError",
    "ChangeError",
    "ClosedError",
    "Config",
    "ConfigError",
    "CorruptError",
    "DiskFullError",
    "DroppedError",
    "Engine",
    "Entry",
    "Event",
    "ForeignError",
    "HardState",
    "InternalError",
    "InvalidArgumentError",
    "LearnerBehindError",
    "LockedError",
    "Member",
    "Message",
    "MessageError",
    "MisuseError",
    "Node",
    "NotAppliedError",
    "NotLeaderError",
    "Outcome",
    "QuorumAtRiskError",
    "RaftError",
    "ReadState",
    "Ready",
    "SessionError",
    "Snapshot",
    "SnapshotError",
    "StateMachine",
    "Status",
    "StorageError",
    "Store",
    "TimedOutError",
    "TooLargeError",
    "Transport",
    "UncertainError",
    "UnknownOutcomeError",
    "__version__",
]
