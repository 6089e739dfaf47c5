//! Handshakes with the types of `http`, and upgrades of a hyper server.

use core::convert::Infallible;

use http::Response;
use http_body_util::Empty;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sansocket::http::Handshake;
use sansocket::hyper::{PendingUpgrade, UpgradeError};
use sansocket::{AcceptOptions, Config};
use tokio::io::{AsyncWriteExt, duplex};
use tokio::sync::mpsc;

use crate::common::head::client_config;
use crate::common::tasks::{self, spawn};
use crate::debug::handshakes::{SECRET, client_request, shown, valid_lines};

#[test]
pub(crate) fn requests_of_a_client_for_another_library() {
    let (request, config) = (client_request(), client_config());
    for handshake in [
        Handshake::upgrade(&request, &config).unwrap(),
        Handshake::extended_connect(&request, &config).unwrap(),
    ] {
        let text = shown(&handshake);
        let sent = handshake.to_request().unwrap();
        let key = sent.headers().get("Sec-WebSocket-Key").map(|key| key.to_str().unwrap());
        assert!(key.is_none_or(|key| !text.contains(key)), "{text}");
    }
}

#[test]
pub(crate) fn upgrades_show_names_and_lengths() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tasks::block_on(&runtime, async {
        let (mut client, server) = duplex(64 * 1024);
        let (sender, mut upgrades) = mpsc::unbounded_channel();
        let service = service_fn(move |mut request| {
            let pending = PendingUpgrade::new(&mut request).unwrap();
            assert!(shown(&pending).contains("\"/chat\""));
            let options = AcceptOptions::new()
                .origins(sansocket::handshake::OriginPolicy::Any)
                .field("Set-Cookie", SECRET)
                .unwrap();
            let config = Config::server().build().unwrap();
            let (response, upgrade) = pending.accept(&options, &config).unwrap();
            assert!(shown(&upgrade).contains("\"Set-Cookie\", 7 bytes"));
            sender.send(upgrade).unwrap();
            async { Ok::<Response<_>, Infallible>(response.map(|()| Empty::<bytes::Bytes>::new())) }
        });
        let builder = hyper::server::conn::http1::Builder::new();
        spawn(builder.serve_connection(TokioIo::new(server), service).with_upgrades());
        let mut bytes = valid_lines().bytes();
        // The first frame arrives with the request: a text, masked with zeros.
        bytes.extend_from_slice(b"\x81\x87\0\0\0\0");
        bytes.extend_from_slice(SECRET.as_bytes());
        client.write_all(&bytes).await.unwrap();
        let ws = upgrades.recv().await.unwrap().await.unwrap();
        shown(&ws);
        shown(&ws.into_inner().stream);
    });
    shown(&UpgradeError::Timeout);
}
