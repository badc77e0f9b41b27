//! The simulation can fail: each of these classic faults, planted alone, is found within a bounded number of seeds, and
//! the few that chance does not come to, by a script.
//!
//! `cargo test -p raft-core --features mutants --test mutants -- --nocapture` prints after how many, and by which rule;
//! `MUTANT=name,name` plants only those whose name has one of these in it; `SEEDS=n` counts the seeds among n that find
//! them.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[allow(dead_code)] // shared with `simulation`, which needs the rest
mod cluster;
#[path = "thesis/main.rs"]
mod thesis;

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once};

use cluster::plant::Plant;
use cluster::run::run;
use raft_core::consensus::mutants::{Mutant, plant};
use thesis::{elections, reads, replication, stores};

/// A fault that lives through so many worlds is not noticed: a plain run of the simulation has no more.
const SEEDS_MAX: u64 = 2_000;

/// Tells after how many seeds the fault is found, and by which rule.
fn hunt((name, mutant, in_host): &(String, Option<Mutant>, Plant)) -> bool {
    plant(*mutant);
    if let Some(seeds) = std::env::var("SEEDS").ok().and_then(|text| text.parse().ok()) {
        let count = (0..seeds).filter(|&seed| run(seed, *in_host, false).is_err()).count();
        plant(None);
        println!("{name}: caught by {count} of {seeds} seeds");
        return count > 0;
    }
    let found = (0..SEEDS_MAX).find_map(|seed| run(seed, *in_host, false).err().map(|text| (seed, text)));
    plant(None);
    match &found {
        Some((seed, text)) => {
            let rule: String = text.chars().take(160).collect();
            println!("{name}: caught after {} seeds, {rule}", seed + 1);
        }
        None => println!("{name}: not caught in {SEEDS_MAX} seeds"),
    }
    found.is_some()
}

thread_local! {
    static IS_HUSHED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `hunt` without telling of its panics: a mutant that runs into one is caught, and is in the table.
fn hushed<T>(hunt: impl FnOnce() -> T) -> T {
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
    let result = hunt();
    IS_HUSHED.set(false);
    result
}

#[test]
fn every_planted_fault_is_caught() {
    let core = Mutant::BY_CHANCE.iter().map(|&mutant| (format!("{mutant:?}"), Some(mutant), Plant::Nothing));
    let hosts = Plant::ALL.iter().map(|&in_host| (format!("{in_host:?} (host)"), None, in_host));
    let wanted = std::env::var("MUTANT").unwrap_or_default();
    let faults: Vec<_> =
        core.chain(hosts).filter(|(name, ..)| wanted.split(',').any(|part| name.contains(part))).collect();
    assert!(!faults.is_empty(), "no fault is called like {wanted}");
    let (next, missed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    // A mutant is planted in one thread, so that each can hunt its own.
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, |count| count.get()) {
            scope.spawn(|| {
                while let Some(fault) = faults.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if !hushed(|| hunt(fault)) {
                        missed.lock().expect("no panic while it is held").push(fault.0.clone());
                    }
                }
            });
        }
    });
    let missed = missed.into_inner().expect("no panic while it was held");
    assert!(missed.is_empty(), "not caught: {missed:?}");
}

/// What seeds come to seldom or never, each with the test of the thesis that it breaks.
const BY_SCRIPT: [(Mutant, fn()); 6] = [
    (Mutant::TrustRolledBackDisk, stores::who_holds_less_than_the_leader_knows_does_not_elect),
    (Mutant::AskWithUnsyncedLog, elections::fig2_a_candidate_asks_for_votes_only_with_what_it_has_saved),
    (Mutant::LeadWithoutOwnVote, elections::fig2_a_candidate_leads_only_once_its_own_vote_is_saved),
    (Mutant::LeaseAfterTransfer, reads::s6_4_1_a_lease_read_falls_back_while_a_transfer_is_under_way),
    // A leader of this library sends entries of an earlier term only to a follower that has refused later ones, and
    // with them it sends what conflicts. Others may not.
    (
        Mutant::CommitBehindMatch,
        replication::fig2_a_follower_commits_up_to_what_the_append_covers_and_no_further,
    ),
    // That refusal waits for the writes before it, so the first of them is done when the entry comes back.
    (Mutant::IgnoreAba, replication::s10_2_1_a_write_of_an_earlier_term_counts_for_nothing),
];

#[test]
fn what_seeds_seldom_find_a_script_does() {
    for (mutant, script) in BY_SCRIPT {
        script();
        plant(Some(mutant));
        let result = hushed(|| std::panic::catch_unwind(script));
        plant(None);
        assert!(result.is_err(), "{mutant:?} is not caught");
        println!("{mutant:?}: caught by its script");
    }
}
