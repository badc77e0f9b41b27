//! Histories of a store, stopped at every single call: nothing that was acknowledged is lost, nothing that was
//! overwritten comes back, nothing is there that nobody wrote.
//!
//! `SEED=s` replays one random history. `SECONDS=n` runs them for so long, from `SEED` on if it is given.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

#[path = "support/author.rs"]
mod author;
#[path = "support/history.rs"]
mod history;
#[path = "support/memory_volume.rs"]
#[allow(dead_code)]
mod memory_volume;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use author::Author;
use history::{DIR, Step, World, options, script};
use memory_volume::damage::{Bytes, Damage, Names, PAGE, SECTOR};
use memory_volume::{Chance, Direct, MemoryVolume, Moment, Trouble};
use raft_core::disk::recovered::Recovered;
use raft_core::disk::store::{Store, StoreOptions};
use raft_core::error::Error;

/// How a log is written: through the system's cache, and past it.
fn ways() -> [StoreOptions; 2] {
    [false, true].map(|direct_writes| StoreOptions { direct_writes, ..options() })
}

fn open(volume: &MemoryVolume, way: &StoreOptions) -> raft_core::error::Result<(Store, Recovered)> {
    Store::open(Arc::new(volume.clone()), DIR.as_ref(), way.clone())
}

/// Plays the script until the machine stops at `call`; says how far it came, or that it came to the end.
fn play(
    volume: &MemoryVolume,
    way: &StoreOptions,
    steps: &[Step],
    call: u64,
    trouble: Trouble,
) -> (World, bool) {
    volume.arm(call, trouble);
    let mut world = World::default();
    let mut done = false;
    if let Ok((mut store, recovered)) = open(volume, way) {
        world.check(&recovered, "first open");
        done = steps.iter().all(|step| world.play(&mut store, step).is_ok());
    }
    assert!(done || volume.calls() >= call, "the script fails by itself");
    volume.disarm();
    (world, done)
}

/// Reopens after trouble, checks what is there, and that the store goes on from it.
fn reopen(volume: &MemoryVolume, way: &StoreOptions, world: &World, what: &str) {
    let (mut store, recovered) = open(volume, way).unwrap_or_else(|error| panic!("{what}: {error}"));
    world.check(&recovered, what);
    let mut world = World::of(&recovered);
    world.go_on(&mut store).unwrap_or_else(|error| panic!("{what}, going on: {error}"));
    drop(store);
    let (_, recovered) = open(volume, way).unwrap_or_else(|error| panic!("{what}, second time: {error}"));
    world.check(&recovered, &format!("{what}, second time"));
}

#[test]
fn a_power_cut_at_every_call_loses_nothing_acknowledged() {
    let steps = script();
    for (seed, way) in (0..6).flat_map(|seed| ways().map(|way| (seed, way))) {
        for call in 1.. {
            let volume = MemoryVolume::default();
            let (world, done) = play(&volume, &way, &steps, call, Trouble::Stop);
            if done {
                assert!(call > 200, "the script makes only {call} calls");
                break;
            }
            volume.cut_power(&mut Chance(seed << 32 | call));
            reopen(&volume, &way, &world, &format!("seed {seed}, power cut at call {call}"));
        }
    }
}

#[test]
fn a_killed_process_loses_nothing_even_if_the_power_goes_after_the_next_start() {
    let steps = script();
    let mut chance = Chance(7);
    for way in ways() {
        for call in (1..).flat_map(|call| [call; 4]) {
            let volume = MemoryVolume::default();
            let (world, done) = play(&volume, &way, &steps, call, Trouble::Stop);
            if done {
                break;
            }
            volume.kill();
            let what = format!("killed at call {call}");
            let opened = open(&volume, &way);
            let (mut store, recovered) = opened.unwrap_or_else(|error| panic!("{what}: {error}"));
            world.check(&recovered, &what);
            // What one start has seen, the next must see too, and what was written behind it.
            let mut world = World::of(&recovered);
            if chance.below(2) == 0 {
                world.go_on(&mut store).unwrap();
            }
            drop(store);
            volume.cut_power(&mut chance);
            reopen(&volume, &way, &world, &format!("{what}, then a power cut"));
        }
    }
}

#[test]
fn a_power_cut_during_recovery_is_recovered_from() {
    let steps = script();
    let mut chance = Chance(42);
    for way in ways() {
        for call in (1..).step_by(3) {
            let volume = MemoryVolume::default();
            let (world, done) = play(&volume, &way, &steps, call, Trouble::Stop);
            if done {
                break;
            }
            volume.cut_power(&mut chance);
            for stop in 1.. {
                let again = volume.copied();
                again.arm(stop, Trouble::Stop);
                let opened = open(&again, &way).is_ok();
                again.cut_power(&mut chance);
                reopen(
                    &again,
                    &way,
                    &world,
                    &format!("power cut at call {call}, and at call {stop} of the recovery"),
                );
                if opened {
                    break;
                }
            }
        }
    }
}

#[test]
fn the_first_error_is_the_last_word_of_a_store() {
    let steps = script();
    for way in ways() {
        for errno in [libc::EIO, libc::ENOSPC] {
            for call in 1.. {
                let volume = MemoryVolume::default();
                volume.arm(call, Trouble::Fail(errno));
                let mut world = World::default();
                let what = format!("errno {errno} at call {call}");
                let opened = open(&volume, &way);
                let (mut store, _) = match opened {
                    Ok(opened) => opened,
                    Err(error) => {
                        assert!(matches!(&error, Error::Io(_)), "{what}: {error}");
                        volume.disarm();
                        reopen(&volume, &way, &world, &what);
                        continue;
                    }
                };
                let outcome = steps.iter().try_for_each(|step| world.play(&mut store, step));
                volume.disarm();
                assert_eq!(outcome.is_err(), volume.calls() >= call, "{what}: noticed, and no other error");
                let Err(trouble) = outcome else {
                    break;
                };
                if trouble.of_store {
                    let again = world.go_on(&mut store);
                    assert_eq!(again, Err(trouble.error.clone()), "{what}: the error is latched");
                    assert_eq!(store.release(1), Err(trouble.error), "{what}: for every call");
                }
                drop(store);
                reopen(&volume, &way, &world, &what);
            }
        }
    }
}

/// What a crash does, by kind. Each of them is done at every moment of every history, unless another has left the same.
const DAMAGE: &[(&str, Damage)] = &[
    ("nothing that was not synced is there", Damage::ALL_LOST),
    ("all of it is there", Damage { bytes: Bytes::Kept, names: Names::Kept }),
    ("names are there, bytes are not", Damage { bytes: Bytes::Lost, names: Names::Kept }),
    ("bytes are there, names are not", Damage { bytes: Bytes::Kept, names: Names::Lost }),
    ("sectors of 512 bytes are old or new", Damage { bytes: Bytes::Torn(SECTOR), names: Names::Kept }),
    ("pages of 4 KiB are old or new", Damage { bytes: Bytes::Torn(PAGE), names: Names::Kept }),
    ("files end at any sector", Damage { bytes: Bytes::Short(SECTOR), names: Names::Journal }),
    ("files end at any page", Damage { bytes: Bytes::Short(PAGE), names: Names::Journal }),
    ("names change in any order", Damage { bytes: Bytes::Kept, names: Names::Reordered }),
    ("sectors and names in any order", Damage { bytes: Bytes::Torn(SECTOR), names: Names::Reordered }),
    ("renamed files have both names", Damage { bytes: Bytes::Torn(SECTOR), names: Names::Doubled }),
];
/// And one more: the process is killed, and the power goes after the next start.
const KILLED: &str = "the process is killed, then the power cut";

/// Histories of a plain run; as many as it takes for the number of points that is asked for below.
const HISTORIES: u64 = 120;
const POINTS_MIN: u64 = 100_000;

/// Points by kind of damage, with those inside of a recovery at the end.
#[derive(Clone, Debug, Default, PartialEq)]
struct Count {
    points: [u64; DAMAGE.len() + 2],
    openings: u64,
    mended: u64,
}

impl Count {
    fn points(&self) -> u64 {
        self.points.iter().sum()
    }

    fn add(&mut self, other: &Count) {
        self.points.iter_mut().zip(other.points).for_each(|(own, more)| *own += more);
        self.openings += other.openings;
        self.mended += other.mended;
    }

    fn print(&self, histories: u64, took: Duration) {
        println!(
            "{} crash points in {histories} histories, {} openings, {} torn ends mended, {:.1} s",
            self.points(),
            self.openings,
            self.mended,
            took.as_secs_f64()
        );
        let names = DAMAGE.iter().map(|(name, _)| *name).chain([KILLED, "a power cut inside of a recovery"]);
        names.zip(self.points).for_each(|(name, points)| println!("{points:8}  {name}"));
    }
}

/// Has the store do what it does aside, between two steps and not beside one: a history is then the same in every run.
fn settle(volume: &MemoryVolume, store: &Store) {
    volume.let_go();
    store.settle();
    volume.hold();
}

/// One random history: where it is, and what it has shown.
struct History {
    seed: u64,
    author: Author,
    count: Count,
    moments: u64,
    // How the life that is lived now writes its log, and so whoever opens what a crash has left.
    direct_writes: bool,
}

/// Where a life may end.
struct End {
    moment: Moment,
    world: World,
    owed: Option<Step>,
}

impl History {
    /// Some lives of a store, each ended by a stop, by a kill or by a power cut.
    fn run(seed: u64) -> Count {
        let author = Author::new(seed ^ 0x5bd1_e995_0000);
        let mut history = History { seed, author, count: Count::default(), moments: 0, direct_writes: false };
        let mut volume = MemoryVolume::default();
        let mut world = World::default();
        for _ in 0..3 {
            (volume, world) = history.live(volume, world);
        }
        history.count
    }

    /// A life; returns what it leaves behind, and what is known of that.
    fn live(&mut self, mut volume: MemoryVolume, before: World) -> (MemoryVolume, World) {
        let mut options = options();
        options.segment_bytes = 4096 << self.author.chance().below(2);
        if self.author.chance().below(2) == 0 {
            options.zeroed_bytes = options.segment_bytes + 4096;
        }
        self.direct_writes = self.author.chance().below(2) == 0;
        options.direct_writes = self.direct_writes;
        if self.author.chance().below(8) == 0 {
            volume.set_direct(Direct::RefusedLate);
        }
        volume.remember();
        volume.hold();
        let (mut store, recovered) = self.open(&volume, options, &before);
        let mut end = End { moment: volume.now(), world: before.clone(), owed: self.author.owed() };
        self.judge(&volume, &before, &mut end);
        let mut world = World::of(&recovered);
        settle(&volume, &store);
        self.judge(&volume, &world, &mut end);
        for _ in 0..12 {
            for step in self.author.next(&world) {
                let mut during = world.clone();
                during.begin(&step);
                let played = world.play(&mut store, &step).map_err(|trouble| trouble.error);
                assert_eq!(played, Ok(()), "{}: {step:?}", self.here());
                // At times it comes to it only later.
                if self.author.chance().below(3) > 0 {
                    settle(&volume, &store);
                }
                self.judge(&volume, &during, &mut end);
            }
            self.author.made();
        }
        settle(&volume, &store);
        volume.let_go();
        drop(store);
        self.judge(&volume, &world, &mut end);
        match self.author.chance().below(4) {
            0 => return (volume, world),
            1 => volume = end.moment.killed(),
            _ => {
                let damage = Damage::any(self.author.chance());
                volume = end.moment.crashed(damage, self.author.chance());
            }
        }
        self.author.owe(end.owed);
        (volume, end.world)
    }

    fn way(&self) -> StoreOptions {
        StoreOptions { direct_writes: self.direct_writes, ..options() }
    }

    fn here(&self) -> String {
        format!("SEED={}, moment {}", self.seed, self.moments)
    }

    fn open(&mut self, volume: &MemoryVolume, options: StoreOptions, world: &World) -> (Store, Recovered) {
        self.opened(volume, options, world, "the life goes on")
    }

    fn opened(
        &mut self,
        volume: &MemoryVolume,
        options: StoreOptions,
        world: &World,
        what: &str,
    ) -> (Store, Recovered) {
        self.count.openings += 1;
        let opened = Store::open(Arc::new(volume.clone()), DIR.as_ref(), options);
        let (store, recovered) = opened.unwrap_or_else(|error| panic!("{}, {what}: {error}", self.here()));
        world.check(&recovered, &format!("{}, {what}", self.here()));
        self.count.mended += u64::from(recovered.notes.iter().any(|note| note.contains("cut short")));
        (store, recovered)
    }

    /// Crashes at every moment since the last time, in every way. One moment in many becomes where this life ends.
    fn judge(&mut self, volume: &MemoryVolume, world: &World, end: &mut End) {
        for moment in volume.take_moments() {
            self.moments += 1;
            let mut seen = HashSet::new();
            for (kind, (name, damage)) in DAMAGE.iter().enumerate() {
                let crashed = moment.crashed(*damage, self.author.chance());
                if seen.insert(crashed.fingerprint()) {
                    self.count.points[kind] += 1;
                    self.recover(crashed, world, name, &mut seen);
                }
            }
            self.count.points[DAMAGE.len()] += 1;
            self.recover(moment.killed(), world, KILLED, &mut seen);
            if self.author.chance().below(self.moments % 150 + 1) == 0 {
                *end = End { moment, world: world.clone(), owed: self.author.owed() };
            }
        }
    }

    /// Opens what a crash has left, loses what that has not synced, and opens it again: what was found stays found. A
    /// crash inside of the first opening is recovered from as well.
    fn recover(&mut self, crashed: MemoryVolume, world: &World, what: &str, seen: &mut HashSet<u64>) {
        crashed.remember();
        let (store, first) = self.opened(&crashed, self.way(), world, what);
        drop(store);
        let inside = crashed.take_moments();
        self.again(&crashed.now(), &first, what);
        let Some(moment) = inside.get(self.author.chance().below(inside.len().max(1) as u64) as usize) else {
            return;
        };
        let what = &format!("{what}, then a power cut inside of the recovery");
        let damage = Damage::any(self.author.chance());
        let crashed = moment.crashed(damage, self.author.chance());
        if !seen.insert(crashed.fingerprint()) {
            return;
        }
        self.count.points[DAMAGE.len() + 1] += 1;
        let (mut store, second) = self.opened(&crashed, self.way(), world, what);
        if self.author.chance().below(4) > 0 || self.author.owed().is_some() {
            drop(store);
            return self.again(&crashed.now(), &second, what);
        }
        let mut world = World::of(&second);
        let went_on = world.go_on(&mut store);
        assert_eq!(went_on, Ok(()), "{}, {what}", self.here());
        drop(store);
        let crashed = crashed.now().crashed(Damage::ALL_LOST, self.author.chance());
        self.opened(&crashed, self.way(), &world, &format!("{what}, going on"));
    }

    fn again(&mut self, moment: &Moment, first: &Recovered, what: &str) {
        let crashed = moment.crashed(Damage::ALL_LOST, self.author.chance());
        let what = format!("{what}, for the second time");
        let (_, second) = self.opened(&crashed, self.way(), &World::of(first), &what);
        assert_eq!(
            Recovered { notes: Vec::new(), ..second },
            Recovered { notes: Vec::new(), ..first.clone() },
            "{}, {what}",
            self.here()
        );
    }
}

#[test]
fn a_history_is_the_same_in_every_run() {
    for seed in 4..7 {
        assert_eq!(History::run(seed), History::run(seed), "SEED={seed}");
    }
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Runs histories from `first` on, on all processors, until there are enough of them or the time is over.
fn histories(first: u64, count: u64, deadline: Option<Instant>) -> (Count, u64) {
    let (next, sum) = (AtomicU64::new(first), Mutex::new((Count::default(), 0)));
    let work = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= first.saturating_add(count) || deadline.is_some_and(|deadline| Instant::now() > deadline) {
            return;
        }
        let run = std::panic::catch_unwind(|| History::run(seed));
        let Ok(count) = run else {
            panic!("this one again: SEED={seed} cargo test -p raft-core --test disk_crash every_moment");
        };
        let mut sum = sum.lock().unwrap();
        sum.0.add(&count);
        sum.1 += 1;
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    sum.into_inner().unwrap()
}

#[test]
fn every_moment_of_random_histories_can_be_the_last() {
    let began = Instant::now();
    let (seed, seconds) = (number("SEED"), number("SECONDS"));
    let (count, histories) = match (seed, seconds) {
        (Some(seed), None) => histories(seed, 1, None),
        (seed, Some(seconds)) => {
            histories(seed.unwrap_or(1), u64::MAX, Some(began + Duration::from_secs(seconds)))
        }
        (None, None) => histories(1, HISTORIES, None),
    };
    count.print(histories, began.elapsed());
    let is_plain = (seed, seconds) == (None, None);
    assert!(!is_plain || count.points() >= POINTS_MIN, "only {} crash points", count.points());
    assert!(!is_plain || count.points.iter().all(|points| *points > 0), "a kind of damage was never done");
}
