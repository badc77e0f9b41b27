//! What clients were told, held against what the cluster did: the oracle of all acts.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use raft_core::engine::code::Code;
use raft_core::engine::outcome::Outcome;

use crate::Verdict;
use crate::machine::Machine;
use crate::world::{World, wait_until};

/// The requests that were accepted.
#[derive(Default)]
pub(crate) struct Ledger {
    asked: Vec<Asked>,
}

struct Asked {
    machine: Arc<Machine>,
    request: u64,
    command: Bytes,
}

impl Ledger {
    /// Proposes `count` commands at node `id` in one call.
    pub(crate) fn propose(&mut self, world: &World, id: u64, count: usize) {
        let node = world.node(id);
        let first = self.asked.len() as u64 + 1;
        let batch: Vec<(Bytes, u64)> =
            (first..first + count as u64).map(|n| (Bytes::from(format!("command {n}")), n)).collect();
        if node.engine.propose(batch.clone()).is_ok() {
            self.asked.extend(batch.into_iter().map(|(command, request)| Asked {
                machine: Arc::clone(&node.machine),
                request,
                command,
            }));
        }
    }

    /// Waits until all requests that came through node `id` have an outcome.
    pub(crate) fn await_outcomes(&self, id: u64) {
        wait_until("outcomes", || {
            let mut own = self.asked.iter().filter(|asked| asked.machine.id == id);
            own.all(|asked| asked.machine.outcome(asked.request).is_some())
        });
    }

    /// Holds outcomes against `commands`, which all nodes agree on. No outcome may come any more.
    pub(crate) fn judge(&self, commands: &[Bytes]) -> Verdict {
        let mut applied: HashMap<&Bytes, usize> = HashMap::new();
        commands.iter().for_each(|command| *applied.entry(command).or_default() += 1);
        if let Some((command, times)) = applied.iter().find(|(_, times)| **times > 1) {
            return Err(format!("{command:?} was applied {times} times"));
        }
        for Asked { machine, request, command } in &self.asked {
            let outcomes = machine.outcomes.lock();
            let outcomes = outcomes.get(request).map_or(&[][..], Vec::as_slice);
            let [outcome] = outcomes else {
                return Err(format!("{command:?} has {} outcomes", outcomes.len()));
            };
            check(command, outcome, applied.contains_key(command))?;
        }
        Ok(())
    }
}

fn check(command: &Bytes, outcome: &Outcome, is_applied: bool) -> Verdict {
    let Outcome { code, index, .. } = outcome;
    match code {
        Code::Ok if !is_applied => Err(format!("{command:?} is said to be applied at {index}, and is not")),
        Code::NotLeader | Code::Dropped | Code::Busy if is_applied => {
            Err(format!("{command:?} is said to be refused ({code:?}), and is applied"))
        }
        _ => Ok(()),
    }
}
