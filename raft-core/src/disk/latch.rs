//! [`Latch`]: the first failure in a directory, which is the last word about it.

use std::sync::{Arc, OnceLock};

use crate::error::{Error, Result};

/// Shared by all that writes in one directory. Once a write or a sync has failed in one place, a success elsewhere may be
/// a lie: the system reports a failure once, to one file, and forgets it.
#[derive(Clone, Default)]
pub(in crate::disk) struct Latch(Arc<OnceLock<Error>>);

impl Latch {
    /// The failure, if there has been one.
    pub(in crate::disk) fn check(&self) -> Result<()> {
        self.0.get().cloned().map_or(Ok(()), Err)
    }

    /// From now on there has been one. The first one stands.
    pub(in crate::disk) fn fail(&self, error: &Error) {
        let _ = self.0.set(error.clone());
    }
}
