//! Which web pages may connect
//! ([RFC 6455 section 10.2](https://www.rfc-editor.org/rfc/rfc6455#section-10.2)).

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::authority::Authority;
use crate::http1::writer::FieldError;
use crate::kernel::class::{TOKEN, split_run};

/// Which origins a server takes: the web pages whose scripts may connect, with the visitor's
/// cookies, from the visitor's browser.
///
/// The default is [`SameHost`](Self::SameHost), where ASP.NET Core's is any.
///
/// Browsers don't ask first, as they do for other requests (CORS): without a policy every page in
/// the world can connect in the name of its visitor. The Origin can be forged by any other program,
/// so it says nothing about who a client is.
///
/// Scheme and host are compared without regard to case, ports with the scheme's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OriginPolicy {
    /// Every origin passes.
    Any,
    /// An http or https page passes if its host and port are those of the request. Where a proxy
    /// ends TLS and sends no port, the port is the default of the page's scheme.
    #[default]
    SameHost,
    /// The origins of a list pass.
    List(OriginList),
}

impl OriginPolicy {
    /// Makes a list of origins: `https://example.com`, `http://localhost:8080`, `null` (pages
    /// without an origin of their own, such as local files).
    ///
    /// # Errors
    /// [`FieldError::InvalidOrigin`] if one is not an origin, such as a URL with a path.
    pub fn list<I>(origins: I) -> Result<Self, FieldError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let mut list = Vec::new();
        for origin in origins {
            let origin = origin.as_ref();
            if !is_origin(origin.as_bytes()) {
                return Err(FieldError::InvalidOrigin);
            }
            list.push(origin.into());
        }
        Ok(Self::List(OriginList(list)))
    }

    /// Whether a page may connect to a host.
    pub(crate) fn allows(&self, origin: &[u8], host: Authority<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::SameHost => is_same_host(origin, host),
            Self::List(list) => {
                list.0.iter().any(|listed| is_same_origin(origin, listed.as_bytes()))
            }
        }
    }
}

/// The origins of [`OriginPolicy::list`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginList(Vec<Box<str>>);

/// `scheme "://" host [ ":" port ]` (RFC 6454 6.2).
#[derive(Clone, Copy, Debug)]
struct Origin<'a> {
    scheme: &'a [u8],
    authority: Authority<'a>,
}

impl<'a> Origin<'a> {
    fn parse(text: &'a [u8]) -> Option<Self> {
        let (scheme, rest) = split_run(text, TOKEN);
        let authority = Authority::parse(rest.strip_prefix(b"://")?).ok()?;
        (!scheme.is_empty()).then_some(Self { scheme, authority })
    }

    /// The port, named or not; `None` if the scheme has no default.
    fn port(&self) -> Option<u16> {
        self.authority.port.or_else(|| self.default_port())
    }

    fn default_port(&self) -> Option<u16> {
        if self.scheme.eq_ignore_ascii_case(b"https") {
            Some(443)
        } else if self.scheme.eq_ignore_ascii_case(b"http") {
            Some(80)
        } else {
            None
        }
    }
}

/// What a browser can send as the Origin of a page.
pub(crate) fn is_origin(text: &[u8]) -> bool {
    text == b"null" || Origin::parse(text).is_some()
}

fn is_same_origin(a: &[u8], b: &[u8]) -> bool {
    // "null" stands for origins that are all different: it is equal to a listed "null" only.
    if a == b"null" || b == b"null" {
        return a == b;
    }
    let (Some(a), Some(b)) = (Origin::parse(a), Origin::parse(b)) else { return false };
    a.scheme.eq_ignore_ascii_case(b.scheme)
        && a.authority.host.eq_ignore_ascii_case(b.authority.host)
        && a.port() == b.port()
}

fn is_same_host(origin: &[u8], host: Authority<'_>) -> bool {
    let Some(origin) = Origin::parse(origin) else { return false };
    // Other schemes than http and https have no default, and no pages that a host has served.
    let Some(default_port) = origin.default_port() else { return false };
    origin.authority.host.eq_ignore_ascii_case(host.host)
        && origin.port() == Some(host.port.unwrap_or(default_port))
}
