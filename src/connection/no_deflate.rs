//! What stands for the decoder where the feature `deflate` is off: no message comes compressed.

#[derive(Debug)]
pub(super) struct Inflater<'c>(core::marker::PhantomData<&'c ()>);

impl Inflater<'_> {
    pub(super) const fn new() -> Self {
        Self(core::marker::PhantomData)
    }

    /// Whether the decoder has more to give without more input.
    pub(super) const fn is_pending(&self) -> bool {
        let _ = self;
        false
    }

    /// Which reserved bits the first frame of a message may have.
    pub(super) const fn rsv(&self) -> u8 {
        let _ = self;
        0
    }
}
