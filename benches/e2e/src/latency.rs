//! [`Latencies`]: how long things took, to about three parts in a hundred.

use std::time::Duration;

/// Sixteen steps to each doubling.
const STEPS: u32 = 16;

pub(crate) struct Latencies {
    buckets: Vec<u64>,
}

impl Default for Latencies {
    fn default() -> Self {
        Latencies { buckets: vec![0; 64 * STEPS as usize] }
    }
}

impl Latencies {
    pub(crate) fn add(&mut self, took: Duration) {
        let ns = (took.as_nanos() as u64).max(STEPS.into());
        let power = ns.ilog2();
        let step = (ns >> (power - STEPS.ilog2())) as u32 - STEPS;
        self.buckets[(power * STEPS + step) as usize] += 1;
    }

    pub(crate) fn merge(&mut self, other: &Latencies) {
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(own, other)| *own += other);
    }

    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// What `percent` of all do not exceed, in microseconds: the middle of a step.
    pub(crate) fn percentile_us(&self, percent: u64) -> f64 {
        let wanted = (self.count() * percent).div_ceil(100);
        let mut below = 0;
        for (bucket, count) in (0u32..).zip(&self.buckets) {
            below += count;
            if below >= wanted && below > 0 {
                let (power, step) = (bucket / STEPS, bucket % STEPS);
                return (f64::from(STEPS + step) + 0.5) * 2f64.powi(power as i32 - STEPS.ilog2() as i32)
                    / 1e3;
            }
        }
        0.0
    }
}
