//! Without the feature `deflate` a header with RSV1 is an error, which each method returns.

#![expect(clippy::needless_pass_by_ref_mut, reason = "the same signatures as in `on`")]

use crate::connection::assembly::{Arrival, Context, Incoming};
use crate::error::protocol::{PeerError, ProtocolError};
use crate::inbox::Inbox;
use crate::input::Input;
use crate::message::MessageKind;

impl Incoming {
    pub(in crate::connection::assembly) fn take_inflated<'b>(
        &mut self,
        _: MessageKind,
        _: &mut Input<'_>,
        _: &mut Inbox,
        _: &mut Context<'_>,
    ) -> Result<Arrival<'b>, ProtocolError> {
        Err(PeerError::ReservedBits.into())
    }

    pub(in crate::connection::assembly) fn keep_inflated(
        &mut self,
        _: MessageKind,
        _: &mut Input<'_>,
        _: &mut Inbox,
        _: &mut Context<'_>,
    ) -> Result<(), ProtocolError> {
        Err(PeerError::ReservedBits.into())
    }

    pub(in crate::connection::assembly) fn take_inflated_part<'b>(
        &mut self,
        _: MessageKind,
        _: &mut Input<'_>,
        _: &mut Inbox,
        _: &mut Context<'_>,
    ) -> Result<Arrival<'b>, ProtocolError> {
        Err(PeerError::ReservedBits.into())
    }
}
