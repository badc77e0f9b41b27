/**
 * @file rft.h
 * @brief rft: a Raft library that you link.
 *
 * Nodes that run this library agree on one log of entries, and each applies the log to its state machine. An entry
 * that was acknowledged survives as long as a majority of the disks does. There are two layers; take one:
 *
 * - The **engine** (rft_engine_t) owns a directory, the clock and its threads. You bring a transport and a state
 *   machine as callbacks. Start here.
 * - The **node** (rft_node_t) is the bare state machine of consensus: no thread, no callback, no clock, no file.
 *   You call it from a loop of your own, and may leave the files to rft_store_t.
 *
 * **The engine's loop** is inside; what you write is the callbacks and the calls:
 * @code
 *   rft_host_t host = {0};
 *   host.size = sizeof host;
 *   host.user_data = app;
 *   host.send = app_send;                        // hand messages to the network
 *   host.apply = app_apply;                      // entries, in order, to the state machine
 *   host.snapshot_save = app_save;               // write the state machine down
 *   host.snapshot_restore = app_restore;         // read it back
 *   host.outcome = app_outcome;                  // what became of each request
 *   rft_engine_open(config, dir, dir_len, &host, &engine, NULL);
 *
 *   rft_engine_step(engine, data, len, NULL);    // for every message that arrives from a peer
 *   rft_engine_propose(engine, &proposal, 1, NULL);
 *   rft_engine_read_wait(engine, 1000, NULL, NULL);   // after it, the state machine is as new as this call
 *   rft_engine_stop(engine, 5000, NULL);
 *   rft_engine_free(engine);
 * @endcode
 *
 * **The node's loop** is yours:
 * @code
 *   rft_node_tick(node, NULL);                   // ten times a second, say
 *   rft_node_step(node, data, len, NULL);        // for every message that arrives from a peer
 *   while (rft_node_has_ready(node)) {
 *     rft_ready_t ready;
 *     rft_node_ready(node, &ready, NULL);
 *     send(ready.messages, ready.messages_len);
 *     rft_store_save(store, node, NULL);         // before anything is applied
 *     if (ready.has_snapshot) restore(&ready.snapshot);
 *     apply(ready.committed, ready.committed_len);
 *     rft_node_advance(node, NULL);              // what it releases comes with the next ready
 *   }
 * @endcode
 *
 * **Ownership.** Each pointer's text has one of these words. *Borrowed for the call*: the library reads it during
 * the call and keeps a copy of what it needs. *Borrowed until ...*: it belongs to the library, and is valid to read
 * until then. *Owned by the caller*: you free it with the function named there. *Taken*: it is gone after the call.
 * Memory never changes hands between your allocator and the library's. A call that fails takes nothing, frees
 * nothing, and leaves its out parameters as they were; the one exception is rft_host_t, see its `drop`.
 *
 * **Arguments.** A pointer must be NULL or valid. NULL where it makes no sense is answered with
 * RFT_E_INVALID_ARG, an array may be NULL only when it has no elements, and every rft_x_free(NULL) does nothing.
 * A handle that has been freed, or a pointer to something else, is undefined behaviour: the library finds some such
 * mistakes, and none is promised. Text that goes in is UTF-8 with a length; text that comes out ends with NUL too.
 *
 * **Threads.** A config, an error, a store and a node may be used by one thread at a time and may move between
 * threads; a call that meets another one on the same handle returns RFT_E_BUSY and does nothing. An engine may be
 * used by any number of threads at once. To free a handle while another call is inside of it is undefined
 * behaviour. The library keeps no global state, handles no signals and reads no environment. A process that has
 * opened an engine must not go on using it after fork().
 *
 * **Errors.** A call that can fail returns an rft_status_t and takes, as its last parameter, a place for an error
 * object, which may be NULL. A panic inside the library is a bug of ours: it is contained, the call returns
 * RFT_E_PANIC, and so does every later call on the same handle. The process goes on.
 *
 * **Callbacks.** They must return; they must not throw C++ exceptions or longjmp out. The *_wait calls and
 * rft_engine_stop return RFT_E_REENTRANT there, the others work.
 *
 * **Booleans** are uint8_t, 0 or 1. C99 or later, C++11 or later.
 *
 * Types and constants are there since version 0.1.0, unless their text says otherwise; every function says it.
 *
 * This file is generated; include/ABI.md is the promise that goes with it.
 */

#ifndef RFT_H
#define RFT_H

#include <stddef.h>
#include <stdint.h>

/** How functions are imported: set it before the include where this does not fit. */
#ifndef RFT_API
#if defined(_WIN32) && !defined(RFT_STATIC)
#define RFT_API __declspec(dllimport)
#elif defined(__GNUC__)
#define RFT_API __attribute__((visibility("default")))
#else
#define RFT_API
#endif
#endif

/** The first part of the header's version. */
#define RFT_VERSION_MAJOR 0
/** Its second part: before 1.0 it rises when something breaks. */
#define RFT_VERSION_MINOR 1
/** Its third part. */
#define RFT_VERSION_PATCH 0
/** The header's version to compare: major * 65536 + minor * 256 + patch. */
#define RFT_VERSION_NUMBER (RFT_VERSION_MAJOR * 65536u + RFT_VERSION_MINOR * 256u + RFT_VERSION_PATCH)
/** The header's version as text. */
#define RFT_VERSION_STRING "0.1.0"
/** The binary interface this header describes. */
#define RFT_ABI_VERSION 1u

#ifdef __cplusplus
extern "C" {
#endif

/* ================================================================================================================
 * Status: what a call answers.
 *
 * Every call that can fail returns an `rft_status_t`: 0 is success, every error is negative. A number is never
 * given to another meaning. A newer library may answer numbers that this header does not know: treat those as
 * errors that are neither retryable nor fatal.
 *
 * For a proposal the codes say how certain its fate is. RFT_E_NOT_LEADER, RFT_E_DROPPED, RFT_E_CONF_CHANGE,
 * RFT_E_TOO_LARGE, RFT_E_DISK_FULL, RFT_E_QUORUM_AT_RISK and RFT_E_LEARNER_BEHIND: it certainly was not applied.
 * RFT_E_TIMED_OUT, RFT_E_UNKNOWN and, in an outcome, RFT_E_STOPPED: it may or may not be applied.
 * ================================================================================================================ */

/** The status codes. */
enum {
  /** Success. */
  RFT_OK = 0,
  /** An argument cannot be right: NULL, a zero id, a bad length, an unknown constant. */
  RFT_E_INVALID_ARG = -1,
  /** A setting is out of its range, or settings contradict each other; the message names them. */
  RFT_E_CONFIG = -2,
  /** A queue is full, or another thread is inside a call on the same handle. Later it may work. */
  RFT_E_BUSY = -3,
  /** A panic inside the library was contained. The handle refuses all further work. */
  RFT_E_PANIC = -4,
  /**
   * The bytes are not a message, or the message contradicts what is committed here: it comes from another
   * cluster, or from a node that lost its disk.
   */
  RFT_E_DECODE = -5,
  /** The message is of a kind that may not come from a peer. */
  RFT_E_LOCAL_MESSAGE = -6,
  /**
   * The message answers for a node that is not a member, or comes from a member that has lost its directory: it
   * counts as gone until it is removed and added again.
   */
  RFT_E_UNKNOWN_PEER = -7,
  /** The message is for another node. */
  RFT_E_WRONG_RECEIVER = -8,
  /**
   * This node does not lead; the error or outcome carries the leader's id, 0 if unknown. Not applied, for certain.
   */
  RFT_E_NOT_LEADER = -9,
  /** Not taken, or superseded by another leader's entry. Not applied, for certain. */
  RFT_E_DROPPED = -10,
  /** Another membership change is pending, or this one does not fit. Not applied, for certain. */
  RFT_E_CONF_CHANGE = -11,
  /** More bytes than the limit allows. Not applied, for certain. */
  RFT_E_TOO_LARGE = -12,
  /** The wait ended first. It may or may not be applied. */
  RFT_E_TIMED_OUT = -13,
  /** Leadership was lost in flight. It may or may not be applied. */
  RFT_E_UNKNOWN = -14,
  /**
   * The engine is stopping or has stopped, or is at work in the process that this one was forked off. In an outcome:
   * it may or may not be applied.
   */
  RFT_E_STOPPED = -15,
  /** The entries asked for have been compacted away. */
  RFT_E_COMPACTED = -16,
  /** The entries asked for are not there yet. */
  RFT_E_UNAVAILABLE = -17,
  /** The snapshot is older than what there is. */
  RFT_E_SNAPSHOT_OLD = -18,
  /** There is no snapshot to be had right now. */
  RFT_E_SNAPSHOT_UNAVAILABLE = -19,
  /**
   * The operating system refused; the message names the operation and the file. A failed write or fsync is
   * final for its store or engine.
   */
  RFT_E_IO = -20,
  /** A file holds what cannot have been written; the message names it and the place. */
  RFT_E_CORRUPT = -21,
  /** The directory is open elsewhere, in this process or another. */
  RFT_E_LOCKED = -22,
  /** The directory belongs to another node or cluster. */
  RFT_E_FOREIGN = -23,
  /**
   * A callback of the host failed. The engine has stopped; where that was the outcome of a snapshot, it goes on, and
   * there is none this time.
   */
  RFT_E_HOST = -24,
  /** A broken invariant. The node has stopped, for good. */
  RFT_E_INVARIANT = -25,
  /** This call may not be made from inside a callback. */
  RFT_E_REENTRANT = -26,
  /** Calls came out of order, for instance advance without ready. */
  RFT_E_MISUSE = -27,
  /**
   * The disk has less room than RFT_CONFIG_DISK_RESERVE_BYTES. Not applied, for certain; it works again when there
   * is room, without a restart. From a snapshot: it would have taken what is kept for the log.
   */
  RFT_E_DISK_FULL = -28,
  /**
   * The session is closed or has gone on to a higher number. This try was not applied; an earlier one of its number
   * may have been.
   */
  RFT_E_SESSION = -29,
  /**
   * Of the voters after this membership change, those that the leader has heard of lately would be no quorum; the
   * message names the others. Not applied, for certain. RFT_TRANSITION_FORCED has it made all the same.
   */
  RFT_E_QUORUM_AT_RISK = -30,
  /** The learner that is to become a voter has not caught up yet. Not applied, for certain; later it may work. */
  RFT_E_LEARNER_BEHIND = -31,
  /** The message names another sender than the peer that brought it. */
  RFT_E_WRONG_SENDER = -32,
};

/** A status code: one of the constants above. */
typedef int32_t rft_status_t;

/**
 * The name of a status code.
 *
 * @param status any number
 * @return its constant as text, `"RFT_E_BUSY"`; `"RFT_E_?"` for a number this library does not know. Static:
 * never freed.
 * @par Thread
 * Any.
 * @since 0.1.0
 */
RFT_API const char *rft_status_name(rft_status_t status);

/**
 * The meaning of a status code, as one English sentence.
 *
 * @param status any number
 * @return the sentence. Static: never freed.
 * @par Thread
 * Any.
 * @since 0.1.0
 */
RFT_API const char *rft_status_str(rft_status_t status);

/**
 * Like rft_error_is_retryable, for a status that came without an error object, in an outcome for instance.
 *
 * @param status any number; one that is not known here gives 0
 * @return 1 or 0
 * @par Thread
 * Any.
 * @since 0.1.0
 */
RFT_API uint8_t rft_status_is_retryable(rft_status_t status);

/**
 * Like rft_error_is_fatal, for a status that came without an error object. Of the outcome of a snapshot it does not tell
 * whether the engine goes on; rft_engine_status does.
 *
 * @param status any number; one that is not known here gives 0
 * @return 1 or 0
 * @par Thread
 * Any.
 * @since 0.1.0
 */
RFT_API uint8_t rft_status_is_fatal(rft_status_t status);

/* ================================================================================================================
 * Errors: what a status code alone does not tell.
 *
 * The last parameter of every fallible call is a place for an error object, `rft_error_t **err`. NULL there says
 * that the status is enough. On failure a new object is written to `*err`, owned by the caller, who frees it with
 * rft_error_free; on success `*err` is left as it was. An object belongs to nobody else and depends on no handle
 * and no thread.
 * ================================================================================================================ */

/** An error object, opaque. Owned by whoever received it; one thread at a time. */
typedef struct rft_error rft_error_t;

/**
 * The status that came with the error.
 *
 * @param error borrowed for the call; NULL gives RFT_OK
 * @return the same number as the call returned
 * @par Thread
 * One at a time on the same object.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_error_code(const rft_error_t *error);

/**
 * What went wrong, in a sentence with names and numbers.
 *
 * @param error borrowed for the call; NULL gives an empty text
 * @return UTF-8, ends with NUL; borrowed until rft_error_free
 * @par Thread
 * One at a time on the same object.
 * @since 0.1.0
 */
RFT_API const char *rft_error_message(const rft_error_t *error);

/**
 * Whether the same call may succeed later and had no effect now: RFT_E_BUSY, RFT_E_NOT_LEADER (once the leader
 * is known, ask it), RFT_E_DROPPED, RFT_E_SNAPSHOT_UNAVAILABLE, RFT_E_LOCKED, RFT_E_DISK_FULL, RFT_E_LEARNER_BEHIND.
 *
 * @param error borrowed for the call; NULL gives 0
 * @return 1 or 0
 * @par Thread
 * One at a time on the same object.
 * @since 0.1.0
 */
RFT_API uint8_t rft_error_is_retryable(const rft_error_t *error);

/**
 * Whether the handle of the failed call will never work again: RFT_E_PANIC, RFT_E_STOPPED, RFT_E_IO,
 * RFT_E_CORRUPT, RFT_E_HOST, RFT_E_INVARIANT. What is left is to free it. Not of rft_engine_snapshot_wait where only
 * the snapshot has failed, with any of them, and the engine goes on.
 *
 * @param error borrowed for the call; NULL gives 0
 * @return 1 or 0
 * @par Thread
 * One at a time on the same object.
 * @since 0.1.0
 */
RFT_API uint8_t rft_error_is_fatal(const rft_error_t *error);

/**
 * The leader to ask instead, with RFT_E_NOT_LEADER; who leads instead, with RFT_E_DROPPED of a transfer of leadership.
 *
 * @param error borrowed for the call; NULL gives 0
 * @return the leader's id; 0 when none is known
 * @par Thread
 * One at a time on the same object.
 * @since 0.1.0
 */
RFT_API uint64_t rft_error_leader(const rft_error_t *error);

/**
 * Frees an error object.
 *
 * @param error taken; NULL does nothing
 * @par Thread
 * Any, once.
 * @since 0.1.0
 */
RFT_API void rft_error_free(rft_error_t *error);

/* ================================================================================================================
 * Version: of this header, and of the library that is loaded.
 *
 * The macros below are the header's; the functions answer for the library. rft_check_version, at the end of this
 * file, compares the two: call it once, before anything else.
 * ================================================================================================================ */

/**
 * The library's version as one number that can be compared.
 *
 * @return major * 65536 + minor * 256 + patch, as RFT_VERSION_NUMBER is for the header
 * @par Thread
 * Any.
 * @since 0.1.0
 */
RFT_API uint32_t rft_version_number(void);

/**
 * The library's version as text, `"0.1.0"`.
 *
 * @return ends with NUL. Static: never freed.
 * @par Thread
 * Any.
 * @since 0.1.0
 */
RFT_API const char *rft_version_string(void);

/**
 * The number of the library's binary interface.
 *
 * @return a program works with the library when this equals the RFT_ABI_VERSION it was compiled with
 * @par Thread
 * Any.
 * @since 0.1.0
 */
RFT_API uint32_t rft_abi_version(void);

/* ================================================================================================================
 * Plain data: what crosses the boundary by layout.
 *
 * These structs never change within one RFT_ABI_VERSION. What is called reserved or pad is 0 when the library
 * writes it and ignored when the library reads it. An enumeration crosses as an int32_t: take a number you do not
 * know for one of a newer library.
 * ================================================================================================================ */

/** What an entry is. */
enum {
  /**
   * The host's bytes. An entry without any is the one with which a leader opens its term: there is nothing to
   * apply.
   */
  RFT_ENTRY_NORMAL = 0,
  /** A membership change. `data` is its context, the bytes the host gave with it. */
  RFT_ENTRY_CONF_CHANGE = 1,
};

/** What a step of a membership change does to its member. */
enum {
  /** Makes it a voter, also when it is a learner. */
  RFT_CHANGE_ADD_VOTER = 0,
  /** Removes it. */
  RFT_CHANGE_REMOVE = 1,
  /** Changes nothing: every node's state machine sees the context. */
  RFT_CHANGE_UPDATE = 2,
  /** Makes it a learner, who receives the log and does not vote, also when it is a voter. */
  RFT_CHANGE_ADD_LEARNER = 3,
};

/** How a membership change passes from the old configuration to the new one. */
enum {
  /**
   * One member at once, several through a joint configuration that is left automatically. A change without any
   * step leaves a joint configuration.
   */
  RFT_TRANSITION_AUTO = 0,
  /** Through a joint configuration, left automatically. */
  RFT_TRANSITION_JOINT_IMPLICIT = 1,
  /** Through a joint configuration that stays until a change without any step leaves it. */
  RFT_TRANSITION_JOINT_EXPLICIT = 2,
  /**
   * Engine: added to one of the others. The change is made even where it is refused with RFT_E_QUORUM_AT_RISK or
   * RFT_E_LEARNER_BEHIND without, and may leave a group that cannot commit anything any more.
   */
  RFT_TRANSITION_FORCED = 256,
};

/** What a node is at the moment. */
enum {
  /** Follows a leader, or waits for one. */
  RFT_ROLE_FOLLOWER = 0,
  /** Asks for votes. */
  RFT_ROLE_CANDIDATE = 1,
  /** Leads. */
  RFT_ROLE_LEADER = 2,
  /** Asks whether it would get votes. */
  RFT_ROLE_PRE_CANDIDATE = 3,
};

/** What a member is, as bits of `flags`. */
enum {
  /** It votes. */
  RFT_MEMBER_VOTER = 1,
  /** It receives the log and does not vote. */
  RFT_MEMBER_LEARNER = 2,
  /** It votes in the configuration that is being left. */
  RFT_MEMBER_OUTGOING = 4,
  /** It becomes a learner when the joint configuration is left. */
  RFT_MEMBER_LEARNER_NEXT = 8,
};

/** How a leader serves a member. */
enum {
  /** Not known: this node does not lead. */
  RFT_PROGRESS_UNKNOWN = -1,
  /** Looks for the place where the logs agree. */
  RFT_PROGRESS_PROBE = 0,
  /** Sends entries as they come. */
  RFT_PROGRESS_REPLICATE = 1,
  /** Waits until a snapshot has arrived. */
  RFT_PROGRESS_SNAPSHOT = 2,
};

/** Where `apply` leaves the answer to an entry, opaque: see rft_answer_set. */
typedef struct rft_answer rft_answer_t;

/** Bytes: `data` may be NULL only when `len` is 0. */
typedef struct rft_bytes_t {
  /** The first byte. */
  const uint8_t *data;
  /** How many there are. */
  size_t len;
} rft_bytes_t;

/**
 * A message to a peer. Deliver `data` unchanged to rft_node_step or rft_engine_step of node `to`. Messages may be
 * lost, doubled and reordered; order makes them cheaper.
 */
typedef struct rft_message_t {
  /** The receiver's id. */
  uint64_t to;
  /** The encoded message: etcd's raftpb.Message. */
  const uint8_t *data;
  /** Its bytes. */
  size_t len;
  /** Its kind, etcd's number (7 is MsgSnap): for a transport that wants to sort large ones out. */
  int32_t type;
  /** 0. */
  uint32_t reserved;
} rft_message_t;

/** An entry of the log. */
typedef struct rft_entry_t {
  /** Its place in the log. */
  uint64_t index;
  /** The term of the leader that appended it. */
  uint64_t term;
  /** The number given with the proposal, when it was proposed at this very engine since it was opened; else 0. */
  uint64_t request;
  /** The payload; may be NULL when `len` is 0. */
  const uint8_t *data;
  /** Its bytes. */
  size_t len;
  /** RFT_ENTRY_NORMAL or RFT_ENTRY_CONF_CHANGE. */
  int32_t type;
  /** 0. */
  uint32_t reserved;
  /** For rft_answer_set, until `apply` returns; NULL in an rft_ready_t. */
  rft_answer_t *answer;
} rft_entry_t;

/** One step of a membership change. */
typedef struct rft_change_t {
  /** The member; not 0 and not one of the two largest numbers. */
  uint64_t node_id;
  /** One of the RFT_CHANGE_ constants. */
  int32_t type;
  /** 0. */
  uint32_t reserved;
} rft_change_t;

/** How a node stands. */
typedef struct rft_node_status_t {
  /** Its id. */
  uint64_t id;
  /** Its term. */
  uint64_t term;
  /** Whom it voted for in that term; 0 is nobody. */
  uint64_t vote;
  /** The leader it knows; 0 is none. */
  uint64_t leader;
  /** The last entry known to be committed. */
  uint64_t commit;
  /** The last entry applied. */
  uint64_t applied;
  /** The first entry of the log in memory. */
  uint64_t first_index;
  /** The last entry of the log. */
  uint64_t last_index;
  /** The entry that the newest snapshot stands at; 0 is none. */
  uint64_t snapshot_index;
  /** To whom leadership is being transferred; 0 is nobody. */
  uint64_t transferee;
  /** One of the RFT_ROLE_ constants. */
  int32_t role;
  /** RFT_OK, or why the node has stopped. */
  rft_status_t failure;
  /**
   * The last entry that the disk may have lost although this node had acknowledged it, UINT64_MAX if nobody can
   * tell; 0: nothing is lost. Until its leader has refilled it, the node neither votes nor leads.
   */
  uint64_t lost_index;
  /** 1 if the disk has less room than RFT_CONFIG_DISK_RESERVE_BYTES, which an engine watches; else 0. */
  uint8_t disk_full;
  /** 0. */
  uint8_t pad[7];
  /** Milliseconds that the oldest of an engine's callbacks under way takes already; 0 when none is. */
  uint32_t host_call_ms;
  /** Milliseconds that an engine's write to the log takes already; 0 when none is under way. */
  uint32_t disk_call_ms;
  /** 0. */
  uint64_t reserved[1];
} rft_node_status_t;

/** A member of the cluster, as this node knows it. */
typedef struct rft_member_t {
  /** Its id. */
  uint64_t id;
  /** Any of the RFT_MEMBER_ bits. */
  uint32_t flags;
  /** One of the RFT_PROGRESS_ constants. */
  int32_t progress;
  /** At a leader: the last entry the member is known to have. */
  uint64_t matched;
  /** At a leader: the entry the member gets next. */
  uint64_t next;
  /** At a leader: 1 when it was heard of within the last election timeout. */
  uint8_t recent_active;
  /** 0. */
  uint8_t pad[7];
} rft_member_t;

/* ================================================================================================================
 * Configuration: one object, numbered settings.
 *
 * Make one, set what should differ from the default, give it to rft_store_open, rft_node_create or
 * rft_engine_open, free it: they copy what they need. Only RFT_CONFIG_ID has no default. Every member of a cluster
 * should have the same settings apart from its id and seed.
 * ================================================================================================================ */

/**
 * The settings. Bytes count payload unless told otherwise; ticks are calls of rft_node_tick, or
 * RFT_CONFIG_TICK_INTERVAL_MS of the engine.
 */
enum {
  /** This node's id: not 0 and not one of the two largest numbers. No default. */
  RFT_CONFIG_ID = 1,
  /** The cluster's id, which a directory remembers: any number, default 1. */
  RFT_CONFIG_CLUSTER_ID = 2,
  /** Milliseconds between two ticks of an engine: 1 to 60000, default 100. */
  RFT_CONFIG_TICK_INTERVAL_MS = 3,
  /**
   * Ticks without a leader after which a node campaigns (the actual number is drawn from this to twice this):
   * 2 to 100000, default 10. Must be more than RFT_CONFIG_HEARTBEAT_TICKS.
   */
  RFT_CONFIG_ELECTION_TICKS = 4,
  /** Ticks between two heartbeats of a leader: 1 to 100000, default 1. */
  RFT_CONFIG_HEARTBEAT_TICKS = 5,
  /**
   * Whether a node asks before it campaigns, so that one that was cut off does not disturb the others: 0 or 1,
   * default 1.
   */
  RFT_CONFIG_PRE_VOTE = 6,
  /** Whether a leader that does not hear from a quorum steps down: 0 or 1, default 1. */
  RFT_CONFIG_CHECK_QUORUM = 7,
  /** Bytes of entries in one message, always at least one entry: 1 to 1 GiB, default 1 MiB. */
  RFT_CONFIG_MESSAGE_BYTES_MAX = 8,
  /** Messages with entries on their way to one peer without an answer: 1 to 65536, default 256. */
  RFT_CONFIG_INFLIGHT_MESSAGES_MAX = 9,
  /**
   * Bytes of entries on their way to one peer without an answer: any number, default 16 MiB, 0 unlimited.
   * Not less than RFT_CONFIG_MESSAGE_BYTES_MAX.
   */
  RFT_CONFIG_INFLIGHT_BYTES_MAX = 10,
  /**
   * Bytes of entries that a leader holds uncommitted before it refuses more with RFT_E_DROPPED: any number,
   * default 64 MiB, 0 unlimited. Engine: of what is committed and not applied as much, before a follower passes over
   * what its leader sends, which comes again.
   */
  RFT_CONFIG_UNCOMMITTED_BYTES_MAX = 11,
  /** Bytes of entries handed to the state machine at once, always at least one entry: 1 to 1 GiB, default 1 MiB. */
  RFT_CONFIG_APPLY_BYTES_MAX = 12,
  /** Bytes of one proposal: 1 to 1 GiB, default 8 MiB. More gives RFT_E_TOO_LARGE. */
  RFT_CONFIG_PROPOSAL_BYTES_MAX = 13,
  /**
   * Engine: calls and messages waiting for the driver: 1 to 16777216, default 8192. More gives RFT_E_BUSY, and so do
   * as many requests on their way to the leader, and sixteen times as many entries that wait to be applied, reads
   * that wait for their index, or outcomes to be told.
   */
  RFT_CONFIG_QUEUE_ITEMS_MAX = 14,
  /**
   * Engine: bytes waiting for the driver: 1 to 1 TiB, default 64 MiB. More gives RFT_E_BUSY. Not less than
   * RFT_CONFIG_PROPOSAL_BYTES_MAX.
   */
  RFT_CONFIG_QUEUE_BYTES_MAX = 15,
  /** Bytes of a segment of the write-ahead log: 4096 to 1 TiB, default 64000000. */
  RFT_CONFIG_SEGMENT_BYTES = 16,
  /**
   * Engine: applied entries after which a snapshot is taken: any number, default 10000, 0 only by call or when a
   * peer needs one.
   */
  RFT_CONFIG_SNAPSHOT_ENTRIES = 17,
  /**
   * Entries kept in memory behind a snapshot, so that a slow follower need not fetch the snapshot: any number,
   * default 5000.
   */
  RFT_CONFIG_SNAPSHOT_TRAILING = 18,
  /**
   * Engine: a snapshot longer than this travels in chunks of this many bytes: 1024 to 64 MiB, default 256 KiB.
   * Chunks are smaller where RFT_CONFIG_QUEUE_BYTES_MAX is less than eight times as much.
   */
  RFT_CONFIG_SNAPSHOT_CHUNK_BYTES = 19,
  /**
   * The seed of election timeouts: any number. By default a node takes its id and an engine its id and the clock.
   */
  RFT_CONFIG_SEED = 20,
  /**
   * Whether a follower sends proposals on to its leader: 0 or 1, default 1. An engine sends membership changes on too,
   * and gives the leader's outcome to whoever asked; with 0 it answers both with RFT_E_NOT_LEADER.
   */
  RFT_CONFIG_FORWARD_PROPOSALS = 21,
  /**
   * Bytes of the disk that are kept for the log: any number, default 64 MiB, 0 none. With less left, an engine that
   * leads answers proposals with RFT_E_DISK_FULL, and goes on with all else: reads, membership changes, what another
   * leader sends. A snapshot that would leave less than half of them is not written.
   */
  RFT_CONFIG_DISK_RESERVE_BYTES = 22,
  /**
   * Engine: the last resort when the quorum is lost for good: any number, default 0, which is no. With another one
   * the node goes on as the only voter of a new group of that number, with all the entries that it holds. Start one
   * survivor with it, the one with the longest log, when the other voters are stopped and will never be started again
   * as they are. DANGER: what the others had acknowledged and the survivor does not hold is lost; if they are not dead
   * but only cut off, there are two groups with two truths; what was not committed becomes so. Members of old are
   * refused (the log says so, here and there): each has to begin with an empty directory and be added again. Take a
   * number that was never used in this cluster, a date for instance. Where the node has it already, nothing is done, so
   * a restart with the same one is harmless. RFT_E_CONFIG from rft_engine_open: the node has no membership, or has lost
   * a part of its log.
   */
  RFT_CONFIG_FORCE_NEW_CLUSTER = 23,
  /**
   * Engine: whether a leader answers reads by its lease, without asking the others: 0 or 1, default 0. All members
   * must agree on it, and keep RFT_CONFIG_CHECK_QUORUM. Without a lease, and for a follower's own reads before they
   * reach the leader, nothing changes. A lease trusts that no member's clock runs faster than another's by more than
   * RFT_CONFIG_CLOCK_DRIFT_PERCENT. A process that was stopped and a machine that slept end it; a virtual machine
   * whose clocks stand still while it is paused cannot know, and must not use it. Setting the wall clock is harmless.
   */
  RFT_CONFIG_LEASE_READS = 24,
  /**
   * Engine: how much faster the fastest clock of the cluster may run than the slowest: 0 to 99, default 10. A lease is
   * shorter than an election timeout by as much and by a tick; where nothing is left, reads ask the others.
   */
  RFT_CONFIG_CLOCK_DRIFT_PERCENT = 25,
  /**
   * Engine: whether the calls that wait for an outcome also wait for room in a full queue, instead of returning
   * RFT_E_BUSY at once: 0 or 1, default 0. They wait no longer than their timeout, and then return RFT_E_BUSY: nothing
   * was taken. Calls that do not wait never do.
   */
  RFT_CONFIG_WAIT_FOR_ROOM = 26,
  /**
   * Engine: bytes of applied entries after which a snapshot is taken, whichever comes first: any number, default 0,
   * which is only RFT_CONFIG_SNAPSHOT_ENTRIES.
   */
  RFT_CONFIG_SNAPSHOT_BYTES = 27,
  /**
   * Engine: bytes of snapshots that a leader sends in a second, to all members together: 0 to 1 TiB, default 0, which is
   * as fast as they take them. Anything else must be at least 1024.
   */
  RFT_CONFIG_SNAPSHOT_SEND_BYTES_PER_SECOND = 28,
  /**
   * Engine: whether rft_host_t.log also gets lines of RFT_LOG_TRACE: 0 or 1, default 0. Each is a JSON object, one step of
   * consensus, in the form that etcd's TLA+ specification of Raft reads. Many, and not free.
   */
  RFT_CONFIG_TRACE = 29,
  /**
   * Whether the write-ahead log is written past the system's cache, each write durable when it returns: 0 or 1, default 1.
   * It is less work for the processor and, on most disks, less waiting. The log is the same, and the setting may change
   * from one start to the next. What was committed last is then written with the next entries only: a process that is
   * killed starts from before it, and hears of it again. Where the file system refuses such writes the log goes through
   * the cache, and RFT_EVENT_RECOVERED and the log of an engine say so.
   */
  RFT_CONFIG_DIRECT_WRITES = 30,
};

/**
 * A configuration, opaque. Owned by whoever made it; one thread at a time (RFT_E_BUSY), and it may move between
 * threads.
 */
typedef struct rft_config rft_config_t;

/**
 * Makes a configuration with every setting at its default.
 *
 * @return a new configuration, owned by the caller, who frees it with rft_config_free; NULL only when there is no
 * memory
 * @par Thread
 * Any.
 * @since 0.1.0
 */
RFT_API rft_config_t *rft_config_new(void);

/**
 * Sets one setting.
 *
 * @param config borrowed for the call
 * @param key one of the RFT_CONFIG_ constants
 * @param value in the unit and range told there
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK; RFT_E_INVALID_ARG: NULL, no such key, an id that is none; RFT_E_CONFIG: out of range (the
 * configuration stays as it was); RFT_E_BUSY
 * @par Thread
 * One at a time on the same configuration.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_config_set(rft_config_t *config,
                                    int32_t key,
                                    uint64_t value,
                                    rft_error_t **err);

/**
 * Reads one setting.
 *
 * @param config borrowed for the call
 * @param key one of the RFT_CONFIG_ constants
 * @param value receives the value, or the default where nothing was set; 0 for an id or a seed that was not set
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK; RFT_E_INVALID_ARG: NULL, no such key; RFT_E_BUSY
 * @par Thread
 * One at a time on the same configuration.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_config_get(const rft_config_t *config,
                                    int32_t key,
                                    uint64_t *value,
                                    rft_error_t **err);

/**
 * Adds a first member of a new cluster.
 *
 * Every first member gets the same list, itself included, or rft_config_validate refuses it. A node without a list waits until a leader adds it to a
 * cluster that exists. A directory that is not new keeps the members it knows, whatever the list says.
 *
 * @param config borrowed for the call
 * @param id the member; not 0 and not one of the two largest numbers
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK; RFT_E_INVALID_ARG: NULL, an id that is none, one that was added before; RFT_E_BUSY
 * @par Thread
 * One at a time on the same configuration.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_config_add_voter(rft_config_t *config,
                                          uint64_t id,
                                          rft_error_t **err);

/**
 * Says whether a node could start with this configuration. The calls that take one check it too.
 *
 * @param config borrowed for the call
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK; RFT_E_INVALID_ARG: NULL; RFT_E_CONFIG: RFT_CONFIG_ID is not set, or settings contradict each
 * other, or the voters leave this node out; RFT_E_BUSY
 * @par Thread
 * One at a time on the same configuration.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_config_validate(const rft_config_t *config,
                                         rft_error_t **err);

/**
 * Frees a configuration.
 *
 * @param config taken; NULL does nothing
 * @par Thread
 * Any, once, while no other call uses it.
 * @since 0.1.0
 */
RFT_API void rft_config_free(rft_config_t *config);

/* ================================================================================================================
 * Snapshot streams: how a state machine is written down and read back.
 *
 * The callbacks of rft_host_t get one each, and use it until they return. A snapshot may be of any length, and
 * never lies in memory as a whole.
 * ================================================================================================================ */

/**
 * What rft_host_t.snapshot_restore reads from, opaque. Borrowed until that callback returns; one thread at a time.
 */
typedef struct rft_snapshot_reader rft_snapshot_reader_t;

/**
 * What rft_host_t.snapshot_save and snapshot_view_save write to, opaque. Borrowed until that callback returns; one thread at a time.
 */
typedef struct rft_snapshot_writer rft_snapshot_writer_t;

/**
 * Writes the next bytes of a snapshot.
 *
 * @param writer borrowed for the call
 * @param data the bytes; borrowed for the call
 * @param len how many there are; 0 does nothing
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK; RFT_E_INVALID_ARG; RFT_E_IO, RFT_E_DISK_FULL or RFT_E_STOPPED: there will be no snapshot this time,
 * return from the callback
 * @par Thread
 * That of the callback.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_snapshot_write(rft_snapshot_writer_t *writer,
                                        const uint8_t *data,
                                        size_t len,
                                        rft_error_t **err);

/**
 * Reads the next bytes of a snapshot.
 *
 * @param reader borrowed for the call
 * @param buf receives the bytes
 * @param cap how many there is room for, at least 1
 * @param len receives how many came, as few as 1; 0 is the end
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK; RFT_E_INVALID_ARG; RFT_E_IO or RFT_E_CORRUPT: the engine stops, return from the callback
 * @par Thread
 * That of the callback.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_snapshot_read(rft_snapshot_reader_t *reader,
                                       uint8_t *buf,
                                       size_t cap,
                                       size_t *len,
                                       rft_error_t **err);

/**
 * How many bytes a snapshot has in all.
 *
 * @param reader borrowed for the call; NULL gives 0
 * @return the bytes from the first to the last, whatever was read of them
 * @par Thread
 * That of the callback.
 * @since 0.1.0
 */
RFT_API uint64_t rft_snapshot_len(const rft_snapshot_reader_t *reader);

/* ================================================================================================================
 * The host: what an engine needs of your program.
 *
 * The callbacks of one engine come from four threads of its own, named below. None of them is called while
 * another one of the same thread is at work. Inside of a callback every call on the engine is allowed but those that
 * wait, which return RFT_E_REENTRANT. A callback must return and must not throw: a C++ exception or a longjmp that
 * leaves it is undefined behaviour. What a callback gets is borrowed until it returns.
 * ================================================================================================================ */

/** What an event tells. Pass over a number you do not know. */
enum {
  /** Role, term or known leader changed: `role`, `term`, `leader`. */
  RFT_EVENT_ROLE = 1,
  /** A membership change was applied: `index`. rft_engine_members tells the members. */
  RFT_EVENT_MEMBERSHIP = 2,
  /** A snapshot of the state machine is durable: `index`, `term`, `bytes`. */
  RFT_EVENT_SNAPSHOT_SAVED = 3,
  /** The state machine was replaced by a leader's snapshot: `index`, `term`, `bytes`. */
  RFT_EVENT_SNAPSHOT_RESTORED = 4,
  /** The engine has stopped for good: `status`, `text`. rft_engine_status still works. */
  RFT_EVENT_FAILED = 5,
  /**
   * The engine came up from its directory, with the snapshot at `index`: `text` tells, a sentence a line, what was
   * mended.
   */
  RFT_EVENT_RECOVERED = 6,
  /** The disk has less room than RFT_CONFIG_DISK_RESERVE_BYTES: `bytes` are left. */
  RFT_EVENT_DISK_FULL = 7,
  /** The disk has room again: `bytes` are left. */
  RFT_EVENT_DISK_HAS_ROOM = 8,
  /**
   * The disk has lost what this node had acknowledged, up to `index` at the most (UINT64_MAX if nobody can tell),
   * now or before an earlier start; `text` tells the places found now, a sentence a line. The node neither votes nor
   * leads until RFT_EVENT_REFILLED.
   */
  RFT_EVENT_DAMAGED = 9,
  /** This node holds again all that its disk had lost; its log ends at `index`. */
  RFT_EVENT_REFILLED = 10,
  /**
   * Nothing of the engine ran for `millis`, more than half an election timeout: the process was stopped, the machine
   * slept, or `send` held it up. A lease has ended, and the ticks that were missed are not made up for.
   */
  RFT_EVENT_PAUSED = 11,
  /**
   * The disk has been at one write to the log for `millis`, more than half an election timeout, and more than half
   * a second. An engine that leads hands over, and steps down where nobody takes it within as long again.
   */
  RFT_EVENT_DISK_STALLED = 12,
  /** The disk has finished that write, after `millis`. */
  RFT_EVENT_DISK_MOVES = 13,
};

/** How much a log line matters. */
enum {
  /** The engine cannot go on. */
  RFT_LOG_ERROR = 1,
  /** Something is not as it should be. */
  RFT_LOG_WARN = 2,
  /** Seldom, and good to know. */
  RFT_LOG_INFO = 3,
  /** For those who look for a fault. */
  RFT_LOG_DEBUG = 4,
  /**
   * A step of consensus, where RFT_CONFIG_TRACE asks for it. On the driver thread, the first one on that which opens.
   */
  RFT_LOG_TRACE = 5,
};

/** What became of a request. */
typedef struct rft_outcome_t {
  /** The number the host gave it; 0 for a call that waits. */
  uint64_t request;
  /**
   * RFT_OK: applied, or readable, or saved. Else why not; the code tells whether a proposal certainly was not
   * applied.
   */
  rft_status_t status;
  /** Of a read that is RFT_OK: how old the state may be that it sees, in milliseconds; 0 for a linearizable one. */
  uint32_t age_ms;
  /**
   * With RFT_OK: the entry of a proposal or change, what a read sees at the least, what a snapshot covers. What was
   * forwarded is applied at the leader, and at this node once its status tells this index.
   */
  uint64_t index;
  /** With RFT_OK: the term of that entry; 0 for a read. */
  uint64_t term;
  /** With RFT_E_NOT_LEADER, and where leadership was to be handed over: the leader; 0 is unknown. */
  uint64_t leader;
  /**
   * With RFT_OK: what `apply` said with rft_answer_set. NULL when it said nothing. Of a membership change that was
   * refused: why, as a sentence in UTF-8.
   */
  const uint8_t *answer;
  /** Its bytes. */
  size_t answer_len;
} rft_outcome_t;

/** Something that happened. What its kind does not name is 0. */
typedef struct rft_event_t {
  /** One of the RFT_EVENT_ constants. */
  int32_t kind;
  /** One of the RFT_ROLE_ constants. */
  int32_t role;
  /** A term. */
  uint64_t term;
  /** The leader; 0 is none. */
  uint64_t leader;
  /** An entry. */
  uint64_t index;
  /** The length of a snapshot, or what is left of the disk. */
  uint64_t bytes;
  /** Why the engine stopped. */
  rft_status_t status;
  /** 0. */
  uint32_t reserved0;
  /** UTF-8, ends with NUL; NULL when there is none. */
  const char *text;
  /** Its bytes, without the NUL. */
  size_t text_len;
  /** How long something took, in milliseconds. */
  uint64_t millis;
  /** 0. */
  uint64_t reserved[1];
} rft_event_t;

/**
 * The host's side of an engine. Borrowed for rft_engine_open, which copies it. Set all of it to 0 first: a callback
 * that is NULL is not called.
 *
 * `user_data` belongs to the engine from the call of rft_engine_open on, also when that fails, until `drop`.
 */
typedef struct rft_host_t {
  /** sizeof(rft_host_t): tells the library how much of it this host knows. */
  size_t size;
  /** The first argument of every callback. */
  void *user_data;
  /**
   * Frees user_data: exactly once, after the last callback, also when rft_engine_open fails. On the thread that frees
   * the engine, or on the engine's last one.
   */
  void (*drop)(void *user_data);
  /**
   * Brings messages to their receivers' rft_engine_step. Driver thread: must not block, because heartbeats wait
   * behind it. May lose messages. NULL: all are lost, which a cluster of one node does not notice.
   */
  void (*send)(void *user_data, const rft_message_t *messages, size_t n);
  /**
   * Applies entries to the state machine, in order, each exactly once between two restores. An entry without payload
   * is left out. Applier thread: may take its time. Anything but RFT_OK stops the engine with RFT_E_HOST. Never
   * NULL.
   */
  rft_status_t (*apply)(void *user_data, const rft_entry_t *entries, size_t n);
  /**
   * Writes the state machine, as of the last apply, with rft_snapshot_write. Applier thread: applying waits, nothing
   * else does. Anything but RFT_OK: no snapshot this time. NULL only together with snapshot_restore, and with
   * RFT_CONFIG_SNAPSHOT_ENTRIES and RFT_CONFIG_SNAPSHOT_BYTES 0.
   */
  rft_status_t (*snapshot_save)(void *user_data, rft_snapshot_writer_t *writer);
  /**
   * Replaces the whole state machine with what rft_snapshot_read gives. Applier thread, and during rft_engine_open
   * the thread that opens. Anything but RFT_OK stops the engine with RFT_E_HOST.
   */
  rft_status_t (*snapshot_restore)(void *user_data, rft_snapshot_reader_t *reader);
  /**
   * Tells what became of requests, each exactly once, after the apply that decided it. Applier thread. NULL when
   * only calls that wait are used.
   */
  void (*outcome)(void *user_data, const rft_outcome_t *outcomes, size_t n);
  /** Tells what happened. Applier thread. May be NULL. */
  void (*event)(void *user_data, const rft_event_t *event);
  /**
   * A line for the log: one of the RFT_LOG_ constants, and `len` bytes of UTF-8 that end with NUL, in the form
   * node=1 term=7 msg="a sentence", with backslashes before quotes and the like; of RFT_LOG_TRACE, JSON. Any thread of the engine, also two
   * at once: must not block. May be NULL.
   */
  void (*log)(void *user_data, int32_t level, const char *text, size_t len);
  /**
   * Hands out the state machine as of the last apply, as a copy or as a view that later applies do not touch: `*view`,
   * anything but NULL, which is the engine's until snapshot_view_drop. Applying goes on while it is written. Applier
   * thread: should be quick. RFT_OK with `*view` left NULL has snapshot_save called instead; anything else: no
   * snapshot this time. NULL: snapshot_save is called always. Needs the two that follow, and snapshot_save.
   */
  rft_status_t (*snapshot_view)(void *user_data, void **view);
  /**
   * Writes a view, as snapshot_save would have written the state machine. Saver thread, one at a time: may take its
   * time. When the engine is told to stop, rft_snapshot_write fails, and this should return.
   */
  rft_status_t (*snapshot_view_save)(void *user_data, void *view, rft_snapshot_writer_t *writer);
  /**
   * Frees a view: exactly once, behind its snapshot_view_save. Saver thread; applier thread where that was not called.
   */
  void (*snapshot_view_drop)(void *user_data, void *view);
} rft_host_t;

/* ================================================================================================================
 * Answers: what a state machine says to the one who proposed an entry.
 * ================================================================================================================ */

/**
 * Answers an entry. The one who proposed it gets the bytes with the outcome: at this engine, or at the node that
 * forwarded the proposal to this leader. Every node answers all the same: in a session the answer is kept, so it
 * has to depend on nothing but the state machine and the entry. The last one counts.
 *
 * @param answer rft_entry_t.answer of an entry that `apply` has, before it returns
 * @param data the bytes, which are copied; borrowed for the call
 * @param len how many there are; 0 is an empty answer, as if there was none
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK; RFT_E_INVALID_ARG: NULL; RFT_E_PANIC
 * @par Thread
 * That of `apply`.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_answer_set(rft_answer_t *answer,
                                    const uint8_t *data,
                                    size_t len,
                                    rft_error_t **err);

/* ================================================================================================================
 * The engine: a node with its directory, clock and threads.
 *
 * rft_engine_open creates the directory or recovers from it, and starts to work. Messages from peers go in with
 * rft_engine_step; messages to peers come out of rft_host_t.send. A newcomer is opened without voters, and a leader
 * adds it with rft_engine_change, first as a learner. When the disk fails the engine stops for good, says so by an
 * event and in rft_engine_status, and every other call returns that status.
 *
 * After a fork the engine is at work in the process that opened it, and nowhere else. In the other one every call on it
 * returns RFT_E_STOPPED and rft_engine_free does nothing, `drop` included; what it takes of memory is the price of the
 * fork. A new engine may be opened there, in another directory: the first process holds its own as long as it or the
 * other one lives, so have the child execute another program, or end it, before the directory is opened anew. A fork
 * while another thread is inside of a call on the engine is as safe as POSIX makes it, which is to say: execute another
 * program soon.
 *
 * Any thread may call an engine at any time; no call but those that say so waits for anything.
 * ================================================================================================================ */

/** An engine, opaque. Owned by whoever opened it; any number of threads may use it at once. */
typedef struct rft_engine rft_engine_t;

/**
 * Opens a node in a directory, restores the state machine and starts to work.
 *
 * A directory without a history gets one that starts with the config's voters; without voters the node waits for a
 * leader to add it. During the call the host's snapshot_restore is called on this thread when there is a snapshot.
 * Never start a node from an older copy of its directory: it has forgotten what it acknowledged. The group refuses it,
 * and counts it as gone. Give it an empty one, remove it and add it again.
 *
 * @param config borrowed for the call
 * @param dir the path, UTF-8, created when it is missing; borrowed for the call
 * @param dir_len its bytes
 * @param host borrowed for the call. Its user_data is taken, also when the call fails: `drop` then frees it. Only
 * when `host` is NULL, or its `size` too small, nothing is taken
 * @param out receives the engine, owned by the caller, who frees it with rft_engine_free
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK; RFT_E_INVALID_ARG: NULL, a path that is none, a callback is missing; RFT_E_CONFIG; RFT_E_LOCKED;
 * RFT_E_FOREIGN; RFT_E_CORRUPT; RFT_E_IO; RFT_E_DISK_FULL: no room for the first snapshot of a new directory;
 * RFT_E_HOST: snapshot_restore failed; RFT_E_BUSY: the config is in use
 * @par Thread
 * Any, while no other call uses the config. Blocks for the disk and for snapshot_restore.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_engine_open(const rft_config_t *config,
                                     const char *dir,
                                     size_t dir_len,
                                     const rft_host_t *host,
                                     rft_engine_t **out,
                                     rft_error_t **err);

/**
 * Takes a message from a peer. Any error but those of a failed or stopped engine means only that this message was
 * dropped, which raft survives.
 *
 * @param engine borrowed for the call
 * @param data the bytes of an rft_message_t, which are copied; borrowed for the call
 * @param len how many there are
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK; RFT_E_INVALID_ARG: NULL, or no bytes; RFT_E_DECODE; RFT_E_LOCAL_MESSAGE; RFT_E_UNKNOWN_PEER;
 * RFT_E_WRONG_RECEIVER; RFT_E_BUSY; RFT_E_STOPPED; RFT_E_PANIC; or why the engine failed
 * @par Thread
 * Any. Never blocks.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_engine_step(rft_engine_t *engine,
                                     const uint8_t *data,
                                     size_t len,
                                     rft_error_t **err);

/**
 * Takes several messages from peers, in order, and stops at the first that is refused.
 *
 * For a transport that does not know who is at the other end. One that does (TLS) calls rft_engine_step_from.
 *
 * @param engine borrowed for the call
 * @param messages the bytes of each message, which are copied; borrowed for the call
 * @param n how many there are
 * @param done receives how many were taken, also when the call fails at message number `*done`; NULL: not asked
 * @param err see rft_error_t; may be NULL
 * @return as rft_engine_step
 * @par Thread
 * Any. Never blocks.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_engine_step_many(rft_engine_t *engine,
                                          const rft_bytes_t *messages,
                                          size_t n,
                                          size_t *done,
                                          rft_error_t **err);

/**
 * Takes several messages that one peer has brought, in order, and stops at the first that is refused. A message that
 * names another sender is, unless it is a request that was passed on: whoever was let in as one node cannot speak for
 * the others.
 *
 * @param engine borrowed for the call
 * @param peer who brought them
 * @param messages the bytes of each message, which are copied; borrowed for the call
 * @param n how many there are
 * @param done receives how many were taken, also when the call fails at message number `*done`; NULL: not asked
 * @param err see rft_error_t; may be NULL
 * @return as rft_engine_step, and RFT_E_WRONG_SENDER; RFT_E_INVALID_ARG also for an id that is none
 * @par Thread
 * Any. Never blocks.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_engine_step_from(rft_engine_t *engine,
                                          uint64_t peer,
                                          const rft_bytes_t *messages,
                                          size_t n,
                                          size_t *done,
                                          rft_error_t **err);

/**
 * Tells the engine that a message to a peer could not be delivered. Optional: a leader then sends less until it
 * hears of the peer.
 *
 * @param engine borrowed for the call
 * @param id the peer
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK; RFT_E_INVALID_ARG: NULL, or an id that is none; RFT_E_BUSY; RFT_E_STOPPED; RFT_E_PANIC; or why the
 * engine failed
 * @par Thread
 * Any. Never blocks.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_engine_report_unreachable(rft_engine_t *engine,
                                                   uint64_t id,
                                                   rft_error_t **err);

/**
 * Tells how the node stands, at most a turn of its driver ago. Works after a failure (see `failure`) and after
 * rft_engine_stop.
 *
 * @param engine borrowed for the call
 * @param out receives it
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK; RFT_E_INVALID_ARG; RFT_E_PANIC: a call on this handle panicked
 * @par Thread
 * Any. Never blocks.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_engine_status(const rft_engine_t *engine,
                                       rft_node_status_t *out,
                                       rft_error_t **err);

/**
 * Tells who is a member, by ascending id. Works after a failure and after rft_engine_stop.
 *
 * @param engine borrowed for the call
 * @param out receives the members, as many as there is room for; NULL when `cap` is 0
 * @param cap how many there is room for
 * @param n receives how many there are, also when that is more than `cap`
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK; RFT_E_INVALID_ARG; RFT_E_PANIC: a call on this handle panicked
 * @par Thread
 * Any. Never blocks.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_engine_members(const rft_engine_t *engine,
                                        rft_member_t *out,
                                        size_t cap,
                                        size_t *n,
                                        rft_error_t **err);

/**
 * Stops the engine: answers every pending request with RFT_E_STOPPED and waits until its threads have ended. May be
 * called again, also at the same time.
 *
 * It takes what is under way when it is called, and nothing else: the one callback that each thread is in, and what
 * the disk has been given to write. An apply that waits for its turn is left out and comes again after a restart, a
 * snapshot that is being written ends at its next rft_snapshot_write. Callers that wait for an outcome or for room get
 * theirs at once, without waiting for the callback. From inside of a callback, whichever it is, it does nothing.
 *
 * @param engine borrowed for the call
 * @param timeout_ms how long to wait at the most
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK: no callback comes any more; RFT_E_TIMED_OUT: a callback or the disk is still at work, the engine
 * ends when it returns; RFT_E_INVALID_ARG; RFT_E_REENTRANT: nothing was done
 * @par Thread
 * Any but those of the callbacks. Blocks for timeout_ms at the most.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_engine_stop(rft_engine_t *engine,
                                     uint32_t timeout_ms,
                                     rft_error_t **err);

/**
 * Stops the engine if that is not done, waits until its threads have ended, and frees it. The host's `drop` is
 * called after the last callback; a callback that does not return for 30 seconds is left to itself, and `drop` comes
 * after it.
 *
 * @param engine taken; NULL does nothing; from inside a callback nothing is done but a line in the log
 * @par Thread
 * Any but those of the callbacks, once, while no other call uses it. May block for 30 seconds.
 * @since 0.1.0
 */
RFT_API void rft_engine_free(rft_engine_t *engine);

/* ================================================================================================================
 * Requests: what an engine is asked for.
 *
 * A request that was accepted with a number other than 0 gets exactly one outcome, in bounded time, also when
 * leadership is lost, when the engine fails and when it stops. A request that was refused gets none. The outcome
 * comes through rft_host_t.outcome, or, for the calls that wait, as their result.
 * ================================================================================================================ */

/** One proposal of a batch. */
typedef struct rft_proposal_t {
  /** The payload; may be NULL when `len` is 0. An empty one has an outcome, and no entry comes to `apply`. */
  const uint8_t *data;
  /** Its bytes. */
  size_t len;
  /** A number of your own, for the outcome and for `apply` at this engine; 0 wants no outcome. */
  uint64_t request;
} rft_proposal_t;

/**
 * Proposes entries, all of them or none, in this order, and returns at once.
 *
 * @param engine borrowed for the call
 * @param proposals the payloads, which are copied; borrowed for the call
 * @param n how many there are; 0 does nothing
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK: each request with a number gets its one outcome; RFT_E_INVALID_ARG; RFT_E_BUSY: the queue is full;
 * RFT_E_TOO_LARGE: one exceeds RFT_CONFIG_PROPOSAL_BYTES_MAX, or all together the queue; RFT_E_STOPPED; RFT_E_PANIC;
 * or why the engine failed. Without RFT_OK there is no outcome
 * @par Thread
 * Any. Never blocks.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_engine_propose(rft_engine_t *engine,
                                        const rft_proposal_t *proposals,
                                        size_t n,
                                        rft_error_t **err);

/**
 * Proposes one entry and waits for its outcome. `apply` sees it with request 0.
 *
 * @param engine borrowed for the call
 * @param data the payload, which is copied; borrowed for the call
 * @param len its bytes
 * @param timeout_ms how long to wait at the most
 * @param out receives the outcome, also one that is not RFT_OK, without the answer; untouched when there is none; NULL:
 * not asked
 * @param err see rft_error_t; may be NULL
 * @return the outcome's status. RFT_OK: applied; RFT_E_NOT_LEADER: see rft_error_leader; RFT_E_DROPPED;
 * RFT_E_DISK_FULL; RFT_E_UNKNOWN; RFT_E_TIMED_OUT; RFT_E_INVALID_ARG; RFT_E_BUSY; RFT_E_TOO_LARGE; RFT_E_REENTRANT;
 * RFT_E_STOPPED; RFT_E_PANIC; or why the engine failed
 * @par Thread
 * Any but those of the callbacks. Blocks for timeout_ms at the most.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_engine_propose_wait(rft_engine_t *engine,
                                             const uint8_t *data,
                                             size_t len,
                                             uint32_t timeout_ms,
                                             rft_outcome_t *out,
                                             rft_error_t **err);

/**
 * Proposes one entry and waits for its outcome and for what `apply` answered with rft_answer_set.
 *
 * @param engine borrowed for the call
 * @param data the payload, which is copied; borrowed for the call
 * @param len its bytes
 * @param timeout_ms how long to wait at the most
 * @param answer receives as much of the answer as fits; NULL when answer_max is 0
 * @param answer_max its bytes
 * @param out receives the outcome, also one that is not RFT_OK: its `answer` is the buffer, its `answer_len` the length
 * of the whole answer, which has been cut if that is more than answer_max; untouched when there is none
 * @param err see rft_error_t; may be NULL
 * @return see rft_engine_propose_wait
 * @par Thread
 * Any but those of the callbacks. Blocks for timeout_ms at the most.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_engine_call(rft_engine_t *engine,
                                     const uint8_t *data,
                                     size_t len,
                                     uint32_t timeout_ms,
                                     uint8_t *answer,
                                     size_t answer_max,
                                     rft_outcome_t *out,
                                     rft_error_t **err);

/**
 * Asks for a linearizable read and returns at once. When the outcome comes, the state machine holds all that was
 * acknowledged anywhere before this call; read it then, in the callback or after it.
 *
 * @param engine borrowed for the call
 * @param request a number of your own for the outcome
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK: the request gets its one outcome; RFT_E_INVALID_ARG; RFT_E_BUSY; RFT_E_STOPPED; RFT_E_PANIC; or why
 * the engine failed
 * @par Thread
 * Any. Never blocks.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_engine_read(rft_engine_t *engine,
                                     uint64_t request,
                                     rft_error_t **err);

/**
 * Waits until the state machine may be read, see rft_engine_read.
 *
 * @param engine borrowed for the call
 * @param timeout_ms how long to wait at the most
 * @param out receives the outcome, also one that is not RFT_OK; untouched when there is none; NULL: not asked
 * @param err see rft_error_t; may be NULL
 * @return the outcome's status. RFT_OK: read now; RFT_E_NOT_LEADER: no leader is known, or none answers;
 * RFT_E_TIMED_OUT; RFT_E_INVALID_ARG; RFT_E_BUSY; RFT_E_REENTRANT; RFT_E_STOPPED; RFT_E_PANIC; or why the engine
 * failed
 * @par Thread
 * Any but those of the callbacks. Blocks for timeout_ms at the most.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_engine_read_wait(rft_engine_t *engine,
                                          uint32_t timeout_ms,
                                          rft_outcome_t *out,
                                          rft_error_t **err);

/**
 * Asks for a read that may see a state of at most this age, and returns at once. Where the node knows its state to be
 * that young it answers by itself, at any distance from the leader; else this is rft_engine_read. What a node knows
 * of its age it knows from its linearizable reads: one in a while makes the others local.
 *
 * @param engine borrowed for the call
 * @param age_ms the greatest age; 0 is a linearizable read
 * @param request a number of your own for the outcome; 0 wants none
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK: the request gets its one outcome, with its age_ms; RFT_E_INVALID_ARG; RFT_E_BUSY; RFT_E_STOPPED;
 * RFT_E_PANIC; or why the engine failed
 * @par Thread
 * Any. Never blocks.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_engine_read_within(rft_engine_t *engine,
                                            uint32_t age_ms,
                                            uint64_t request,
                                            rft_error_t **err);

/**
 * Waits until the state machine may be read at this age, see rft_engine_read_within.
 *
 * @param engine borrowed for the call
 * @param age_ms the greatest age; 0 is a linearizable read
 * @param timeout_ms how long to wait at the most
 * @param out receives the outcome, with its age_ms; untouched when there is none; NULL: not asked
 * @param err see rft_error_t; may be NULL
 * @return see rft_engine_read_wait
 * @par Thread
 * Any but those of the callbacks. Blocks for timeout_ms at the most.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_engine_read_within_wait(rft_engine_t *engine,
                                                 uint32_t age_ms,
                                                 uint32_t timeout_ms,
                                                 rft_outcome_t *out,
                                                 rft_error_t **err);

/**
 * Proposes a membership change and returns at once. The outcome comes when it is in force at the leader, and a joint
 * configuration that it leaves by itself has been left; at a follower it may be in force a moment later, once its status
 * tells the index of the outcome as applied.
 *
 * A leader refuses what would lose the quorum: RFT_E_QUORUM_AT_RISK where those of the new voters, in either half of
 * a joint configuration, that it has heard of within the last two election timeouts are no majority, or where a
 * group of one or two voters gets one that is no learner; RFT_E_LEARNER_BEHIND where a learner is to vote that does
 * not hold what was committed two election timeouts ago. The outcome's answer says why, in a sentence, and
 * RFT_TRANSITION_FORCED has it done all the same. The last voter cannot be removed. To promote a learner is to add
 * it as a voter; rft_engine_replace waits until it has caught up.
 *
 * @param engine borrowed for the call
 * @param changes the steps; borrowed for the call; NULL when there are none
 * @param n how many there are; 0 with RFT_TRANSITION_AUTO leaves a joint configuration
 * @param transition one of the RFT_TRANSITION_ constants, with RFT_TRANSITION_FORCED added or not
 * @param context bytes that every node's `apply` gets with the change, an address for instance, and that
 * rft_engine_member_bytes then tells of the member; borrowed for the call
 * @param len how many bytes: at most 65536
 * @param request a number of your own for the outcome; 0 wants none
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK: the request gets its one outcome (RFT_E_CONF_CHANGE: another change is pending, or this one does
 * not fit; RFT_E_QUORUM_AT_RISK; RFT_E_LEARNER_BEHIND); RFT_E_INVALID_ARG: NULL, an id that is none, an unknown
 * constant; RFT_E_TOO_LARGE; RFT_E_BUSY; RFT_E_STOPPED; RFT_E_PANIC; or why the engine failed
 * @par Thread
 * Any. Never blocks.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_engine_change(rft_engine_t *engine,
                                       const rft_change_t *changes,
                                       size_t n,
                                       int32_t transition,
                                       const uint8_t *context,
                                       size_t len,
                                       uint64_t request,
                                       rft_error_t **err);

/**
 * Proposes a membership change and waits until it is in force at the leader, see rft_engine_change.
 *
 * @param engine borrowed for the call
 * @param changes the steps; borrowed for the call; NULL when there are none
 * @param n how many there are; 0 with RFT_TRANSITION_AUTO leaves a joint configuration
 * @param transition one of the RFT_TRANSITION_ constants, with RFT_TRANSITION_FORCED added or not
 * @param context bytes that every node's `apply` gets with the change; borrowed for the call
 * @param len how many bytes
 * @param timeout_ms how long to wait at the most
 * @param out receives the outcome, also one that is not RFT_OK; untouched when there is none; NULL: not asked
 * @param err see rft_error_t; may be NULL
 * @return the outcome's status, see rft_engine_change. RFT_OK: in force; RFT_E_CONF_CHANGE: another change is
 * pending, or this one does not fit; RFT_E_QUORUM_AT_RISK; RFT_E_LEARNER_BEHIND; RFT_E_NOT_LEADER; RFT_E_DROPPED;
 * RFT_E_UNKNOWN; RFT_E_TIMED_OUT; RFT_E_INVALID_ARG; RFT_E_TOO_LARGE; RFT_E_BUSY; RFT_E_REENTRANT; RFT_E_STOPPED;
 * RFT_E_PANIC; or why the engine failed
 * @par Thread
 * Any but those of the callbacks. Blocks for timeout_ms at the most.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_engine_change_wait(rft_engine_t *engine,
                                            const rft_change_t *changes,
                                            size_t n,
                                            int32_t transition,
                                            const uint8_t *context,
                                            size_t len,
                                            uint32_t timeout_ms,
                                            rft_outcome_t *out,
                                            rft_error_t **err);

/**
 * Asks the leader, this node or another, to hand its leadership to a voter.
 *
 * The outcome comes within two election timeouts. RFT_OK: it leads, in the outcome's term; RFT_E_DROPPED: another node
 * does, the outcome's leader; RFT_E_TIMED_OUT: the old leader goes on as far as is known here, and `to` may still take
 * over; RFT_E_NOT_LEADER: no leader is known; RFT_E_INVALID_ARG: `to` is no voter; RFT_E_BUSY: 16 such requests are
 * under way here.
 *
 * @param engine borrowed for the call
 * @param to the member
 * @param request a number of your own for the outcome; 0 wants none
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK: the request gets its one outcome; RFT_E_INVALID_ARG: NULL, or an id that is none; RFT_E_BUSY;
 * RFT_E_STOPPED; RFT_E_PANIC; or why the engine failed
 * @par Thread
 * Any. Never blocks.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_engine_transfer_leader(rft_engine_t *engine,
                                                uint64_t to,
                                                uint64_t request,
                                                rft_error_t **err);

/**
 * Has the leader, this node or another, hand its leadership to a voter, and waits until it has.
 *
 * @param engine borrowed for the call
 * @param to the member
 * @param timeout_ms how long to wait at the most; the outcome comes within two election timeouts
 * @param out receives the outcome, also one that is not RFT_OK; untouched when there is none; NULL: not asked
 * @param err see rft_error_t; may be NULL
 * @return the outcome's status, see rft_engine_transfer_leader; RFT_E_REENTRANT; RFT_E_STOPPED; RFT_E_PANIC; or why the
 * engine failed
 * @par Thread
 * Any but those of the callbacks. Blocks for timeout_ms at the most.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_engine_transfer_leader_wait(rft_engine_t *engine,
                                                     uint64_t to,
                                                     uint32_t timeout_ms,
                                                     rft_outcome_t *out,
                                                     rft_error_t **err);

/**
 * Has a snapshot taken now. The outcome carries its index once it is durable, and the log before it is dropped. With
 * RFT_E_HOST or RFT_E_IO there is none this time and the engine goes on, unless that is what its status says it has
 * stopped of: a failed write or fsync is final also here.
 *
 * @param engine borrowed for the call
 * @param request a number of your own for the outcome; 0 wants none
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK: the request gets its one outcome; RFT_E_INVALID_ARG; RFT_E_BUSY; RFT_E_STOPPED; RFT_E_PANIC; or why
 * the engine failed
 * @par Thread
 * Any. Never blocks.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_engine_snapshot(rft_engine_t *engine,
                                         uint64_t request,
                                         rft_error_t **err);

/**
 * Has a snapshot taken now, and waits until it is durable and the log before it is dropped.
 *
 * @param engine borrowed for the call
 * @param timeout_ms how long to wait at the most
 * @param out receives the outcome, with the last entry that the snapshot covers, also one that is not RFT_OK; untouched
 * when there is none; NULL: not asked
 * @param err see rft_error_t; may be NULL
 * @return the outcome's status. RFT_OK: durable; RFT_E_HOST: snapshot_save failed; RFT_E_DISK_FULL; RFT_E_IO: the
 * system refused; RFT_E_SNAPSHOT_UNAVAILABLE: there is nothing to be saved yet; RFT_E_TIMED_OUT: it may come yet; in
 * all of these the engine goes on; RFT_E_INVALID_ARG; RFT_E_BUSY; RFT_E_REENTRANT; RFT_E_STOPPED; RFT_E_PANIC; or why
 * the engine failed, which rft_error_is_fatal tells apart
 * @par Thread
 * Any but those of the callbacks. Blocks for timeout_ms at the most.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_engine_snapshot_wait(rft_engine_t *engine,
                                              uint32_t timeout_ms,
                                              rft_outcome_t *out,
                                              rft_error_t **err);

/**
 * Campaigns now, instead of waiting for the election timeout.
 *
 * @param engine borrowed for the call
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK, also where the node may not campaign; RFT_E_INVALID_ARG; RFT_E_BUSY; RFT_E_STOPPED; RFT_E_PANIC; or
 * why the engine failed
 * @par Thread
 * Any. Never blocks.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_engine_campaign(rft_engine_t *engine,
                                         rft_error_t **err);

/* ================================================================================================================
 * Members: to replace one in one call, and the bytes of each.
 *
 * The context of a change is the bytes of the one member that it adds or updates, an address for instance: at most 64
 * KiB. They are part of the replicated state. Every node tells them with rft_engine_member_bytes and in
 * rft_engine_status_json once it has applied the change, also after a restart and when it was brought up by a
 * snapshot, until the member is updated or removed. A member that is added or promoted with an empty context keeps the
 * bytes it has. The context of a change that adds or updates several members is for `apply` alone. The first members
 * of a cluster have no bytes until RFT_CHANGE_UPDATE gives them some.
 * ================================================================================================================ */

/**
 * Puts a node in the place of a member, and returns at once. The newcomer becomes a learner with these bytes, catches up,
 * and votes from the moment on in which the old member leaves, by one joint change. Nothing is lost by the end of a
 * leader or of this call: the same call, at this engine or any other, goes on from where the membership stands, and
 * succeeds at once where it is as wished. What is refused for the moment is tried again until the time is up.
 *
 * @param engine borrowed for the call
 * @param old_member who leaves, voter or learner; 0: nobody, the newcomer is added, or promoted where it is a learner
 * @param new_member the newcomer, whose engine has been opened without voters
 * @param bytes the newcomer's bytes, see rft_engine_member_bytes; borrowed for the call; NULL when `len` is 0
 * @param len how many: at most 65536
 * @param timeout_ms by when it has to be in force
 * @param request a number of your own for the outcome; 0 wants none
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK: the request gets its one outcome, at the latest two ticks after its time. RFT_OK there: in force,
 * with term 0 if nothing was left to do. RFT_E_LEARNER_BEHIND, RFT_E_QUORUM_AT_RISK, RFT_E_CONF_CHANGE,
 * RFT_E_NOT_LEADER: the time is up, and this is what the last step was refused with; for all that this request has
 * done the old member is still one, the newcomer may be a learner. RFT_E_TIMED_OUT: the time is up, and a step is
 * under way, or made and perhaps the last. RFT_E_INVALID_ARG: old_member is no member. RFT_E_BUSY: 16 such
 * requests are under way here. RFT_E_STOPPED. Without RFT_OK there is no outcome: RFT_E_INVALID_ARG;
 * RFT_E_TOO_LARGE; RFT_E_BUSY; RFT_E_STOPPED; RFT_E_PANIC; or why the engine failed
 * @par Thread
 * Any. Never blocks.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_engine_replace(rft_engine_t *engine,
                                        uint64_t old_member,
                                        uint64_t new_member,
                                        const uint8_t *bytes,
                                        size_t len,
                                        uint32_t timeout_ms,
                                        uint64_t request,
                                        rft_error_t **err);

/**
 * Puts a node in the place of a member, see rft_engine_replace, and waits until that is in force.
 *
 * @param engine borrowed for the call
 * @param old_member who leaves; 0: nobody
 * @param new_member the newcomer
 * @param bytes the newcomer's bytes; borrowed for the call; NULL when `len` is 0
 * @param len how many: at most 65536
 * @param timeout_ms how long to wait at the most, and two ticks
 * @param out receives the outcome, also one that is not RFT_OK; untouched when there is none; NULL: not asked
 * @param err see rft_error_t; may be NULL
 * @return the outcome's status, see rft_engine_replace; RFT_E_REENTRANT; RFT_E_PANIC; or why the engine failed
 * @par Thread
 * Any but those of the callbacks. Blocks for timeout_ms and two ticks at the most.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_engine_replace_wait(rft_engine_t *engine,
                                             uint64_t old_member,
                                             uint64_t new_member,
                                             const uint8_t *bytes,
                                             size_t len,
                                             uint32_t timeout_ms,
                                             rft_outcome_t *out,
                                             rft_error_t **err);

/**
 * Writes the bytes of a member, as of what this node has applied. Works after a failure and after rft_engine_stop.
 *
 * @param engine borrowed for the call
 * @param id the member
 * @param out receives as many of the bytes as fit; NULL when `max` is 0
 * @param max how many fit; 65536 is always enough
 * @param len receives how many there are, also when that is more than `max`; 0 where it has none or is no member
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK; RFT_E_INVALID_ARG; RFT_E_PANIC
 * @par Thread
 * Any. Never blocks.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_engine_member_bytes(const rft_engine_t *engine,
                                             uint64_t id,
                                             uint8_t *out,
                                             size_t max,
                                             size_t *len,
                                             rft_error_t **err);

/* ================================================================================================================
 * Sessions: a command that is proposed again, because its outcome was not known, is applied once.
 *
 * Open a session, number its commands from 1 on, and propose a command again under its number until the outcome is
 * RFT_OK: at this node or another, as often as it takes. Every try that is RFT_OK has the index, the term and the
 * answer of the one that was applied; an answer of more than 64 KiB comes only once. The cluster keeps the 4096 sessions
 * that were used last, in its log and snapshots.
 * ================================================================================================================ */

/**
 * Opens a session and returns at once. The index in the outcome is its id.
 *
 * @param engine borrowed for the call
 * @param request a number of your own for the outcome, without which there is no id
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK: the request gets its one outcome; RFT_E_INVALID_ARG; RFT_E_BUSY; RFT_E_STOPPED; RFT_E_PANIC; or why
 * the engine failed
 * @par Thread
 * Any. Never blocks.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_engine_session_open(rft_engine_t *engine,
                                             uint64_t request,
                                             rft_error_t **err);

/**
 * Opens a session and waits for it.
 *
 * @param engine borrowed for the call
 * @param timeout_ms how long to wait at the most
 * @param out receives the outcome, whose index is the session's id; untouched when there is none
 * @param err see rft_error_t; may be NULL
 * @return see rft_engine_propose_wait
 * @par Thread
 * Any but those of the callbacks. Blocks for timeout_ms at the most.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_engine_session_open_wait(rft_engine_t *engine,
                                                  uint32_t timeout_ms,
                                                  rft_outcome_t *out,
                                                  rft_error_t **err);

/**
 * Closes a session and returns at once.
 *
 * @param engine borrowed for the call
 * @param session its id
 * @param request a number of your own for the outcome; 0 wants none
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK: the request gets its one outcome (RFT_E_SESSION: there is no such session); RFT_E_INVALID_ARG;
 * RFT_E_BUSY; RFT_E_STOPPED; RFT_E_PANIC; or why the engine failed
 * @par Thread
 * Any. Never blocks.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_engine_session_close(rft_engine_t *engine,
                                              uint64_t session,
                                              uint64_t request,
                                              rft_error_t **err);

/**
 * Proposes a command of a session and returns at once.
 *
 * @param engine borrowed for the call
 * @param session the session's id
 * @param sequence the command's number in it, at least 1: higher than any before, or that of the last command again
 * @param data the payload, which is copied; borrowed for the call
 * @param len its bytes
 * @param request a number of your own, for the outcome and for `apply` at this engine; 0 wants no outcome
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK: the request gets its one outcome (RFT_E_SESSION: the session is closed or has gone on; this try was
 * not applied, an earlier one may have been); RFT_E_INVALID_ARG; RFT_E_TOO_LARGE; RFT_E_BUSY; RFT_E_STOPPED;
 * RFT_E_PANIC; or why the engine failed
 * @par Thread
 * Any. Never blocks.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_engine_propose_once(rft_engine_t *engine,
                                             uint64_t session,
                                             uint64_t sequence,
                                             const uint8_t *data,
                                             size_t len,
                                             uint64_t request,
                                             rft_error_t **err);

/**
 * Proposes a command of a session and waits for its outcome and its answer, see rft_engine_propose_once and
 * rft_engine_call.
 *
 * @param engine borrowed for the call
 * @param session the session's id
 * @param sequence the command's number in it, at least 1
 * @param data the payload, which is copied; borrowed for the call
 * @param len its bytes
 * @param timeout_ms how long to wait at the most
 * @param answer receives as much of the answer as fits; NULL when answer_max is 0
 * @param answer_max its bytes
 * @param out receives the outcome, see rft_engine_call; untouched when there is none
 * @param err see rft_error_t; may be NULL
 * @return see rft_engine_propose_wait; and RFT_E_SESSION: the session is closed or has gone on
 * @par Thread
 * Any but those of the callbacks. Blocks for timeout_ms at the most.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_engine_call_once(rft_engine_t *engine,
                                          uint64_t session,
                                          uint64_t sequence,
                                          const uint8_t *data,
                                          size_t len,
                                          uint32_t timeout_ms,
                                          uint8_t *answer,
                                          size_t answer_max,
                                          rft_outcome_t *out,
                                          rft_error_t **err);

/* ================================================================================================================
 * What an engine counts, times and tells as text. All of it works after a failure and after rft_engine_stop.
 * ================================================================================================================ */

/** What an engine counts since it was opened. */
enum {
  /** Entries that this node appended as a leader for requests, its own and forwarded ones. */
  RFT_COUNTER_PROPOSALS = 0,
  /** Requests that this node sent on to the leader. */
  RFT_COUNTER_FORWARDED = 1,
  /** Requests that were refused because a queue was full. */
  RFT_COUNTER_BUSY = 2,
  /** Reads that were answered. */
  RFT_COUNTER_READS = 3,
  /** Entries that the state machine has applied. */
  RFT_COUNTER_APPLIED = 4,
  /** Their payload, in bytes. */
  RFT_COUNTER_APPLIED_BYTES = 5,
  /** Messages given to rft_host_t.send. */
  RFT_COUNTER_SENT = 6,
  /** Messages from peers that were accepted. */
  RFT_COUNTER_RECEIVED = 7,
  /** Times that this node won an election. */
  RFT_COUNTER_ELECTED = 8,
  /** Writes to the log, each of one batch and with one sync at the most. */
  RFT_COUNTER_WRITES = 9,
  /** Snapshots of the own state machine that became durable. */
  RFT_COUNTER_SNAPSHOTS_SAVED = 10,
  /** Snapshots of a leader that took the place of the state machine. */
  RFT_COUNTER_SNAPSHOTS_RESTORED = 11,
  /** Times that nothing of the engine ran for more than half an election timeout. */
  RFT_COUNTER_PAUSES = 12,
};

/**
 * Tells one of the RFT_COUNTER_ counts.
 *
 * @param engine borrowed for the call
 * @param counter which
 * @param out receives it
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK; RFT_E_INVALID_ARG: NULL, or no such counter; RFT_E_PANIC
 * @par Thread
 * Any. Never blocks.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_engine_counter(const rft_engine_t *engine,
                                        int32_t counter,
                                        uint64_t *out,
                                        rft_error_t **err);

/**
 * Writes counters, times and state in the text format of Prometheus, version 0.0.4, labelled with cluster and node.
 *
 * @param engine borrowed for the call
 * @param out receives as much of the text as fits, without a NUL; NULL when `max` is 0
 * @param max its bytes
 * @param len receives the length of the whole text, also when that is more than `max`; some 9000 bytes
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK; RFT_E_INVALID_ARG; RFT_E_PANIC
 * @par Thread
 * Any. Never blocks.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_engine_metrics(const rft_engine_t *engine,
                                        uint8_t *out,
                                        size_t max,
                                        size_t *len,
                                        rft_error_t **err);

/**
 * Writes the node's state, its members, its queue, its counters and times as one JSON object on one line, in ASCII.
 * Fields may be added by later versions; those that are there keep their names and meanings.
 *
 * @param engine borrowed for the call
 * @param out receives as much of the text as fits, without a NUL; NULL when `max` is 0
 * @param max its bytes
 * @param len receives the length of the whole text, also when that is more than `max`; some 900 bytes and 150 a member
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK; RFT_E_INVALID_ARG; RFT_E_PANIC
 * @par Thread
 * Any. Never blocks.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_engine_status_json(const rft_engine_t *engine,
                                            uint8_t *out,
                                            size_t max,
                                            size_t *len,
                                            rft_error_t **err);

/* ================================================================================================================
 * The node layer: what a node hands out.
 *
 * A node has no thread, callback, clock or file. Between two calls it does nothing. What it wants done it hands
 * out as one rft_ready_t; rft_node_advance says that all of it is done, and gives the node leave to go on.
 * ================================================================================================================ */

/**
 * A node, opaque. Owned by whoever created it; one thread at a time (RFT_E_BUSY), and it may move between threads.
 */
typedef struct rft_node rft_node_t;

/**
 * A directory with a write-ahead log and snapshots, opaque. Owned by whoever opened it; one thread at a time
 * (RFT_E_BUSY), and it may move between threads.
 */
typedef struct rft_store rft_store_t;

/** The state machine at one entry. */
typedef struct rft_snapshot_t {
  /** The last entry it covers; 0 is no snapshot. */
  uint64_t index;
  /** That entry's term. */
  uint64_t term;
  /** The bytes that the host gave to rft_node_snapshot here or on another node; may be NULL when `len` is 0. */
  const uint8_t *data;
  /** How many there are. */
  size_t len;
} rft_snapshot_t;

/** A read that may be answered. */
typedef struct rft_read_t {
  /** The state machine has to have applied this entry first. */
  uint64_t index;
  /** The number given to rft_node_read_index. */
  uint64_t request;
} rft_read_t;

/** What must survive a crash beside the log. */
typedef struct rft_hard_state_t {
  /** The newest term this node has seen. */
  uint64_t term;
  /** Whom it voted for in that term; 0 is nobody. */
  uint64_t vote;
  /** How far the log is known to be committed. */
  uint64_t commit;
} rft_hard_state_t;

/**
 * What a node wants done, in this order: send the messages, save (rft_store_save does it), restore the state
 * machine when has_snapshot, apply the committed entries, answer the reads, rft_node_advance.
 *
 * Every pointer is borrowed until rft_node_advance or rft_node_free.
 */
typedef struct rft_ready_t {
  /** To send. They may leave at once, before anything is saved. */
  const rft_message_t *messages;
  /** How many. */
  size_t messages_len;
  /** To save. They replace what was saved at their indices and behind. */
  const rft_entry_t *entries;
  /** How many. */
  size_t entries_len;
  /** To apply, in order, once all above is saved. */
  const rft_entry_t *committed;
  /** How many. */
  size_t committed_len;
  /** To answer, each as soon as its index is applied. */
  const rft_read_t *reads;
  /** How many. */
  size_t reads_len;
  /** To save when has_hard_state. */
  rft_hard_state_t hard_state;
  /** To save, before the entries, and to replace the whole state machine with, when has_snapshot. */
  rft_snapshot_t snapshot;
  /** Whether hard_state changed. */
  uint8_t has_hard_state;
  /** Whether there is a snapshot. */
  uint8_t has_snapshot;
  /** Whether what is to be saved must be synced to the disk before rft_node_advance. */
  uint8_t must_sync;
  /** 0. */
  uint8_t pad[5];
  /** The leader this node knows; 0 is none. */
  uint64_t leader;
  /** One of the RFT_ROLE_ constants. */
  int32_t role;
  /** 0. */
  uint32_t reserved0;
  /** 0. */
  uint64_t reserved[4];
} rft_ready_t;

/* ================================================================================================================
 * The node: the bare state machine of consensus.
 *
 * Create it, then call it from one loop: rft_node_tick at a steady pace, rft_node_step with what peers send, and as
 * long as rft_node_has_ready take rft_node_ready, do what it says, and answer with rft_node_advance. The file's
 * introduction shows the loop.
 *
 * With a store a node survives its process: rft_store_save between ready and advance, and after a restart
 * rft_store_open, rft_store_snapshot to restore the state machine from, and rft_node_create. The node hands out
 * again what was committed behind that snapshot. Without a store it lives in memory only: never give its id to
 * another node after it is gone.
 *
 * The peers of a node are nodes. A node does not understand the chunks in which an engine sends a long snapshot.
 * ================================================================================================================ */

/**
 * Creates a node.
 *
 * @param config borrowed for the call
 * @param store borrowed for the call: what it holds is where the node starts. Only one node can be created from an
 * open store. NULL: a node in memory, of a new cluster of the config's voters
 * @param out receives the node, owned by the caller, who frees it with rft_node_free
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK; RFT_E_INVALID_ARG: NULL, or the store is of another node; RFT_E_CONFIG; RFT_E_MISUSE: the store
 * has its node already; RFT_E_INVARIANT: the store's state contradicts itself; RFT_E_BUSY
 * @par Thread
 * Any, while no other call uses the config or the store.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_node_create(const rft_config_t *config,
                                     rft_store_t *store,
                                     rft_node_t **out,
                                     rft_error_t **err);

/**
 * Tells the node that one unit of time has passed.
 *
 * @param node borrowed for the call
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK; RFT_E_INVALID_ARG; RFT_E_BUSY; RFT_E_PANIC; RFT_E_INVARIANT: the node has stopped
 * @par Thread
 * One at a time on the same node.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_node_tick(rft_node_t *node, rft_error_t **err);

/**
 * Gives the node a message from a peer. Any error but RFT_E_INVARIANT leaves the node as it was: drop the message
 * and go on.
 *
 * @param node borrowed for the call
 * @param data the bytes of an rft_message_t; borrowed for the call
 * @param len how many there are
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK; RFT_E_INVALID_ARG: NULL, or no bytes; RFT_E_DECODE; RFT_E_LOCAL_MESSAGE; RFT_E_UNKNOWN_PEER;
 * RFT_E_WRONG_RECEIVER; RFT_E_NOT_LEADER and RFT_E_DROPPED:
 * a proposal that was sent on to this node; RFT_E_BUSY; RFT_E_PANIC; RFT_E_INVARIANT
 * @par Thread
 * One at a time on the same node.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_node_step(rft_node_t *node,
                                   const uint8_t *data,
                                   size_t len,
                                   rft_error_t **err);

/**
 * Gives the node several messages from peers, in order, and stops at the first that is refused.
 *
 * @param node borrowed for the call
 * @param messages the bytes of each message; borrowed for the call
 * @param n how many there are
 * @param done receives how many were taken, also when the call fails at message number `*done`; NULL: not asked
 * @param err see rft_error_t; may be NULL
 * @return as rft_node_step
 * @par Thread
 * One at a time on the same node.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_node_step_many(rft_node_t *node,
                                        const rft_bytes_t *messages,
                                        size_t n,
                                        size_t *done,
                                        rft_error_t **err);

/**
 * Proposes entries, all of them or none. At a leader they are in its log when the call returns, which is no
 * promise: they are committed when they come back in `committed`. A follower sends them on to its leader
 * (RFT_CONFIG_FORWARD_PROPOSALS), and nothing is known of their fate.
 *
 * @param node borrowed for the call
 * @param payloads the bytes of each; borrowed for the call
 * @param n how many there are, at least 1
 * @param first_index receives the index of the first entry, 0 when they were sent on; NULL: not asked
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK; RFT_E_INVALID_ARG: NULL, or none; RFT_E_TOO_LARGE: one exceeds RFT_CONFIG_PROPOSAL_BYTES_MAX;
 * RFT_E_NOT_LEADER; RFT_E_DROPPED; RFT_E_BUSY; RFT_E_PANIC; RFT_E_INVARIANT
 * @par Thread
 * One at a time on the same node.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_node_propose(rft_node_t *node,
                                      const rft_bytes_t *payloads,
                                      size_t n,
                                      uint64_t *first_index,
                                      rft_error_t **err);

/**
 * Proposes a membership change. It takes effect on each node when that node's host advances past it. A newcomer has
 * no history at all and starts from a snapshot: give the leader one (rft_node_snapshot) after the change is applied.
 *
 * @param node borrowed for the call
 * @param changes the steps; borrowed for the call; NULL when there are none
 * @param n how many there are; 0 with RFT_TRANSITION_AUTO leaves a joint configuration
 * @param transition one of the RFT_TRANSITION_ constants
 * @param context bytes that every node's state machine gets with the change, an address for instance; borrowed for
 * the call
 * @param len how many bytes
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK; RFT_E_INVALID_ARG: NULL, an id that is none, an unknown constant; RFT_E_CONF_CHANGE: another
 * change is pending, or this one does not fit; RFT_E_TOO_LARGE; RFT_E_NOT_LEADER; RFT_E_DROPPED; RFT_E_BUSY;
 * RFT_E_PANIC; RFT_E_INVARIANT
 * @par Thread
 * One at a time on the same node.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_node_propose_change(rft_node_t *node,
                                             const rft_change_t *changes,
                                             size_t n,
                                             int32_t transition,
                                             const uint8_t *context,
                                             size_t len,
                                             rft_error_t **err);

/**
 * Asks for the index at which a read is linearizable. The answer is one of the `reads` of a later ready; it may be
 * lost with a message or a leader, so keep the time and ask again.
 *
 * @param node borrowed for the call
 * @param request a number of your own, which no other read under way has
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK; RFT_E_INVALID_ARG; RFT_E_BUSY; RFT_E_PANIC; RFT_E_INVARIANT
 * @par Thread
 * One at a time on the same node.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_node_read_index(rft_node_t *node,
                                         uint64_t request,
                                         rft_error_t **err);

/**
 * Campaigns now, instead of waiting for the election timeout.
 *
 * @param node borrowed for the call
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK, also where the node may not campaign; RFT_E_INVALID_ARG; RFT_E_BUSY; RFT_E_PANIC; RFT_E_INVARIANT
 * @par Thread
 * One at a time on the same node.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_node_campaign(rft_node_t *node,
                                       rft_error_t **err);

/**
 * Asks the leader, this node or another, to hand its leadership to a member. Look at `leader` for success.
 *
 * @param node borrowed for the call
 * @param to the member
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK; RFT_E_INVALID_ARG: NULL, or an id that is none; RFT_E_BUSY; RFT_E_PANIC; RFT_E_INVARIANT
 * @par Thread
 * One at a time on the same node.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_node_transfer_leader(rft_node_t *node, uint64_t to, rft_error_t **err);

/**
 * Tells the node that a message to a peer could not be delivered. Optional: a leader then sends less until it
 * hears of the peer.
 *
 * @param node borrowed for the call
 * @param id the peer
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK; RFT_E_INVALID_ARG: NULL, or an id that is none; RFT_E_BUSY; RFT_E_PANIC; RFT_E_INVARIANT
 * @par Thread
 * One at a time on the same node.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_node_report_unreachable(rft_node_t *node,
                                                 uint64_t id,
                                                 rft_error_t **err);

/**
 * Tells the node what became of a MsgSnap, a message of type 7, that it handed out. Required after each: its
 * receiver gets nothing else until then.
 *
 * @param node borrowed for the call
 * @param id the receiver
 * @param ok 1: it was delivered; 0: it was not
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK; RFT_E_INVALID_ARG: NULL, an id that is none, neither 0 nor 1; RFT_E_BUSY; RFT_E_PANIC;
 * RFT_E_INVARIANT
 * @par Thread
 * One at a time on the same node.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_node_report_snapshot(rft_node_t *node,
                                              uint64_t id,
                                              uint8_t ok,
                                              rft_error_t **err);

/**
 * Whether rft_node_ready has something.
 *
 * @param node borrowed for the call; NULL gives 0
 * @return 1 or 0; 0 between rft_node_ready and rft_node_advance, while another thread uses the node, and when the
 * node has stopped
 * @par Thread
 * One at a time on the same node.
 * @since 0.1.0
 */
RFT_API uint8_t rft_node_has_ready(const rft_node_t *node);

/**
 * Takes what the node wants done.
 *
 * @param node borrowed for the call
 * @param out receives it; its pointers are borrowed until rft_node_advance
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK, also when there is nothing to do; RFT_E_INVALID_ARG; RFT_E_MISUSE: the last one is not advanced;
 * RFT_E_BUSY; RFT_E_PANIC; RFT_E_INVARIANT
 * @par Thread
 * One at a time on the same node.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_node_ready(rft_node_t *node,
                                    rft_ready_t *out,
                                    rft_error_t **err);

/**
 * Says that everything in the last ready is saved and applied. Messages that had to wait for it come with the next
 * ready.
 *
 * @param node borrowed for the call
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK; RFT_E_INVALID_ARG; RFT_E_MISUSE: there is no ready, or the node has a store and the ready is not
 * saved in it; RFT_E_BUSY; RFT_E_PANIC; RFT_E_INVARIANT
 * @par Thread
 * One at a time on the same node.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_node_advance(rft_node_t *node,
                                      rft_error_t **err);

/**
 * Gives the node a snapshot of the state machine: for peers that need entries from before it, and, with a store,
 * for the next start. The log before it is dropped, except for RFT_CONFIG_SNAPSHOT_TRAILING entries in memory.
 *
 * @param node borrowed for the call
 * @param store borrowed for the call: the node's store; NULL: kept in memory only
 * @param index the last entry that the state machine had applied; advanced, and newer than the last snapshot
 * @param data the state machine; borrowed for the call
 * @param len how many bytes
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK; RFT_E_INVALID_ARG: NULL, or the store is of another node; RFT_E_SNAPSHOT_OLD: there is a newer
 * one; RFT_E_UNAVAILABLE: `index` is not applied yet; RFT_E_MISUSE: between a ready with a snapshot and its
 * advance; RFT_E_DISK_FULL: no room for it, the last one stays and the node goes on; RFT_E_IO: final for the store;
 * RFT_E_BUSY; RFT_E_PANIC; RFT_E_INVARIANT
 * @par Thread
 * One at a time on the same node and store. Blocks for the disk when there is a store.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_node_snapshot(rft_node_t *node,
                                       rft_store_t *store,
                                       uint64_t index,
                                       const uint8_t *data,
                                       size_t len,
                                       rft_error_t **err);

/**
 * Tells how the node stands.
 *
 * @param node borrowed for the call
 * @param out receives it
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK, also when the node has stopped (see `failure`); RFT_E_INVALID_ARG; RFT_E_BUSY; RFT_E_PANIC
 * @par Thread
 * One at a time on the same node.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_node_status(const rft_node_t *node,
                                     rft_node_status_t *out,
                                     rft_error_t **err);

/**
 * Tells who is a member, by ascending id.
 *
 * @param node borrowed for the call
 * @param out receives the members, as many as there is room for; NULL when `cap` is 0
 * @param cap how many there is room for
 * @param n receives how many there are, also when that is more than `cap`
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK; RFT_E_INVALID_ARG; RFT_E_BUSY; RFT_E_PANIC
 * @par Thread
 * One at a time on the same node.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_node_members(const rft_node_t *node,
                                      rft_member_t *out,
                                      size_t cap,
                                      size_t *n,
                                      rft_error_t **err);

/**
 * Frees a node, and all that was borrowed from it. Its store stays open.
 *
 * @param node taken; NULL does nothing
 * @par Thread
 * Any, once, while no other call uses it.
 * @since 0.1.0
 */
RFT_API void rft_node_free(rft_node_t *node);

/* ================================================================================================================
 * The store: a node's directory.
 *
 * A write-ahead log and snapshots in etcd's formats. The directory remembers its node and its cluster, and one
 * store at a time has it open, in all processes. A torn end of the log is mended at open. Where anything else cannot
 * have been written or read, a node that is not the only voter is refilled by its leader: `lost_index` of its status
 * tells, and until then it neither votes nor leads. For the only voter it is RFT_E_CORRUPT, and nothing is changed.
 *
 * The first write or fsync that fails is final: the store returns the same error ever after. Free node and store
 * then, and open the directory again when the disk is well.
 * ================================================================================================================ */

/**
 * Opens a directory, and creates it when it is missing. A directory without a history gets one that starts with the
 * config's voters; without voters it waits for a snapshot from a leader.
 *
 * @param config borrowed for the call
 * @param dir the path, UTF-8; borrowed for the call
 * @param dir_len its bytes
 * @param out receives the store, owned by the caller, who frees it with rft_store_free
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK; RFT_E_INVALID_ARG: NULL, not UTF-8, or empty; RFT_E_CONFIG; RFT_E_LOCKED; RFT_E_FOREIGN;
 * RFT_E_CORRUPT; RFT_E_IO; RFT_E_DISK_FULL: no room for the first snapshot of a new directory; RFT_E_BUSY
 * @par Thread
 * Any, while no other call uses the config. Blocks for the disk.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_store_open(const rft_config_t *config,
                                    const char *dir,
                                    size_t dir_len,
                                    rft_store_t **out,
                                    rft_error_t **err);

/**
 * Reads the newest snapshot: what to restore the state machine from before the first ready.
 *
 * @param store borrowed for the call
 * @param out receives it; `index` 0: there is none; `len` 0: there is nothing to restore. `data` is borrowed until
 * the next call on the store
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK; RFT_E_INVALID_ARG; RFT_E_CORRUPT; RFT_E_IO; RFT_E_BUSY; RFT_E_PANIC
 * @par Thread
 * One at a time on the same store. Blocks for the disk.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_store_snapshot(rft_store_t *store,
                                        rft_snapshot_t *out,
                                        rft_error_t **err);

/**
 * Writes the node's ready to the disk, and syncs it where that is needed. Call it between rft_node_ready and
 * rft_node_advance; a second time for the same ready it does nothing. What need not be synced, a commit index alone,
 * may be written only with what follows, or by rft_store_free.
 *
 * @param store borrowed for the call: the one the node was created from
 * @param node borrowed for the call
 * @param err see rft_error_t; may be NULL
 * @return RFT_OK: taken, and durable if `must_sync` of the ready is 1; RFT_E_INVALID_ARG: NULL, or the node is of
 * another store; RFT_E_MISUSE: there is no ready; RFT_E_DISK_FULL: no room for the snapshot of the ready, which may be
 * saved again when there is; RFT_E_IO: final; RFT_E_BUSY; RFT_E_PANIC
 * @par Thread
 * One at a time on the same node and store. Blocks for the disk.
 * @since 0.1.0
 */
RFT_API rft_status_t rft_store_save(rft_store_t *store,
                                    rft_node_t *node,
                                    rft_error_t **err);

/**
 * Closes a directory. What was saved stays there.
 *
 * @param store taken; NULL does nothing
 * @par Thread
 * Any, once, while no other call uses it.
 * @since 0.1.0
 */
RFT_API void rft_store_free(rft_store_t *store);

/**
 * Compares this header with the library that is loaded. Call it once, before anything else.
 *
 * @return RFT_OK; RFT_E_CONFIG: the library has another binary interface than this header, or is older
 * @par Thread
 * Any.
 * @since 0.1.0
 */
static inline rft_status_t rft_check_version(void)
{
  if (rft_abi_version() != RFT_ABI_VERSION || rft_version_number() < RFT_VERSION_NUMBER) {
    return RFT_E_CONFIG;
  }
  return RFT_OK;
}

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* RFT_H */
