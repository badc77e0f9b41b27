//! The simulation can fail: each of these classic faults, planted alone, is found within a bounded number of seeds. One,
//! a write of an earlier term that is counted, no seed was seen to find: a script shows it.
//!
//! `cargo test -p raft-core --features mutants --test mutants -- --nocapture` prints after how many, and by which rule;
//! `MUTANT=name` plants only those whose name has this in it.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[allow(dead_code)] // shared with `simulation`, which needs the rest
mod cluster;

use cluster::plant::Plant;
use cluster::run::run;
use raft_core::consensus::config::Config;
use raft_core::consensus::log::memory_storage::MemoryStorage;
use raft_core::consensus::mutants::{Mutant, plant};
use raft_core::consensus::raw_node::RawNode;
use raft_core::consensus::ready::AppendTicket;
use raft_core::raftpb::conf_change::ConfState;
use raft_core::raftpb::entry::{Entries, Entry};
use raft_core::raftpb::message::{Message, MessageType};

/// A fault that lives through so many worlds is not noticed.
const SEEDS_MAX: u64 = 10_000;

/// Tells after how many seeds the fault is found, and by which rule.
fn hunt(name: &str, mutant: Option<Mutant>, in_host: Plant) -> bool {
    plant(mutant);
    let found = (0..SEEDS_MAX).find_map(|seed| run(seed, in_host, false).err().map(|text| (seed, text)));
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

#[test]
fn every_planted_fault_is_caught() {
    // A mutant may run into a panic: it is caught and told in the table, without a backtrace for each.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let core = Mutant::BY_CHANCE.iter().map(|&mutant| (format!("{mutant:?}"), Some(mutant), Plant::Nothing));
    let hosts = Plant::ALL.iter().map(|&in_host| (format!("{in_host:?} (host)"), None, in_host));
    let wanted = std::env::var("MUTANT").unwrap_or_default();
    let missed: Vec<String> = core
        .chain(hosts)
        .filter(|(name, ..)| name.contains(&wanted))
        .filter(|(name, mutant, in_host)| !hunt(name, *mutant, *in_host))
        .map(|(name, ..)| name)
        .collect();
    std::panic::set_hook(hook);
    assert!(missed.is_empty(), "not caught: {missed:?}");
}

/// A leader of `term` sends entries of these terms behind the bootstrap snapshot, and that the first is committed.
fn append(node: &mut RawNode<MemoryStorage>, term: u64, terms: &[u64], commit: u64) -> AppendTicket {
    let entries = terms.iter().zip(2..).map(|(&term, index)| Entry { term, index, ..Entry::default() });
    let message = Message {
        from: 2 + term % 2,
        term,
        log_term: 1,
        index: 1,
        commit,
        entries: entries.collect::<Entries>(),
        ..Message::new(MessageType::MsgApp, 1)
    };
    node.step(message).expect("a leader's append");
    node.ready().expect("a node that runs").append.expect("entries to save")
}

/// Entry 2 is written in term 2, replaced in term 3, and comes back in term 4, all before the first write is done.
/// Tells the terms of what the node then hands out as entry 2, once two of the three writes are done.
fn replaced_while_it_is_written() -> Vec<u64> {
    let storage = MemoryStorage::bootstrapped(ConfState::of_voters([1, 2, 3]));
    let mut node = RawNode::new(Config::new(1), storage).expect("a fresh node");
    let first = append(&mut node, 2, &[2], 1);
    let second = append(&mut node, 3, &[3], 1);
    let third = append(&mut node, 4, &[2, 4], 2);
    node.appended(first).expect("the first write");
    node.appended(second).expect("the second write");
    let early = if node.has_ready() { node.ready().expect("a node that runs").apply } else { None };
    node.appended(third).expect("the third write");
    let late = if node.has_ready() { node.ready().expect("a node that runs").apply } else { None };
    let entries = early.iter().chain(&late).flat_map(|ticket| ticket.entries().iter());
    entries.filter(|entry| entry.index == 2).map(|entry| entry.term).collect()
}

#[test]
fn a_write_of_an_earlier_term_counts_for_nothing() {
    assert_eq!(replaced_while_it_is_written(), [2]);
    plant(Some(Mutant::IgnoreAba));
    let terms = replaced_while_it_is_written();
    plant(None);
    println!("IgnoreAba: entry 2 of term 2 is committed, and handed out are those of terms {terms:?}");
    assert_eq!(terms, [3], "the planted fault has no effect");
}
