//! Replays the seeds of the fuzz targets. The settings of those of open connections include
//! compression, so they need the feature.

use std::fs;
use std::path::Path;

use sansocket::Role;

#[cfg(feature = "deflate")]
#[path = "../../fuzz/src/deflate.rs"]
mod deflate;
#[path = "../../fuzz/src/driver/mod.rs"]
mod driver;
#[path = "../../fuzz/src/heads.rs"]
mod heads;
#[cfg(feature = "deflate")]
#[path = "../../fuzz/src/negotiation.rs"]
mod negotiation;
#[path = "../../fuzz/src/open.rs"]
mod open;
#[cfg(feature = "h2")]
#[path = "../../fuzz/src/stream.rs"]
mod stream;

fn replay(target: &str, check: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut count = 0;
    for seed in fs::read_dir(&folder).unwrap() {
        let path = seed.unwrap().path();
        check(&fs::read(&path).unwrap());
        count += 1;
    }
    assert!(count > 0, "no seeds in {}", folder.display());
}

#[test]
fn seeds_of_open_server() {
    replay("open_server", |data| open::check(Role::Server, data));
}

#[test]
fn seeds_of_open_client() {
    replay("open_client", |data| open::check(Role::Client, data));
}

#[test]
fn seeds_of_driver() {
    replay("driver", driver::check);
}

#[cfg(feature = "h2")]
#[test]
fn seeds_of_stream() {
    replay("stream", stream::check);
}

#[test]
fn seeds_of_server_head() {
    replay("server_head", heads::check_server);
}

#[test]
fn seeds_of_client_head() {
    replay("client_head", heads::check_client);
}

#[cfg(feature = "deflate")]
#[test]
fn seeds_of_negotiation() {
    replay("negotiation", negotiation::check);
}

#[cfg(feature = "deflate")]
#[test]
fn seeds_of_inflate() {
    replay("inflate", deflate::inflate::check);
}

#[cfg(feature = "deflate")]
#[test]
fn seeds_of_deflate_roundtrip() {
    replay("deflate_roundtrip", deflate::roundtrip::check);
}
