//! permessage-deflate ([RFC 7692 section 6](https://www.rfc-editor.org/rfc/rfc7692#section-6)).

mod compressing;
mod inflating;

use alloc::boxed::Box;

pub(in crate::connection) use crate::connection::compression::codecs::on::compressing::Compressing;
pub(in crate::connection) use crate::connection::compression::codecs::on::inflating::Inflating;

/// The encoder and the decoder that outlive a call.
#[derive(Default)]
pub(in crate::connection) struct Codecs {
    pub(in crate::connection::compression) inflating: Option<Box<Inflating>>,
    pub(in crate::connection::compression) compressing: Option<Box<Compressing>>,
}

impl Codecs {
    pub(in crate::connection) const fn is_empty(&self) -> bool {
        self.inflating.is_none() && self.compressing.is_none()
    }

    /// Frees both.
    pub(in crate::connection) fn clear(&mut self) {
        *self = Self::default();
    }
}
