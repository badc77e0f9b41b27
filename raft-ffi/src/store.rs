//! The store: a node's directory.
//!
//! A write-ahead log and snapshots in etcd's formats. The directory remembers its node and its cluster, and one
//! store at a time has it open, in all processes. A torn end of the log is mended at open. Where anything else cannot
//! have been written or read, a node that is not the only voter is refilled by its leader: `lost_index` of its status
//! tells, and until then it neither votes nor leads. For the only voter it is RFT_E_CORRUPT, and nothing is changed.
//!
//! The first write or fsync that fails is final: the store returns the same error ever after. Free node and store
//! then, and open the directory again when the disk is well.

use std::ffi::c_char;

use crate::boundary::{self, Handle, Out, call, exclusive, path};
use crate::config::{Settings, rft_config_t};
use crate::error::rft_error_t;
use crate::node_state::NodeState;
use crate::ready::{rft_node_t, rft_snapshot_t, rft_store_t};
use crate::status::rft_status_t;
use crate::store_state::StoreState;

/// Opens a directory, and creates it when it is missing. A directory without a history gets one that starts with the
/// config's voters; without voters it waits for a snapshot from a leader.
///
/// @param config borrowed for the call
/// @param dir the path, UTF-8; borrowed for the call
/// @param dir_len its bytes
/// @param out receives the store, owned by the caller, who frees it with rft_store_free
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK; RFT_E_INVALID_ARG: NULL, not UTF-8, or empty; RFT_E_CONFIG; RFT_E_LOCKED; RFT_E_FOREIGN;
/// RFT_E_CORRUPT; RFT_E_IO; RFT_E_DISK_FULL: no room for the first snapshot of a new directory; RFT_E_BUSY
/// @par Thread
/// Any, while no other call uses the config. Blocks for the disk.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_store_open(
    config: *const rft_config_t,
    dir: *const c_char,
    dir_len: usize,
    out: *mut *mut rft_store_t,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            let out = Out::required(out, "out")?;
            let config = exclusive::<Settings>(config)?;
            config.validate()?;
            out.set(Handle::into_raw(StoreState::open(&config, path(dir, dir_len)?)?));
            Ok(())
        })
    }
}

/// Reads the newest snapshot: what to restore the state machine from before the first ready.
///
/// @param store borrowed for the call
/// @param out receives it; `index` 0: there is none; `len` 0: there is nothing to restore. `data` is borrowed until
/// the next call on the store
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK; RFT_E_INVALID_ARG; RFT_E_CORRUPT; RFT_E_IO; RFT_E_BUSY; RFT_E_PANIC
/// @par Thread
/// One at a time on the same store. Blocks for the disk.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_store_snapshot(
    store: *mut rft_store_t,
    out: *mut rft_snapshot_t,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            let out = Out::required(out, "out")?;
            out.set(exclusive::<StoreState>(store)?.snapshot()?);
            Ok(())
        })
    }
}

/// Writes the node's ready to the disk, and syncs it where that is needed. Call it between rft_node_ready and
/// rft_node_advance; a second time for the same ready it does nothing. What need not be synced, a commit index alone,
/// may be written only with what follows, or by rft_store_free.
///
/// @param store borrowed for the call: the one the node was created from
/// @param node borrowed for the call
/// @param err see rft_error_t; may be NULL
/// @return RFT_OK: taken, and durable if `must_sync` of the ready is 1; RFT_E_INVALID_ARG: NULL, or the node is of
/// another store; RFT_E_MISUSE: there is no ready; RFT_E_DISK_FULL: no room for the snapshot of the ready, which may be
/// saved again when there is; RFT_E_IO: final; RFT_E_BUSY; RFT_E_PANIC
/// @par Thread
/// One at a time on the same node and store. Blocks for the disk.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_store_save(
    store: *mut rft_store_t,
    node: *mut rft_node_t,
    err: *mut *mut rft_error_t,
) -> rft_status_t {
    // SAFETY: the header demands that pointers are NULL or valid.
    unsafe {
        call(err, || {
            let mut store = exclusive::<StoreState>(store)?;
            let mut node = exclusive::<NodeState>(node)?;
            node.save(&mut store)
        })
    }
}

/// Closes a directory. What was saved stays there.
///
/// @param store taken; NULL does nothing
/// @par Thread
/// Any, once, while no other call uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rft_store_free(store: *mut rft_store_t) {
    // SAFETY: the header demands it.
    unsafe { boundary::free::<StoreState>(store) };
}
