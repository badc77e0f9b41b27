//! Every struct of the header has the layout that is written down here, in Rust and in C.
#![cfg(target_pointer_width = "64")]

mod support;

use std::fs;
use std::mem::offset_of;
use std::process::Command;

use rft::data::*;
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
    rft_entry_t 48 { index 0, term 8, request 16, data 24, len 32, r#type 40, reserved 44 }
    rft_change_t 16 { node_id 0, r#type 8, reserved 12 }
    rft_node_status_t 120 {
        id 0, term 8, vote 16, leader 24, commit 32, applied 40, first_index 48, last_index 56, snapshot_index 64,
        transferee 72, role 80, failure 84, reserved 88
    }
    rft_member_t 40 { id 0, flags 8, progress 12, matched 16, next 24, recent_active 32, pad 33 }
}

#[test]
fn every_struct_of_the_header_is_written_down_here() {
    for line in
        generate_header().lines().filter(|line| line.starts_with("typedef struct") && line.ends_with('{'))
    {
        let tag = line.split(' ').nth(2).unwrap();
        assert!(NAMES.contains(&format!("{tag}_t").as_str()), "{tag}_t is missing");
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
