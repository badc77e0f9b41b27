//! [`Metrics`]: what an engine counts and times, for its host to read and as Prometheus text.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Something that is counted since the engine was opened. The numbers are part of the C interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Counter {
    /// Entries that this node appended as a leader for requests, its own and forwarded ones.
    Proposals = 0,
    /// Requests that this node sent on to the leader.
    Forwarded = 1,
    /// Requests that were not accepted because a queue was full.
    Busy = 2,
    /// Reads that were answered.
    Reads = 3,
    /// Entries that the state machine has applied.
    Applied = 4,
    /// Their payload, in bytes.
    AppliedBytes = 5,
    /// Messages given to the host to send.
    Sent = 6,
    /// Messages from peers that were accepted.
    Received = 7,
    /// Times that this node won an election.
    Elected = 8,
    /// Writes to the log, each of one batch and with one sync at the most.
    Writes = 9,
    /// Snapshots of the own state machine that became durable.
    SnapshotsSaved = 10,
    /// Snapshots of a leader that took the place of the state machine.
    SnapshotsRestored = 11,
    /// Times that nothing of the engine ran for more than half an election timeout.
    Pauses = 12,
}

impl Counter {
    /// All of them, in the order of their numbers, with the name and the help that Prometheus shows.
    pub const ALL: [(Counter, &'static str, &'static str); 13] = [
        (Counter::Proposals, "proposals", "Entries appended as a leader for requests."),
        (Counter::Forwarded, "forwarded", "Requests sent on to the leader."),
        (Counter::Busy, "busy", "Requests refused because a queue was full."),
        (Counter::Reads, "reads", "Reads answered."),
        (Counter::Applied, "applied", "Entries applied by the state machine."),
        (Counter::AppliedBytes, "applied_bytes", "Payload of the entries applied."),
        (Counter::Sent, "messages_sent", "Messages given to the transport."),
        (Counter::Received, "messages_received", "Messages accepted from peers."),
        (Counter::Elected, "elections_won", "Elections won by this node."),
        (Counter::Writes, "log_writes", "Batches written to the log."),
        (Counter::SnapshotsSaved, "snapshots_saved", "Snapshots saved."),
        (Counter::SnapshotsRestored, "snapshots_restored", "Snapshots of a leader restored."),
        (Counter::Pauses, "pauses", "Times that the engine did not run for half an election timeout."),
    ];
}

/// Something that is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Timer {
    /// A batch written to the log, with its sync.
    Write = 0,
    /// One call of the host's `apply`.
    Apply = 1,
    /// A proposal at the leader, from its append until it is applied.
    Commit = 2,
    /// A read, from the question until the state machine is far enough.
    Read = 3,
}

impl Timer {
    /// All of them, in the order of their numbers, with the name and the help that Prometheus shows.
    pub const ALL: [(Timer, &'static str, &'static str); 4] = [
        (Timer::Write, "log_write_seconds", "A batch written to the log, with its sync."),
        (Timer::Apply, "apply_seconds", "One call of the state machine."),
        (Timer::Commit, "commit_seconds", "A proposal at the leader, from append to applied."),
        (Timer::Read, "read_seconds", "A linearizable read, from question to answer."),
    ];
}

/// Buckets of a histogram: number k holds what took less than 2^k microseconds, the last one everything longer.
pub const BUCKETS: usize = 28;

/// Times, in buckets that double in width.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// How many fell into each bucket.
    pub buckets: [u64; BUCKETS],
    /// All times together, in microseconds.
    pub sum_us: u64,
}

impl Histogram {
    /// How many times there are.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// A time, in microseconds, that at least `percent` of all do not exceed: the upper end of a bucket, so up to twice the
    /// truth. 0 if there are none.
    pub fn percentile_us(&self, percent: u64) -> u64 {
        let wanted = self.count().saturating_mul(percent).div_ceil(100);
        let mut below = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            below += count;
            if below >= wanted && below > 0 {
                return 1 << bucket;
            }
        }
        0
    }
}

/// What all threads of an engine add to, without waiting for each other.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    counters: [AtomicU64; Counter::ALL.len()],
    timers: [Times; Timer::ALL.len()],
}

#[derive(Debug, Default)]
struct Times {
    buckets: [AtomicU64; BUCKETS],
    sum_us: AtomicU64,
}

impl Metrics {
    pub(super) fn add(&self, counter: Counter, n: u64) {
        self.counters[counter as usize].fetch_add(n, Ordering::Relaxed);
    }

    pub(super) fn count(&self, counter: Counter) -> u64 {
        self.counters[counter as usize].load(Ordering::Relaxed)
    }

    /// `n` things took this long, each of them.
    pub(super) fn time(&self, timer: Timer, took: Duration, n: u64) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = (u64::BITS - us.leading_zeros()) as usize;
        let times = &self.timers[timer as usize];
        times.buckets[bucket.min(BUCKETS - 1)].fetch_add(n, Ordering::Relaxed);
        times.sum_us.fetch_add(us.saturating_mul(n), Ordering::Relaxed);
    }

    pub(super) fn histogram(&self, timer: Timer) -> Histogram {
        let times = &self.timers[timer as usize];
        let mut histogram =
            Histogram { sum_us: times.sum_us.load(Ordering::Relaxed), ..Histogram::default() };
        for (copy, bucket) in histogram.buckets.iter_mut().zip(&times.buckets) {
            *copy = bucket.load(Ordering::Relaxed);
        }
        histogram
    }

    /// Counters and histograms in the text format of Prometheus, version 0.0.4; `labels` go into the braces.
    pub(super) fn to_prometheus(&self, labels: &str) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let mut line = |args: std::fmt::Arguments<'_>| {
            let _ = writeln!(text, "{args}");
        };
        for (counter, name, help) in Counter::ALL {
            line(format_args!("# HELP rft_{name}_total {help}\n# TYPE rft_{name}_total counter"));
            line(format_args!("rft_{name}_total{{{labels}}} {}", self.count(counter)));
        }
        for (timer, name, help) in Timer::ALL {
            let histogram = self.histogram(timer);
            line(format_args!("# HELP rft_{name} {help}\n# TYPE rft_{name} histogram"));
            let mut below = 0;
            for (bucket, count) in histogram.buckets.iter().enumerate() {
                below += count;
                match bucket + 1 {
                    BUCKETS => line(format_args!("rft_{name}_bucket{{{labels},le=\"+Inf\"}} {below}")),
                    _ => {
                        let le = (1u64 << bucket) as f64 / 1e6;
                        line(format_args!("rft_{name}_bucket{{{labels},le=\"{le}\"}} {below}"));
                    }
                }
            }
            line(format_args!("rft_{name}_sum{{{labels}}} {}", histogram.sum_us as f64 / 1e6));
            line(format_args!("rft_{name}_count{{{labels}}} {below}"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_at_their_places() {
        for (at, (counter, ..)) in Counter::ALL.iter().enumerate() {
            assert_eq!(*counter as usize, at);
        }
        for (at, (timer, ..)) in Timer::ALL.iter().enumerate() {
            assert_eq!(*timer as usize, at);
        }
    }

    #[test]
    fn times_fall_into_the_bucket_that_holds_them() {
        let metrics = Metrics::default();
        for (us, bucket) in
            [(0, 0), (1, 1), (2, 2), (3, 2), (4, 3), (1023, 10), (1024, 11), (u64::MAX, BUCKETS - 1)]
        {
            let before = metrics.histogram(Timer::Read).buckets[bucket];
            metrics.time(Timer::Read, Duration::from_micros(us), 1);
            assert_eq!(metrics.histogram(Timer::Read).buckets[bucket], before + 1, "{us}");
        }
        assert_eq!(metrics.histogram(Timer::Read).count(), 8);
        assert_eq!(metrics.histogram(Timer::Apply), Histogram::default());
    }

    #[test]
    fn a_percentile_is_not_below_the_truth() {
        let metrics = Metrics::default();
        assert_eq!(metrics.histogram(Timer::Write).percentile_us(99), 0);
        metrics.time(Timer::Write, Duration::from_micros(100), 98);
        metrics.time(Timer::Write, Duration::from_micros(5000), 2);
        let histogram = metrics.histogram(Timer::Write);
        assert_eq!((histogram.percentile_us(50), histogram.percentile_us(98)), (128, 128));
        assert_eq!((histogram.percentile_us(99), histogram.percentile_us(100)), (8192, 8192));
        assert_eq!(histogram.sum_us, 98 * 100 + 2 * 5000);
    }

    #[test]
    fn prometheus_reads_cumulative_buckets() {
        let metrics = Metrics::default();
        metrics.add(Counter::Proposals, 7);
        metrics.time(Timer::Commit, Duration::from_micros(3), 2);
        metrics.time(Timer::Commit, Duration::from_secs(3600), 1);
        let text = metrics.to_prometheus("cluster=\"1\",node=\"2\"");
        for line in [
            "# TYPE rft_proposals_total counter",
            "rft_proposals_total{cluster=\"1\",node=\"2\"} 7",
            "rft_commit_seconds_bucket{cluster=\"1\",node=\"2\",le=\"0.000002\"} 0",
            "rft_commit_seconds_bucket{cluster=\"1\",node=\"2\",le=\"0.000004\"} 2",
            "rft_commit_seconds_bucket{cluster=\"1\",node=\"2\",le=\"+Inf\"} 3",
            "rft_commit_seconds_count{cluster=\"1\",node=\"2\"} 3",
            "rft_commit_seconds_sum{cluster=\"1\",node=\"2\"} 3600.000006",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}\n{text}");
        }
    }
}
