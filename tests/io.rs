//! The tests with transports: the adapters, the features `http`, `hyper`, `tls` and `h2`, and the output of `{:?}`. They
//! are one binary, so that a change of the library compiles the shared code and links once.

#[cfg(feature = "tokio")]
mod adapters;
#[cfg(feature = "std")]
mod blocking;
mod common;
mod debug;
#[cfg(all(feature = "deflate", feature = "h2"))]
mod h2;
#[cfg(all(feature = "deflate", feature = "http"))]
mod http;
#[cfg(all(feature = "deflate", feature = "hyper"))]
mod hyper;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "tokio")]
mod tokio;
