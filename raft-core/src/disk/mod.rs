//! The write-ahead log and the snapshot files, in etcd's format.
//!
//! [`store`] is what the engine and the C layer use; `docs/disk-format.md` draws what it leaves on disk.

mod ballot;
mod crc;
pub mod damage;
mod examine;
mod frame;
mod known_stores;
pub mod loss;
pub mod os;
mod record;
mod recover;
pub mod recovered;
mod rescue;
mod sealed;
pub mod snap;
pub mod store;
pub mod volume;
mod wal;
