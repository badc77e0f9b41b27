//! The few pieces of the protobuf format that the hand-written codecs share.

use bytes::{Buf, BufMut, Bytes};
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, encode_varint, skip_field};

use crate::error::{Error, Result};

pub(super) fn put_varint_field(tag: u8, value: u64, buf: &mut impl BufMut) {
    buf.put_u8(tag);
    encode_varint(value, buf);
}

pub(super) fn put_bytes_field(tag: u8, bytes: &Bytes, buf: &mut impl BufMut) {
    buf.put_u8(tag);
    encode_varint(bytes.len() as u64, buf);
    buf.put_slice(bytes);
}

/// One field of an incoming message: its number, and a cursor that stands on its value.
pub(super) struct Field<'a> {
    pub(super) number: u32,
    wire_type: WireType,
    buf: &'a mut Bytes,
}

impl Field<'_> {
    /// Calls `visit` for each field of `buf` until it is used up.
    pub(super) fn each(buf: &mut Bytes, mut visit: impl FnMut(Field<'_>) -> Result<()>) -> Result<()> {
        while buf.has_remaining() {
            let (number, wire_type) = decode_key(buf).map_err(malformed)?;
            visit(Field { number, wire_type, buf })?;
        }
        Ok(())
    }

    pub(super) fn varint(self) -> Result<u64> {
        self.expect(WireType::Varint)?;
        decode_varint(self.buf).map_err(malformed)
    }

    /// The bytes of a length-delimited field, sharing the buffer they arrived in.
    pub(super) fn bytes(self) -> Result<Bytes> {
        self.expect(WireType::LengthDelimited)?;
        let len = decode_varint(self.buf).map_err(malformed)?;
        if len > self.buf.remaining() as u64 {
            return Err(Error::Decode(format!(
                "field {} claims {len} bytes, {} are left",
                self.number,
                self.buf.remaining()
            )));
        }
        Ok(self.buf.split_to(len as usize))
    }

    /// Passes over a field this version does not know.
    pub(super) fn skip(self) -> Result<()> {
        skip_field(self.wire_type, self.number, self.buf, DecodeContext::default()).map_err(malformed)
    }

    fn expect(&self, wire_type: WireType) -> Result<()> {
        if self.wire_type == wire_type {
            return Ok(());
        }
        Err(Error::Decode(format!(
            "field {} has wire type {:?}, not {wire_type:?}",
            self.number, self.wire_type
        )))
    }
}

pub(super) fn malformed(error: prost::DecodeError) -> Error {
    Error::Decode(error.to_string())
}
