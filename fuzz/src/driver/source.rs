//! Choices from the bytes of the fuzzer. After their end all choices are 0.

pub(super) struct Source<'d>(&'d [u8]);

impl<'d> Source<'d> {
    pub(super) const fn new(data: &'d [u8]) -> Self {
        Self(data)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    pub(super) fn bytes(&mut self, n: usize) -> &'d [u8] {
        let (first, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        first
    }

    /// Returns a source with the next bytes. The two bytes before them give their number.
    pub(super) fn section(&mut self) -> Self {
        let n = usize::from(self.byte()) | usize::from(self.byte()) << 8;
        Source(self.bytes(n))
    }

    /// Returns a number below `n`, which is at most 256.
    pub(super) fn below(&mut self, n: usize) -> usize {
        usize::from(self.byte()) % n
    }

    pub(super) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// Returns a length: usually a short one, sometimes one near the limits of the length forms,
    /// rarely a long one.
    pub(super) fn len(&mut self) -> usize {
        match self.byte() {
            short @ ..0xc0 => short.into(),
            middle @ 0xc0..0xf0 => usize::from(middle & 0x2f) << 8 | usize::from(self.byte()),
            long => 65_500 + usize::from(long & 0x0f) * 8,
        }
    }

    /// Returns the length of a read or a write, at least 1.
    pub(super) fn amount(&mut self) -> usize {
        match self.byte() {
            0 => 64 * 1024,
            few @ 1..0x80 => few.into(),
            more @ 0x80..0xe0 => usize::from(more & 0x7f) << 6 | 1,
            _ => usize::MAX,
        }
    }
}
