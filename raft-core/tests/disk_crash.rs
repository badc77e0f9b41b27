//! A scripted history of a store, stopped at every single call: nothing that was acknowledged is lost, nothing that was
//! overwritten comes back.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/history.rs"]
mod history;
#[path = "support/memory_volume.rs"]
#[allow(dead_code)]
mod memory_volume;

use std::sync::Arc;

use history::{DIR, Step, World, options, script};
use memory_volume::{Chance, MemoryVolume, Trouble};
use raft_core::disk::store::Store;
use raft_core::error::Error;

/// Plays the script until the machine stops at `call`; says how far it came, or that it came to the end.
fn play(volume: &MemoryVolume, steps: &[Step], call: u64, trouble: Trouble) -> (World, bool) {
    volume.arm(call, trouble);
    let mut world = World::default();
    let mut done = false;
    if let Ok((mut store, recovered)) = Store::open(Arc::new(volume.clone()), DIR.as_ref(), options()) {
        world.check(&recovered, "first open");
        done = steps.iter().all(|step| world.play(&mut store, step).is_ok());
    }
    assert!(done || volume.calls() >= call, "the script fails by itself");
    volume.disarm();
    (world, done)
}

/// Reopens after trouble, checks what is there, and that the store goes on from it.
fn reopen(volume: &MemoryVolume, world: &World, what: &str) {
    let (mut store, recovered) = Store::open(Arc::new(volume.clone()), DIR.as_ref(), options())
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    world.check(&recovered, what);
    let mut world = World::of(&recovered);
    world.go_on(&mut store).unwrap_or_else(|error| panic!("{what}, going on: {error}"));
    drop(store);
    let (_, recovered) = Store::open(Arc::new(volume.clone()), DIR.as_ref(), options())
        .unwrap_or_else(|error| panic!("{what}, second time: {error}"));
    world.check(&recovered, &format!("{what}, second time"));
}

#[test]
fn a_power_cut_at_every_call_loses_nothing_acknowledged() {
    let steps = script();
    for seed in 0..6 {
        for call in 1.. {
            let volume = MemoryVolume::default();
            let (world, done) = play(&volume, &steps, call, Trouble::Stop);
            if done {
                assert!(call > 200, "the script makes only {call} calls");
                break;
            }
            volume.cut_power(&mut Chance(seed << 32 | call));
            reopen(&volume, &world, &format!("seed {seed}, power cut at call {call}"));
        }
    }
}

#[test]
fn a_killed_process_loses_nothing_even_if_the_power_goes_after_the_next_start() {
    let steps = script();
    let mut chance = Chance(7);
    for call in (1..).flat_map(|call| [call; 4]) {
        let volume = MemoryVolume::default();
        let (world, done) = play(&volume, &steps, call, Trouble::Stop);
        if done {
            break;
        }
        volume.kill();
        let what = format!("killed at call {call}");
        let opened = Store::open(Arc::new(volume.clone()), DIR.as_ref(), options());
        let (mut store, recovered) = opened.unwrap_or_else(|error| panic!("{what}: {error}"));
        world.check(&recovered, &what);
        // What one start has seen, the next must see too, and what was written behind it.
        let mut world = World::of(&recovered);
        if chance.below(2) == 0 {
            world.go_on(&mut store).unwrap();
        }
        drop(store);
        volume.cut_power(&mut chance);
        reopen(&volume, &world, &format!("{what}, then a power cut"));
    }
}

#[test]
fn a_power_cut_during_recovery_is_recovered_from() {
    let steps = script();
    let mut chance = Chance(42);
    for call in (1..).step_by(3) {
        let volume = MemoryVolume::default();
        let (world, done) = play(&volume, &steps, call, Trouble::Stop);
        if done {
            break;
        }
        volume.cut_power(&mut chance);
        for stop in 1.. {
            let again = volume.copied();
            again.arm(stop, Trouble::Stop);
            let opened = Store::open(Arc::new(again.clone()), DIR.as_ref(), options()).is_ok();
            again.cut_power(&mut chance);
            reopen(&again, &world, &format!("power cut at call {call}, and at call {stop} of the recovery"));
            if opened {
                break;
            }
        }
    }
}

#[test]
fn the_first_error_is_the_last_word_of_a_store() {
    let steps = script();
    for errno in [libc::EIO, libc::ENOSPC] {
        for call in 1.. {
            let volume = MemoryVolume::default();
            volume.arm(call, Trouble::Fail(errno));
            let mut world = World::default();
            let what = format!("errno {errno} at call {call}");
            let opened = Store::open(Arc::new(volume.clone()), DIR.as_ref(), options());
            let (mut store, _) = match opened {
                Ok(opened) => opened,
                Err(error) => {
                    assert!(matches!(&error, Error::Io(_)), "{what}: {error}");
                    volume.disarm();
                    reopen(&volume, &world, &what);
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
            reopen(&volume, &world, &what);
        }
    }
}
