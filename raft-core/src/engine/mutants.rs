//! Faults of the engine, planted one at a time to prove that its tests would notice them.
//!
//! Without the feature `mutants` nothing of this is compiled in: [`is_planted`] is the constant `false`.

/// A fault that an engine around Raft may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, unreachable_pub)] // each stands where it is planted; public with the feature
pub enum Mutant {
    AckBeforeFsync,
    AnswerFromOldTerm,
    CertainTooSoon,
    ChangeBeforeInForce,
    DoubleCompletion,
    ForgetInHand,
    ForgetSessionInSnapshot,
    ForwardTwice,
    FreshSinceAnswer,
    HeartbeatBehindApply,
    HeartbeatBehindFsync,
    InboxWithoutBound,
    LeaseOverPause,
    LostCompletion,
    ReadBeforeItsIndex,
}

#[cfg(feature = "mutants")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
}

/// Plants `mutant` in the engines that this thread opens from now on, in place of the one before.
#[cfg(feature = "mutants")]
pub fn plant(mutant: Option<Mutant>) {
    PLANTED.set(mutant);
}

/// What is planted in this thread.
#[cfg(feature = "mutants")]
pub(super) fn planted() -> Option<Mutant> {
    PLANTED.get()
}

#[cfg(feature = "mutants")]
pub(super) fn is_planted(mutant: Mutant) -> bool {
    PLANTED.get() == Some(mutant)
}

#[cfg(not(feature = "mutants"))]
#[inline(always)]
pub(super) const fn is_planted(_: Mutant) -> bool {
    false
}
