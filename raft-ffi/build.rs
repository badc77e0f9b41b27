//! Gives the shared library its name for the loader, and keeps it loaded.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let part = |name: &str| env::var(name).unwrap_or_default();
    let (major, minor) = (part("CARGO_PKG_VERSION_MAJOR"), part("CARGO_PKG_VERSION_MINOR"));
    match part("CARGO_CFG_TARGET_OS").as_str() {
        "linux" | "freebsd" | "netbsd" | "openbsd" | "dragonfly" => {
            // Before 1.0 a minor release may break the ABI: its number is part of the name (include/ABI.md).
            println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,librft.so.{major}.{minor}");
            // Rust's thread-local destructors must not outlive their code: dlclose keeps the library.
            println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
        }
        "macos" => {
            println!("cargo::rustc-cdylib-link-arg=-Wl,-install_name,@rpath/librft.{major}.{minor}.dylib");
        }
        _ => {}
    }
}
