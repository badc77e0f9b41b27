//! Membership, status and roles, between the core's words and the header's.

use std::collections::BTreeMap;

use bytes::Bytes;
use raft_core::consensus::status::{RoleKind, Status};
use raft_core::consensus::tracker::progress::{Progress, ProgressState};
use raft_core::error::Error;
use raft_core::raftpb::conf_change::{
    ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2, ConfState,
};

use crate::boundary::{Checked, Failure, Out, node_id};
use crate::data::rft_member_flags::*;
use crate::data::{
    rft_change_t, rft_change_type, rft_member_t, rft_node_status_t, rft_progress, rft_role, rft_transition,
};
use crate::status::rft_status;

/// The header's number for a role.
pub(crate) fn role(role: RoleKind) -> i32 {
    let role = match role {
        RoleKind::Follower => rft_role::RFT_ROLE_FOLLOWER,
        RoleKind::Candidate => rft_role::RFT_ROLE_CANDIDATE,
        RoleKind::Leader => rft_role::RFT_ROLE_LEADER,
        RoleKind::PreCandidate => rft_role::RFT_ROLE_PRE_CANDIDATE,
    };
    role as i32
}

/// The header's form of a status.
pub(crate) fn status(status: &Status, snapshot_index: u64, failure: Option<&Error>) -> rft_node_status_t {
    rft_node_status_t {
        id: status.id,
        term: status.hard_state.term,
        vote: status.hard_state.vote,
        leader: status.leader,
        commit: status.hard_state.commit,
        applied: status.applied,
        first_index: status.first_index,
        last_index: status.last_index,
        snapshot_index,
        transferee: status.transferee,
        role: role(status.role),
        failure: failure.map_or(rft_status::RFT_OK, rft_status::from).code(),
        lost_index: status.lost.map_or(0, |lost| lost.last),
        disk_full: 0,
        pad: [0; 7],
        host_call_ms: 0,
        disk_call_ms: 0,
        reserved: [0; 1],
    }
}

/// Every member with its flags, and with its progress where the node leads, by ascending id.
pub(crate) fn members(conf_state: &ConfState, progress: &[(u64, Progress)]) -> Vec<rft_member_t> {
    let mut flags: BTreeMap<u64, u32> = BTreeMap::new();
    for (ids, flag) in [
        (&conf_state.voters, RFT_MEMBER_VOTER),
        (&conf_state.learners, RFT_MEMBER_LEARNER),
        (&conf_state.voters_outgoing, RFT_MEMBER_OUTGOING),
        (&conf_state.learners_next, RFT_MEMBER_LEARNER_NEXT),
    ] {
        for id in ids {
            *flags.entry(*id).or_default() |= flag as u32;
        }
    }
    let of = |id| progress.iter().find(|(member, _)| *member == id).map(|(_, progress)| progress);
    flags.into_iter().map(|(id, flags)| member(id, flags, of(id))).collect()
}

fn member(id: u64, flags: u32, progress: Option<&Progress>) -> rft_member_t {
    let how = match progress.map(|progress| progress.state) {
        None => rft_progress::RFT_PROGRESS_UNKNOWN,
        Some(ProgressState::Probe) => rft_progress::RFT_PROGRESS_PROBE,
        Some(ProgressState::Replicate) => rft_progress::RFT_PROGRESS_REPLICATE,
        Some(ProgressState::Snapshot { .. }) => rft_progress::RFT_PROGRESS_SNAPSHOT,
    };
    rft_member_t {
        id,
        flags,
        progress: how as i32,
        matched: progress.map_or(0, |progress| progress.matched),
        next: progress.map_or(0, |progress| progress.next),
        recent_active: progress.map_or(0, |progress| u8::from(progress.recent_active)),
        pad: [0; 7],
    }
}

/// Fills the host's array as far as it goes, and says how many there are.
///
/// # Safety
/// `out` is NULL or has room for `cap` members, and `n` is NULL or may be written.
pub(crate) unsafe fn write_members(
    members: &[rft_member_t],
    out: *mut rft_member_t,
    cap: usize,
    n: Out<usize>,
) -> Checked<()> {
    if cap > 0 && (out.is_null() || !out.is_aligned()) {
        return Err(Failure::invalid("out is NULL or misaligned"));
    }
    let count = members.len().min(cap);
    if count > 0 {
        // SAFETY: `out` has room for `cap` of them, and the members are the library's own memory.
        unsafe { std::ptr::copy_nonoverlapping(members.as_ptr(), out, count) };
    }
    n.set(members.len());
    Ok(())
}

/// The core's form of a membership change that an engine is asked for, and whether it is to be forced.
pub(crate) fn engine_change(
    steps: &[rft_change_t],
    transition: i32,
    context: Bytes,
) -> Checked<(ConfChangeV2, bool)> {
    let forced = rft_transition::RFT_TRANSITION_FORCED as i32;
    // With a negative number the rest is unknown, and refused.
    Ok((change(steps, transition & !forced, context)?, transition & forced != 0))
}

/// The core's form of a membership change.
pub(crate) fn change(steps: &[rft_change_t], transition: i32, context: Bytes) -> Checked<ConfChangeV2> {
    let transition = match transition {
        _ if transition == rft_transition::RFT_TRANSITION_AUTO as i32 => ConfChangeTransition::Auto,
        _ if transition == rft_transition::RFT_TRANSITION_JOINT_IMPLICIT as i32 => {
            ConfChangeTransition::JointImplicit
        }
        _ if transition == rft_transition::RFT_TRANSITION_JOINT_EXPLICIT as i32 => {
            ConfChangeTransition::JointExplicit
        }
        other => return Err(Failure::invalid(format!("there is no transition {other}"))),
    };
    let changes = steps.iter().map(single).collect::<Checked<Vec<_>>>()?;
    Ok(ConfChangeV2 { transition: transition as i32, changes, context })
}

fn single(step: &rft_change_t) -> Checked<ConfChangeSingle> {
    let kind = match step.r#type {
        kind if kind == rft_change_type::RFT_CHANGE_ADD_VOTER as i32 => ConfChangeType::AddNode,
        kind if kind == rft_change_type::RFT_CHANGE_REMOVE as i32 => ConfChangeType::RemoveNode,
        kind if kind == rft_change_type::RFT_CHANGE_UPDATE as i32 => ConfChangeType::UpdateNode,
        kind if kind == rft_change_type::RFT_CHANGE_ADD_LEARNER as i32 => ConfChangeType::AddLearnerNode,
        other => return Err(Failure::invalid(format!("there is no change {other}"))),
    };
    Ok(ConfChangeSingle::new(kind, node_id(step.node_id, "the member")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_of_two_configurations_has_both_flags() {
        let conf_state = ConfState {
            voters: vec![1, 2],
            learners: vec![4],
            voters_outgoing: vec![2, 3],
            learners_next: vec![3],
            auto_leave: false,
        };
        let members = members(&conf_state, &[]);
        let seen: Vec<(u64, u32, i32)> =
            members.iter().map(|member| (member.id, member.flags, member.progress)).collect();
        assert_eq!(seen, [(1, 1, -1), (2, 5, -1), (3, 12, -1), (4, 2, -1)]);
    }

    #[test]
    fn an_engines_change_may_be_forced() {
        let step = [rft_change_t { node_id: 1, r#type: 1, reserved: 0 }];
        for (transition, forced) in [(0, false), (256, true), (257, true), (258, true)] {
            let (change, is_forced) = engine_change(&step, transition, Bytes::new()).unwrap();
            assert_eq!((change.transition, is_forced), (transition % 256, forced));
        }
        for transition in [259, 512, -1, -256, i32::MIN] {
            assert!(engine_change(&step, transition, Bytes::new()).is_err(), "{transition}");
        }
        assert!(change(&step, 256, Bytes::new()).is_err(), "a node knows nobody to be heard of");
    }

    #[test]
    fn unknown_numbers_and_ids_are_refused() {
        let step = |node_id, kind| rft_change_t { node_id, r#type: kind, reserved: 0 };
        assert!(change(&[step(1, 0)], 0, Bytes::new()).is_ok());
        for (node_id, kind, transition) in
            [(1, 0, 3), (1, 0, -1), (1, 4, 0), (1, -1, 0), (0, 0, 0), (u64::MAX, 0, 0)]
        {
            assert!(change(&[step(node_id, kind)], transition, Bytes::new()).is_err());
        }
    }
}
