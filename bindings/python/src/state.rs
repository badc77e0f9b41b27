//! How a node stands, who is a member, and what has happened.

use std::collections::BTreeMap;

use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::types::PyAny;
use raft_core::consensus::status;
use raft_core::consensus::tracker::progress::{Progress, ProgressState};
use raft_core::engine::event;
use raft_core::engine::node::EngineStatus;
use raft_core::error::Error;
use raft_core::raftpb::conf_change::ConfState;

use crate::data::role_name;
use crate::fault::Fault;

fn exception(py: Python<'_>, error: Option<&Error>) -> Option<Py<PyAny>> {
    error.map(|error| Fault::Core(error.clone()).into_err(py).into_value(py).into_any())
}

/// How a node stands.
#[pyclass(frozen, get_all, module = "rft")]
pub(crate) struct Status {
    /// Its id.
    id: u64,
    /// What it is: "follower", "pre_candidate", "candidate" or "leader".
    role: &'static str,
    /// Its term.
    term: u64,
    /// Whom it voted for in that term; 0 is nobody.
    vote: u64,
    /// The leader it knows; 0 is none.
    leader: u64,
    /// The last entry known to be committed.
    commit: u64,
    /// The last entry applied.
    applied: u64,
    /// The first entry of the log in memory.
    first_index: u64,
    /// The last entry of the log.
    last_index: u64,
    /// The entry that the newest snapshot stands at; 0 is none.
    snapshot_index: u64,
    /// To whom leadership is being transferred; 0 is nobody.
    transferee: u64,
    /// The last entry that the disk may have lost although it was acknowledged; 0: nothing is lost. Until its leader has
    /// refilled it the node neither votes nor leads.
    lost_index: u64,
    /// Whether the disk has less room than `Config.disk_reserve_bytes`, which an engine watches.
    disk_full: bool,
    /// How long the oldest callback under way takes already, in seconds; 0 when none is.
    host_call: f64,
    /// How long the write to the log takes already, in seconds; 0 when none is under way.
    disk_call: f64,
    /// Why the node has stopped, if it was not told to.
    failure: Option<Py<PyAny>>,
}

impl Status {
    pub(crate) fn new(
        py: Python<'_>,
        status: &status::Status,
        snapshot_index: u64,
        failure: Option<&Error>,
    ) -> Self {
        Status {
            id: status.id,
            role: role_name(status.role),
            term: status.hard_state.term,
            vote: status.hard_state.vote,
            leader: status.leader,
            commit: status.hard_state.commit,
            applied: status.applied,
            first_index: status.first_index,
            last_index: status.last_index,
            snapshot_index,
            transferee: status.transferee,
            lost_index: status.lost.map_or(0, |lost| lost.last),
            disk_full: false,
            host_call: 0.0,
            disk_call: 0.0,
            failure: exception(py, failure),
        }
    }

    /// With what an engine knows of its disk.
    pub(crate) fn with_engine(self, engine: &EngineStatus) -> Self {
        Status {
            disk_full: engine.disk_full,
            host_call: engine.in_host.as_secs_f64(),
            disk_call: engine.in_disk.as_secs_f64(),
            ..self
        }
    }
}

#[pymethods]
impl Status {
    fn __repr__(&self) -> String {
        let Status { id, role, term, leader, commit, applied, .. } = self;
        let failed = if self.failure.is_some() { ", failed" } else { "" };
        format!(
            "<Status id={id} role='{role}' term={term} leader={leader} commit={commit} applied={applied}{failed}>"
        )
    }
}

/// A member of the cluster, as this node knows it.
#[pyclass(frozen, eq, get_all, module = "rft")]
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// Its id.
    id: u64,
    /// It votes.
    voter: bool,
    /// It receives the log and does not vote.
    learner: bool,
    /// It votes in the configuration that is being left.
    outgoing: bool,
    /// It becomes a learner when the joint configuration is left.
    learner_next: bool,
    /// At a leader, how it serves the member: "probe", "replicate" or "snapshot". Elsewhere None.
    progress: Option<&'static str>,
    /// At a leader: the last entry the member is known to have.
    matched: u64,
    /// At a leader: the entry the member gets next.
    next: u64,
    /// At a leader: whether it was heard of within the last election timeout.
    recent_active: bool,
    /// At an engine: its bytes, the context of the change that added or updated it.
    context: Vec<u8>,
}

impl Member {
    /// Every member by ascending id, with its progress where the node leads.
    pub(crate) fn all(conf_state: &ConfState, progress: &[(u64, Progress)]) -> Vec<Member> {
        let mut members: BTreeMap<u64, Member> = BTreeMap::new();
        let parts = [
            &conf_state.voters,
            &conf_state.learners,
            &conf_state.voters_outgoing,
            &conf_state.learners_next,
        ];
        for id in parts.into_iter().flatten() {
            let found = progress.iter().find(|(member, _)| member == id).map(|(_, found)| found);
            members.entry(*id).or_insert_with(|| Member::new(*id, conf_state, found));
        }
        members.into_values().collect()
    }

    fn new(id: u64, conf_state: &ConfState, progress: Option<&Progress>) -> Self {
        Member {
            id,
            voter: conf_state.voters.contains(&id),
            learner: conf_state.learners.contains(&id),
            outgoing: conf_state.voters_outgoing.contains(&id),
            learner_next: conf_state.learners_next.contains(&id),
            progress: progress.map(|progress| match progress.state {
                ProgressState::Probe => "probe",
                ProgressState::Replicate => "replicate",
                ProgressState::Snapshot { .. } => "snapshot",
            }),
            matched: progress.map_or(0, |progress| progress.matched),
            next: progress.map_or(0, |progress| progress.next),
            recent_active: progress.is_some_and(|progress| progress.recent_active),
            context: Vec::new(),
        }
    }

    /// With what an engine knows of the members' bytes.
    pub(crate) fn with_contexts(members: Vec<Member>, contexts: &[(u64, Bytes)]) -> Vec<Member> {
        let context = |id| contexts.iter().find(|(member, _)| *member == id).map(|(_, bytes)| bytes.to_vec());
        members.into_iter().map(|of| Member { context: context(of.id).unwrap_or_default(), ..of }).collect()
    }
}

#[pymethods]
impl Member {
    fn __repr__(&self) -> String {
        let is = [
            (self.voter, "voter"),
            (self.learner, "learner"),
            (self.outgoing, "outgoing"),
            (self.learner_next, "learner_next"),
        ];
        let is: Vec<&str> = is.into_iter().filter(|(is, _)| *is).map(|(_, word)| word).collect();
        format!("<Member {} {}>", self.id, is.join(" "))
    }
}

/// Something that happened in an engine. What its kind does not name is 0, empty or None.
#[pyclass(frozen, get_all, module = "rft")]
pub(crate) struct Event {
    /// "role" (role, term or known leader changed), "membership" (a change was applied: `index`, `members`),
    /// "snapshot_saved" and "snapshot_restored" (`index`, `term`, `bytes`), "disk_full" and "disk_has_room" (`bytes` are
    /// left), "paused" (nothing of the engine ran for `time`), "disk_stalled" (the disk has been at one write for `time`)
    /// and "disk_moves" (it has finished that, after `time`), "damaged" (the disk lost what was acknowledged, up to `index` at the most; `notes` tell the places) and
    /// "refilled" (the leader has made that good), "failed" (`error`), or "recovered" (the engine came up from its
    /// directory, with the snapshot at `index`; `notes` tell what was mended).
    kind: &'static str,
    /// What this node is now.
    role: Option<&'static str>,
    /// A term.
    term: u64,
    /// The leader; 0 is none.
    leader: u64,
    /// An entry.
    index: u64,
    /// The length of a snapshot, or what is left of the disk.
    bytes: u64,
    /// How long something took, in seconds.
    time: f64,
    /// Who is a member from there on.
    members: Vec<Member>,
    /// Plain sentences.
    notes: Vec<String>,
    /// Why the engine has stopped.
    error: Option<Py<PyAny>>,
}

impl Event {
    pub(crate) fn new(py: Python<'_>, event: &event::Event) -> Self {
        let none = |kind| Event {
            kind,
            role: None,
            term: 0,
            leader: 0,
            index: 0,
            bytes: 0,
            time: 0.0,
            members: Vec::new(),
            notes: Vec::new(),
            error: None,
        };
        match event {
            event::Event::Role { role, term, leader } => {
                Event { role: Some(role_name(*role)), term: *term, leader: *leader, ..none("role") }
            }
            event::Event::Membership { index, conf_state } => {
                Event { index: *index, members: Member::all(conf_state, &[]), ..none("membership") }
            }
            event::Event::SnapshotSaved { index, term, bytes } => {
                Event { index: *index, term: *term, bytes: *bytes, ..none("snapshot_saved") }
            }
            event::Event::SnapshotRestored { index, term, bytes } => {
                Event { index: *index, term: *term, bytes: *bytes, ..none("snapshot_restored") }
            }
            event::Event::DiskFull { free } => Event { bytes: *free, ..none("disk_full") },
            event::Event::DiskHasRoom { free } => Event { bytes: *free, ..none("disk_has_room") },
            event::Event::Damaged { first_lost: _, last_lost, damages } => {
                Event { index: *last_lost, notes: damages.clone(), ..none("damaged") }
            }
            event::Event::Paused { time } => Event { time: time.as_secs_f64(), ..none("paused") },
            event::Event::DiskStalled { time } => Event { time: time.as_secs_f64(), ..none("disk_stalled") },
            event::Event::DiskMoves { time } => Event { time: time.as_secs_f64(), ..none("disk_moves") },
            event::Event::Refilled { last_index } => Event { index: *last_index, ..none("refilled") },
            event::Event::Failed { error } => Event { error: exception(py, Some(error)), ..none("failed") },
            event::Event::Recovered { index, last_index: _, notes } => {
                Event { index: *index, notes: notes.clone(), ..none("recovered") }
            }
        }
    }
}

#[pymethods]
impl Event {
    fn __repr__(&self) -> String {
        let Event { kind, term, leader, index, .. } = self;
        match self.role {
            Some(role) => format!("<Event {kind}: {role} of term {term}, leader {leader}>"),
            None => format!("<Event {kind}: index {index}>"),
        }
    }
}
