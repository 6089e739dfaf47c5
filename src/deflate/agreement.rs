//! The agreement of both ends about compression.

use crate::deflate::engine::Engine;
use crate::deflate::level::Level;
use crate::deflate::options::Deflate;
use crate::deflate::window_bits::WindowBits;
use crate::role::Role;

/// The negotiated parameters of both directions, and the settings of this end's encoder.
///
/// [`Deflate::answer`] and [`Deflate::agree`] make one from the fields of a handshake.
/// [`new`](Self::new) creates one from parameters that another library has read.
///
/// ```
/// use sansocket::Role;
/// use sansocket::deflate::Deflate;
///
/// // A server that compresses messages from 1 KiB on, and a client with these offers.
/// let deflate = Deflate::options().threshold(1024).build()?;
/// let offers = [&b"permessage-deflate; client_max_window_bits"[..]];
/// let answer = deflate.answer(offers)?.expect("an acceptable offer");
/// let agreement = answer.agreement();
/// assert_eq!(agreement.threshold(), 1024);
/// assert!(agreement.direction(Role::Client).context_takeover);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Agreement {
    /// The parameters of messages from the server to the client.
    server: Direction,
    /// The parameters of messages from the client to the server.
    client: Direction,
    /// The largest window that this end's encoder uses.
    pub(crate) encoder_window_bits: WindowBits,
    pub(crate) level: Level,
    pub(crate) engine: Engine,
    /// Messages with fewer bytes are sent uncompressed.
    pub(crate) threshold: u16,
}

/// The parameters of the messages of one direction. [`Agreement::new`] has an example.
#[expect(clippy::exhaustive_structs, reason = "RFC 7692 section 7.1 has these parameters")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Direction {
    /// The largest window that the sender uses.
    pub window_bits: WindowBits,
    /// True if the sender keeps its window from message to message.
    pub context_takeover: bool,
}

impl Agreement {
    /// Creates an agreement from the parameters in the response of a handshake, for the end with
    /// `role`. `server` are those of the server's messages, `client` those of the client's.
    ///
    /// The encoder has the settings of `deflate`. The limits in `deflate` are ignored: they are for
    /// the handshake, which is over. If its engine doesn't support the window that was agreed for
    /// this end's messages, [`Engine::Native`] is used.
    ///
    /// ```
    /// use sansocket::Role;
    /// use sansocket::connection::Negotiated;
    /// use sansocket::deflate::{Agreement, Deflate, Direction, WindowBits};
    ///
    /// // Another HTTP server has responded with: permessage-deflate; client_no_context_takeover
    /// let server = Direction { window_bits: WindowBits::MAX, context_takeover: true };
    /// let client = Direction { context_takeover: false, ..server };
    /// let agreement = Agreement::new(Role::Server, server, client, Deflate::default());
    /// assert_eq!(agreement.direction(Role::Client), client);
    /// let negotiated = Negotiated::new().with_deflate(agreement);
    /// # drop(negotiated);
    /// ```
    #[must_use]
    pub const fn new(role: Role, server: Direction, client: Direction, deflate: Deflate) -> Self {
        let own = match role {
            Role::Server => server,
            Role::Client => client,
        };
        Self {
            server,
            client,
            encoder_window_bits: own.window_bits.or_less(deflate.encoder_window_bits),
            level: deflate.level,
            engine: if own.window_bits.get() < deflate.engine.min_window_bits().get() {
                Engine::Native
            } else {
                deflate.engine
            },
            threshold: match deflate.threshold {
                Some(bytes) => bytes,
                None if own.context_takeover => THRESHOLD_WITH_TAKEOVER,
                None => THRESHOLD_WITHOUT_TAKEOVER,
            },
        }
    }

    /// Returns the parameters of the messages of `sender`.
    #[must_use]
    pub const fn direction(&self, sender: Role) -> Direction {
        match sender {
            Role::Server => self.server,
            Role::Client => self.client,
        }
    }

    /// Returns the largest window that this end's encoder uses: the agreed one, or a smaller one to
    /// save memory.
    #[must_use]
    pub const fn encoder_window_bits(&self) -> WindowBits {
        self.encoder_window_bits
    }

    /// Returns the compression level of this end's encoder.
    #[must_use]
    pub const fn level(&self) -> Level {
        self.level
    }

    /// Returns the engine of this end, which compresses and inflates.
    #[must_use]
    pub const fn engine(&self) -> Engine {
        self.engine
    }

    /// Returns the minimal length, in bytes, of messages that are compressed.
    #[must_use]
    pub const fn threshold(&self) -> u16 {
        self.threshold
    }
}

/// The threshold with context takeover, in bytes. A short message often repeats parts of the
/// messages before it.
const THRESHOLD_WITH_TAKEOVER: u16 = 32;
/// The threshold without context takeover, in bytes. Without a history a short text hardly shrinks.
const THRESHOLD_WITHOUT_TAKEOVER: u16 = 128;
