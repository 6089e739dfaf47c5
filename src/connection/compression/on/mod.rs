//! permessage-deflate ([RFC 7692 section 6](https://www.rfc-editor.org/rfc/rfc7692#section-6)).

mod compress;
mod inflate;

use alloc::boxed::Box;

use crate::connection::compression::on::compress::Compressing;
pub(in crate::connection) use crate::connection::compression::on::inflate::{
    InflateFault, Inflater, Inflating,
};

/// The encoder and the decoder that outlive a call.
#[derive(Default)]
pub(in crate::connection) struct Codecs {
    inflating: Option<Box<Inflating>>,
    compressing: Option<Box<Compressing>>,
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
