use core::fmt;

/// Bytes that may be credentials. Debug output shows only their number.
#[derive(Clone, Copy)]
pub(crate) struct Hidden(usize);

impl Hidden {
    pub(crate) fn new(bytes: impl AsRef<[u8]>) -> Self {
        Self(bytes.as_ref().len())
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0)
    }
}
