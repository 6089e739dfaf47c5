//! Which proxy a connection goes through.

use core::fmt;

use alloc::string::String;
use alloc::sync::Arc;

use crate::handshake::connect::ConnectRequest;
use crate::handshake::proxy::no_proxy::NoProxy;
use crate::handshake::proxy::server::{ProxyProtocol, ProxyServer, ProxyUrlError};

/// The proxies of a client: one for all hosts, or those of the environment. Clones are cheap.
///
/// ```
/// use sansocket::ConnectRequest;
/// use sansocket::handshake::proxy::Proxy;
///
/// let proxy = Proxy::socks5("socks5://localhost:1080")?.no_proxy("localhost, .internal, 10.0.0.0/8");
/// let server = |url: &str| {
///     let request = ConnectRequest::new(url).ok()?;
///     proxy.server(&request).map(|server| (server.host().to_owned(), server.port()))
/// };
/// assert_eq!(server("wss://example.com"), Some(("localhost".into(), 1080)));
/// assert_eq!(server("ws://chat.internal"), None); // directly
/// # Ok::<(), sansocket::handshake::proxy::ProxyUrlError>(())
/// ```
#[derive(Clone)]
pub struct Proxy(Arc<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    secure: Option<ProxyServer>,
    plain: Option<ProxyServer>,
    no_proxy: NoProxy,
}

impl Proxy {
    /// Reads the URL of an HTTP proxy, `http://[user[:password]@]host[:port]`; the scheme may be left out,
    /// and the default port is 80. User and password are sent as Basic credentials, in clear text.
    ///
    /// # Errors
    /// [`ProxyUrlError`]. TLS to the proxy (`https://`) is not supported.
    pub fn http(url: &str) -> Result<Self, ProxyUrlError> {
        Self::one(url, ProxyProtocol::Http)
    }

    /// Reads the URL of a SOCKS5 proxy, `socks5://[user:password@]host[:port]`; the scheme may be left
    /// out or be `socks5h`, and the default port is 1080. The proxy resolves the names of hosts. User and
    /// password are sent in clear text.
    ///
    /// # Errors
    /// [`ProxyUrlError`].
    pub fn socks5(url: &str) -> Result<Self, ProxyUrlError> {
        Self::one(url, ProxyProtocol::Socks5)
    }

    /// Reads the environment variables; see [`from_vars`](Self::from_vars). Nothing reads them without
    /// this call.
    ///
    /// # Errors
    /// [`ProxyEnvError`] with the name of the variable.
    #[cfg(feature = "std")]
    pub fn from_env() -> Result<Self, ProxyEnvError> {
        Self::from_vars(|name| Some(std::env::var_os(name)?.to_string_lossy().into_owned()))
    }

    /// Reads the variables that `var` returns by name. A name in lower case comes before the same in
    /// upper case; an empty variable counts as none.
    ///
    /// | variable | |
    /// |---|---|
    /// | `HTTPS_PROXY` | for `wss://`, and for `ws://`: RFC 6455 section 4.1 prefers it to `HTTP_PROXY`, since both open a tunnel |
    /// | `HTTP_PROXY` | for `ws://`. It is ignored if `REQUEST_METHOD` is set: in a CGI program it may be a field of a request ([httpoxy](https://httpoxy.org)) |
    /// | `ALL_PROXY` | for both, if the others are not set |
    /// | `NO_PROXY` | hosts without a proxy; see [`no_proxy`](Self::no_proxy) |
    ///
    /// The URLs have the schemes `http`, `socks5` or `socks5h`; without a scheme it is `http`.
    ///
    /// # Errors
    /// [`ProxyEnvError`] with the name of the variable.
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Self, ProxyEnvError> {
        let get = |names: [&'static str; 2]| {
            names.into_iter().find_map(|name| {
                let value = var(name).filter(|value| !value.is_empty())?;
                Some((name, value))
            })
        };
        let server = |names: [&'static str; 2]| {
            let Some((variable, url)) = get(names) else { return Ok(None) };
            let server = ProxyServer::parse(&url, ProxyProtocol::Http);
            server.map(Some).map_err(|error| ProxyEnvError { variable, error })
        };
        let is_cgi = var("REQUEST_METHOD").is_some();
        let https = server(["https_proxy", "HTTPS_PROXY"])?;
        let http = if is_cgi { None } else { server(["http_proxy", "HTTP_PROXY"])? };
        let all = server(["all_proxy", "ALL_PROXY"])?;
        let list = get(["no_proxy", "NO_PROXY"]).map(|(_, list)| list).unwrap_or_default();
        let plain = https.clone().or(http).or_else(|| all.clone());
        let secure = https.or(all);
        Ok(Self(Arc::new(Parts { secure, plain, no_proxy: NoProxy::parse(&list) })))
    }

    /// Sets the hosts that are connected to directly: a list with commas or blanks between its entries.
    ///
    /// | entry | |
    /// |---|---|
    /// | `*` | all hosts |
    /// | `example.com` | this name, and the names below it |
    /// | `.example.com`, `*.example.com` | the names below it |
    /// | `192.0.2.1`, `2001:db8::1`, `[2001:db8::1]` | this address, if the URL has an address |
    /// | `10.0.0.0/8`, `2001:db8::/32` | the addresses of this network, if the URL has an address |
    /// | `example.com:8080`, `192.0.2.1:80`, `[::1]:80` | the same, with this port only |
    ///
    /// Names are compared without regard to case and are not resolved. Other entries match nothing.
    #[must_use]
    pub fn no_proxy(mut self, list: &str) -> Self {
        Arc::make_mut(&mut self.0).no_proxy = NoProxy::parse(list);
        self
    }

    /// Sets user and password, which then need no percent-encoding. They are sent to each proxy.
    ///
    /// # Errors
    /// [`ProxyUrlError::Credentials`].
    pub fn credentials(mut self, user: &str, password: &str) -> Result<Self, ProxyUrlError> {
        let parts = Arc::make_mut(&mut self.0);
        for server in [&mut parts.secure, &mut parts.plain] {
            if let Some(before) = server.take() {
                *server = Some(before.with_credentials(user.as_bytes(), password.as_bytes())?);
            }
        }
        Ok(self)
    }

    /// Returns the proxy for a request; `None`: connect to its host directly.
    #[must_use]
    pub fn server(&self, request: &ConnectRequest) -> Option<&ProxyServer> {
        if self.0.no_proxy.contains(request.host(), request.port()) {
            return None;
        }
        if request.is_secure() { self.0.secure.as_ref() } else { self.0.plain.as_ref() }
    }

    fn one(url: &str, protocol: ProxyProtocol) -> Result<Self, ProxyUrlError> {
        let server = ProxyServer::parse(url, protocol)?;
        if server.protocol() != protocol {
            return Err(ProxyUrlError::Scheme);
        }
        let (secure, plain) = (Some(server.clone()), Some(server));
        Ok(Self(Arc::new(Parts { secure, plain, no_proxy: NoProxy::default() })))
    }
}

/// Without the credentials.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("secure", &self.0.secure)
            .field("plain", &self.0.plain)
            .field("no_proxy", &self.0.no_proxy)
            .finish()
    }
}

/// An environment variable has no valid URL of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProxyEnvError {
    variable: &'static str,
    error: ProxyUrlError,
}

impl ProxyEnvError {
    /// Returns the name of the variable.
    #[must_use]
    pub const fn variable(&self) -> &'static str {
        self.variable
    }

    /// Returns the error of its value.
    #[must_use]
    pub const fn error(&self) -> ProxyUrlError {
        self.error
    }
}

impl fmt::Display for ProxyEnvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the variable {}: {}", self.variable, self.error)
    }
}

impl core::error::Error for ProxyEnvError {}
