//! Time that this process was on a processor, in all its threads.

/// Nanoseconds of processor time so far. Unlike wall time it leaves out what other programs of the machine take.
pub fn cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the answer.
    let code = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    assert_eq!(code, 0, "the clock of the process");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
