//! Guides: longer documents. Their examples are compiled as tests of the crate.
//!
//! The folder `docs` of the package contains the same texts.

#[cfg(feature = "tls")]
#[doc = include_str!("../docs/guide.md")]
pub mod getting_started {}

#[cfg(feature = "tls")]
#[doc = include_str!("../docs/cookbook.md")]
pub mod cookbook {}

#[doc = include_str!("../docs/embedding.md")]
pub mod embedding {}

#[cfg(all(feature = "h2", feature = "tls"))]
#[doc = include_str!("../docs/http2.md")]
pub mod http2 {}

#[cfg(feature = "hyper")]
#[doc = include_str!("../docs/hyper.md")]
pub mod hyper {}

#[cfg(feature = "tls")]
#[doc = include_str!("../docs/migration.md")]
pub mod migration {}

#[doc = include_str!("../docs/proxies.md")]
pub mod proxies {}

#[doc = include_str!("../docs/security.md")]
pub mod security {}
