//! Configuration: one object, numbered settings.
//!
//! Make one, set what should differ from the default, give it to rft_store_open, rft_node_create or
//! rft_engine_open, free it: they copy what they need. Only RFT_CONFIG_ID has no default. Every member of a cluster
//! should have the same settings apart from its id and seed.

use raft_core::consensus::config::Config;
use raft_core::error::Error;

use crate::boundary::{self, Checked, Failure, Handle, Noun, Out, call, exclusive, node_id};
use crate::error::rft_error_t;
use crate::status::rft_status_t;

/// A configuration, opaque. Owned by whoever made it; one thread at a time (RFT_E_BUSY), and it may move between
/// threads.
pub struct rft_config_t {
    _private: [u8; 0],
}

/// The settings. Bytes count payload unless told otherwise; ticks are calls of rft_node_tick, or
/// RFT_CONFIG_TICK_INTERVAL_MS of the engine.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum rft_config_key {
    /// This node's id: not 0 and not one of the two largest numbers. No default.
    RFT_CONFIG_ID = 1,
    /// The cluster's id, which a directory remembers: any number, default 1.
    RFT_CONFIG_CLUSTER_ID = 2,
    /// Milliseconds between two ticks of an engine: 1 to 60000, default 100.
    RFT_CONFIG_TICK_INTERVAL_MS = 3,
    /// Ticks without a leader after which a node campaigns (the actual number is drawn from this to twice this):
    /// 2 to 100000, default 10. Must be more than RFT_CONFIG_HEARTBEAT_TICKS.
    RFT_CONFIG_ELECTION_TICKS = 4,
    /// Ticks between two heartbeats of a leader: 1 to 100000, default 1.
    RFT_CONFIG_HEARTBEAT_TICKS = 5,
    /// Whether a node asks before it campaigns, so that one that was cut off does not disturb the others: 0 or 1,
    /// default 1.
    RFT_CONFIG_PRE_VOTE = 6,
    /// Whether a leader that does not hear from a quorum steps down: 0 or 1, default 1.
    RFT_CONFIG_CHECK_QUORUM = 7,
    /// Bytes of entries in one message, always at least one entry: 1 to 1 GiB, default 1 MiB.
    RFT_CONFIG_MESSAGE_BYTES_MAX = 8,
    /// Messages with entries on their way to one peer without an answer: 1 to 65536, default 256.
    RFT_CONFIG_INFLIGHT_MESSAGES_MAX = 9,
    /// Bytes of entries on their way to one peer without an answer: any number, default 16 MiB, 0 unlimited.
    /// Not less than RFT_CONFIG_MESSAGE_BYTES_MAX.
    RFT_CONFIG_INFLIGHT_BYTES_MAX = 10,
    /// Bytes of entries that a leader holds uncommitted before it refuses more with RFT_E_DROPPED: any number,
    /// default 64 MiB, 0 unlimited. Engine: of what is committed and not applied as much, before a follower passes over
    /// what its leader sends, which comes again.
    RFT_CONFIG_UNCOMMITTED_BYTES_MAX = 11,
    /// Bytes of entries handed to the state machine at once, always at least one entry: 1 to 1 GiB, default 1 MiB.
    RFT_CONFIG_APPLY_BYTES_MAX = 12,
    /// Bytes of one proposal: 1 to 1 GiB, default 8 MiB. More gives RFT_E_TOO_LARGE.
    RFT_CONFIG_PROPOSAL_BYTES_MAX = 13,
    /// Engine: calls and messages waiting for the driver: 1 to 16777216, default 8192. More gives RFT_E_BUSY, and so do
    /// as many requests on their way to the leader, and sixteen times as many entries that wait to be applied, reads
    /// that wait for their index, or outcomes to be told.
    RFT_CONFIG_QUEUE_ITEMS_MAX = 14,
    /// Engine: bytes waiting for the driver: 1 to 1 TiB, default 64 MiB. More gives RFT_E_BUSY. Not less than
    /// RFT_CONFIG_PROPOSAL_BYTES_MAX.
    RFT_CONFIG_QUEUE_BYTES_MAX = 15,
    /// Bytes of a segment of the write-ahead log: 4096 to 1 TiB, default 64000000.
    RFT_CONFIG_SEGMENT_BYTES = 16,
    /// Engine: applied entries after which a snapshot is taken: any number, default 10000, 0 only by call or when a
    /// peer needs one.
    RFT_CONFIG_SNAPSHOT_ENTRIES = 17,
    /// Entries kept in memory behind a snapshot, so that a slow follower need not fetch the snapshot: any number,
    /// default 5000.
    RFT_CONFIG_SNAPSHOT_TRAILING = 18,
    /// Engine: a snapshot longer than this travels in chunks of this many bytes: 1024 to 64 MiB, default 256 KiB.
    /// Chunks are smaller where RFT_CONFIG_QUEUE_BYTES_MAX is less than eight times as much.
    RFT_CONFIG_SNAPSHOT_CHUNK_BYTES = 19,
    /// The seed of election timeouts: any number. By default a node takes its id and an engine its id and the clock.
    RFT_CONFIG_SEED = 20,
    /// Whether a follower sends proposals on to its leader: 0 or 1, default 1. An engine sends membership changes on too,
    /// and gives the leader's outcome to whoever asked; with 0 it answers both with RFT_E_NOT_LEADER.
    RFT_CONFIG_FORWARD_PROPOSALS = 21,
    /// Bytes of the disk that are kept for the log: any number, default 64 MiB, 0 none. With less left, an engine that
    /// leads answers proposals with RFT_E_DISK_FULL, and goes on with all else: reads, membership changes, what another
    /// leader sends. A snapshot that would leave less than half of them is not written.
    RFT_CONFIG_DISK_RESERVE_BYTES = 22,
    /// Engine: the last resort when the quorum is lost for good: any number, default 0, which is no. With another one
    /// the node goes on as the only voter of a new group of that number, with all the entries that it holds. Start one
    /// survivor with it, the one with the longest log, when the other voters are stopped and will never be started again
    /// as they are. DANGER: what the others had acknowledged and the survivor does not hold is lost; if they are not dead
    /// but only cut off, there are two groups with two truths; what was not committed becomes so. Members of old are
    /// refused (the log says so, here and there): each has to begin with an empty directory and be added again. Take a
    /// number that was never used in this cluster, a date for instance. Where the node has it already, nothing is done, so
    /// a restart with the same one is harmless. RFT_E_CONFIG from rft_engine_open: the node has no membership, or has lost
    /// a part of its log.
    RFT_CONFIG_FORCE_NEW_CLUSTER = 23,
    /// Engine: whether a leader answers reads by its lease, without asking the others: 0 or 1, default 0. All members
    /// must agree on it, and keep RFT_CONFIG_CHECK_QUORUM. Without a lease, and for a follower's own reads before they
    /// reach the leader, nothing changes. A lease trusts that no member's clock runs faster than another's by more than
    /// RFT_CONFIG_CLOCK_DRIFT_PERCENT. A process that was stopped and a machine that slept end it; a virtual machine
    /// whose clocks stand still while it is paused cannot know, and must not use it. Setting the wall clock is harmless.
    RFT_CONFIG_LEASE_READS = 24,
    /// Engine: how much faster the fastest clock of the cluster may run than the slowest: 0 to 99, default 10. A lease is
    /// shorter than an election timeout by as much and by a tick; where nothing is left, reads ask the others.
    RFT_CONFIG_CLOCK_DRIFT_PERCENT = 25,
    /// Engine: whether the calls that wait for an outcome also wait for room in a full queue, instead of returning
    /// RFT_E_BUSY at once: 0 or 1, default 0. They wait no longer than their timeout, and then return RFT_E_BUSY: nothing
    /// was taken. Calls that do not wait never do.
    RFT_CONFIG_WAIT_FOR_ROOM = 26,
    /// Engine: bytes of applied entries after which a snapshot is taken, whichever comes first: any number, default 0,
    /// which is only RFT_CONFIG_SNAPSHOT_ENTRIES.
    RFT_CONFIG_SNAPSHOT_BYTES = 27,
    /// Engine: bytes of snapshots that a leader sends in a second, to all members together: 0 to 1 TiB, default 0, which is
    /// as fast as they take them. Anything else must be at least 1024.
    RFT_CONFIG_SNAPSHOT_SEND_BYTES_PER_SECOND = 28,
    /// Engine: whether rft_host_t.log also gets lines of RFT_LOG_TRACE: 0 or 1, default 0. Each is a JSON object, one step of
    /// consensus, in the form that etcd's TLA+ specification of Raft reads. Many, and not free.
    RFT_CONFIG_TRACE = 29,
    /// Whether the write-ahead log is written past the system's cache, each write durable when it returns: 0 or 1, default 1.
    /// It is less work for the processor and, on most disks, less waiting. The log is the same, and the setting may change
    /// from one start to the next. What was committed last is then written with the next entries only: a process that is
    /// killed starts from before it, and hears of it again. Where the file system refuses such writes the log goes through
    /// the cache, and RFT_EVENT_RECOVERED and the log of an engine say so.
    RFT_CONFIG_DIRECT_WRITES = 30,
}

use rft_config_key::*;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

/// Every setting with its least, default and greatest value, in the order of its key.
const KEYS: [(rft_config_key, u64, u64, u64); 30] = [
    (RFT_CONFIG_ID, 1, 0, u64::MAX - 2),
    (RFT_CONFIG_CLUSTER_ID, 0, 1, u64::MAX),
    (RFT_CONFIG_TICK_INTERVAL_MS, 1, 100, 60_000),
    (RFT_CONFIG_ELECTION_TICKS, 2, 10, 100_000),
    (RFT_CONFIG_HEARTBEAT_TICKS, 1, 1, 100_000),
    (RFT_CONFIG_PRE_VOTE, 0, 1, 1),
    (RFT_CONFIG_CHECK_QUORUM, 0, 1, 1),
    (RFT_CONFIG_MESSAGE_BYTES_MAX, 1, MIB, GIB),
    (RFT_CONFIG_INFLIGHT_MESSAGES_MAX, 1, 256, 65_536),
    (RFT_CONFIG_INFLIGHT_BYTES_MAX, 0, 16 * MIB, u64::MAX),
    (RFT_CONFIG_UNCOMMITTED_BYTES_MAX, 0, 64 * MIB, u64::MAX),
    (RFT_CONFIG_APPLY_BYTES_MAX, 1, MIB, GIB),
    (RFT_CONFIG_PROPOSAL_BYTES_MAX, 1, 8 * MIB, GIB),
    (RFT_CONFIG_QUEUE_ITEMS_MAX, 1, 8192, 16_777_216),
    (RFT_CONFIG_QUEUE_BYTES_MAX, 1, 64 * MIB, TIB),
    (RFT_CONFIG_SEGMENT_BYTES, 4 * KIB, 64_000_000, TIB),
    (RFT_CONFIG_SNAPSHOT_ENTRIES, 0, 10_000, u64::MAX),
    (RFT_CONFIG_SNAPSHOT_TRAILING, 0, 5000, u64::MAX),
    (RFT_CONFIG_SNAPSHOT_CHUNK_BYTES, KIB, 256 * KIB, 64 * MIB),
    (RFT_CONFIG_SEED, 0, 0, u64::MAX),
    (RFT_CONFIG_FORWARD_PROPOSALS, 0, 1, 1),
    (RFT_CONFIG_DISK_RESERVE_BYTES, 0, 64 * MIB, u64::MAX),
    (RFT_CONFIG_FORCE_NEW_CLUSTER, 0, 0, u64::MAX),
    (RFT_CONFIG_LEASE_READS, 0, 0, 1),
    (RFT_CONFIG_CLOCK_DRIFT_PERCENT, 0, 10, 99),
    (RFT_CONFIG_WAIT_FOR_ROOM, 0, 0, 1),
    (RFT_CONFIG_SNAPSHOT_BYTES, 0, 0, u64::MAX),
    (RFT_CONFIG_SNAPSHOT_SEND_BYTES_PER_SECOND, 0, 0, TIB),
    (RFT_CONFIG_TRACE, 0, 0, 1),
    (RFT_CONFIG_DIRECT_WRITES, 0, 1, 1),
];

/// What an `rft_config_t` points to.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    values: [u64; KEYS.len()],
    /// Set by hand; without, the layer draws its own.
    pub(crate) seed: Option<u64>,
    /// The first members of a new cluster, in the order in which they were added.
    pub(crate) voters: Vec<u64>,
}

impl Noun for Settings {
    type Opaque = rft_config_t;
    const MAGIC: u64 = u64::from_le_bytes(*b"rft conf");
    const NAME: &'static str = "configuration";
}

impl Default for Settings {
    fn default() -> Self {
        Settings { values: KEYS.map(|(_, _, default, _)| default), seed: None, voters: Vec::new() }
    }
}

impl Settings {
    pub(crate) fn get(&self, key: rft_config_key) -> u64 {
        // KEYS is in the order of the keys, which start at 1; a test holds it to that.
        self.values.get(key as usize - 1).copied().unwrap_or_default()
    }

    fn find(key: i32) -> Checked<usize> {
        usize::try_from(key)
            .ok()
            .and_then(|key| key.checked_sub(1))
            .filter(|at| *at < KEYS.len())
            .ok_or_else(|| Failure::invalid(format!("there is no setting {key}")))
    }

    pub(crate) fn set(&mut self, key: i32, value: u64) -> Checked<()> {
        let at = Settings::find(key)?;
        let (key, least, _, greatest) = KEYS[at];
        if key == RFT_CONFIG_ID {
            node_id(value, "RFT_CONFIG_ID")?;
        }
        if value < least || value > greatest {
            return Err(Error::Config(format!("{key:?} is {value}, not in {least} to {greatest}")).into());
        }
        if key == RFT_CONFIG_SEED {
            self.seed = Some(value);
        }
        self.values[at] = value;
        Ok(())
    }

    fn add_voter(&mut self, id: u64) -> Checked<()> {
        node_id(id, "the voter")?;
        if self.voters.contains(&id) {
            return Err(Failure::invalid(format!("voter {id} is there twice")));
        }
        self.voters.push(id);
        Ok(())
    }

    /// The settings of the core.
    pub(crate) fn consensus(&self) -> Config {
        let mut config = Config::new(self.get(RFT_CONFIG_ID));
        config.election_ticks = self.get(RFT_CONFIG_ELECTION_TICKS);
        config.heartbeat_ticks = self.get(RFT_CONFIG_HEARTBEAT_TICKS);
        config.pre_vote = self.get(RFT_CONFIG_PRE_VOTE) != 0;
        config.check_quorum = self.get(RFT_CONFIG_CHECK_QUORUM) != 0;
        config.message_bytes_max = self.get(RFT_CONFIG_MESSAGE_BYTES_MAX);
        config.inflight_messages_max = self.size(RFT_CONFIG_INFLIGHT_MESSAGES_MAX);
        config.inflight_bytes_max = self.get(RFT_CONFIG_INFLIGHT_BYTES_MAX);
        config.uncommitted_bytes_max = self.get(RFT_CONFIG_UNCOMMITTED_BYTES_MAX);
        config.apply_bytes_max = self.get(RFT_CONFIG_APPLY_BYTES_MAX);
        config.forward_proposals = self.get(RFT_CONFIG_FORWARD_PROPOSALS) != 0;
        config.seed = self.seed.unwrap_or(config.seed);
        config
    }

    /// A setting that counts what is in memory.
    pub(crate) fn size(&self, key: rft_config_key) -> usize {
        usize::try_from(self.get(key)).unwrap_or(usize::MAX)
    }

    /// Checks what one setting alone does not tell.
    pub(crate) fn validate(&self) -> Checked<()> {
        let refuse = |text: String| Err(Error::Config(text).into());
        if self.get(RFT_CONFIG_ID) == 0 {
            return refuse("RFT_CONFIG_ID is not set".to_owned());
        }
        for (less, more, strict, zero_is_unlimited) in [
            (RFT_CONFIG_HEARTBEAT_TICKS, RFT_CONFIG_ELECTION_TICKS, true, false),
            (RFT_CONFIG_MESSAGE_BYTES_MAX, RFT_CONFIG_INFLIGHT_BYTES_MAX, false, true),
            (RFT_CONFIG_PROPOSAL_BYTES_MAX, RFT_CONFIG_QUEUE_BYTES_MAX, false, false),
        ] {
            let (low, high) = (self.get(less), self.get(more));
            let fits = if strict { low < high } else { low <= high };
            let unlimited = zero_is_unlimited && high == 0;
            if !fits && !unlimited {
                let bound = if strict { "be less than" } else { "not be more than" };
                return refuse(format!("{less:?} ({low}) must {bound} {more:?} ({high})"));
            }
        }
        if self.get(RFT_CONFIG_LEASE_READS) != 0 && self.get(RFT_CONFIG_CHECK_QUORUM) == 0 {
            return refuse("RFT_CONFIG_LEASE_READS needs RFT_CONFIG_CHECK_QUORUM".to_owned());
        }
        let rate = self.get(RFT_CONFIG_SNAPSHOT_SEND_BYTES_PER_SECOND);
        if (1..KIB).contains(&rate) {
            return refuse(format!(
                "RFT_CONFIG_SNAPSHOT_SEND_BYTES_PER_SECOND ({rate}) must be 0 or at least {KIB}"
            ));
        }
        let id = self.get(RFT_CONFIG_ID);
        if !self.voters.is_empty() && !self.voters.contains(&id) {
            return refuse(format!(
                "the voters must name this node, {id}, or nobody if it waits to be added"
            ));
        }
        Ok(())
    }
}

/// Makes a configuration with every setting at its default.
///
/// @return a new configuration, owned by the caller, who frees it with rft_config_free; NULL only when there is no
/// memory
/// @par Thread
/// Any.
#[unsafe(no_mangle)]
pub extern "C" fn rft_config_new() -> *mut rft_config_t {
    boundary::or_default(|| Handle::into_raw(Settings::default()), std::ptr::null_mut())
}

/// Sets one setting.
///
/// @param config borrowed for the call
/// @param key one of the RFT_CONFIG_ constants
/// @param value in the unit and range told there
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK; RFT_E_INVALID_ARG: NULL, no such key, an id that is none; RFT_E_CONFIG: out of range (the
/// configuration stays as it was); RFT_E_BUSY
/// @par Thread
/// One at a time on the same configuration.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_config_set(
    config: *mut rft_config_t,
    key: i32,
    value: u64,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe { call(err, || exclusive::<Settings>(config)?.set(key, value)) }
}

/// Reads one setting.
///
/// @param config borrowed for the call
/// @param key one of the RFT_CONFIG_ constants
/// @param value receives the value, or the default where nothing was set; 0 for an id or a seed that was not set
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK; RFT_E_INVALID_ARG: NULL, no such key; RFT_E_BUSY
/// @par Thread
/// One at a time on the same configuration.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_config_get(
    config: *const rft_config_t,
    key: i32,
    value: *mut u64,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            let value = Out::required(value, "value")?;
            let config = exclusive::<Settings>(config)?;
            value.set(config.values[Settings::find(key)?]);
            Ok(())
        })
    }
}

/// Adds a first member of a new cluster.
///
/// Every first member gets the same list, itself included, or rft_config_validate refuses it. A node without a list waits until a leader adds it to a
/// cluster that exists. A directory that is not new keeps the members it knows, whatever the list says.
///
/// @param config borrowed for the call
/// @param id the member; not 0 and not one of the two largest numbers
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK; RFT_E_INVALID_ARG: NULL, an id that is none, one that was added before; RFT_E_BUSY
/// @par Thread
/// One at a time on the same configuration.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_config_add_voter(
    config: *mut rft_config_t,
    id: u64,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe { call(err, || exclusive::<Settings>(config)?.add_voter(id)) }
}

/// Says whether a node could start with this configuration. The calls that take one check it too.
///
/// @param config borrowed for the call
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK; RFT_E_INVALID_ARG: NULL; RFT_E_CONFIG: RFT_CONFIG_ID is not set, or settings contradict each
/// other, or the voters leave this node out; RFT_E_BUSY
/// @par Thread
/// One at a time on the same configuration.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_config_validate(
    config: *const rft_config_t,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe { call(err, || exclusive::<Settings>(config)?.validate()) }
}

/// Frees a configuration.
///
/// @param config taken; NULL does nothing
/// @par Thread
/// Any, once, while no other call uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_config_free(config: *mut rft_config_t) {
    // SAFETY: the header demands it.
    unsafe { boundary::free::<Settings>(config) };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        let mut settings = Settings::default();
        settings.set(RFT_CONFIG_ID as i32, 7).unwrap();
        settings
    }

    #[test]
    fn keys_stand_in_the_order_of_their_numbers_and_defaults_lie_in_range() {
        for (at, (key, least, default, greatest)) in KEYS.into_iter().enumerate() {
            assert_eq!(key as usize, at + 1);
            assert!(key == RFT_CONFIG_ID || (least <= default && default <= greatest), "{key:?}");
            assert_eq!(Settings::default().get(key), default);
        }
        assert!(settings().validate().is_ok());
    }

    #[test]
    fn a_value_out_of_range_is_refused_by_name_and_changes_nothing() {
        let mut settings = settings();
        for (key, value) in [(RFT_CONFIG_TICK_INTERVAL_MS, 0), (RFT_CONFIG_PRE_VOTE, 2)] {
            let before = settings.get(key);
            let Err(Failure::Core(Error::Config(text))) = settings.set(key as i32, value) else {
                panic!("{key:?} took {value}")
            };
            assert!(text.contains(&format!("{key:?}")), "{text}");
            assert_eq!(settings.get(key), before);
        }
        let behind = KEYS.len() as i32 + 1;
        for (key, value) in
            [(0, 1), (-1, 1), (behind, 1), (i32::MIN, 1), (1, 0), (1, u64::MAX), (1, u64::MAX - 1)]
        {
            assert!(matches!(settings.set(key, value), Err(Failure::InvalidArg(_))), "{key} {value}");
        }
    }

    #[test]
    fn contradictions_are_found() {
        let mut missing = Settings::default();
        assert!(missing.validate().is_err());
        missing.set(RFT_CONFIG_ID as i32, 1).unwrap();
        assert!(missing.validate().is_ok());
        for (key, value) in [
            (RFT_CONFIG_HEARTBEAT_TICKS, 10),
            (RFT_CONFIG_INFLIGHT_BYTES_MAX, 5),
            (RFT_CONFIG_QUEUE_BYTES_MAX, 1),
            (RFT_CONFIG_SNAPSHOT_SEND_BYTES_PER_SECOND, 1023),
        ] {
            let mut settings = settings();
            settings.set(key as i32, value).unwrap();
            assert!(settings.validate().is_err(), "{key:?} {value}");
        }
        let mut leased = settings();
        leased.set(RFT_CONFIG_LEASE_READS as i32, 1).unwrap();
        assert!(leased.validate().is_ok());
        leased.set(RFT_CONFIG_CHECK_QUORUM as i32, 0).unwrap();
        assert!(leased.validate().is_err());
        let mut stranger = settings();
        stranger.add_voter(8).unwrap();
        assert!(stranger.validate().is_err());
        stranger.add_voter(7).unwrap();
        assert!(stranger.validate().is_ok());
        let mut unlimited = settings();
        unlimited.set(RFT_CONFIG_INFLIGHT_BYTES_MAX as i32, 0).unwrap();
        assert!(unlimited.validate().is_ok());
    }

    #[test]
    fn voters_are_nodes_and_different() {
        let mut settings = settings();
        settings.add_voter(1).unwrap();
        settings.add_voter(2).unwrap();
        for id in [0, 1, u64::MAX, u64::MAX - 1] {
            assert!(settings.add_voter(id).is_err());
        }
        assert_eq!(settings.voters, [1, 2]);
    }
}
