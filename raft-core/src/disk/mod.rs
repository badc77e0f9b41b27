//! The write-ahead log and the snapshot files, in etcd's format.
//!
//! [`store`] is what the engine and the C layer use; `docs/disk-format.md` draws what it leaves on disk.

pub mod command_log;
mod crc;
mod frame;
pub mod inspect;
mod known_stores;
mod latch;
pub mod os;
mod record;
mod recover;
pub mod recovered;
pub mod repair;
mod room;
mod salvage;
pub mod snap;
pub mod store;
pub mod volume;
mod wal;
pub mod walk;
