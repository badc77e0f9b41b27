//! Every struct of the header has the layout that is written down here, in Rust and in C.
#![cfg(target_pointer_width = "64")]

mod support;

use std::fs;
use std::mem::offset_of;
use std::process::Command;

use rft::data::*;
use rft::host::*;
use rft::ready::*;
use rft::request::*;
use support::{generate_header, has, include_dir, run, scratch};

/// Checks a struct here, and writes the checks for C.
macro_rules! layouts {
    ($($name:ident $size:literal { $($field:ident $offset:literal),* $(,)? })*) => {
        $(const _: () = {
            assert!(size_of::<$name>() == $size);
            $(assert!(offset_of!($name, $field) == $offset);)*
        };)*
        const NAMES: &[&str] = &[$(stringify!($name)),*];
        const IN_C: &str = concat!($(
            "RFT_ASSERT(sizeof(", stringify!($name), ") == ", $size, ");\n",
            $("RFT_ASSERT(offsetof(", stringify!($name), ", ", stringify!($field), ") == ", $offset, ");\n",)*
        )*);
    };
}

layouts! {
    rft_bytes_t 16 { data 0, len 8 }
    rft_message_t 32 { to 0, data 8, len 16, r#type 24, reserved 28 }
    rft_entry_t 56 { index 0, term 8, request 16, data 24, len 32, r#type 40, reserved 44, answer 48 }
    rft_change_t 16 { node_id 0, r#type 8, reserved 12 }
    rft_node_status_t 120 {
        id 0, term 8, vote 16, leader 24, commit 32, applied 40, first_index 48, last_index 56, snapshot_index 64,
        transferee 72, role 80, failure 84, lost_index 88, disk_full 96, pad 97, host_call_ms 104,
        disk_call_ms 108, reserved 112
    }
    rft_outcome_t 56 {
        request 0, status 8, age_ms 12, index 16, term 24, leader 32, answer 40, answer_len 48
    }
    rft_event_t 80 {
        kind 0, role 4, term 8, leader 16, index 24, bytes 32, status 40, reserved0 44, text 48, text_len 56,
        millis 64, reserved 72
    }
    rft_host_t 104 {
        size 0, user_data 8, drop 16, send 24, apply 32, snapshot_save 40, snapshot_restore 48, outcome 56,
        event 64, log 72, snapshot_view 80, snapshot_view_save 88, snapshot_view_drop 96
    }
    rft_proposal_t 24 { data 0, len 8, request 16 }
    rft_snapshot_t 32 { index 0, term 8, data 16, len 24 }
    rft_read_t 16 { index 0, request 8 }
    rft_hard_state_t 24 { term 0, vote 8, commit 16 }
    rft_ready_t 176 {
        messages 0, messages_len 8, entries 16, entries_len 24, committed 32, committed_len 40, reads 48,
        reads_len 56, hard_state 64, snapshot 88, has_hard_state 120, has_snapshot 121, must_sync 122, pad 123,
        leader 128, role 136, reserved0 140, reserved 144
    }
    rft_member_t 40 { id 0, flags 8, progress 12, matched 16, next 24, recent_active 32, pad 33 }
}

#[test]
fn every_struct_of_the_header_is_written_down_here() {
    for line in
        generate_header().lines().filter(|line| line.starts_with("typedef struct") && line.ends_with('{'))
    {
        let name = line.split(' ').nth(2).unwrap();
        assert!(NAMES.contains(&name), "{name} is missing");
    }
}

#[test]
fn c_and_cpp_have_the_same_layout() {
    let dir = scratch("layout");
    let body = IN_C.replace("r#", "");
    for (file, word, compilers) in [
        ("layout.c", "_Static_assert", ["gcc", "clang"]),
        ("layout.cpp", "static_assert", ["g++", "clang++"]),
    ] {
        let source = dir.join(file);
        let head = format!("#include <rft.h>\n#define RFT_ASSERT(what) {word}(what, #what)\n");
        fs::write(&source, head + &body).unwrap();
        for compiler in compilers.into_iter().filter(|compiler| has(compiler)) {
            run(Command::new(compiler).args(["-fsyntax-only", "-I"]).arg(include_dir()).arg(&source));
        }
    }
}
