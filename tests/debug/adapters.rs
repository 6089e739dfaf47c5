//! Sockets of both adapters, their halves, their handshakes and their errors.

use std::io::{self, Read, Write};

use sansocket::{Config, ConnectRequest, Role};

use crate::common::{Frame, preset};
use crate::debug::secrets::Secrets;

/// A transport that has been read up to its end, and accepts all output. The crate is not
/// responsible for the `Debug` output of a transport.
struct Script {
    input: Vec<u8>,
    read: usize,
}

impl Script {
    fn new(input: impl Into<Vec<u8>>) -> Self {
        Self { input: input.into(), read: 0 }
    }
}

impl core::fmt::Debug for Script {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Script")
    }
}

impl Read for Script {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = (&self.input[self.read..]).read(buffer)?;
        self.read += n;
        Ok(n)
    }
}

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Two messages, and the beginning of another one.
fn messages(secrets: &Secrets, role: Role) -> Vec<u8> {
    let mut bytes = secrets.wire(Frame::text(secrets.bytes()), role);
    bytes.extend(secrets.wire(Frame::binary(secrets.bytes()), role));
    bytes.extend_from_within(..100);
    bytes
}

fn config(role: Role) -> Config {
    preset(role).build().unwrap()
}

fn client_request(secrets: &Secrets) -> ConnectRequest {
    let request = ConnectRequest::new(&format!("ws://a/?token={}", secrets.text)).unwrap();
    request.field("Authorization", &secrets.text).unwrap()
}

/// Responses that open no WebSocket.
fn responses(secrets: &Secrets) -> [String; 3] {
    ["HTTP/1.1 401 ", "HTTP/1.1 101 ", "none "].map(|start| {
        let accept = &secrets.text;
        format!(
            "{start}{0}\r\nSet-Cookie: {0}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n",
            secrets.text
        )
    })
}

pub(crate) mod blocking {
    use core::time::Duration;
    use std::io::{Read, Write};

    use sansocket::blocking::{Connections, PendingRequest, Transport, WebSocket};
    use sansocket::message::MessageKind;
    use sansocket::{AcceptOptions, CloseCode, Message, Role, WebSocketError};

    use super::{Script, client_request, config, messages, responses};
    use crate::common::{BOTH, End};
    use crate::debug::secrets::{check_hidden, request};

    impl Transport for Script {
        fn set_read_timeout(&mut self, _: Option<Duration>) -> std::io::Result<()> {
            Ok(())
        }

        fn set_write_timeout(&mut self, _: Option<Duration>) -> std::io::Result<()> {
            Ok(())
        }

        fn shutdown_write(&mut self) -> std::io::Result<()> {
            Ok(())
        }

        fn try_clone(&self) -> std::io::Result<Self> {
            Ok(Self { input: self.input.clone(), read: self.read })
        }
    }

    #[test]
    pub(crate) fn sockets_and_halves() {
        for role in BOTH {
            check_hidden(|secrets, shown| {
                let open = || {
                    let io = Script::new(messages(secrets, role));
                    WebSocket::from_connection(io, End::preset(role).conn, &[])
                };
                let mut ws = open();
                ws.feed_text(&secrets.text).unwrap();
                shown.add("socket", &ws);
                let (event, mut reply) = ws.read().unwrap().unwrap();
                assert_eq!(event.data().unwrap().0.as_bytes(), secrets.bytes());
                reply.feed_text(&secrets.text).unwrap();
                shown.add("reply", &reply);
                ws.read_into(&mut [0; 100]).unwrap().unwrap();
                shown.add("socket within a message", &ws);
                shown.add("taken apart", &ws.into_inner());

                let (mut reader, sender) = open().split().unwrap();
                sender.feed_text(&secrets.text).unwrap();
                let (_, reply) = reader.read().unwrap().unwrap();
                shown.add("half's reply", &reply);
                reader.read_into(&mut [0; 100]).unwrap().unwrap();
                shown.add("reader", &reader);
                shown.add("sender", &sender);

                let mut stream = open().into_byte_stream(MessageKind::Text);
                stream.write_all(secrets.bytes()).unwrap();
                stream.read_exact(&mut [0]).unwrap();
                shown.add("byte stream", &stream);
                let mut ws = open();
                let mut writer = ws.message_writer(MessageKind::Text);
                writer.write_all(secrets.bytes()).unwrap();
                shown.add("message writer", &writer);
                shown.add("message reader", &ws.message_reader().unwrap().unwrap());
                let connections = Connections::new();
                connections.add(&mut ws);
                connections.drain(CloseCode::NORMAL, &secrets.text[..100], Duration::ZERO).unwrap();
                shown.add("connections", &connections);
                shown.add("registered", &ws);

                let mut messages = open().into_messages();
                messages.feed(Message::text(&*secrets.text)).unwrap();
                messages.next().unwrap().unwrap();
                shown.add("messages", &messages);
                // The transport ends within the third message.
                messages.next().unwrap().unwrap();
                let error = messages.next().unwrap().unwrap_err();
                assert!(matches!(error, WebSocketError::Protocol(_)));
                shown.add("error", &error);
            });
        }
    }

    #[test]
    pub(crate) fn pending_requests_and_errors() {
        check_hidden(|secrets, shown| {
            let mut bytes = request(secrets);
            bytes.extend(messages(secrets, Role::Server));
            let io = Script::new(bytes);
            let pending = PendingRequest::read(io, &config(Role::Server)).unwrap();
            shown.add("pending", &pending);
            shown.add("accepted", &pending.accept(&AcceptOptions::new()).unwrap());
            // The refusal names the origin.
            let mut text = String::from_utf8(request(secrets)).unwrap();
            text.insert_str(text.len() - 2, &format!("Origin: https://{}\r\n", secrets.text));
            let refused =
                WebSocket::accept(Script::new(text), &config(Role::Server), &AcceptOptions::new());
            shown.add("refused", &refused.unwrap_err());
            for response in responses(secrets) {
                let io = Script::new(response);
                let failed = WebSocket::client(io, &client_request(secrets), &config(Role::Client));
                shown.add("failed", &failed.unwrap_err());
            }
        });
    }
}

#[cfg(feature = "tokio")]
pub(crate) mod tokio {
    use core::pin::Pin;
    use core::task::{Context, Poll};
    use core::time::Duration;
    use std::io::{self, Read};

    use futures_util::{SinkExt, StreamExt};
    use sansocket::message::MessageKind;
    use sansocket::tokio::{Connections, PendingRequest, WebSocket};
    use sansocket::{AcceptOptions, CloseCode, Message, Role, WebSocketError};
    use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

    use super::{Script, client_request, config, messages, responses};
    use crate::common::tasks;
    use crate::common::{BOTH, End};
    use crate::debug::secrets::{check_hidden, request};

    impl AsyncRead for Script {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let n = Read::read(&mut *self, buffer.initialize_unfilled())?;
            buffer.advance(n);
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Script {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        tasks::block_on(&runtime.enable_time().start_paused(true).build().unwrap(), future)
    }

    fn open(secrets: &crate::debug::secrets::Secrets, role: Role) -> WebSocket<Script> {
        let io = Script::new(messages(secrets, role));
        WebSocket::from_connection(io, End::preset(role).conn, &[])
    }

    #[test]
    pub(crate) fn sockets_and_halves() {
        for role in BOTH {
            check_hidden(|secrets, shown| {
                block_on(async {
                    let mut ws = open(secrets, role);
                    ws.feed_text(&secrets.text).unwrap();
                    shown.add("socket", &ws);
                    let (event, mut reply) = ws.read().await.unwrap().unwrap();
                    assert_eq!(event.data().unwrap().0.as_bytes(), secrets.bytes());
                    reply.feed_text(&secrets.text).unwrap();
                    shown.add("reply", &reply);
                    ws.read_into(&mut [0; 100]).await.unwrap().unwrap();
                    shown.add("socket within a message", &ws);
                    shown.add("taken apart", &ws.into_inner());

                    let (mut reader, sender) = open(secrets, role).split();
                    sender.feed_text(&secrets.text).unwrap();
                    let (_, reply) = reader.read().await.unwrap().unwrap();
                    shown.add("half's reply", &reply);
                    reader.read_into(&mut [0; 100]).await.unwrap().unwrap();
                    shown.add("reader", &reader);
                    shown.add("sender", &sender);

                    let mut stream = open(secrets, role).into_byte_stream(MessageKind::Text);
                    stream.write_all(secrets.bytes()).await.unwrap();
                    stream.read_exact(&mut [0]).await.unwrap();
                    shown.add("byte stream", &stream);
                    let mut ws = open(secrets, role);
                    let mut writer = ws.message_writer(MessageKind::Text);
                    writer.write_all(secrets.bytes()).await.unwrap();
                    shown.add("message writer", &writer);
                    shown.add("message reader", &ws.message_reader().await.unwrap().unwrap());
                    let connections = Connections::new();
                    connections.add(&mut ws);
                    let drained =
                        connections.drain(CloseCode::NORMAL, &secrets.text[..100], Duration::ZERO);
                    drained.await.unwrap();
                    shown.add("connections", &connections);
                    shown.add("registered", &ws);
                });
            });
        }
    }

    #[test]
    pub(crate) fn kept_messages() {
        for role in BOTH {
            check_hidden(|secrets, shown| {
                block_on(async {
                    let mut messages = open(secrets, role).into_messages();
                    messages.feed(Message::text(&*secrets.text)).await.unwrap();
                    shown.add("messages", &messages);
                    // Both messages are kept; the transport ends within the third.
                    let error = messages.close().await.unwrap_err();
                    assert!(matches!(error, WebSocketError::Protocol(_)));
                    shown.add("error", &error);
                    shown.add("messages that are kept", &messages);
                    for _ in 0..2 {
                        let message = messages.next().await.unwrap().unwrap();
                        assert_eq!(message.into_data(), secrets.bytes());
                    }
                });
            });
        }
    }

    #[test]
    pub(crate) fn pending_requests_and_errors() {
        check_hidden(|secrets, shown| {
            block_on(async {
                let mut bytes = request(secrets);
                bytes.extend(messages(secrets, Role::Server));
                let io = Script::new(bytes);
                let pending = PendingRequest::read(io, &config(Role::Server)).await.unwrap();
                shown.add("pending", &pending);
                shown.add("accepted", &pending.accept(&AcceptOptions::new()).await.unwrap());
                // The refusal names the origin.
                let mut text = String::from_utf8(request(secrets)).unwrap();
                text.insert_str(text.len() - 2, &format!("Origin: https://{}\r\n", secrets.text));
                let (io, config) = (Script::new(text), config(Role::Server));
                let refused = WebSocket::accept(io, &config, &AcceptOptions::new()).await;
                shown.add("refused", &refused.unwrap_err());
                for response in responses(secrets) {
                    let (io, config) = (Script::new(response), super::config(Role::Client));
                    let failed = WebSocket::client(io, &client_request(secrets), &config).await;
                    shown.add("failed", &failed.unwrap_err());
                }
            });
        });
    }
}
