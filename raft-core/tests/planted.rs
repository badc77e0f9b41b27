//! The engine's tests can fail: each of these faults, planted alone in real engines on a network and disks that can be
//! held up or cut, breaks the act that looks for it, and the act passes without.
//!
//! `cargo test -p raft-core --features mutants --test planted -- --nocapture` prints what each of them broke;
//! `MUTANT=name,name` plants only those whose name has one of these in it.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::panic)]

#[path = "engine/gate.rs"]
#[allow(dead_code)]
mod gate;
#[path = "planted/ledger.rs"]
mod ledger;
#[path = "engine/machine.rs"]
#[allow(dead_code)]
mod machine;
#[path = "support/memory_volume.rs"]
#[allow(dead_code)]
mod memory_volume;
#[path = "planted/requests.rs"]
mod requests;
#[path = "planted/threads.rs"]
mod threads;
#[path = "engine/world.rs"]
#[allow(dead_code)]
mod world;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex as Lock;
use raft_core::engine::mutants::{Mutant, plant};

/// What an act found to be broken.
type Verdict = Result<(), String>;

type Act = fn() -> Verdict;

/// Each fault with the act that it breaks.
const FAULTS: [(Mutant, Act); 15] = {
    use Mutant::*;
    [
        (AckBeforeFsync, threads::what_is_acknowledged_outlives_a_power_cut),
        (AnswerFromOldTerm, requests::what_another_leader_overwrote_is_not_called_applied),
        (CertainTooSoon, requests::what_another_leader_took_over_is_not_called_refused),
        (ChangeBeforeInForce, requests::a_change_that_is_done_is_in_force),
        (DoubleCompletion, requests::what_a_network_repeats_is_applied_and_answered_once),
        (ForgetInHand, requests::a_stop_answers_what_the_driver_has_in_hand),
        (ForgetSessionInSnapshot, requests::a_session_goes_on_behind_a_snapshot),
        (ForwardTwice, requests::what_a_network_repeats_is_applied_and_answered_once),
        (FreshSinceAnswer, requests::a_state_is_as_fresh_as_the_question_for_it),
        (HeartbeatBehindApply, threads::heartbeats_do_not_wait_for_the_state_machine),
        (HeartbeatBehindFsync, threads::heartbeats_do_not_wait_for_the_disk),
        (InboxWithoutBound, threads::a_full_queue_says_so),
        (LeaseOverPause, threads::a_lease_ends_with_a_pause),
        (LostCompletion, requests::what_another_leader_overwrote_is_not_called_applied),
        (ReadBeforeItsIndex, requests::a_read_waits_for_its_index),
    ]
};

thread_local! {
    static IS_HUSHED: Cell<bool> = const { Cell::new(false) };
}

/// Plays an act without telling of a panic: one is as good as any other way to break.
fn hushed(act: Act) -> Verdict {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !IS_HUSHED.get() {
                tell(info);
            }
        }));
    });
    IS_HUSHED.set(true);
    let result = catch_unwind(AssertUnwindSafe(act));
    IS_HUSHED.set(false);
    result.unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<String>().cloned();
        Err(text.or(payload.downcast_ref::<&str>().map(|&text| text.to_owned())).unwrap_or_default())
    })
}

/// Works through `jobs` on a few threads: they wait most of the time.
fn side_by_side<T: Sync>(jobs: &[T], work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    work(job);
                }
            });
        }
    });
}

#[test]
fn each_act_passes_without_a_fault_and_fails_with_its_own() {
    let wanted = std::env::var("MUTANT").unwrap_or_default();
    let is_wanted = |name: String| wanted.split(',').any(|part| name.contains(part));
    let faults: Vec<(Mutant, Act)> =
        FAULTS.into_iter().filter(|(mutant, _)| is_wanted(format!("{mutant:?}"))).collect();
    assert!(!faults.is_empty(), "no fault is called like {wanted}");
    let mut acts: Vec<Act> = faults.iter().map(|&(_, act)| act).collect();
    acts.sort_unstable_by_key(|act| *act as usize);
    acts.dedup_by_key(|act| *act as usize);
    let faulty = Lock::new(Vec::new());
    side_by_side(&acts, |act| {
        if let Err(text) = hushed(*act) {
            faulty.lock().push(format!("without a fault: {text}"));
        }
    });
    side_by_side(&faults, |(mutant, act)| {
        plant(Some(*mutant));
        let verdict = hushed(*act);
        plant(None);
        match verdict {
            Err(text) => println!("{mutant:?}: caught, {text}"),
            Ok(()) => faulty.lock().push(format!("{mutant:?}: not caught")),
        }
    });
    let faulty = faulty.into_inner();
    assert!(faulty.is_empty(), "{}", faulty.join("\n"));
}
