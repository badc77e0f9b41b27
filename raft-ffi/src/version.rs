//! Version: of this header, and of the library that is loaded.
//!
//! The macros below are the header's; the functions answer for the library. rft_check_version, at the end of this
//! file, compares the two: call it once, before anything else.

use std::ffi::c_char;

use crate::boundary;

/// Goes up by one with every change that an existing binary would notice (include/ABI.md).
pub(crate) const ABI_VERSION: u32 = 1;

const VERSION: &std::ffi::CStr =
    match std::ffi::CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(text) => text,
        Err(_) => c"",
    };

const fn decimal(text: &str) -> u32 {
    let (digits, mut at, mut value) = (text.as_bytes(), 0, 0);
    while at < digits.len() {
        value = value * 10 + (digits[at] - b'0') as u32;
        at += 1;
    }
    value
}

/// 0x00MMmmpp: major, minor and patch, one byte each.
pub(crate) const VERSION_NUMBER: u32 = decimal(env!("CARGO_PKG_VERSION_MAJOR")) << 16
    | decimal(env!("CARGO_PKG_VERSION_MINOR")) << 8
    | decimal(env!("CARGO_PKG_VERSION_PATCH"));

/// The library's version as one number that can be compared.
///
/// @return major * 65536 + minor * 256 + patch, as RFT_VERSION_NUMBER is for the header
/// @par Thread
/// Any.
#[unsafe(no_mangle)]
pub extern "C" fn rft_version_number() -> u32 {
    boundary::or_default(|| VERSION_NUMBER, VERSION_NUMBER)
}

/// The library's version as text, `"0.1.0"`.
///
/// @return ends with NUL. Static: never freed.
/// @par Thread
/// Any.
#[unsafe(no_mangle)]
pub extern "C" fn rft_version_string() -> *const c_char {
    boundary::or_default(|| VERSION.as_ptr(), c"".as_ptr())
}

/// The number of the library's binary interface.
///
/// @return a program works with the library when this equals the RFT_ABI_VERSION it was compiled with
/// @par Thread
/// Any.
#[unsafe(no_mangle)]
pub extern "C" fn rft_abi_version() -> u32 {
    boundary::or_default(|| ABI_VERSION, ABI_VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_and_the_text_tell_the_same() {
        let number = rft_version_number();
        let text = format!("{}.{}.{}", number >> 16, number >> 8 & 0xff, number & 0xff);
        assert_eq!(VERSION.to_str().unwrap().split('-').next(), Some(text.as_str()));
        assert_eq!(decimal("120"), 120);
    }
}
