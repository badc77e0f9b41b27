//! [`Trace`]: what happened, as a hash and, if wanted, as lines to read.

/// Folds `word` into `hash`.
pub(crate) fn mix(hash: u64, word: u64) -> u64 {
    let folded = (hash ^ word).wrapping_mul(0x9fb2_1c65_1e98_df25);
    folded ^ (folded >> 32)
}

pub(crate) fn hash_bytes(bytes: &[u8]) -> u64 {
    bytes.iter().fold(bytes.len() as u64, |hash, &byte| mix(hash, u64::from(byte)))
}

#[derive(Debug, Default)]
pub(crate) struct Trace {
    pub(crate) hash: u64,
    /// Whether lines are printed.
    pub(crate) is_verbose: bool,
}

impl Trace {
    pub(crate) fn note(&mut self, words: &[u64]) {
        self.hash = words.iter().fold(self.hash, |hash, &word| mix(hash, word));
    }

    pub(crate) fn line(&self, now: u64, text: impl FnOnce() -> String) {
        if self.is_verbose {
            println!("{now:>6} {}", text());
        }
    }
}
