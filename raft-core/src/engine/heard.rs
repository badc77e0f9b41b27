//! [`Heard`]: who has been heard of lately, and how far whoever keeps pace must be.

use std::time::{Duration, Instant};

/// Nodes that are remembered: far more than a group has. Who sends without being a member takes a place, too.
const NODES_MAX: usize = 256;

/// What a driver knows of the others besides consensus, whose own word of it begins anew with each look at the quorum.
#[derive(Debug)]
pub(super) struct Heard {
    nodes: Vec<(u64, Instant)>,
    // An election timeout.
    span: Duration,
    // The commit index at two times, the later one less than a span ago.
    marked: Instant,
    older: u64,
    newer: u64,
}

impl Heard {
    /// For a node that has committed up to `commit`.
    pub(super) fn new(span: Duration, now: Instant, commit: u64) -> Self {
        Heard { nodes: Vec::new(), span, marked: now, older: commit, newer: commit }
    }

    /// A message of node `id` was taken.
    pub(super) fn note(&mut self, id: u64, now: Instant) {
        match self.nodes.iter_mut().find(|(node, _)| *node == id) {
            Some((_, at)) => *at = now,
            None => {
                if self.nodes.len() == NODES_MAX
                    && let Some(oldest) = (0..NODES_MAX).min_by_key(|at| self.nodes[*at].1)
                {
                    self.nodes.swap_remove(oldest);
                }
                self.nodes.push((id, now));
            }
        }
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, now: Instant, commit: u64) {
        if now.saturating_duration_since(self.marked) >= self.span {
            (self.marked, self.older, self.newer) = (now, self.newer, commit);
        }
    }

    /// Whether node `id` was heard of within the last two election timeouts.
    pub(super) fn lately(&self, id: u64, now: Instant) -> bool {
        let limit = self.span * 2;
        self.nodes.iter().any(|(node, at)| *node == id && now.saturating_duration_since(*at) <= limit)
    }

    /// Whether a log that is known to agree up to `matched` lags by less than two election timeouts (thesis 4.2.1): it
    /// holds all that was committed then.
    pub(super) fn keeps_pace(&self, matched: u64) -> bool {
        matched > 0 && matched >= self.older
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_heard_of_for_two_spans() {
        let now = Instant::now();
        let span = Duration::from_millis(100);
        let mut heard = Heard::new(span, now, 5);
        heard.note(2, now);
        assert!(heard.lately(2, now + span * 2) && !heard.lately(2, now + span * 2 + span));
        assert!(!heard.lately(3, now));
        heard.note(2, now + span * 3);
        assert!(heard.lately(2, now + span * 4));
        for id in 0..1000 {
            heard.note(1000 + id, now + span * 4);
        }
        assert_eq!(heard.nodes.len(), NODES_MAX);
    }

    #[test]
    fn pace_is_kept_by_who_holds_what_was_committed_a_while_ago() {
        let start = Instant::now();
        let span = Duration::from_millis(100);
        let mut heard = Heard::new(span, start, 5);
        assert!(heard.keeps_pace(5) && !heard.keeps_pace(4));
        heard.tick(start + span / 2, 50);
        assert!(heard.keeps_pace(5), "not marked before its time");
        heard.tick(start + span, 100);
        assert!(heard.keeps_pace(5));
        heard.tick(start + span * 2, 200);
        assert!(heard.keeps_pace(100) && !heard.keeps_pace(99));
        assert!(!Heard::new(span, start, 0).keeps_pace(0), "who never answered holds nothing");
    }
}
