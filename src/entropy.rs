use core::fmt;

/// Where mask keys and nonces come from: the core itself draws no randomness.
///
/// What it gives must be unpredictable
/// ([RFC 6455 section 10.3](https://www.rfc-editor.org/rfc/rfc6455#section-10.3)). A generator that
/// fails makes the send fail; a weak key is never used instead.
#[derive(Clone, Copy)]
pub struct Entropy(Source);

#[derive(Clone, Copy)]
enum Source {
    #[cfg(feature = "std")]
    Os,
    Caller(fn(&mut [u8]) -> Result<(), EntropyError>),
}

impl Entropy {
    /// Uses the operating system's generator. Each thread asks it for a block of 256 mask keys at a time;
    /// nonces of handshakes come from no block.
    ///
    /// # Fork
    /// `fork` copies the block of the thread that calls it. If both processes go on without `exec`, that
    /// thread sends frames with the same keys in both, until its block is used up: at most 255 keys. Send
    /// from threads that are started after the fork, or give each connection a block of its own:
    ///
    /// ```
    /// use sansocket::{Config, Entropy};
    ///
    /// let entropy = Entropy::from_fn(|bytes| Entropy::os().fill(bytes));
    /// let config = Config::client(entropy).build()?;
    /// # drop(config);
    /// # Ok::<(), sansocket::error::ConfigError>(())
    /// ```
    #[cfg(feature = "std")]
    #[must_use]
    pub const fn os() -> Self {
        Self(Source::Os)
    }

    /// Uses the caller's generator, which fills the whole slice or fails.
    #[must_use]
    pub const fn from_fn(fill: fn(&mut [u8]) -> Result<(), EntropyError>) -> Self {
        Self(Source::Caller(fill))
    }

    /// Fills `bytes` from the source itself, past any block of keys.
    ///
    /// # Errors
    /// [`EntropyError`] if the source fails.
    pub fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        match self.0 {
            #[cfg(feature = "std")]
            Source::Os => getrandom::fill(bytes).map_err(|_| EntropyError),
            Source::Caller(fill) => fill(bytes),
        }
    }

    /// True if keys of this source may be taken from the thread's common block.
    #[cfg(feature = "std")]
    pub(crate) const fn shares_keys(&self) -> bool {
        match self.0 {
            Source::Os => true,
            Source::Caller(_) => false,
        }
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            #[cfg(feature = "std")]
            Source::Os => "Entropy::os()",
            Source::Caller(_) => "Entropy::from_fn(..)",
        })
    }
}

/// The source of randomness failed; nothing was sent.
#[expect(clippy::exhaustive_structs, reason = "made by the caller's generator")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntropyError;

impl fmt::Display for EntropyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the source of randomness failed")
    }
}

impl core::error::Error for EntropyError {}

/// A block of mask keys, fetched at once and used up one after the other.
#[derive(Clone)]
pub(crate) struct KeyBlock<const N: usize> {
    keys: [[u8; 4]; N],
    next: usize,
}

impl<const N: usize> KeyBlock<N> {
    /// An empty block: the first use fetches.
    pub(crate) const fn new() -> Self {
        Self { keys: [[0; 4]; N], next: N }
    }

    /// Takes the next key; each one is given once.
    #[inline]
    pub(crate) fn take(&mut self, entropy: &Entropy) -> Result<[u8; 4], EntropyError> {
        if let Some(key) = self.keys.get(self.next) {
            self.next += 1;
            return Ok(*key);
        }
        self.refill(entropy)
    }

    #[cold]
    #[inline(never)]
    fn refill(&mut self, entropy: &Entropy) -> Result<[u8; 4], EntropyError> {
        // A failing source may leave the block half filled: it stays used up then.
        self.next = N;
        entropy.fill(self.keys.as_flattened_mut())?;
        self.next = 1;
        self.keys.first().copied().ok_or(EntropyError)
    }
}

#[cfg(feature = "std")]
std::thread_local! {
    /// The operating system is asked once for 256 keys.
    static THREAD_KEYS: core::cell::RefCell<KeyBlock<256>> =
        const { core::cell::RefCell::new(KeyBlock::new()) };
}

/// Takes a key from the thread's block; only for sources that share it.
// In line for the same reason as its caller.
#[cfg(feature = "std")]
#[inline(always)]
pub(crate) fn thread_key(entropy: &Entropy) -> Result<[u8; 4], EntropyError> {
    THREAD_KEYS
        .try_with(|keys| keys.try_borrow_mut().map_err(|_| EntropyError)?.take(entropy))
        // The thread is being torn down: a key of its own.
        .unwrap_or_else(|_| {
            let mut key = [0; 4];
            entropy.fill(&mut key).map(|()| key)
        })
}
