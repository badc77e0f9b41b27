//! The node: the bare state machine of consensus.
//!
//! Create it, then call it from one loop: rft_node_tick at a steady pace, rft_node_step with what peers send, and as
//! long as rft_node_has_ready take rft_node_ready, do what it says, and answer with rft_node_advance. The file's
//! introduction shows the loop.
//!
//! With a store a node survives its process: rft_store_save between ready and advance, and after a restart
//! rft_store_open, rft_store_snapshot to restore the state machine from, and rft_node_create. The node hands out
//! again what was committed behind that snapshot. Without a store it lives in memory only: never give its id to
//! another node after it is gone.
//!
//! The peers of a node are nodes. A node does not understand the chunks in which an engine sends a long snapshot.

use raft_core::raftpb::arena::Arena;

use crate::boundary::{self, Handle, Out, array, boolean, call, exclusive, node_id, or_default};
use crate::config::{Settings, rft_config_t};
use crate::data::{rft_bytes_t, rft_change_t, rft_member_t, rft_node_status_t};
use crate::error::rft_error_t;
use crate::membership;
use crate::node_state::NodeState;
use crate::payload;
use crate::ready::{rft_node_t, rft_ready_t, rft_store_t};
use crate::status::rft_status_t;
use crate::store_state::StoreState;

/// Creates a node.
///
/// @param config borrowed for the call
/// @param store borrowed for the call: what it holds is where the node starts. Only one node can be created from an
/// open store. NULL: a node in memory, of a new cluster of the config's voters
/// @param out receives the node, owned by the caller, who frees it with rft_node_free
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK; RFT_E_INVALID_ARG: NULL, or the store is of another node; RFT_E_CONFIG; RFT_E_MISUSE: the store
/// has its node already; RFT_E_INVARIANT: the store's state contradicts itself; RFT_E_BUSY
/// @par Thread
/// Any, while no other call uses the config or the store.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_node_create(
    config: *const rft_config_t,
    store: *mut rft_store_t,
    out: *mut *mut rft_node_t,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            let out = Out::required(out, "out")?;
            let config = exclusive::<Settings>(config)?;
            config.validate()?;
            let mut store = match store.is_null() {
                true => None,
                false => Some(exclusive::<StoreState>(store)?),
            };
            out.set(Handle::into_raw(NodeState::new(&config, store.as_deref_mut())?));
            Ok(())
        })
    }
}

/// Tells the node that one unit of time has passed.
///
/// @param node borrowed for the call
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK; RFT_E_INVALID_ARG; RFT_E_BUSY; RFT_E_PANIC; RFT_E_INVARIANT: the node has stopped
/// @par Thread
/// One at a time on the same node.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_node_tick(node: *mut rft_node_t, err: *mut *mut rft_error_t) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe { call(err, || Ok(exclusive::<NodeState>(node)?.bare.raw_mut().tick()?)) }
}

/// Gives the node a message from a peer. Any error but RFT_E_INVARIANT leaves the node as it was: drop the message
/// and go on.
///
/// @param node borrowed for the call
/// @param data the bytes of an rft_message_t; borrowed for the call
/// @param len how many there are
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK; RFT_E_INVALID_ARG: NULL, or no bytes; RFT_E_DECODE; RFT_E_LOCAL_MESSAGE; RFT_E_UNKNOWN_PEER;
/// RFT_E_WRONG_RECEIVER; RFT_E_NOT_LEADER and RFT_E_DROPPED:
/// a proposal that was sent on to this node; RFT_E_BUSY; RFT_E_PANIC; RFT_E_INVARIANT
/// @par Thread
/// One at a time on the same node.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_node_step(
    node: *mut rft_node_t,
    data: *const u8,
    len: usize,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            let message = array(data, len, "data")?;
            Ok(exclusive::<NodeState>(node)?.bare.step(payload::decode(message)?)?)
        })
    }
}

/// Gives the node several messages from peers, in order, and stops at the first that is refused.
///
/// @param node borrowed for the call
/// @param messages the bytes of each message; borrowed for the call
/// @param n how many there are
/// @param done receives how many were taken, also when the call fails at message number `*done`; NULL: not asked
/// @param err see rft_error_t; may be NULL
/// @return as rft_node_step
/// @par Thread
/// One at a time on the same node.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_node_step_many(
    node: *mut rft_node_t,
    messages: *const rft_bytes_t,
    n: usize,
    done: *mut usize,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            let done = Out::optional(done, "done")?;
            let messages = array(messages, n, "messages")?;
            let mut node = exclusive::<NodeState>(node)?;
            let mut taken = 0;
            let result = payload::lent(messages, "messages")?.into_iter().try_for_each(|message| {
                node.bare.step(payload::decode(message)?)?;
                taken += 1;
                Ok(())
            });
            done.set(taken);
            result
        })
    }
}

/// Proposes entries, all of them or none. At a leader they are in its log when the call returns, which is no
/// promise: they are committed when they come back in `committed`. A follower sends them on to its leader
/// (RFT_CONFIG_FORWARD_PROPOSALS), and nothing is known of their fate.
///
/// @param node borrowed for the call
/// @param payloads the bytes of each; borrowed for the call
/// @param n how many there are, at least 1
/// @param first_index receives the index of the first entry, 0 when they were sent on; NULL: not asked
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK; RFT_E_INVALID_ARG: NULL, or none; RFT_E_TOO_LARGE: one exceeds RFT_CONFIG_PROPOSAL_BYTES_MAX;
/// RFT_E_NOT_LEADER; RFT_E_DROPPED; RFT_E_BUSY; RFT_E_PANIC; RFT_E_INVARIANT
/// @par Thread
/// One at a time on the same node.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_node_propose(
    node: *mut rft_node_t,
    payloads: *const rft_bytes_t,
    n: usize,
    first_index: *mut u64,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            let first_index = Out::optional(first_index, "first_index")?;
            let payloads = array(payloads, n, "payloads")?;
            let mut node = exclusive::<NodeState>(node)?;
            let max = node.proposal_bytes_max;
            let index = match payloads {
                [rft_bytes_t { data, len }] => {
                    let copy = payload::one(&mut node.arena, *data, *len, max, "payloads")?;
                    node.propose_one(copy)?
                }
                many => {
                    let copies = payload::share(
                        &mut node.arena,
                        many,
                        |piece| *piece,
                        max,
                        "payloads",
                        |_, copy| copy,
                    )?;
                    node.propose(copies)?
                }
            };
            first_index.set(index);
            Ok(())
        })
    }
}

/// Proposes a membership change. It takes effect on each node when that node's host advances past it. A newcomer has
/// no history at all and starts from a snapshot: give the leader one (rft_node_snapshot) after the change is applied.
///
/// @param node borrowed for the call
/// @param changes the steps; borrowed for the call; NULL when there are none
/// @param n how many there are; 0 with RFT_TRANSITION_AUTO leaves a joint configuration
/// @param transition one of the RFT_TRANSITION_ constants
/// @param context bytes that every node's state machine gets with the change, an address for instance; borrowed for
/// the call
/// @param len how many bytes
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK; RFT_E_INVALID_ARG: NULL, an id that is none, an unknown constant; RFT_E_CONF_CHANGE: another
/// change is pending, or this one does not fit; RFT_E_TOO_LARGE; RFT_E_NOT_LEADER; RFT_E_DROPPED; RFT_E_BUSY;
/// RFT_E_PANIC; RFT_E_INVARIANT
/// @par Thread
/// One at a time on the same node.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_node_propose_change(
    node: *mut rft_node_t,
    changes: *const rft_change_t,
    n: usize,
    transition: i32,
    context: *const u8,
    len: usize,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            let changes = array(changes, n, "changes")?;
            let mut node = exclusive::<NodeState>(node)?;
            let context = payload::one(&mut Arena::none(), context, len, node.proposal_bytes_max, "context")?;
            let change = membership::change(changes, transition, context)?;
            node.bare.raw_mut().propose_conf_change(&change)?;
            Ok(())
        })
    }
}

/// Asks for the index at which a read is linearizable. The answer is one of the `reads` of a later ready; it may be
/// lost with a message or a leader, so keep the time and ask again.
///
/// @param node borrowed for the call
/// @param request a number of your own, which no other read under way has
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK; RFT_E_INVALID_ARG; RFT_E_BUSY; RFT_E_PANIC; RFT_E_INVARIANT
/// @par Thread
/// One at a time on the same node.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_node_read_index(
    node: *mut rft_node_t,
    request: u64,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe { call(err, || Ok(exclusive::<NodeState>(node)?.bare.read_index(request)?)) }
}

/// Campaigns now, instead of waiting for the election timeout.
///
/// @param node borrowed for the call
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK, also where the node may not campaign; RFT_E_INVALID_ARG; RFT_E_BUSY; RFT_E_PANIC; RFT_E_INVARIANT
/// @par Thread
/// One at a time on the same node.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_node_campaign(
    node: *mut rft_node_t,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe { call(err, || Ok(exclusive::<NodeState>(node)?.bare.raw_mut().campaign()?)) }
}

/// Asks the leader, this node or another, to hand its leadership to a member. Look at `leader` for success.
///
/// @param node borrowed for the call
/// @param to the member
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK; RFT_E_INVALID_ARG: NULL, or an id that is none; RFT_E_BUSY; RFT_E_PANIC; RFT_E_INVARIANT
/// @par Thread
/// One at a time on the same node.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_node_transfer_leader(
    node: *mut rft_node_t,
    to: u64,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || Ok(exclusive::<NodeState>(node)?.bare.raw_mut().transfer_leader(node_id(to, "to")?)?))
    }
}

/// Tells the node that a message to a peer could not be delivered. Optional: a leader then sends less until it
/// hears of the peer.
///
/// @param node borrowed for the call
/// @param id the peer
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK; RFT_E_INVALID_ARG: NULL, or an id that is none; RFT_E_BUSY; RFT_E_PANIC; RFT_E_INVARIANT
/// @par Thread
/// One at a time on the same node.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_node_report_unreachable(
    node: *mut rft_node_t,
    id: u64,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            Ok(exclusive::<NodeState>(node)?.bare.raw_mut().report_unreachable(node_id(id, "id")?)?)
        })
    }
}

/// Tells the node what became of a MsgSnap, a message of type 7, that it handed out. Required after each: its
/// receiver gets nothing else until then.
///
/// @param node borrowed for the call
/// @param id the receiver
/// @param ok 1: it was delivered; 0: it was not
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK; RFT_E_INVALID_ARG: NULL, an id that is none, neither 0 nor 1; RFT_E_BUSY; RFT_E_PANIC;
/// RFT_E_INVARIANT
/// @par Thread
/// One at a time on the same node.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_node_report_snapshot(
    node: *mut rft_node_t,
    id: u64,
    ok: u8,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            let (id, ok) = (node_id(id, "id")?, boolean(ok, "ok")?);
            Ok(exclusive::<NodeState>(node)?.bare.raw_mut().report_snapshot(id, ok)?)
        })
    }
}

/// Whether rft_node_ready has something.
///
/// @param node borrowed for the call; NULL gives 0
/// @return 1 or 0; 0 between rft_node_ready and rft_node_advance, while another thread uses the node, and when the
/// node has stopped
/// @par Thread
/// One at a time on the same node.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_node_has_ready(node: *const rft_node_t) -> u8 {
    // SAFETY: the header demands that pointers are NULL or valid.
    or_default(
        || unsafe { exclusive::<NodeState>(node) }.map_or(0, |node| u8::from(node.bare.has_ready())),
        0,
    )
}

/// Takes what the node wants done.
///
/// @param node borrowed for the call
/// @param out receives it; its pointers are borrowed until rft_node_advance
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK, also when there is nothing to do; RFT_E_INVALID_ARG; RFT_E_MISUSE: the last one is not advanced;
/// RFT_E_BUSY; RFT_E_PANIC; RFT_E_INVARIANT
/// @par Thread
/// One at a time on the same node.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_node_ready(
    node: *mut rft_node_t,
    out: *mut rft_ready_t,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            let out = Out::required(out, "out")?;
            out.set(exclusive::<NodeState>(node)?.ready()?);
            Ok(())
        })
    }
}

/// Says that everything in the last ready is saved and applied. Messages that had to wait for it come with the next
/// ready.
///
/// @param node borrowed for the call
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK; RFT_E_INVALID_ARG; RFT_E_MISUSE: there is no ready, or the node has a store and the ready is not
/// saved in it; RFT_E_BUSY; RFT_E_PANIC; RFT_E_INVARIANT
/// @par Thread
/// One at a time on the same node.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_node_advance(node: *mut rft_node_t, err: *mut *mut rft_error_t) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe { call(err, || exclusive::<NodeState>(node)?.advance()) }
}

/// Gives the node a snapshot of the state machine: for peers that need entries from before it, and, with a store,
/// for the next start. The log before it is dropped, except for RFT_CONFIG_SNAPSHOT_TRAILING entries in memory.
///
/// @param node borrowed for the call
/// @param store borrowed for the call: the node's store; NULL: kept in memory only
/// @param index the last entry that the state machine had applied; advanced, and newer than the last snapshot
/// @param data the state machine; borrowed for the call
/// @param len how many bytes
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK; RFT_E_INVALID_ARG: NULL, or the store is of another node; RFT_E_SNAPSHOT_OLD: there is a newer
/// one; RFT_E_UNAVAILABLE: `index` is not applied yet; RFT_E_MISUSE: between a ready with a snapshot and its
/// advance; RFT_E_DISK_FULL: no room for it, the last one stays and the node goes on; RFT_E_IO: final for the store;
/// RFT_E_BUSY; RFT_E_PANIC; RFT_E_INVARIANT
/// @par Thread
/// One at a time on the same node and store. Blocks for the disk when there is a store.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_node_snapshot(
    node: *mut rft_node_t,
    store: *mut rft_store_t,
    index: u64,
    data: *const u8,
    len: usize,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            let data = payload::copy(data, len, "data")?;
            let mut store = match store.is_null() {
                true => None,
                false => Some(exclusive::<StoreState>(store)?),
            };
            exclusive::<NodeState>(node)?.snapshot(store.as_deref_mut(), index, data)
        })
    }
}

/// Tells how the node stands.
///
/// @param node borrowed for the call
/// @param out receives it
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK, also when the node has stopped (see `failure`); RFT_E_INVALID_ARG; RFT_E_BUSY; RFT_E_PANIC
/// @par Thread
/// One at a time on the same node.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_node_status(
    node: *const rft_node_t,
    out: *mut rft_node_status_t,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            let out = Out::required(out, "out")?;
            out.set(exclusive::<NodeState>(node)?.status());
            Ok(())
        })
    }
}

/// Tells who is a member, by ascending id.
///
/// @param node borrowed for the call
/// @param out receives the members, as many as there is room for; NULL when `cap` is 0
/// @param cap how many there is room for
/// @param n receives how many there are, also when that is more than `cap`
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK; RFT_E_INVALID_ARG; RFT_E_BUSY; RFT_E_PANIC
/// @par Thread
/// One at a time on the same node.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_node_members(
    node: *const rft_node_t,
    out: *mut rft_member_t,
    cap: usize,
    n: *mut usize,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            let n = Out::required(n, "n")?;
            let members = exclusive::<NodeState>(node)?.members();
            membership::write_members(&members, out, cap, n)
        })
    }
}

/// Frees a node, and all that was borrowed from it. Its store stays open.
///
/// @param node taken; NULL does nothing
/// @par Thread
/// Any, once, while no other call uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_node_free(node: *mut rft_node_t) {
    // SAFETY: the header demands it.
    unsafe { boundary::free::<NodeState>(node) };
}
