//! Membership changes: read, written again, and done one after the other.

use bytes::Bytes;
use prost::Message as _;
use raft_core::consensus::confchange::restore::{conf_state_after, restore};
use raft_core::consensus::quorum::joint::JointConfig;
use raft_core::consensus::quorum::vote_result::VoteResult;
use raft_core::error::Error;
use raft_core::raftpb::conf_change::{ConfChange, ConfChangeV2, ConfState};

use super::source::Source;

/// More voters than this, and looking at every set of them takes too long.
const VOTERS_MAX: usize = 8;

/// A list of changes, each behind a byte: its length, and in the top bit whether it is of the older form. They are done
/// to a group of three.
pub fn conf_change(data: &[u8]) -> bool {
    let mut source = Source::new(data);
    let begin = ConfState::of_voters([1, 2, 3]);
    let mut state = begin.clone();
    while !source.is_empty() {
        let head = source.byte();
        let bytes = Bytes::copy_from_slice(source.bytes(usize::from(head & 0x7f)));
        let Some(change) = read(bytes, head & 0x80 != 0) else { continue };
        match conf_state_after(&state, &change) {
            Ok(next) => {
                check(&state, &next);
                state = next;
            }
            Err(Error::ConfChange(_) | Error::Decode(_)) => {}
            Err(other) => panic!("{other} after {change:?} of {state:?}"),
        }
    }
    state != begin
}

fn read(bytes: Bytes, is_old: bool) -> Option<ConfChangeV2> {
    if is_old {
        let change = ConfChange::read(&bytes).ok()?;
        assert_eq!(ConfChange::read(&change.encode_to_vec()), Ok(change.clone()));
        return Some(change.into());
    }
    let change = ConfChangeV2::read(&bytes).ok()?;
    assert_eq!(ConfChangeV2::read(&change.encode_to_vec()), Ok(change.clone()));
    Some(change)
}

/// Whether what a change leads to is legal, and no decision before it can be made beside one after it.
fn check(before: &ConfState, after: &ConfState) {
    let [(old, _), (new, _)] = [before, after].map(|state| match restore(state, 0, 0, 0) {
        Ok(restored) => restored,
        Err(error) => panic!("{error}: {before:?} became {after:?}"),
    });
    assert_eq!(new.conf_state(), *after);
    let mut voters = [old.voters.ids(), new.voters.ids()].concat();
    voters.sort_unstable();
    voters.dedup();
    if voters.len() > VOTERS_MAX {
        return;
    }
    for set in 0..1u32 << voters.len() {
        let is_in =
            |id: u64| voters.iter().position(|voter| *voter == id).is_some_and(|at| set >> at & 1 == 1);
        let decides = |config: &JointConfig, agrees: &dyn Fn(u64) -> bool| {
            config.vote_result(|id| Some(agrees(id))) == VoteResult::Won
        };
        let apart = decides(&old.voters, &is_in) && decides(&new.voters, &|id| !is_in(id));
        assert!(!apart, "{before:?} and {after:?} decide apart from each other");
    }
}
