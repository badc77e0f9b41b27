//! The few pieces of the protobuf format that the hand-written codecs share.

use bytes::BufMut;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, encoded_len_varint, skip_field};

use crate::error::{Error, Result};

/// The most bytes of a field with a number.
pub(super) const NUMBER_LEN_MAX: usize = 1 + 10;

/// Fields that are put side by side on the stack, and copied to where they belong at once.
pub(super) struct Fields<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Fields<N> {
    pub(super) fn new() -> Self {
        Fields { bytes: [0; N], len: 0 }
    }

    #[inline(always)]
    pub(super) fn put(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    /// A field with a number, or what stands before one with so many bytes.
    #[inline(always)]
    pub(super) fn number(&mut self, tag: u8, value: u64) {
        self.put(tag);
        self.varint(value);
    }

    #[inline(always)]
    pub(super) fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.put(value as u8 | 0x80);
            value >>= 7;
        }
        self.put(value as u8);
    }

    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The bytes so far.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.len]
    }

    #[inline(always)]
    pub(super) fn into_parts(self) -> ([u8; N], usize) {
        (self.bytes, self.len)
    }

    pub(super) fn copy_to(&self, buf: &mut impl BufMut) {
        buf.put_slice(&self.bytes[..self.len]);
    }
}

/// How many bytes a number takes. Most are small, and those that follow each other take as many.
#[inline(always)]
pub(super) fn varint_len(value: u64) -> usize {
    match value {
        ..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        _ => encoded_len_varint(value),
    }
}

/// One field of an incoming message: its number, and a cursor that stands on its value.
pub(super) struct Field<'a, 'b> {
    pub(super) number: u32,
    wire_type: WireType,
    rest: &'a mut &'b [u8],
}

impl<'b> Field<'_, 'b> {
    /// Calls `visit` for each field in `rest`.
    #[inline(always)]
    pub(super) fn each(mut rest: &'b [u8], mut visit: impl FnMut(Field<'_, 'b>) -> Result<()>) -> Result<()> {
        while !rest.is_empty() {
            let (number, wire_type) = key(&mut rest)?;
            visit(Field { number, wire_type, rest: &mut rest })?;
        }
        Ok(())
    }

    #[inline(always)]
    pub(super) fn varint(self) -> Result<u64> {
        self.expect(WireType::Varint)?;
        varint(self.rest)
    }

    /// The bytes of a length-delimited field.
    pub(super) fn part(self) -> Result<&'b [u8]> {
        self.expect(WireType::LengthDelimited)?;
        part(self.rest, self.number)
    }

    /// Passes over a field this version does not know.
    pub(super) fn skip(self) -> Result<()> {
        skip_field(self.wire_type, self.number, self.rest, DecodeContext::default()).map_err(malformed)
    }

    #[inline(always)]
    fn expect(&self, wire_type: WireType) -> Result<()> {
        if self.wire_type == wire_type {
            return Ok(());
        }
        Err(self.unexpected(wire_type))
    }

    #[cold]
    fn unexpected(&self, wire_type: WireType) -> Error {
        Error::Decode(format!("field {} has wire type {:?}, not {wire_type:?}", self.number, self.wire_type))
    }
}

/// Passes over the key of a field if that is what comes next. Every known writer leaves the fields in order.
#[inline(always)]
pub(super) fn is_next(key: u8, rest: &mut &[u8]) -> bool {
    let found = rest.first() == Some(&key);
    if found {
        *rest = &rest[1..];
    }
    found
}

/// The bytes of field `number`, behind their length.
#[inline(always)]
pub(super) fn part<'b>(rest: &mut &'b [u8], number: u32) -> Result<&'b [u8]> {
    let len = varint(rest)?;
    let found = usize::try_from(len).ok().and_then(|len| rest.split_at_checked(len));
    let Some((part, behind)) = found else { return Err(too_long(number, len, rest.len())) };
    *rest = behind;
    Ok(part)
}

#[cold]
fn too_long(number: u32, len: u64, left: usize) -> Error {
    Error::Decode(format!("field {number} claims {len} bytes, {left} are left"))
}

/// A field's number and how its value is written.
#[inline(always)]
fn key(rest: &mut &[u8]) -> Result<(u32, WireType)> {
    // Of one byte, and one of the two kinds in use.
    match **rest {
        [byte @ 0x08..0x80, ..] if byte & 7 == 0 => {
            *rest = &rest[1..];
            Ok((u32::from(byte >> 3), WireType::Varint))
        }
        [byte @ 0x08..0x80, ..] if byte & 7 == 2 => {
            *rest = &rest[1..];
            Ok((u32::from(byte >> 3), WireType::LengthDelimited))
        }
        _ => long_key(rest),
    }
}

// Not cold: the fields that etcd does not have come this way.
#[inline(never)]
fn long_key(rest: &mut &[u8]) -> Result<(u32, WireType)> {
    decode_key(rest).map_err(malformed)
}

#[inline(always)]
pub(super) fn varint(rest: &mut &[u8]) -> Result<u64> {
    match **rest {
        [last @ 0..0x80, ..] => {
            *rest = &rest[1..];
            Ok(u64::from(last))
        }
        [first, last @ 0..0x80, ..] => {
            *rest = &rest[2..];
            Ok(u64::from(first & 0x7f) | u64::from(last) << 7)
        }
        [first, second, last @ 0..0x80, ..] => {
            *rest = &rest[3..];
            Ok(u64::from(first & 0x7f) | u64::from(second & 0x7f) << 7 | u64::from(last) << 14)
        }
        _ => long_varint(rest),
    }
}

#[inline(never)]
fn long_varint(rest: &mut &[u8]) -> Result<u64> {
    decode_varint(rest).map_err(malformed)
}

pub(super) fn malformed(error: prost::DecodeError) -> Error {
    Error::Decode(error.to_string())
}
