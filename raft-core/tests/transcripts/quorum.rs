//! Transcripts of majorities.
//!
//! `committed cfg=(1,2) idx=(7,_)` prints what each voter has acknowledged and what is committed of it,
//! `vote cfg=(1,2) votes=(y,_)` what the votes mean; `_` is no word yet. `cfgj=(3)` makes the configuration joint,
//! `cfgj=zero` with an empty outgoing half. Values belong to the ids in the order in which these first appear.
//!
//! What must not make a difference is tried as well, and printed only where it does.

use std::collections::BTreeMap;

use raft_core::consensus::quorum::joint::JointConfig;
use raft_core::consensus::quorum::majority::MajorityConfig;

use super::datadriven::Case;

pub(crate) fn run(case: &Case) -> Result<String, String> {
    let (mut incoming, mut outgoing) = (Vec::new(), None);
    let mut values = Vec::new();
    for arg in &case.args {
        match (case.command.as_str(), arg.key.as_str()) {
            (_, "cfg") => incoming = read_ids(&arg.values)?,
            (_, "cfgj") if arg.values == ["zero"] => outgoing = Some(Vec::new()),
            (_, "cfgj") => outgoing = Some(read_ids(&arg.values)?),
            ("committed", "idx") | ("vote", "votes") => values = arg.values.clone(),
            (_, other) => return Err(format!("unknown argument {other}")),
        }
    }
    let mut ids: Vec<u64> = Vec::new();
    for &id in incoming.iter().chain(outgoing.iter().flatten()) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    if ids.len() != values.len() {
        return Err(format!("{} values for {} voters", values.len(), ids.len()));
    }
    let known = ids.into_iter().zip(&values).filter(|(_, value)| *value != "_");
    let incoming = MajorityConfig::from_ids(incoming);
    let outgoing = outgoing.map(MajorityConfig::from_ids);
    match case.command.as_str() {
        "committed" => {
            let read = |value: &str| value.parse().map_err(|_| format!("{value} is no index"));
            let acked = known.map(|(id, value)| Ok((id, read(value)?))).collect::<Result<_, String>>()?;
            Ok(committed(incoming, outgoing, &acked))
        }
        "vote" => {
            let read = |value: &str| match value {
                "y" => Ok(true),
                "n" => Ok(false),
                other => Err(format!("{other} is no vote")),
            };
            let votes = known.map(|(id, value)| Ok((id, read(value)?))).collect::<Result<_, String>>()?;
            Ok(vote(incoming, outgoing, &votes))
        }
        other => Err(format!("unknown command {other}")),
    }
}

fn read_ids(values: &[String]) -> Result<Vec<u64>, String> {
    values.iter().map(|value| value.parse().map_err(|_| format!("{value} is no id"))).collect()
}

fn show(index: u64) -> String {
    if index == u64::MAX { "∞".to_owned() } else { index.to_string() }
}

fn committed(
    incoming: MajorityConfig,
    outgoing: Option<MajorityConfig>,
    acked: &BTreeMap<u64, u64>,
) -> String {
    let ack = |id: u64| acked.get(&id).copied();
    let joint = |incoming: &MajorityConfig, outgoing: &MajorityConfig| JointConfig {
        incoming: incoming.clone(),
        outgoing: outgoing.clone(),
    };
    let (chart, index, others) = match outgoing {
        None => {
            let nobody = MajorityConfig::default();
            let others = vec![
                ("joint with nobody", joint(&incoming, &nobody).committed_index(ack)),
                ("joint with itself", joint(&incoming, &incoming).committed_index(ack)),
                ("by definition", committed_by_definition(&incoming, acked)),
                ("with those behind at nothing", committed_without_laggards(&incoming, acked)),
            ];
            (incoming.describe(ack), incoming.committed_index(ack), others)
        }
        Some(outgoing) => {
            let others = vec![
                ("halves exchanged", joint(&outgoing, &incoming).committed_index(ack)),
                (
                    "the smaller half",
                    incoming.committed_index(ack).min(committed_by_definition(&outgoing, acked)),
                ),
            ];
            let config = joint(&incoming, &outgoing);
            (config.describe(ack), config.committed_index(ack), others)
        }
    };
    let differs = others.into_iter().filter(|&(_, other)| other != index);
    let differs: String = differs.map(|(how, other)| format!("{} {how}\n", show(other))).collect();
    format!("{chart}{differs}{}\n", show(index))
}

/// The largest index that more than half of the voters have reached.
fn committed_by_definition(config: &MajorityConfig, acked: &BTreeMap<u64, u64>) -> u64 {
    let has = |id: &u64| acked.get(id).copied();
    let reached = |index: u64| config.ids().iter().filter_map(has).filter(|&other| other >= index).count();
    let best = config.ids().iter().filter_map(has).filter(|&index| 2 * reached(index) > config.len()).max();
    if config.is_empty() { u64::MAX } else { best.unwrap_or(0) }
}

/// What is committed when every voter that is behind that index falls back to nothing.
fn committed_without_laggards(config: &MajorityConfig, acked: &BTreeMap<u64, u64>) -> u64 {
    let index = config.committed_index(|id| acked.get(&id).copied());
    config.committed_index(|id| acked.get(&id).copied().filter(|&other| other >= index))
}

fn vote(incoming: MajorityConfig, outgoing: Option<MajorityConfig>, votes: &BTreeMap<u64, bool>) -> String {
    let answer = |id: u64| votes.get(&id).copied();
    let Some(outgoing) = outgoing else {
        return incoming.vote_result(answer).to_string();
    };
    let exchanged = JointConfig { incoming: outgoing, outgoing: incoming };
    let other = exchanged.vote_result(answer);
    let config = JointConfig { incoming: exchanged.outgoing, outgoing: exchanged.incoming };
    let result = config.vote_result(answer);
    if result == other { result.to_string() } else { format!("{other} halves exchanged\n{result}") }
}
