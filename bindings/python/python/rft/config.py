"""The settings of a node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rft._native import RANGES, check_config


def _default(name: str) -> int:
    return RANGES[name][1]


@dataclass(frozen=True, kw_only=True)
class Config:
    """The settings of a `Node`, a `Store` or an `Engine`, which are checked when it is made.

    Every member of a cluster should have the same settings apart from its id and seed. Bytes count payload unless told
    otherwise; ticks are calls of `Node.tick`, or `tick_interval_ms` of an engine. A wrong value is a `ConfigError` that
    names the setting.
    """

    id: int
    """This node's id: not 0 and not one of the two largest numbers of 64 bits."""

    voters: Sequence[int] = ()
    """The first members of a new cluster, the same on each of them, this one included. Empty: the node waits until a
    leader adds it. A directory that is not new keeps the members it knows."""

    cluster_id: int = _default("cluster_id")
    """The cluster's id, which a directory remembers."""

    tick_interval_ms: int = _default("tick_interval_ms")
    """Engine: milliseconds between two ticks, 1 to 60000."""

    election_ticks: int = _default("election_ticks")
    """Ticks without a leader after which a node campaigns (drawn from this to twice this): 2 to 100000. More than
    `heartbeat_ticks`."""

    heartbeat_ticks: int = _default("heartbeat_ticks")
    """Ticks between two heartbeats of a leader: 1 to 100000."""

    pre_vote: bool = bool(_default("pre_vote"))
    """Whether a node asks before it campaigns, so that one that was cut off does not disturb the others."""

    check_quorum: bool = bool(_default("check_quorum"))
    """Whether a leader that does not hear from a quorum steps down."""

    message_bytes_max: int = _default("message_bytes_max")
    """Bytes of entries in one message, always at least one entry: 1 to 1 GiB."""

    inflight_messages_max: int = _default("inflight_messages_max")
    """Messages with entries on their way to one peer without an answer: 1 to 65536."""

    inflight_bytes_max: int = _default("inflight_bytes_max")
    """Bytes of entries on their way to one peer without an answer; 0 is unlimited. Not less than
    `message_bytes_max`."""

    uncommitted_bytes_max: int = _default("uncommitted_bytes_max")
    """Bytes of entries that a leader holds uncommitted before it refuses more by `DroppedError`; 0 is unlimited.
    Engine: of what is committed and not applied as much, before a follower passes over what its leader sends, which
    comes again."""

    apply_bytes_max: int = _default("apply_bytes_max")
    """Bytes of entries handed to the state machine at once, always at least one entry: 1 to 1 GiB."""

    proposal_bytes_max: int = _default("proposal_bytes_max")
    """Bytes of one proposal: 1 to 1 GiB. More is a `TooLargeError`."""

    queue_items_max: int = _default("queue_items_max")
    """Engine: requests and messages waiting for the driver: 1 to 16777216. More is a `BusyError`, and so are as many
    on their way to the leader, and sixteen times as many that wait to be applied or told."""

    queue_bytes_max: int = _default("queue_bytes_max")
    """Engine: bytes waiting for the driver: 1 to 1 TiB. More is a `BusyError`. Not less than `proposal_bytes_max`."""

    segment_bytes: int = _default("segment_bytes")
    """Bytes of a segment of the write-ahead log: 4096 to 1 TiB."""

    snapshot_entries: int = _default("snapshot_entries")
    """Engine: applied entries after which a snapshot is taken; 0 is only by call or when a peer needs one."""

    snapshot_trailing: int = _default("snapshot_trailing")
    """Entries kept in memory behind a snapshot, so that a slow follower need not fetch the snapshot."""

    snapshot_chunk_bytes: int = _default("snapshot_chunk_bytes")
    """Engine: a snapshot longer than this travels in chunks of as many bytes: 1024 to 64 MiB.

    Chunks are smaller where `queue_bytes_max` is less than eight times as much."""

    seed: int | None = None
    """The seed of election timeouts. By default a node takes its id, and an engine its id and the clock."""

    forward_proposals: bool = bool(_default("forward_proposals"))
    """Whether a follower sends proposals on to its leader. An engine sends membership changes on too, and gives the
    leader's outcome to whoever asked; without it, both end in `NotLeaderError`."""

    disk_reserve_bytes: int = _default("disk_reserve_bytes")
    """Bytes of the disk that are kept for the log; 0 is none. With less left, an engine that leads refuses proposals by
    `DiskFullError`, and a snapshot that would leave less than half of them is not written."""

    force_new_cluster: int = _default("force_new_cluster")
    """Engine: the last resort when the quorum is lost for good, on one survivor; 0 is no. With another number the node
    goes on as the only voter of a new group of that number, with all the entries that it holds. What only the others
    held is lost, and they have to begin anew with empty directories: if they are not dead but cut off, there are two
    truths. A restart with the same number is harmless."""

    lease_reads: bool = bool(_default("lease_reads"))
    """Engine: whether a leader answers reads by its lease, without asking the others. All members must agree on it,
    and keep `check_quorum`. It trusts that no member's clock runs faster than another's by more than
    `clock_drift_percent`; a virtual machine whose clocks stand still while it is paused must not use it."""

    clock_drift_percent: int = _default("clock_drift_percent")
    """Engine: how much faster the fastest clock of the cluster may run than the slowest: 0 to 99."""

    wait_for_room: bool = bool(_default("wait_for_room"))
    """Engine: whether requests wait for room in a full queue, as long as their timeout lasts, instead of raising
    `BusyError` at once. They raise it when the time is over: nothing was taken."""

    snapshot_bytes: int = _default("snapshot_bytes")
    """Engine: bytes of applied entries after which a snapshot is taken, too; 0 is never."""

    snapshot_send_bytes_per_second: int = _default("snapshot_send_bytes_per_second")
    """Engine: bytes of snapshots that a leader sends in a second, at least 1024; 0 is as fast as they are taken."""

    trace: bool = bool(_default("trace"))
    """Engine: whether the logger `rft` gets a line of level 5 for each step of consensus, a JSON object in the form
    that etcd's TLA+ specification of Raft reads. Many, and not free. The handlers run on the thread that sends, so a
    slow one delays heartbeats; where more than 1024 lines wait for it, the oldest are dropped."""

    direct_writes: bool = bool(_default("direct_writes"))
    """Whether the write-ahead log is written past the system's cache, each write durable when it returns: less work for
    the processor and, on most disks, less waiting. It may change from one start to the next.

    What was committed last is then written with the next entries only: a process that is killed starts from before it,
    and hears of it again. Where the file system refuses such writes the log goes through the cache, and an engine's
    event "recovered" and the logger `rft` say so."""

    def __post_init__(self) -> None:
        # What can be gone through only once would be empty afterwards.
        object.__setattr__(self, "voters", tuple(self.voters))
        check_config(self)
