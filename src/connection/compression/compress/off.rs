//! Without the feature `deflate` no message is compressed.

#![expect(clippy::needless_pass_by_ref_mut, reason = "the same signatures as in `on`")]

use bytes::BytesMut;

use crate::connection::state::Connection;
use crate::error::send::SendError;
use crate::message::options::SendOptions;
use crate::opcode::OpCode;
use crate::prepared::{Encoded, Prepared};

impl Connection {
    pub(in crate::connection) const fn write_compressed(
        &mut self,
        _: OpCode,
        _: &[u8],
        _: SendOptions,
        _: &mut BytesMut,
    ) -> Result<Option<usize>, SendError> {
        Ok(None)
    }

    pub(in crate::connection) const fn write_compressed_part(
        &mut self,
        _: OpCode,
        _: &[u8],
        _: bool,
        _: SendOptions,
        _: &mut BytesMut,
    ) -> Result<Option<usize>, SendError> {
        Ok(None)
    }

    pub(in crate::connection) const fn compressed_form<'p>(
        &self,
        _: &'p Prepared,
    ) -> Option<&'p Encoded> {
        None
    }

    pub(in crate::connection) const fn follow(&mut self, _: &[u8]) {}

    pub(in crate::connection) const fn drop_compressing(&mut self) {}
}
