//! The write-ahead log and the snapshot files, in etcd's format.
//!
//! [`store`] is what the engine and the C layer use; `docs/disk-format.md` draws what it leaves on disk.

mod ballot;
pub mod command_log;
mod crc;
pub mod damage;
mod examine;
mod frame;
mod front;
pub mod inspect;
mod known_stores;
mod latch;
pub mod loss;
pub mod os;
mod reading;
mod record;
mod recover;
pub mod recovered;
pub mod repair;
mod rescue;
mod room;
mod salvage;
mod sealed;
pub mod snap;
pub mod store;
pub mod volume;
mod wal;
pub mod walk;
