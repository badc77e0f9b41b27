//! What the kernel says of this process.

use std::fs;
use std::time::Instant;

/// A figure of /proc/self/status, such as `VmRSS` in KiB.
pub fn status(name: &str) -> u64 {
    let text = fs::read_to_string("/proc/self/status").expect("/proc");
    let line =
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).expect("a known name");
    line.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a number")
}

/// Has the highest memory use begin anew, so that `VmHWM` tells that of what follows.
pub fn forget_peak() {
    // Where that is not allowed the peak is that of the whole process, which is never too little.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// Tells, as a sample, in how many MB a second `call` did `mib` MiB, and what memory the process took beyond what it had.
pub fn measured(mib: u64, call: impl FnOnce()) {
    let before = status("VmRSS");
    forget_peak();
    let start = Instant::now();
    call();
    let speed = (mib << 20) as f64 / 1e6 / start.elapsed().as_secs_f64();
    let grown = status("VmHWM").saturating_sub(before);
    println!("{{\"value\": {speed:.2}, \"rss_kib\": {grown}}}");
}
