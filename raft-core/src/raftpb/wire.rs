//! The few pieces of the protobuf format that the hand-written codecs share.

use bytes::{BufMut, Bytes};
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, encode_varint, skip_field};

use crate::error::{Error, Result};

/// A varint below this is one byte, as most are.
const ONE_BYTE: u64 = 0x80;

#[inline]
pub(super) fn put_varint_field(tag: u8, value: u64, buf: &mut impl BufMut) {
    if value < ONE_BYTE {
        return buf.put_slice(&[tag, value as u8]);
    }
    buf.put_u8(tag);
    encode_varint(value, buf);
}

pub(super) fn put_bytes_field(tag: u8, bytes: &Bytes, buf: &mut impl BufMut) {
    put_varint_field(tag, bytes.len() as u64, buf);
    buf.put_slice(bytes);
}

/// One field of an incoming message: its number, and a cursor that stands on its value.
pub(super) struct Field<'a, 'b> {
    pub(super) number: u32,
    wire_type: WireType,
    whole: &'b Bytes,
    rest: &'a mut &'b [u8],
}

impl<'b> Field<'_, 'b> {
    /// Calls `visit` for each field of `whole`.
    #[inline(always)]
    pub(super) fn each(whole: &Bytes, mut visit: impl FnMut(Field<'_, '_>) -> Result<()>) -> Result<()> {
        let mut rest = &whole[..];
        while !rest.is_empty() {
            let (number, wire_type) = key(&mut rest)?;
            visit(Field { number, wire_type, whole, rest: &mut rest })?;
        }
        Ok(())
    }

    #[inline(always)]
    pub(super) fn varint(self) -> Result<u64> {
        self.expect(WireType::Varint)?;
        varint(self.rest)
    }

    /// The bytes of a length-delimited field, sharing the buffer they arrived in.
    pub(super) fn bytes(self) -> Result<Bytes> {
        let whole = self.whole;
        self.part().map(|part| whole.slice_ref(part))
    }

    /// The bytes of a length-delimited field.
    pub(super) fn part(self) -> Result<&'b [u8]> {
        self.expect(WireType::LengthDelimited)?;
        let len = varint(self.rest)?;
        let all: &'b [u8] = self.rest;
        let part = usize::try_from(len).ok().and_then(|len| all.split_at_checked(len));
        let Some((part, rest)) = part else { return Err(self.too_long(len)) };
        *self.rest = rest;
        Ok(part)
    }

    /// Passes over a field this version does not know.
    pub(super) fn skip(self) -> Result<()> {
        skip_field(self.wire_type, self.number, self.rest, DecodeContext::default()).map_err(malformed)
    }

    #[cold]
    fn too_long(&self, len: u64) -> Error {
        Error::Decode(format!("field {} claims {len} bytes, {} are left", self.number, self.rest.len()))
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
        [byte @ 0..0x80, ..] => {
            *rest = &rest[1..];
            Ok(u64::from(byte))
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
