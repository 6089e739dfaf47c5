//! Without the feature `deflate` there is no encoder and no decoder.

#![expect(clippy::needless_pass_by_ref_mut, reason = "the same signatures as in `on`")]

/// The encoder and the decoder that outlive a call: none.
#[derive(Default)]
pub(in crate::connection) struct Codecs;

impl Codecs {
    pub(in crate::connection) const fn is_empty(&self) -> bool {
        true
    }

    /// Has no effect.
    pub(in crate::connection) const fn clear(&mut self) {}
}
