/// @file
/// @brief Part of rft.hpp: the constants of rft.h as types.
#ifndef RFT_CODE_HPP
#define RFT_CODE_HPP

#include <rft.h>

#include <cstdint>

namespace rft {
inline namespace v0 {

/// The status codes, see RFT_OK and those behind it. A newer library may give others.
enum class Code : rft_status_t {
    ok = RFT_OK,
    invalid_arg = RFT_E_INVALID_ARG,
    config = RFT_E_CONFIG,
    busy = RFT_E_BUSY,
    panic = RFT_E_PANIC,
    decode = RFT_E_DECODE,
    local_message = RFT_E_LOCAL_MESSAGE,
    unknown_peer = RFT_E_UNKNOWN_PEER,
    wrong_receiver = RFT_E_WRONG_RECEIVER,
    not_leader = RFT_E_NOT_LEADER,
    dropped = RFT_E_DROPPED,
    conf_change = RFT_E_CONF_CHANGE,
    too_large = RFT_E_TOO_LARGE,
    timed_out = RFT_E_TIMED_OUT,
    unknown = RFT_E_UNKNOWN,
    stopped = RFT_E_STOPPED,
    compacted = RFT_E_COMPACTED,
    unavailable = RFT_E_UNAVAILABLE,
    snapshot_old = RFT_E_SNAPSHOT_OLD,
    snapshot_unavailable = RFT_E_SNAPSHOT_UNAVAILABLE,
    io = RFT_E_IO,
    corrupt = RFT_E_CORRUPT,
    locked = RFT_E_LOCKED,
    foreign = RFT_E_FOREIGN,
    host = RFT_E_HOST,
    invariant = RFT_E_INVARIANT,
    reentrant = RFT_E_REENTRANT,
    misuse = RFT_E_MISUSE,
    disk_full = RFT_E_DISK_FULL,
    session = RFT_E_SESSION,
    quorum_at_risk = RFT_E_QUORUM_AT_RISK,
    learner_behind = RFT_E_LEARNER_BEHIND,
    wrong_sender = RFT_E_WRONG_SENDER,
};

/// The settings of a Config, see RFT_CONFIG_ID and those behind it.
enum class Setting : std::int32_t {
    id = RFT_CONFIG_ID,
    cluster_id = RFT_CONFIG_CLUSTER_ID,
    tick_interval_ms = RFT_CONFIG_TICK_INTERVAL_MS,
    election_ticks = RFT_CONFIG_ELECTION_TICKS,
    heartbeat_ticks = RFT_CONFIG_HEARTBEAT_TICKS,
    pre_vote = RFT_CONFIG_PRE_VOTE,
    check_quorum = RFT_CONFIG_CHECK_QUORUM,
    message_bytes_max = RFT_CONFIG_MESSAGE_BYTES_MAX,
    inflight_messages_max = RFT_CONFIG_INFLIGHT_MESSAGES_MAX,
    inflight_bytes_max = RFT_CONFIG_INFLIGHT_BYTES_MAX,
    uncommitted_bytes_max = RFT_CONFIG_UNCOMMITTED_BYTES_MAX,
    apply_bytes_max = RFT_CONFIG_APPLY_BYTES_MAX,
    proposal_bytes_max = RFT_CONFIG_PROPOSAL_BYTES_MAX,
    queue_items_max = RFT_CONFIG_QUEUE_ITEMS_MAX,
    queue_bytes_max = RFT_CONFIG_QUEUE_BYTES_MAX,
    segment_bytes = RFT_CONFIG_SEGMENT_BYTES,
    snapshot_entries = RFT_CONFIG_SNAPSHOT_ENTRIES,
    snapshot_trailing = RFT_CONFIG_SNAPSHOT_TRAILING,
    snapshot_chunk_bytes = RFT_CONFIG_SNAPSHOT_CHUNK_BYTES,
    seed = RFT_CONFIG_SEED,
    forward_proposals = RFT_CONFIG_FORWARD_PROPOSALS,
    disk_reserve_bytes = RFT_CONFIG_DISK_RESERVE_BYTES,
    force_new_cluster = RFT_CONFIG_FORCE_NEW_CLUSTER,
    lease_reads = RFT_CONFIG_LEASE_READS,
    clock_drift_percent = RFT_CONFIG_CLOCK_DRIFT_PERCENT,
    wait_for_room = RFT_CONFIG_WAIT_FOR_ROOM,
    snapshot_bytes = RFT_CONFIG_SNAPSHOT_BYTES,
    snapshot_send_bytes_per_second = RFT_CONFIG_SNAPSHOT_SEND_BYTES_PER_SECOND,
    trace = RFT_CONFIG_TRACE,
    direct_writes = RFT_CONFIG_DIRECT_WRITES,
};

/// What a node is, see RFT_ROLE_FOLLOWER.
enum class Role : std::int32_t {
    follower = RFT_ROLE_FOLLOWER,
    candidate = RFT_ROLE_CANDIDATE,
    leader = RFT_ROLE_LEADER,
    pre_candidate = RFT_ROLE_PRE_CANDIDATE,
};

/// What an entry is, see RFT_ENTRY_NORMAL.
enum class EntryType : std::int32_t {
    normal = RFT_ENTRY_NORMAL,
    conf_change = RFT_ENTRY_CONF_CHANGE,
};

/// What a step of a membership change does, see RFT_CHANGE_ADD_VOTER.
enum class ChangeType : std::int32_t {
    add_voter = RFT_CHANGE_ADD_VOTER,
    remove = RFT_CHANGE_REMOVE,
    update = RFT_CHANGE_UPDATE,
    add_learner = RFT_CHANGE_ADD_LEARNER,
};

/// How a membership change gets there, see RFT_TRANSITION_AUTO.
enum class Transition : std::int32_t {
    automatic = RFT_TRANSITION_AUTO,
    joint_implicit = RFT_TRANSITION_JOINT_IMPLICIT,
    joint_explicit = RFT_TRANSITION_JOINT_EXPLICIT,
};

/// An engine's change that is made also where it puts the quorum at risk, see RFT_TRANSITION_FORCED.
constexpr Transition forced(Transition transition = Transition::automatic) noexcept {
    return static_cast<Transition>(static_cast<std::int32_t>(transition) | RFT_TRANSITION_FORCED);
}

/// How a leader serves a member, see RFT_PROGRESS_UNKNOWN.
enum class Progress : std::int32_t {
    unknown = RFT_PROGRESS_UNKNOWN,
    probe = RFT_PROGRESS_PROBE,
    replicate = RFT_PROGRESS_REPLICATE,
    snapshot = RFT_PROGRESS_SNAPSHOT,
};

/// What an event tells, see RFT_EVENT_ROLE. Pass over one you do not know.
enum class EventKind : std::int32_t {
    role = RFT_EVENT_ROLE,
    membership = RFT_EVENT_MEMBERSHIP,
    snapshot_saved = RFT_EVENT_SNAPSHOT_SAVED,
    snapshot_restored = RFT_EVENT_SNAPSHOT_RESTORED,
    failed = RFT_EVENT_FAILED,
    recovered = RFT_EVENT_RECOVERED,
    disk_full = RFT_EVENT_DISK_FULL,
    disk_has_room = RFT_EVENT_DISK_HAS_ROOM,
    damaged = RFT_EVENT_DAMAGED,
    refilled = RFT_EVENT_REFILLED,
    paused = RFT_EVENT_PAUSED,
    disk_stalled = RFT_EVENT_DISK_STALLED,
    disk_moves = RFT_EVENT_DISK_MOVES,
};

/// What an engine counts, see RFT_COUNTER_PROPOSALS.
enum class Counter : std::int32_t {
    proposals = RFT_COUNTER_PROPOSALS,
    forwarded = RFT_COUNTER_FORWARDED,
    busy = RFT_COUNTER_BUSY,
    reads = RFT_COUNTER_READS,
    applied = RFT_COUNTER_APPLIED,
    applied_bytes = RFT_COUNTER_APPLIED_BYTES,
    sent = RFT_COUNTER_SENT,
    received = RFT_COUNTER_RECEIVED,
    elected = RFT_COUNTER_ELECTED,
    writes = RFT_COUNTER_WRITES,
    snapshots_saved = RFT_COUNTER_SNAPSHOTS_SAVED,
    snapshots_restored = RFT_COUNTER_SNAPSHOTS_RESTORED,
    pauses = RFT_COUNTER_PAUSES,
};

/// How much a log line matters, see RFT_LOG_ERROR.
enum class LogLevel : std::int32_t {
    error = RFT_LOG_ERROR,
    warn = RFT_LOG_WARN,
    info = RFT_LOG_INFO,
    debug = RFT_LOG_DEBUG,
    trace = RFT_LOG_TRACE,
};

/// The constant of a code as text, "RFT_E_BUSY". Static.
inline const char *name(Code code) noexcept {
    return rft_status_name(static_cast<rft_status_t>(code));
}

/// Whether the same call may succeed later and had no effect now.
inline bool is_retryable(Code code) noexcept {
    return rft_status_is_retryable(static_cast<rft_status_t>(code)) != 0;
}

/// Whether what failed with this code will never work again. Of a snapshot Status::is_fatal knows better.
inline bool is_fatal(Code code) noexcept {
    return rft_status_is_fatal(static_cast<rft_status_t>(code)) != 0;
}

/// The meaning of a code, as one sentence. Static.
inline const char *describe(Code code) noexcept {
    return rft_status_str(static_cast<rft_status_t>(code));
}

} // namespace v0
} // namespace rft

#endif // RFT_CODE_HPP
