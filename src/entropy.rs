use core::fmt;

/// The source of mask keys and nonces. The core itself draws no randomness.
///
/// The bytes of the source must be unpredictable
/// ([RFC 6455 section 10.3](https://www.rfc-editor.org/rfc/rfc6455#section-10.3)). If the source
/// fails, the send fails. No weaker key is used instead.
///
/// ```
/// use sansocket::Entropy;
/// use sansocket::error::EntropyError;
///
/// // On a device without an operating system: the driver of its random number generator.
/// fn hardware_generator(bytes: &mut [u8]) -> Result<(), EntropyError> {
/// #   bytes.fill(7);
///     // Return `Err(EntropyError)` if the generator has no random bytes.
///     Ok(())
/// }
///
/// let entropy = Entropy::from_fn(hardware_generator);
/// let mut nonce = [0; 16];
/// entropy.fill(&mut nonce)?;
/// # assert_eq!(nonce, [7; 16]);
/// # Ok::<(), EntropyError>(())
/// ```
#[derive(Clone, Copy)]
pub struct Entropy(Source);

#[derive(Clone, Copy)]
enum Source {
    #[cfg(feature = "std")]
    Os,
    Caller(fn(&mut [u8]) -> Result<(), EntropyError>),
}

impl Entropy {
    /// Uses the operating system's generator. Each thread reads a block of 256 mask keys at a time.
    /// Nonces of handshakes are read one by one.
    ///
    /// # Fork
    /// `fork` copies the block of the calling thread. If both processes continue without `exec`,
    /// that thread uses the same keys in both until the block is used up: at most 255 keys. Send
    /// from threads that are started after the fork, or give each connection its own block:
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

    /// Uses the caller's generator. It must fill the entire slice or fail.
    #[must_use]
    pub const fn from_fn(fill: fn(&mut [u8]) -> Result<(), EntropyError>) -> Self {
        Self(Source::Caller(fill))
    }

    /// Fills `bytes` directly from the source, without the block of keys.
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

    /// Returns true if the connections of a thread may share a block of keys of this source.
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

/// The source of randomness failed. No output was appended.
///
/// A generator for [`Entropy::from_fn`] returns it if it has no random bytes:
///
/// ```
/// use sansocket::Entropy;
/// use sansocket::error::EntropyError;
///
/// fn generator(_: &mut [u8]) -> Result<(), EntropyError> {
///     // Not seeded yet.
///     Err(EntropyError)
/// }
///
/// assert_eq!(Entropy::from_fn(generator).fill(&mut [0; 4]), Err(EntropyError));
/// ```
#[expect(clippy::exhaustive_structs, reason = "constructed by the caller's generator")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntropyError;

impl fmt::Display for EntropyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the source of randomness failed")
    }
}

impl core::error::Error for EntropyError {}

/// A block of mask keys, read in one call and used one by one. One system call for 256 keys costs
/// far less than 256 calls.
#[derive(Clone)]
pub(crate) struct KeyBlock<const N: usize> {
    keys: [[u8; 4]; N],
    next: usize,
}

impl<const N: usize> KeyBlock<N> {
    /// Creates an empty block. The first [`take`](Self::take) fills it.
    pub(crate) const fn new() -> Self {
        Self { keys: [[0; 4]; N], next: N }
    }

    /// Returns the next key. Each key is returned once.
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
        // A source that fails may leave the block half filled: until it succeeds, the block counts
        // as used up.
        self.next = N;
        entropy.fill(self.keys.as_flattened_mut())?;
        self.next = 1;
        self.keys.first().copied().ok_or(EntropyError)
    }
}

#[cfg(feature = "std")]
std::thread_local! {
    /// The block of the thread. One system call fills it with 256 keys.
    static THREAD_KEYS: core::cell::RefCell<KeyBlock<256>> =
        const { core::cell::RefCell::new(KeyBlock::new()) };
}

/// Returns a key from the block of the thread. Only for sources that share it; see
/// [`Entropy::shares_keys`].
// Inlined for the same reason as its caller, `Connection::next_key`.
#[cfg(feature = "std")]
#[inline(always)]
pub(crate) fn thread_key(entropy: &Entropy) -> Result<[u8; 4], EntropyError> {
    THREAD_KEYS
        .try_with(|keys| keys.try_borrow_mut().map_err(|_| EntropyError)?.take(entropy))
        // The thread is being torn down and its block is gone: read a single key.
        .unwrap_or_else(|_| {
            let mut key = [0; 4];
            entropy.fill(&mut key).map(|()| key)
        })
}
