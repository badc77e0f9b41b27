//! Elections.

use bytes::Bytes;

use super::commit_word;
use super::replicate;
use super::role::Role;
use super::state::Raft;
use crate::consensus::config::{Config, ReadOnlyOption};
use crate::consensus::log::entry_id::EntryId;
use crate::consensus::log::storage::Storage;
use crate::consensus::mutants::{Mutant, is_planted};
use crate::consensus::quorum::vote_result::VoteResult;
use crate::error::Result;
use crate::raftpb::message::{Message, MessageType};

/// Marks a vote request that a leader asked for, and that its lease must not stand in the way of (thesis 4.2.3).
const CAMPAIGN_TRANSFER: &[u8] = b"CampaignTransfer";

/// Why and how a node campaigns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::consensus) enum Campaign {
    /// Asks first whether it would win (thesis 9.6).
    PreElection,
    /// Opens a new term.
    Election,
    /// Opens a new term because the leader said so (thesis 3.10).
    Transfer,
}

impl Campaign {
    /// What a node begins with when its patience has ended.
    pub(in crate::consensus) fn first(config: &Config) -> Self {
        if config.pre_vote { Campaign::PreElection } else { Campaign::Election }
    }
}

/// Starts a campaign, unless this node leads or must not.
pub(in crate::consensus) fn hup<S: Storage>(raft: &mut Raft<S>, campaign: Campaign) -> Result<()> {
    if matches!(raft.role, Role::Leader(_)) || !raft.is_promotable() {
        return Ok(());
    }
    if campaign != Campaign::Transfer && has_promised(raft) {
        return Ok(());
    }
    // Otherwise it could count votes by a membership that is no longer in force.
    let is_blind = is_planted(Mutant::CampaignWithUnappliedChange);
    if !is_blind && raft.log.has_unapplied_conf_change(raft.config.apply_page())? {
        return Ok(());
    }
    start(raft, campaign)
}

fn start<S: Storage>(raft: &mut Raft<S>, campaign: Campaign) -> Result<()> {
    let (request, answer, term) = if campaign == Campaign::PreElection {
        raft.become_pre_candidate();
        (MessageType::MsgPreVote, MessageType::MsgPreVoteResp, raft.term.saturating_add(1))
    } else {
        raft.become_candidate()?;
        (MessageType::MsgVote, MessageType::MsgVoteResp, raft.term)
    };
    // What is not durable yet may be gone after a crash, when this node asks again in this very term and answers to its
    // first request still arrive. They must not speak for a longer log than it then has.
    let boasts = is_planted(Mutant::AskWithUnsyncedLog);
    let last = if boasts { raft.log.last_id()? } else { raft.log.last_durable_id()? };
    let commit_word = commit_word::say(raft)?;
    for id in raft.membership.voters.ids() {
        // The own vote counts once it is durable, like everybody's.
        let message = if id == raft.id() {
            Message { term, ..Message::new(answer, id) }
        } else {
            let context = match campaign {
                Campaign::Transfer => Bytes::from_static(CAMPAIGN_TRANSFER),
                _ => commit_word.clone(),
            };
            Message { term, log_term: last.term, index: last.index, context, ..Message::new(request, id) }
        };
        raft.send(message);
    }
    Ok(())
}

/// Whether a request for votes in a newer term is to be ignored, term and all: the leader was heard of within an
/// election timeout, so a node that was removed or cut off must not disturb (thesis 4.2.3).
pub(super) fn is_in_lease<S: Storage>(raft: &Raft<S>, request: &Message) -> bool {
    let hears_leader = raft.leader() != 0 && raft.election_elapsed < raft.config.election_ticks;
    raft.config.check_quorum
        && (hears_leader || has_promised(raft))
        && request.context.as_ref() != CAMPAIGN_TRANSFER
}

/// Whether a leader may still read by the lease that this node's last answer gave it.
fn has_promised<S: Storage>(raft: &Raft<S>) -> bool {
    raft.config.read_only == ReadOnlyOption::LeaseBased
        && raft.promised_at.is_some_and(|at| raft.now.saturating_sub(at) < raft.config.election_ticks)
}

/// A request for a vote, or a question whether there would be one, in this term or a newer one.
pub(super) fn handle_request<S: Storage>(raft: &mut Raft<S>, request: &Message) -> Result<()> {
    commit_word::hear(raft, &request.context)?;
    let is_vote = request.msg_type == MessageType::MsgVote;
    let may_vote = raft.keeps_promises();
    // Another message may have brought the term of a request that the promise to a leader has kept out.
    let is_free = !has_promised(raft) || request.context.as_ref() == CAMPAIGN_TRANSFER;
    let can_vote = raft.vote == request.from
        || (raft.vote == 0 && raft.leader() == 0 && is_free)
        || (!is_vote && request.term > raft.term)
        || is_planted(Mutant::VoteTwice);
    // A learner votes too: it may have been promoted and not know yet, and its vote be needed.
    let theirs = EntryId::new(request.log_term, request.index);
    let is_up_to_date =
        theirs.is_up_to_date_with(raft.log.last_id()?) || is_planted(Mutant::SkipUpToDateCheck);
    if may_vote && can_vote && is_up_to_date {
        // The answer carries the term asked about: that of the pre-vote is ahead of ours.
        raft.send(Message { term: request.term, ..Message::new(answer_to(request), request.from) });
        if is_vote {
            raft.election_elapsed = 0;
            raft.vote = request.from;
        }
        return Ok(());
    }
    refuse(raft, request)
}

fn answer_to(request: &Message) -> MessageType {
    if request.msg_type == MessageType::MsgVote {
        MessageType::MsgVoteResp
    } else {
        MessageType::MsgPreVoteResp
    }
}

/// Says no, in which term, and what is committed.
pub(super) fn refuse<S: Storage>(raft: &mut Raft<S>, request: &Message) -> Result<()> {
    let context = commit_word::say(raft)?;
    let answer = Message::new(answer_to(request), request.from);
    raft.send(Message { term: raft.term, reject: true, context, ..answer });
    Ok(())
}

/// An answer to the campaign this node is in.
pub(super) fn handle_response<S: Storage>(raft: &mut Raft<S>, response: &Message) -> Result<()> {
    commit_word::hear(raft, &response.context)?;
    let id = raft.id();
    let (votes, is_pre) = match &mut raft.role {
        Role::PreCandidate { votes } => (votes, true),
        Role::Candidate { votes } => (votes, false),
        Role::Follower { .. } | Role::Leader(_) => return Ok(()),
    };
    if is_pre != (response.msg_type == MessageType::MsgPreVoteResp) {
        return Ok(());
    }
    votes.record(response.from, !response.reject);
    match votes.tally(&raft.membership).2 {
        VoteResult::Won if is_pre => start(raft, Campaign::Election),
        // Its own vote stands for the term being durable: else it could lead the same term again after a crash.
        VoteResult::Won if !votes.have_answer_of(id) && !is_planted(Mutant::LeadWithoutOwnVote) => Ok(()),
        VoteResult::Won => {
            raft.become_leader()?;
            replicate::broadcast(raft)
        }
        // A candidate cannot hope for the rest any more. The term of a lost pre-vote was never entered.
        VoteResult::Lost => {
            raft.become_follower(raft.term, 0);
            Ok(())
        }
        VoteResult::Pending => Ok(()),
    }
}
