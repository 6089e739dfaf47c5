//! The web pages that may connect
//! ([RFC 6455 section 10.2](https://www.rfc-editor.org/rfc/rfc6455#section-10.2)).

use core::fmt;

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::authority::Authority;
use crate::http1::writer::FieldError;

/// The origins that a server accepts: the web pages with scripts that may connect from a visitor's
/// browser, with the visitor's cookies.
///
/// The default is [`SameHost`](Self::SameHost). ASP.NET Core accepts any origin by default.
///
/// Browsers send no preflight request before a WebSocket, as they do for other requests (CORS).
/// Without a policy, any page can connect on behalf of its visitor. Other programs can send any
/// Origin, so the field doesn't identify a client.
///
/// Scheme and host of web pages are compared without regard to case. A missing port is the default
/// of the scheme.
///
/// ```
/// use sansocket::AcceptOptions;
/// use sansocket::handshake::{Fields, OriginPolicy, RequestHead};
///
/// let fields = [
///     ("Host", &b"example.com"[..]),
///     ("Origin", b"https://evil.example"),
///     ("Upgrade", b"websocket"),
///     ("Connection", b"Upgrade"),
///     ("Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
///     ("Sec-WebSocket-Version", b"13"),
/// ];
/// let request = RequestHead::new("GET", "/", Fields::new(&fields)).upgrade().unwrap();
/// let same_host = AcceptOptions::new(); // the default
/// assert_eq!(request.accept(&same_host).unwrap_err().status(), 403);
/// let any = AcceptOptions::new().origins(OriginPolicy::Any);
/// assert!(request.accept(&any).is_ok());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OriginPolicy {
    /// Every origin is accepted.
    Any,
    /// An http or https page is accepted if its host and port are those of the request. If the
    /// request names no port, for example with a proxy that terminates TLS, its port is the
    /// default of the page's scheme.
    #[default]
    SameHost,
    /// The origins of a list are accepted.
    List(OriginList),
}

impl OriginPolicy {
    /// Creates a list of origins.
    ///
    /// | entry | accepted origins |
    /// |---|---|
    /// | `https://example.com`, `http://localhost:8080` | this one |
    /// | `https://*.example.com` | all subdomains at any depth: `https://a.example.com`, `https://b.a.example.com`; not `https://example.com` itself, which needs its own entry |
    /// | `file://`, `app://.`, `capacitor://localhost`, `vscode-webview://id` | exactly this text: origins of other schemes are opaque |
    /// | `null` | pages with an opaque origin, such as sandboxed frames |
    ///
    /// ```
    /// use sansocket::handshake::OriginPolicy;
    ///
    /// let policy = OriginPolicy::list(["https://example.com", "https://*.example.com", "file://"])?;
    /// assert!(OriginPolicy::list(["https://example.com/path"]).is_err());
    /// # drop(policy);
    /// # Ok::<(), sansocket::handshake::FieldError>(())
    /// ```
    ///
    /// # Errors
    /// [`FieldError::InvalidOrigin`] if an entry is not an origin, such as a URL with a path, or
    /// can never match one, such as `https://a*.example.com`.
    pub fn list<I>(origins: I) -> Result<Self, FieldError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let entries: Option<Vec<Entry>> =
            origins.into_iter().map(|origin| Entry::parse(origin.as_ref())).collect();
        Ok(Self::List(OriginList(entries.ok_or(FieldError::InvalidOrigin)?)))
    }

    /// Returns true if a page may connect to `host`, which was parsed from `text`.
    pub(crate) fn allows(&self, origin: &[u8], text: &[u8], host: Authority<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::SameHost => {
                let rest = origin.strip_prefix(b"http");
                let rest = rest.map(|rest| rest.strip_prefix(b"s").unwrap_or(rest));
                // Fast path for the form that browsers send: equal texts need no parsing.
                let is_same = rest.and_then(|rest| rest.strip_prefix(b"://")) == Some(text);
                is_same || Web::parse(origin).is_some_and(|page| page.is_on(host))
            }
            Self::List(list) => {
                let page = Web::parse(origin);
                list.0.iter().any(|entry| entry.matches(origin, page))
            }
        }
    }
}

/// The origins of [`OriginPolicy::list`].
///
/// ```
/// use sansocket::handshake::OriginPolicy;
///
/// let policy = OriginPolicy::list(["https://example.com", "null"])?;
/// let OriginPolicy::List(list) = policy else { unreachable!() };
/// assert_eq!(list.to_string(), "https://example.com, null");
/// # Ok::<(), sansocket::handshake::FieldError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginList(Vec<Entry>);

/// Writes the entries, separated by commas.
impl fmt::Display for OriginList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, entry) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{entry}")?;
        }
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    /// An origin that is compared byte by byte.
    Exact(Box<str>),
    /// A page of this host, or of all its subdomains.
    Web { secure: bool, subdomains: bool, host: Box<str>, port: u16 },
}

impl Entry {
    /// Parses an entry; `None` if no origin can match it.
    fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = match text.split_once("://") {
            Some(parts) => parts,
            None if text == "null" => return Some(Self::Exact(text.into())),
            None => return None,
        };
        let Some(secure) = web_scheme(scheme.as_bytes()) else {
            let fits = is_origin(text.as_bytes()) && !text.contains('*');
            return fits.then(|| Self::Exact(text.into()));
        };
        let (subdomains, authority) = match authority.strip_prefix("*.") {
            Some(authority) => (true, authority),
            None => (false, authority),
        };
        let authority = Authority::parse(authority.as_bytes()).ok()?;
        let host = core::str::from_utf8(authority.host).ok()?;
        // Browsers send neither character in a host. An address has no subdomains.
        if host.contains(['*', '%']) || (subdomains && !is_name(host)) {
            return None;
        }
        let port = authority.port.unwrap_or_else(|| default_port(secure));
        Some(Self::Web { secure, subdomains, host: host.to_ascii_lowercase().into(), port })
    }

    /// Returns true if the entry matches. `page` is `origin` in parsed form if it is that of a web
    /// page.
    fn matches(&self, origin: &[u8], page: Option<Web<'_>>) -> bool {
        match self {
            Self::Exact(listed) => origin == listed.as_bytes(),
            Self::Web { secure, subdomains, host, port } => page.is_some_and(|page| {
                let same_host = if *subdomains {
                    is_below(page.host, host.as_bytes())
                } else {
                    page.host.eq_ignore_ascii_case(host.as_bytes())
                };
                same_host && page.secure == *secure && page.port == *port
            }),
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(text) => f.write_str(text),
            Self::Web { secure, subdomains, host, port } => {
                let scheme = if *secure { "https" } else { "http" };
                let wildcard = if *subdomains { "*." } else { "" };
                write!(f, "{scheme}://{wildcard}{host}")?;
                if *port == default_port(*secure) { Ok(()) } else { write!(f, ":{port}") }
            }
        }
    }
}

/// Returns true if a host is a name, not an address.
fn is_name(host: &str) -> bool {
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    !host.starts_with(['[', '.']) && !host.rsplit('.').next().is_some_and(is_number)
}

/// Returns true if a host consists of one or more labels, a dot, and `domain`.
fn is_below(host: &[u8], domain: &[u8]) -> bool {
    let Some(len) = host.len().checked_sub(domain.len()) else { return false };
    let Some((labels, end)) = host.split_at_checked(len) else { return false };
    let Some(labels) = labels.strip_suffix(b".") else { return false };
    end.eq_ignore_ascii_case(domain) && labels.split(|&byte| byte == b'.').all(|l| !l.is_empty())
}

/// The origin of an http or https page.
#[derive(Clone, Copy, Debug)]
struct Web<'a> {
    secure: bool,
    host: &'a [u8],
    port: u16,
}

impl<'a> Web<'a> {
    fn parse(origin: &'a [u8]) -> Option<Self> {
        let len = origin.iter().position(|&byte| byte == b':')?;
        let (scheme, rest) = origin.split_at_checked(len)?;
        let secure = web_scheme(scheme)?;
        let authority = rest.strip_prefix(b"://")?;
        let Authority { host, port } = Authority::parse(authority).ok()?;
        Some(Self { secure, host, port: port.unwrap_or_else(|| default_port(secure)) })
    }

    /// Returns true if the page was served by this host.
    fn is_on(&self, host: Authority<'_>) -> bool {
        self.host.eq_ignore_ascii_case(host.host)
            && self.port == host.port.unwrap_or_else(|| default_port(self.secure))
    }
}

/// Returns true if a client may send this text as its Origin: `null`, or `scheme://host[:port]`
/// ([RFC 6454 section 6.2](https://www.rfc-editor.org/rfc/rfc6454#section-6.2)). The host may be
/// empty, except for web pages.
pub(crate) fn is_origin(text: &[u8]) -> bool {
    if text == b"null" {
        return true;
    }
    let Some((scheme, authority)) = split_scheme(text) else { return false };
    let needs_host = web_scheme(scheme).is_some();
    (authority.is_empty() && !needs_host) || Authority::parse(authority).is_ok()
}

/// Splits an origin at `://` into its scheme (RFC 3986 3.1) and the rest.
fn split_scheme(origin: &[u8]) -> Option<(&[u8], &[u8])> {
    let len = origin.iter().position(|&byte| byte == b':')?;
    let (scheme, rest) = origin.split_at_checked(len)?;
    let authority = rest.strip_prefix(b"://")?;
    let is_scheme = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
    is_scheme.then_some((scheme, authority))
}

/// Returns true for https, false for http, and `None` for other schemes, which have no default
/// port.
fn web_scheme(scheme: &[u8]) -> Option<bool> {
    if scheme.eq_ignore_ascii_case(b"https") {
        Some(true)
    } else if scheme.eq_ignore_ascii_case(b"http") {
        Some(false)
    } else {
        None
    }
}

const fn default_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}
