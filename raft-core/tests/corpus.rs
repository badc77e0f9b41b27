//! The fuzz targets without a fuzzer: each over its committed seeds, and over these damaged ten thousand ways.
//!
//! A crash that the fuzzer has found belongs into `fuzz/seeds/<target>/`, from where this replays it for ever.
//! `UPDATE=1` writes the seeds that are made here.

#![allow(clippy::unwrap_used, clippy::panic)]

#[allow(unreachable_pub)] // a library of its own to the fuzzer
#[path = "../fuzz/src/lib.rs"]
mod fuzz;
#[path = "corpus/seeds.rs"]
mod seeds;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Once;

use fuzz::memory_volume::Chance;
use fuzz::{TARGETS, Target};

/// Damaged inputs of each target in a run.
const DAMAGED: usize = 10_000;

fn folder(target: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "fuzz", "seeds", target].iter().collect()
}

/// Writes the seeds that are made here, if that is asked for.
fn update() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for (target, _) in TARGETS.iter().filter(|_| std::env::var_os("UPDATE").is_some()) {
            fs::create_dir_all(folder(target)).unwrap();
            for (name, input) in seeds::of(target) {
                fs::write(folder(target).join(name), input).unwrap();
            }
        }
    });
}

/// The committed seeds of a target, by the name of the file.
fn committed(target: &str) -> Vec<(String, Vec<u8>)> {
    update();
    let files = fs::read_dir(folder(target)).unwrap().map(|file| file.unwrap().path());
    let mut seeds: Vec<_> = files
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect();
    seeds.sort();
    seeds
}

/// Runs one input; where it panics, keeps it for the fuzzer and says so.
fn run(name: &str, target: Target, input: &[u8], what: &str) -> bool {
    catch_unwind(AssertUnwindSafe(|| target(input))).unwrap_or_else(|_| {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("crash-{name}"));
        fs::write(&path, input).unwrap();
        panic!("target {name} panics on {what}; the input is in {}", path.display())
    })
}

#[test]
fn every_target_takes_its_seeds() {
    for (name, target) in TARGETS {
        for (seed, input) in committed(name) {
            run(name, target, &input, &seed);
        }
    }
}

#[test]
fn the_seeds_are_those_that_are_made_here_and_good_for_something() {
    update();
    for (name, target) in TARGETS {
        let seeds = seeds::of(name);
        assert!(seeds.len() > 1, "{name} has no seeds");
        for (seed, input) in seeds {
            assert!(run(name, target, &input, &seed), "{name}/{seed} leads nowhere");
            let path = folder(name).join(seed);
            let found = fs::read(&path).unwrap_or_default();
            assert!(found == input, "{} is out of date: UPDATE=1 writes it", path.display());
        }
    }
}

#[test]
fn no_damaged_seed_makes_a_target_panic() {
    for (name, target) in TARGETS {
        let seeds = committed(name);
        let mut chance = Chance(name.len() as u64);
        let mut good = 0;
        for round in 0..DAMAGED {
            let input = damaged(&seeds, &mut chance);
            good += usize::from(run(name, target, &input, &format!("damaged input {round}")));
        }
        assert!((1..DAMAGED).contains(&good), "{good} of {DAMAGED} inputs of {name} were good for something");
    }
}

/// One of the seeds with a few changes: bits, bytes, pieces of another seed.
fn damaged(seeds: &[(String, Vec<u8>)], chance: &mut Chance) -> Vec<u8> {
    let any = |chance: &mut Chance| &seeds[chance.below(seeds.len() as u64) as usize].1;
    let mut input = any(chance).clone();
    for _ in 0..=chance.below(4) {
        let at = chance.below(input.len() as u64 + 1) as usize;
        match chance.below(6) {
            0 => input.truncate(at.max(1)),
            1 => input.insert(at, chance.next() as u8),
            2 => {
                let other = any(chance);
                let from = chance.below(other.len() as u64) as usize;
                let piece = other[from..].iter().take(chance.below(40) as usize).copied();
                input.splice(at..at, piece);
            }
            3 if at < input.len() => drop(input.remove(at)),
            4 if at < input.len() => input[at] = chance.next() as u8,
            _ if at < input.len() => input[at] ^= 1 << chance.below(8),
            _ => {}
        }
    }
    input
}
