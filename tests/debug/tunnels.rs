//! Proxies: their credentials, and the words of their refusals.

use bytes::BytesMut;
use sansocket::handshake::proxy::{Proxy, ProxyHandshake};
use sansocket::{ConnectRequest, Input};

use crate::common::at_ms;
use crate::common::head::client_config;
use crate::common::shown::Shown;

const SECRET: &str = "hunter2-hunter2";

#[test]
pub(crate) fn proxies_show_hosts_and_lengths() {
    let url = format!("ws://example.com/?token={SECRET}");
    let request = ConnectRequest::new(&url).unwrap().field("Authorization", SECRET).unwrap();
    let secret_url = format!("{SECRET}:{SECRET}@proxy");
    let mut shown = Shown::new();
    for proxy in [Proxy::http(&secret_url).unwrap(), Proxy::socks5(&secret_url).unwrap()] {
        shown.add("proxy", &proxy);
        #[cfg(feature = "std")]
        shown.add("connector", &sansocket::blocking::Connector::new().proxy(proxy.clone()));
        #[cfg(feature = "tokio")]
        shown.add("connector", &sansocket::tokio::Connector::new().proxy(proxy.clone()));
        let server = proxy.server(&request).unwrap();
        shown.add("server", server);
        let text = format!("{server:?}");
        assert!(text.contains("\"proxy\"") && text.contains("15 bytes"), "{text}");
        let mut out = BytesMut::new();
        let config = client_config();
        let mut handshake =
            ProxyHandshake::new(server, &request, &config, at_ms(0), &mut out).unwrap();
        shown.add("handshake", &handshake);
        for reply in ["HTTP/1.1 407 ", SECRET, "\r\nX: ", SECRET, "\r\n\r\n", SECRET] {
            let mut bytes = reply.as_bytes().to_vec();
            drop(handshake.receive(&mut Input::new(at_ms(0), &mut bytes), &mut out));
            shown.add("handshake", &handshake);
        }
        let error = handshake.receive_eof().unwrap_err();
        shown.add("error", &error);
        shown.add("failed", &handshake);
        #[cfg(feature = "std")]
        shown.add("error of an adapter", &sansocket::error::ConnectErrorKind::Proxy(error));
    }
    let base64 = b"aHVudGVyMi1odW50ZXIyOmh1bnRlcjItaHVudGVyMg==";
    shown.assert_hides(&[SECRET.as_bytes(), base64]);
}
