//! No message is compressed.

#![expect(clippy::needless_pass_by_ref_mut, reason = "the same signatures as in `on`")]

use core::marker::PhantomData;

use alloc::boxed::Box;

use bytes::BytesMut;

use crate::agreed::Agreed;
use crate::config::Config;
use crate::connection::{Connection, Rare};
use crate::error::protocol::ProtocolError;
use crate::error::send::SendError;
use crate::message::options::SendOptions;
use crate::opcode::OpCode;
use crate::prepared::{Encoded, Prepared};
use crate::role::Role;

/// The encoder and the decoder that outlive a call: none.
#[derive(Default)]
pub(in crate::connection) struct Codecs;

/// The decoder that the connection lends: none.
pub(in crate::connection) struct Inflater<'c>(PhantomData<&'c mut Rare>);

/// An error of the decoder: there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::connection) enum InflateFault {}

impl From<InflateFault> for ProtocolError {
    fn from(fault: InflateFault) -> Self {
        match fault {}
    }
}

impl Codecs {
    pub(in crate::connection) const fn is_empty(&self) -> bool {
        true
    }

    /// Frees both.
    pub(in crate::connection) const fn clear(&mut self) {}
}

impl<'c> Inflater<'c> {
    pub(in crate::connection) const fn new(
        _: &'c Agreed,
        _: Role,
        _: &'c mut Option<Box<Rare>>,
    ) -> Self {
        Self(PhantomData)
    }

    /// Which reserved bits the first frame of a message may have.
    pub(in crate::connection) const fn rsv(&self) -> u8 {
        0
    }

    /// Whether the decoder has output left without more input.
    pub(in crate::connection) const fn is_pending(&self) -> bool {
        false
    }

    /// Ends the loan.
    pub(in crate::connection) const fn keep(self, _: &Config) {}
}

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
