//! What an engine tells of itself as text: JSON for people and programs, the text format of Prometheus for its scraper.

use std::fmt::{Arguments, Write as _};
use std::time::Duration;

use super::metrics::{Counter, Metrics, Timer};
use super::node::EngineStatus;
use crate::consensus::status::RoleKind;
use crate::consensus::tracker::progress::ProgressState;
use crate::raftpb::conf_change::ConfState;

/// What waits, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) queue_items: usize,
    pub(super) queue_bytes: usize,
    pub(super) requests: usize,
}

/// One JSON object on one line, ASCII. Fields may be added, and keep their names and meanings.
pub(super) fn json(engine: &EngineStatus, waiting: Waiting, metrics: &Metrics) -> String {
    let EngineStatus { status, snapshot_index, failure, disk_full, in_host, in_disk, group, .. } = engine;
    let hard_state = status.hard_state;
    let mut text = String::new();
    let mut put = |args: Arguments<'_>| {
        // Writing to a string does not fail.
        let _ = text.write_fmt(args);
    };
    put(format_args!(
        "{{\"id\":{},\"role\":\"{}\",\"leader\":{}",
        status.id,
        role(status.role),
        status.leader
    ));
    put(format_args!(
        ",\"term\":{},\"vote\":{},\"commit\":{}",
        hard_state.term, hard_state.vote, hard_state.commit
    ));
    put(format_args!(",\"applied\":{},\"first_index\":{}", status.applied, status.first_index));
    put(format_args!(",\"last_index\":{},\"snapshot_index\":{snapshot_index}", status.last_index));
    put(format_args!(",\"transferee\":{},\"disk_full\":{disk_full}", status.transferee));
    put(format_args!(",\"host_call_ms\":{},\"disk_call_ms\":{}", millis(*in_host), millis(*in_disk)));
    put(format_args!(",\"group\":{group},\"failure\":"));
    match failure {
        Some(error) => put(format_args!("\"{}\"", escaped(&error.to_string()))),
        None => put(format_args!("null")),
    }
    put(format_args!(",\"members\":[{}]", json_of_members(engine)));
    let Waiting { queue_items, queue_bytes, requests } = waiting;
    put(format_args!(",\"queue_items\":{queue_items},\"queue_bytes\":{queue_bytes},\"requests\":{requests}"));
    for (counter, name, _) in Counter::ALL {
        put(format_args!(",\"{name}\":{}", metrics.count(counter)));
    }
    for (timer, name, _) in Timer::ALL {
        let histogram = metrics.histogram(timer);
        let name = name.trim_end_matches("_seconds");
        put(format_args!(
            ",\"{name}_us\":{{\"count\":{},\"sum\":{},\"p50\":{},\"p99\":{}}}",
            histogram.count(),
            histogram.sum_us,
            histogram.percentile_us(50),
            histogram.percentile_us(99)
        ));
    }
    put(format_args!("}}"));
    text
}

fn json_of_members(engine: &EngineStatus) -> String {
    let EngineStatus { status, member_bytes, .. } = engine;
    let mut text = String::new();
    let mut put = |args: Arguments<'_>| {
        let _ = text.write_fmt(args);
    };
    let conf_state = status.membership.conf_state();
    for (at, id) in members(&conf_state).iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        put(format_args!(
            "{comma}{{\"id\":{id},\"voter\":{},\"learner\":{},\"outgoing\":{},\"learner_next\":{}",
            conf_state.voters.contains(id),
            conf_state.learners.contains(id),
            conf_state.voters_outgoing.contains(id),
            conf_state.learners_next.contains(id),
        ));
        if let Some((_, progress)) = status.progress.iter().find(|(member, _)| member == id) {
            let how = match progress.state {
                ProgressState::Probe => "probe",
                ProgressState::Replicate => "replicate",
                ProgressState::Snapshot { .. } => "snapshot",
            };
            put(format_args!(
                ",\"progress\":\"{how}\",\"matched\":{},\"next\":{},\"recent_active\":{}",
                progress.matched, progress.next, progress.recent_active
            ));
        }
        if let Some((_, bytes)) = member_bytes.iter().find(|(member, _)| member == id) {
            put(format_args!(",\"bytes\":\"{}\"", escaped(&characters(bytes))));
        }
        put(format_args!("}}"));
    }
    text
}

/// The counters, the times and the state as gauges.
pub(super) fn prometheus(engine: &EngineStatus, cluster: u64, waiting: Waiting, metrics: &Metrics) -> String {
    let status = &engine.status;
    let labels = format!("cluster=\"{cluster}\",node=\"{}\"", status.id);
    let mut text = metrics.to_prometheus(&labels);
    for (name, help, value) in [
        ("term", "The term.", status.hard_state.term),
        ("leader", "Who leads; 0 is unknown.", status.leader),
        ("is_leader", "1 if this node leads.", u64::from(status.role == RoleKind::Leader)),
        ("commit_index", "The last index known to be committed.", status.hard_state.commit),
        ("applied_index", "The last index applied.", status.applied),
        ("last_index", "The last index of the log.", status.last_index),
        ("snapshot_index", "The index of the newest snapshot.", engine.snapshot_index),
        ("members", "Members, voters and learners.", members(&status.membership.conf_state()).len() as u64),
        ("queue_items", "What waits for the driver.", waiting.queue_items as u64),
        ("queue_bytes", "Bytes that wait for the driver.", waiting.queue_bytes as u64),
        ("requests", "Requests without an outcome.", waiting.requests as u64),
        (
            "disk_full",
            "1 if proposals are refused for want of room on the disk.",
            u64::from(engine.disk_full),
        ),
        (
            "host_call_ms",
            "Milliseconds that the oldest callback of the host takes already.",
            millis(engine.in_host),
        ),
        ("disk_call_ms", "Milliseconds that the write to the log takes already.", millis(engine.in_disk)),
        ("failed", "1 if the engine has ended by a failure.", u64::from(engine.failure.is_some())),
    ] {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "# HELP rft_{name} {help}\n# TYPE rft_{name} gauge\nrft_{name}{{{labels}}} {value}"
        );
    }
    text
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn role(role: RoleKind) -> &'static str {
    match role {
        RoleKind::Follower => "follower",
        RoleKind::Candidate => "candidate",
        RoleKind::Leader => "leader",
        RoleKind::PreCandidate => "pre_candidate",
    }
}

fn members(conf_state: &ConfState) -> Vec<u64> {
    let ConfState { voters, learners, voters_outgoing, learners_next, .. } = conf_state;
    let mut ids: Vec<u64> =
        [voters, learners, voters_outgoing, learners_next].into_iter().flatten().copied().collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Bytes as text from which they come back, and which can be read where they are ASCII: each is the character of its
/// number.
fn characters(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// For the inside of a JSON string, in ASCII.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for unit in text.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte @ (b'"' | b'\\')) => out.extend(['\\', byte.into()]),
            Ok(byte @ b' '..=b'~') => out.push(byte.into()),
            _ => {
                // Writing to a string does not fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_string_must_not_hold_is_escaped() {
        assert_eq!(escaped("a \"b\" \\ \n é 😀"), "a \\\"b\\\" \\\\ \\u000a \\u00e9 \\ud83d\\ude00");
        assert_eq!(escaped(&characters(b"10.0.0.1\xff\0")), "10.0.0.1\\u00ff\\u0000");
    }
}
