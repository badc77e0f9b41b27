//! Whether a history of one register is linearizable: every operation takes effect at one moment between its call and its
//! return. The search of Wing and Gong, with the memory of Lowe for what was tried already.

use std::collections::HashSet;

/// What a client asked of the register, and what it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Write(u64),
    /// Tells what it found: the write took place if that is `from`.
    Swap {
        from: u64,
        to: u64,
        found: u64,
    },
    /// A swap whose answer is not known.
    BlindSwap {
        from: u64,
        to: u64,
    },
    Read(u64),
}

/// An operation, and when it was called and returned; `u64::MAX` if nobody knows whether it took effect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) op: Op,
    pub(crate) called: u64,
    pub(crate) returned: u64,
}

/// More than this was never needed; a history that needs it has too much at once in it.
const TRIED_MAX: usize = 2_000_000;

/// Whether some order explains all that was told. The register holds 0 at first.
pub(crate) fn is_linearizable(history: &[Call]) -> bool {
    let mut calls: Vec<Call> = history.iter().copied().filter(|call| matters(call, history)).collect();
    calls.sort_by_key(|call| call.called);
    let start = (vec![0u64; calls.len().div_ceil(64)], 0u64);
    let mut tried = HashSet::from([start.clone()]);
    let mut open = vec![start];
    while let Some((done, value)) = open.pop() {
        let is_done = |at: usize| done[at / 64] >> (at % 64) & 1 == 1;
        let remaining = (0..calls.len()).filter(|&at| !is_done(at));
        // Whatever is next was called before the first of the others returned.
        let Some(bound) = remaining.clone().map(|at| calls[at].returned).filter(|&at| at != u64::MAX).min()
        else {
            return true;
        };
        for at in remaining.take_while(|&at| calls[at].called <= bound) {
            if let Some(value) = after(calls[at].op, value) {
                let mut next = (done.clone(), value);
                next.0[at / 64] |= 1 << (at % 64);
                if tried.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
        assert!(tried.len() < TRIED_MAX, "too much at once");
    }
    false
}

/// What the register holds after the operation; none if the operation was told something else.
fn after(op: Op, value: u64) -> Option<u64> {
    match op {
        Op::Write(new) => Some(new),
        Op::Swap { from, to, found } if found == value => Some(if value == from { to } else { value }),
        Op::BlindSwap { from, to } => Some(if value == from { to } else { value }),
        Op::Read(found) if found == value => Some(value),
        Op::Swap { .. } | Op::Read(_) => None,
    }
}

/// Values are written once. A write without an answer whose value nobody ever saw may as well not have taken effect.
fn matters(call: &Call, history: &[Call]) -> bool {
    let new = match call.op {
        Op::Write(new) | Op::BlindSwap { to: new, .. } => new,
        Op::Swap { .. } | Op::Read(_) => return true,
    };
    let sees = |other: &Call| match other.op {
        Op::Read(found) | Op::Swap { found, .. } => found == new,
        Op::BlindSwap { from, .. } => from == new,
        Op::Write(_) => false,
    };
    call.returned != u64::MAX || history.iter().any(sees)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(op: Op, called: u64, returned: u64) -> Call {
        Call { op, called, returned }
    }

    const NEVER: u64 = u64::MAX;

    #[test]
    fn what_one_client_sees_of_itself_is_linearizable() {
        let swap = Op::Swap { from: 1, to: 2, found: 1 };
        let missed = Op::Swap { from: 1, to: 3, found: 2 };
        let history = [
            call(Op::Read(0), 0, 1),
            call(Op::Write(1), 2, 3),
            call(swap, 4, 5),
            call(missed, 6, 7),
            call(Op::Read(2), 8, 9),
        ];
        assert!(is_linearizable(&history));
        assert!(is_linearizable(&[]));
    }

    #[test]
    fn a_read_that_is_older_than_a_write_that_has_returned_is_found() {
        assert!(!is_linearizable(&[call(Op::Write(1), 0, 1), call(Op::Read(0), 2, 3)]));
        // At the same time either may be first, but not both.
        let overlapping = [call(Op::Write(1), 0, 9), call(Op::Read(1), 1, 2), call(Op::Read(0), 3, 4)];
        assert!(is_linearizable(&overlapping[..2]));
        assert!(!is_linearizable(&overlapping));
    }

    #[test]
    fn a_lost_write_and_one_that_came_from_nowhere_are_found() {
        let lost = [call(Op::Write(1), 0, 1), call(Op::Write(2), 2, 3), call(Op::Read(1), 4, 5)];
        assert!(!is_linearizable(&lost));
        assert!(!is_linearizable(&[call(Op::Read(7), 0, 1)]));
        let both = |to| call(Op::Swap { from: 0, to, found: 0 }, 0, 1);
        assert!(!is_linearizable(&[both(1), both(2)]), "two swaps of the same value");
    }

    #[test]
    fn a_write_without_an_answer_may_take_effect_late_or_never_but_not_twice() {
        let unknown = call(Op::Write(1), 0, NEVER);
        assert!(is_linearizable(&[unknown, call(Op::Read(0), 5, 6)]));
        assert!(is_linearizable(&[unknown, call(Op::Read(0), 5, 6), call(Op::Read(1), 7, 8)]));
        let back = [unknown, call(Op::Read(1), 5, 6), call(Op::Write(2), 7, 8), call(Op::Read(1), 9, 10)];
        assert!(!is_linearizable(&back));
        let blind = call(Op::BlindSwap { from: 0, to: 4 }, 0, NEVER);
        assert!(is_linearizable(&[blind, call(Op::Read(4), 5, 6)]));
        assert!(!is_linearizable(&[
            call(Op::Write(3), 0, 1),
            call(Op::BlindSwap { from: 0, to: 4 }, 2, NEVER),
            call(Op::Read(4), 5, 6)
        ]));
    }
}
