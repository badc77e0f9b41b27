//! [`run`]: one seed, from the first tick until all is well again.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::clients::SERVED;
use super::coverage::Coverage;
use super::oracle::{Check, ensure};
use super::plant::Plant;
use super::settings::TICK;
use super::world::{Totals, World};

/// Within so many election timeouts after the last fault everything is well, and so many ticks for each entry that
/// somebody may have to be sent.
const HEALING_TIMEOUTS: u64 = 60;
const HEALING_TICKS_AN_ENTRY: u64 = 2;

#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) totals: Totals,
    pub(crate) coverage: Coverage,
    pub(crate) hash: u64,
}

/// Runs the world of `seed`. Err says which rule was broken, by a panic too.
pub(crate) fn run(seed: u64, plant: Plant, is_verbose: bool) -> Check<Outcome> {
    let result = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(seed, plant, is_verbose)?;
        live(&mut world).map_err(|text| format!("at {}: {text}", world.now))?;
        Ok(Outcome { totals: world.totals, hash: world.finish_hash(), coverage: world.coverage })
    }));
    result.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
        Err(format!("panic: {}", text.unwrap_or_default()))
    })
}

fn live(world: &mut World) -> Check {
    while world.now < world.settings.ticks * TICK {
        world.advance()?;
    }
    world.heal()?;
    let healed_at = world.now;
    while !is_well(world) {
        let ticks = HEALING_TIMEOUTS * world.settings.config.election_ticks
            + HEALING_TICKS_AN_ENTRY * world.oracle.committed();
        ensure!(world.now < healed_at + ticks * TICK, "liveness: {}", ails(world));
        world.advance()?;
    }
    Ok(())
}

/// Every client has been served since the faults ended, and every member has applied everything.
fn is_well(world: &World) -> bool {
    let Some(leader) = world.leader() else { return false };
    let Some(leader) = world.host(leader).up.as_ref() else { return false };
    if world.clients.iter().any(|client| client.done_after_healing < SERVED) {
        return false;
    }
    let members = world.oracle.membership(leader.seen.applied);
    members.voters_outgoing.is_empty()
        && world
            .hosts
            .iter()
            .filter(|host| members.contains(host.id))
            .all(|host| host.up.as_ref().is_some_and(|up| up.seen.applied == leader.seen.last()))
}

fn ails(world: &World) -> String {
    let served: Vec<u64> = world.clients.iter().map(|client| client.done_after_healing).collect();
    let mut text = format!("clients were served {served:?}, {:?} leads", world.leader());
    for up in world.hosts.iter().filter_map(|host| host.up.as_ref()) {
        let seen = &up.seen;
        text += &format!(
            "; {}: {} term {} led by {} applied {} commit {} last {}/{} {:?}",
            seen.id,
            seen.role,
            seen.term,
            seen.leader,
            seen.applied,
            seen.commit,
            seen.term_at(seen.last()),
            seen.last(),
            up.raw.conf_state()
        );
    }
    text
}
