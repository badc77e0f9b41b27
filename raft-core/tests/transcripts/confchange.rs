//! Transcripts of membership changes.
//!
//! `simple`, `enter-joint [autoleave=true]` and `leave-joint` change the configuration that the file has built so
//! far. The input lists the steps: `v1` makes 1 a voter, `l1` a learner, `r1` removes it, `u1` updates it. The
//! output is the new configuration and the progress of its members, or why the change is refused. The log grows by
//! an entry a command.

use raft_core::consensus::confchange::changer::Changer;
use raft_core::consensus::quorum::configuration::Configuration;
use raft_core::consensus::tracker::progress_map::ProgressMap;
use raft_core::error::Error;
use raft_core::raftpb::conf_change::{ConfChangeSingle, ConfChangeType};

use super::datadriven::Case;

/// The configuration that a file has built so far.
#[derive(Default)]
pub(crate) struct Session {
    config: Configuration,
    progress: ProgressMap,
    last_index: u64,
}

impl Session {
    pub(crate) fn run(&mut self, case: &Case) -> Result<String, String> {
        let steps = read_steps(&case.input)?;
        let changer = Changer {
            config: &self.config,
            progress: &self.progress,
            last_index: self.last_index,
            inflight_messages_max: 10,
            inflight_bytes_max: 0,
        };
        let changed = match case.command.as_str() {
            "simple" => changer.simple(&steps),
            "enter-joint" => changer.enter_joint(read_auto_leave(case)?, &steps),
            "leave-joint" if steps.is_empty() => changer.leave_joint(),
            "leave-joint" => return Err("leave-joint takes no input".to_owned()),
            other => return Err(format!("unknown command {other}")),
        };
        self.last_index += 1;
        match changed {
            Ok((config, progress)) => {
                (self.config, self.progress) = (config, progress);
                Ok(format!("{}\n{}", self.config, self.progress))
            }
            Err(Error::ConfChange(why)) => Ok(why),
            Err(other) => Err(other.to_string()),
        }
    }
}

fn read_auto_leave(case: &Case) -> Result<bool, String> {
    let [arg] = case.args.as_slice() else {
        return if case.args.is_empty() { Ok(false) } else { Err("too many arguments".to_owned()) };
    };
    match (arg.key.as_str(), arg.values.as_slice()) {
        ("autoleave", [value]) => value.parse().map_err(|_| format!("autoleave is not {value}")),
        _ => Err(format!("unknown argument {}", arg.key)),
    }
}

/// Reads steps such as `v1 l2 r3 u4`.
pub(crate) fn read_steps(input: &str) -> Result<Vec<ConfChangeSingle>, String> {
    let step = |word: &str| {
        let kind = match word.as_bytes().first() {
            Some(b'v') => ConfChangeType::AddNode,
            Some(b'l') => ConfChangeType::AddLearnerNode,
            Some(b'r') => ConfChangeType::RemoveNode,
            Some(b'u') => ConfChangeType::UpdateNode,
            _ => return Err(format!("unknown step {word}")),
        };
        let id = word[1..].parse().map_err(|_| format!("no id in {word}"))?;
        Ok(ConfChangeSingle::new(kind, id))
    };
    input.split_whitespace().map(step).collect()
}
