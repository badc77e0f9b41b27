#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    raft_core_fuzz::tool::command_log(data);
});
