//! How to negotiate, and how to compress.

use crate::deflate::engine::Engine;
use crate::deflate::level::Level;
use crate::deflate::window_bits::WindowBits;
use crate::error::config::ConfigError;

/// How permessage-deflate is negotiated, and how this end compresses: settings, checked once.
///
/// Nothing is compressed unless this is given to
/// [`AcceptOptions::deflate`](crate::AcceptOptions::deflate) or
/// [`ConnectRequest::deflate`](crate::ConnectRequest::deflate).
///
/// # Security
///
/// The length of a compressed text shows how much its parts have in common, and TLS doesn't hide the
/// length of a frame. An attacker that can have text compressed together with a secret, and can see
/// the lengths, can guess the secret part by part (the attacks named CRIME and BREACH). With context takeover
/// all messages of a direction are compressed together, without it those in one message. So leave
/// compression off where secrets (tokens, cookies, other people's data) travel with what others may
/// choose, or send the messages with secrets uncompressed, with
/// [`Compress::Never`](crate::message::Compress::Never). Both ends have to do so, and a browser can't.
///
/// A compressed message can be some 1000 times as long as what has arrived of it, up to
/// [`max_message_len`](crate::config::ConfigBuilder::max_message_len), which a peer can make an inbox hold
/// with few bytes: set it as low as your messages allow.
///
/// # Settings
///
/// | setting | default | unit |
/// |---|---|---|
/// | [`server_max_window_bits`](DeflateOptions::server_max_window_bits) | 15 | bits, 9 to 15 |
/// | [`client_max_window_bits`](DeflateOptions::client_max_window_bits) | 15 | bits, 9 to 15 |
/// | [`server_context_takeover`](DeflateOptions::server_context_takeover) | true | |
/// | [`client_context_takeover`](DeflateOptions::client_context_takeover) | true | |
/// | [`encoder_window_bits`](DeflateOptions::encoder_window_bits) | 12 | bits, 9 to 15 |
/// | [`level`](DeflateOptions::level) | [`Level::Balanced`] | |
/// | [`engine`](DeflateOptions::engine) | [`Engine::Native`] | |
/// | [`threshold`](DeflateOptions::threshold) | 32; 128 without context takeover | bytes |
/// | [`require`](DeflateOptions::require) | false | |
/// | [`require_limits`](DeflateOptions::require_limits) | false | |
/// | [`allow_bare_server_max_window_bits`](DeflateOptions::allow_bare_server_max_window_bits) | false | |
///
/// The limits of the own direction always hold, and bound the memory of the encoder. Those of the
/// peer's direction bound the memory of the decoder, 2^bits bytes; they are wishes, since a peer
/// need not know how to keep them, unless [`require_limits`](DeflateOptions::require_limits) makes
/// them conditions.
///
/// ```
/// use sansocket::AcceptOptions;
/// use sansocket::deflate::Deflate;
///
/// // What most servers want:
/// let options = AcceptOptions::new().deflate(Deflate::default());
///
/// // Many connections, little memory: 4 KiB windows, or no compression.
/// let small = Deflate::options()
///     .server_max_window_bits(12)
///     .client_max_window_bits(12)
///     .require_limits(true)
///     .build()?;
/// let options = AcceptOptions::new().deflate(small);
/// # drop(options);
/// # Ok::<(), sansocket::error::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Deflate {
    pub(crate) server: Limits,
    pub(crate) client: Limits,
    pub(crate) encoder_window_bits: WindowBits,
    pub(crate) level: Level,
    pub(crate) threshold: Option<u16>,
    pub(crate) require: bool,
    pub(crate) require_limits: bool,
    pub(crate) allow_bare_server_max_window_bits: bool,
    pub(crate) engine: Engine,
}

/// What one direction may have at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Limits {
    pub(crate) max_window_bits: WindowBits,
    pub(crate) context_takeover: bool,
}

impl Deflate {
    /// Starts from the defaults of the table above.
    pub const fn options() -> DeflateOptions {
        DeflateOptions {
            server_max_window_bits: 15,
            client_max_window_bits: 15,
            encoder_window_bits: None,
            deflate: DEFAULT,
        }
    }
}

impl Default for Deflate {
    fn default() -> Self {
        DEFAULT
    }
}

/// Builder of a [`Deflate`]. One setter per row of the table there.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct DeflateOptions {
    server_max_window_bits: u8,
    client_max_window_bits: u8,
    encoder_window_bits: Option<u8>,
    deflate: Deflate,
}

impl DeflateOptions {
    /// Sets the largest window, in bits, in which the server compresses: 9 to 15.
    ///
    /// A client that sets less than 15 asks for it. A server answers with it, or with less if the
    /// client asks for less (8 too).
    pub const fn server_max_window_bits(mut self, bits: u8) -> Self {
        self.server_max_window_bits = bits;
        self
    }

    /// Sets the largest window, in bits, in which the client compresses: 9 to 15.
    ///
    /// A server that sets less than 15 asks for it, which it can do only where the client has
    /// offered to be asked ([RFC 7692 section 7.1.2.2](https://www.rfc-editor.org/rfc/rfc7692#section-7.1.2.2)).
    /// A client promises it, and goes below if the server asks for less (8 too).
    pub const fn client_max_window_bits(mut self, bits: u8) -> Self {
        self.client_max_window_bits = bits;
        self
    }

    /// Sets whether the server may keep its window from message to message.
    ///
    /// Without, an encoder and a decoder hold no memory between messages, and short messages
    /// hardly shrink. A client that sets false asks for it.
    pub const fn server_context_takeover(mut self, takeover: bool) -> Self {
        self.deflate.server.context_takeover = takeover;
        self
    }

    /// Sets whether the client may keep its window from message to message. A server that sets
    /// false asks for it.
    pub const fn client_context_takeover(mut self, takeover: bool) -> Self {
        self.deflate.client.context_takeover = takeover;
        self
    }

    /// Sets the largest window, in bits, that this end's own encoder uses, whatever larger one has
    /// been agreed on: 9 to 15. A larger one takes more memory, and pays for long messages only.
    pub const fn encoder_window_bits(mut self, bits: u8) -> Self {
        self.encoder_window_bits = Some(bits);
        self
    }

    /// Sets which engine compresses and inflates.
    pub const fn engine(mut self, engine: Engine) -> Self {
        self.deflate.engine = engine;
        self
    }

    /// Sets how hard the encoder looks for matches.
    pub const fn level(mut self, level: Level) -> Self {
        self.deflate.level = level;
        self
    }

    /// Sets the length, in bytes, from which on messages are compressed. 0: all of them.
    pub const fn threshold(mut self, bytes: u16) -> Self {
        self.deflate.threshold = Some(bytes);
        self
    }

    /// Sets whether a client fails the handshake if the server doesn't agree to compress. A server
    /// can't require it: it only answers.
    pub const fn require(mut self, require: bool) -> Self {
        self.deflate.require = require;
        self
    }

    /// Sets whether the limits of the peer's direction are conditions: nothing is compressed unless
    /// the peer keeps them.
    ///
    /// * A client offers nothing without them: neither with a larger `server_max_window_bits` nor,
    ///   if that is what it wants, with context takeover of the server.
    /// * A server declines offers without `client_max_window_bits` if it wants less than 15.
    ///   (Context takeover of the client it can always forbid.)
    pub const fn require_limits(mut self, require: bool) -> Self {
        self.deflate.require_limits = require;
        self
    }

    /// Sets whether a server takes `server_max_window_bits` without a value for 15, as those of
    /// .NET do. RFC 7692 wants such offers declined.
    pub const fn allow_bare_server_max_window_bits(mut self, allow: bool) -> Self {
        self.deflate.allow_bare_server_max_window_bits = allow;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// [`ConfigError::WindowBits`] unless the window bits are from 9 to 15. 8 is kept to where the
    /// peer asks for it, but never asked for: many can't.
    pub const fn build(self) -> Result<Deflate, ConfigError> {
        let server = own_window_bits("server_max_window_bits", self.server_max_window_bits);
        let client = own_window_bits("client_max_window_bits", self.client_max_window_bits);
        let least = self.deflate.engine.min_window_bits();
        let encoder = match self.encoder_window_bits {
            Some(bits) => own_window_bits("encoder_window_bits", bits),
            None => Ok(DEFAULT.encoder_window_bits.or_more(least)),
        };
        let mut deflate = self.deflate;
        // In constants there is no `?`.
        match (server, client, encoder) {
            (Ok(server), Ok(client), Ok(encoder))
                if server.get() < least.get()
                    || client.get() < least.get()
                    || encoder.get() < least.get() =>
            {
                Err(ConfigError::EngineWindowBits(least.get()))
            }
            (Ok(server), Ok(client), Ok(encoder)) => {
                deflate.server.max_window_bits = server;
                deflate.client.max_window_bits = client;
                deflate.encoder_window_bits = encoder;
                Ok(deflate)
            }
            (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => Err(error),
        }
    }
}

const fn own_window_bits(name: &'static str, bits: u8) -> Result<WindowBits, ConfigError> {
    match WindowBits::new(bits) {
        Some(window_bits) if bits > WindowBits::MIN.get() => Ok(window_bits),
        _ => Err(ConfigError::WindowBits(name, bits)),
    }
}

const UNLIMITED: Limits = Limits { max_window_bits: WindowBits::MAX, context_takeover: true };

const DEFAULT: Deflate = Deflate {
    server: UNLIMITED,
    client: UNLIMITED,
    encoder_window_bits: WindowBits::DEFAULT,
    level: Level::Balanced,
    threshold: None,
    require: false,
    require_limits: false,
    allow_bare_server_max_window_bits: false,
    engine: Engine::Native,
};
