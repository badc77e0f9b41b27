//! Client sessions (thesis 6.3): a command that is proposed again, because its outcome was not known, is applied once.

pub(super) mod frame;
pub(super) mod table;
