//! Thousands of clusters in virtual time, each from a seed, watched by an oracle.
//!
//! `SEED=s` replays one seed and prints what happens in it. `SECONDS=n` runs on for so long, from `SEED` if it is
//! given, and prints what that came to.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[allow(dead_code)] // shared with `mutants`, which needs the rest
mod cluster;

use std::time::{Duration, Instant};

use cluster::coverage::Coverage;
use cluster::plant::Plant;
use cluster::run::{Outcome, run};
use cluster::settings::TICK;
use cluster::world::Totals;

/// Seeds of a plain run.
const SLICE: u64 = 2000;
/// What a tick stands for when simulated time is given in hours.
const TICK_MS: u64 = 100;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

fn run_or_tell(seed: u64, is_verbose: bool) -> Outcome {
    run(seed, Plant::Nothing, is_verbose)
        .unwrap_or_else(|text| panic!("{text}\n    SEED={seed} cargo test -p raft-core --test simulation"))
}

#[derive(Default)]
struct Sum {
    seeds: u64,
    totals: Totals,
    coverage: Coverage,
}

impl Sum {
    fn add(&mut self, outcome: &Outcome) {
        self.seeds += 1;
        self.coverage.add(&outcome.coverage);
        let (sum, more) = (&mut self.totals, outcome.totals);
        sum.events += more.events;
        sum.messages += more.messages;
        sum.crashes += more.crashes;
        sum.moments += more.moments;
        sum.requests += more.requests;
    }

    fn print(&self, took: Duration) {
        let Totals { events, messages, crashes, moments, requests } = self.totals;
        let hours = (moments / TICK * TICK_MS) as f64 / 3_600_000.0;
        println!(
            "{} seeds in {:.1} s: {events} events ({:.0}/s), {messages} messages, {requests} requests, \
             {crashes} crashes, {hours:.1} cluster-hours",
            self.seeds,
            took.as_secs_f64(),
            events as f64 / took.as_secs_f64()
        );
        println!("{}", self.coverage.summary());
    }
}

#[test]
fn no_seed_breaks_a_rule_and_every_cluster_heals() {
    let begun = Instant::now();
    let mut sum = Sum::default();
    match (number("SEED"), number("SECONDS")) {
        (Some(seed), None) => sum.add(&run_or_tell(seed, true)),
        (first, Some(seconds)) => {
            let mut seed = first.unwrap_or(SLICE);
            while begun.elapsed() < Duration::from_secs(seconds) {
                sum.add(&run_or_tell(seed, false));
                seed += 1;
            }
        }
        (None, None) => {
            (0..SLICE).for_each(|seed| sum.add(&run_or_tell(seed, false)));
            let missed = sum.coverage.missed();
            assert!(missed.is_empty(), "these never happened: {missed:?}\n{}", sum.coverage.summary());
        }
    }
    sum.print(begun.elapsed());
}

#[test]
fn a_seed_gives_the_same_world_again() {
    for seed in 0..20 {
        assert_eq!(run_or_tell(seed, false).hash, run_or_tell(seed, false).hash, "seed {seed}");
    }
}
