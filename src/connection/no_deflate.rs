//! What stands for the decoder where the feature `deflate` is off: no message comes compressed.

#[derive(Debug)]
pub(super) struct Inflater<'c>(core::marker::PhantomData<&'c ()>);

impl Inflater<'_> {
    pub(super) const fn new() -> Self {
        Self(core::marker::PhantomData)
    }

    /// Which reserved bits the first frame of a message may have.
    pub(super) const fn rsv(&self) -> u8 {
        let _ = self;
        0
    }
}

impl crate::connection::Connection {
    /// Whether a part is at hand without more input.
    pub(crate) const fn has_inflated(&self) -> bool {
        let _ = self;
        false
    }
}
