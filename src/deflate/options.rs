//! The settings of negotiation and compression.

use crate::deflate::engine::Engine;
use crate::deflate::level::Level;
use crate::deflate::window_bits::WindowBits;
use crate::error::config::ConfigError;

/// The settings of permessage-deflate: negotiation and the encoder of this end. They are checked
/// once, by [`DeflateOptions::build`].
///
/// Messages are compressed only if a `Deflate` is given to
/// [`AcceptOptions::deflate`](crate::AcceptOptions::deflate) or
/// [`ConnectRequest::deflate`](crate::ConnectRequest::deflate).
///
/// # Security
///
/// The length of a compressed text shows how much its parts have in common, and TLS doesn't hide
/// the length of a frame. An attacker that can choose text that is compressed together with a
/// secret, and can see the lengths, can guess the secret part by part (the attacks CRIME and
/// BREACH). With context takeover all messages of a direction are compressed together; without it,
/// the parts of one message. So leave compression off if secrets (tokens, cookies, data of other
/// users) are sent together with text that others can choose, or send the messages with secrets
/// uncompressed, with [`Compress::Never`](crate::message::Compress::Never). Both ends have to do
/// so, and a browser can't.
///
/// An inflated message can be about 1000 times as long as its compressed form, up to
/// [`max_message_len`](crate::config::ConfigBuilder::max_message_len). So a peer can fill an inbox
/// with few bytes: set that limit as low as your messages allow.
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
/// | [`allow_bare_server_max_window_bits`][bare] | false | |
///
/// [bare]: DeflateOptions::allow_bare_server_max_window_bits
///
/// The limits for this end's messages always apply. They limit the memory of the encoder. The
/// limits for the peer's messages limit the memory of the decoder, 2^bits bytes. The peer may not
/// support them, so they are only requested, unless
/// [`require_limits`](DeflateOptions::require_limits) makes them conditions.
///
/// ```
/// use sansocket::AcceptOptions;
/// use sansocket::deflate::Deflate;
///
/// // The defaults suit most servers.
/// let options = AcceptOptions::new().deflate(Deflate::default());
///
/// // For many connections and little memory: windows of 4 KiB, or no compression.
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

/// The limits of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Limits {
    pub(crate) max_window_bits: WindowBits,
    pub(crate) context_takeover: bool,
}

impl Deflate {
    /// Returns a builder with the defaults of the table above.
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

/// The builder of a [`Deflate`], which has a table of the settings.
///
/// ```
/// use sansocket::deflate::Deflate;
/// use sansocket::error::ConfigError;
///
/// let deflate = Deflate::options().encoder_window_bits(15).threshold(256).build()?;
/// # drop(deflate);
/// // 16 bits are no window.
/// let error = Deflate::options().encoder_window_bits(16).build();
/// assert!(matches!(error, Err(ConfigError::WindowBits("encoder_window_bits", 16))));
/// # Ok::<(), ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct DeflateOptions {
    server_max_window_bits: u8,
    client_max_window_bits: u8,
    encoder_window_bits: Option<u8>,
    deflate: Deflate,
}

impl DeflateOptions {
    /// Sets the largest window of the server's messages, in bits: 9 to 15.
    ///
    /// A client that sets less than 15 requests it. A server answers with it, or with less if the
    /// client requests less (8 too).
    pub const fn server_max_window_bits(mut self, bits: u8) -> Self {
        self.server_max_window_bits = bits;
        self
    }

    /// Sets the largest window of the client's messages, in bits: 9 to 15.
    ///
    /// A server that sets less than 15 requests it. It can do so only if the client has offered the
    /// parameter
    /// ([RFC 7692 section 7.1.2.2](https://www.rfc-editor.org/rfc/rfc7692#section-7.1.2.2)).
    /// A client offers it, and uses less if the server requests less (8 too).
    pub const fn client_max_window_bits(mut self, bits: u8) -> Self {
        self.client_max_window_bits = bits;
        self
    }

    /// Sets whether the server may keep its window from message to message.
    ///
    /// Without context takeover an encoder and a decoder hold no memory between messages, and short
    /// messages hardly shrink. A client that sets false requests
    /// `server_no_context_takeover`.
    pub const fn server_context_takeover(mut self, takeover: bool) -> Self {
        self.deflate.server.context_takeover = takeover;
        self
    }

    /// Sets whether the client may keep its window from message to message. A server that sets
    /// false answers with `client_no_context_takeover`.
    pub const fn client_context_takeover(mut self, takeover: bool) -> Self {
        self.deflate.client.context_takeover = takeover;
        self
    }

    /// Sets the largest window of this end's encoder, in bits: 9 to 15. It is used even if a larger
    /// one was agreed. A larger window takes more memory, and improves only the ratio of long
    /// messages.
    pub const fn encoder_window_bits(mut self, bits: u8) -> Self {
        self.encoder_window_bits = Some(bits);
        self
    }

    /// Sets the engine, which compresses and inflates.
    pub const fn engine(mut self, engine: Engine) -> Self {
        self.deflate.engine = engine;
        self
    }

    /// Sets the compression level of the encoder.
    pub const fn level(mut self, level: Level) -> Self {
        self.deflate.level = level;
        self
    }

    /// Sets the minimal length, in bytes, of messages that are compressed. 0: all messages.
    pub const fn threshold(mut self, bytes: u16) -> Self {
        self.deflate.threshold = Some(bytes);
        self
    }

    /// Sets whether a client fails the handshake if the server declines compression. A server can't
    /// require compression: it only answers offers.
    pub const fn require(mut self, require: bool) -> Self {
        self.deflate.require = require;
        self
    }

    /// Sets whether the limits for the peer's messages are conditions. If the peer doesn't agree to
    /// them, the connection is not compressed.
    ///
    /// * A client makes no second offer without its limits on `server_max_window_bits` and on
    ///   context takeover of the server.
    /// * A server with a limit of less than 15 declines offers without `client_max_window_bits`.
    ///   (It can always forbid context takeover of the client.)
    pub const fn require_limits(mut self, require: bool) -> Self {
        self.deflate.require_limits = require;
        self
    }

    /// Sets whether a server accepts `server_max_window_bits` without a value and treats it as 15,
    /// as the server of .NET does. RFC 7692 requires servers to decline such offers.
    pub const fn allow_bare_server_max_window_bits(mut self, allow: bool) -> Self {
        self.deflate.allow_bare_server_max_window_bits = allow;
        self
    }

    /// Checks the settings and builds the value.
    ///
    /// # Errors
    /// * [`ConfigError::WindowBits`] unless the window bits are from 9 to 15. 8 is accepted if the
    ///   peer requests it, but never requested, because many peers don't support it.
    /// * [`ConfigError::EngineWindowBits`] if the engine doesn't support the window.
    pub const fn build(self) -> Result<Deflate, ConfigError> {
        let server = own_window_bits("server_max_window_bits", self.server_max_window_bits);
        let client = own_window_bits("client_max_window_bits", self.client_max_window_bits);
        let least = self.deflate.engine.min_window_bits();
        let encoder = match self.encoder_window_bits {
            Some(bits) => own_window_bits("encoder_window_bits", bits),
            None => Ok(DEFAULT.encoder_window_bits.or_more(least)),
        };
        let mut deflate = self.deflate;
        // `?` can't be used in a `const fn`.
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

/// Checks the number of window bits of a setting. 8 is legal (RFC 7692 7.1.2), but zlib does not
/// compress with it, so a setting can't request it.
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
