//! `Send` and `Sync` of the types and futures of both adapters, checked at compile time.

use sansocket::blocking;

fn send<T: Send>() {}
fn send_and_sync<T: Send + Sync>() {}

/// Requires `Send` of each type over a transport that is `Send`. Shared types are also `Sync`,
/// although the transport is not.
#[test]
fn types_of_the_blocking_adapter_are_send() {
    fn types<S: Send>() {
        send::<blocking::WebSocket<S>>();
        send::<blocking::Reply<'_, S>>();
        send::<blocking::Reader<S>>();
        send_and_sync::<blocking::Sender<S>>();
        send::<blocking::HalfReply<'_, S>>();
        send::<blocking::Messages<S>>();
        send::<blocking::PendingRequest<S>>();
    }
    fn sync_types<S: Send + Sync>() {
        send_and_sync::<blocking::WebSocket<S>>();
        send_and_sync::<blocking::Reader<S>>();
        send_and_sync::<blocking::Messages<S>>();
        send_and_sync::<blocking::PendingRequest<S>>();
    }
    types::<std::net::TcpStream>();
    sync_types::<std::net::TcpStream>();
}

#[cfg(feature = "tokio")]
mod tokio {
    use sansocket::handshake::Refusal;
    use sansocket::handshake::{Accepted, HttpResponse};
    use sansocket::message::{Data, SendOptions};
    use sansocket::tokio::{
        ClientStream, Connector, HalfReply, Messages, PendingRequest, Reader, Reply, Sender,
        WebSocket,
    };
    use sansocket::{AcceptOptions, CloseCode, Config, ConnectRequest, Prepared};
    use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};

    use super::{send, send_and_sync};

    fn future<F: Future + Send>(_: F) {}

    #[test]
    fn types_of_the_tokio_adapter_are_send() {
        fn types<S: Send>() {
            send::<WebSocket<S>>();
            send::<Reply<'_, S>>();
            send::<Reader<S>>();
            send_and_sync::<Sender<S>>();
            send::<HalfReply<'_, S>>();
            send::<Messages<S>>();
            send::<PendingRequest<S>>();
        }
        fn sync_types<S: Send + Sync>() {
            send_and_sync::<WebSocket<S>>();
            send_and_sync::<Reader<S>>();
            send_and_sync::<Messages<S>>();
            send_and_sync::<PendingRequest<S>>();
        }
        types::<DuplexStream>();
        sync_types::<DuplexStream>();
    }

    /// Makes each `send_*` of a type, and its flush.
    macro_rules! sends {
        ($target:ident) => {
            future($target.send_text(""));
            future($target.send_binary(&[]));
            future($target.send(Data::Text(""), SendOptions::new()));
            future($target.send_part(Data::Text(""), true, SendOptions::new()));
            future($target.send_prepared(&Prepared::text("")));
            future($target.send_ping(&[]));
            future($target.send_pong(&[]));
            future($target.flush());
        };
    }

    /// Never called: it is sufficient that it compiles, for each transport that is `Send`.
    #[expect(dead_code, reason = "checked by the compiler")]
    fn futures_of_a_socket_are_send<S>(mut ws: WebSocket<S>, mut reply: Reply<'_, S>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        future(ws.read());
        future(ws.read_into(&mut []));
        future(ws.close(CloseCode::NORMAL, ""));
        sends!(ws);
        sends!(reply);
    }

    #[expect(dead_code, reason = "checked by the compiler")]
    fn futures_of_halves_are_send<S>(
        mut reader: Reader<S>,
        sender: &Sender<S>,
        mut reply: HalfReply<'_, S>,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        future(reader.read());
        future(reader.read_into(&mut []));
        future(sender.closed());
        sends!(sender);
        sends!(reply);
    }

    #[expect(dead_code, reason = "checked by the compiler")]
    fn futures_of_handshakes_are_send<S>(
        mut stream: impl FnMut() -> S,
        mut pending: impl FnMut() -> PendingRequest<S>,
        accepted: Accepted,
        refusal: Refusal,
        (config, options, page): (&Config, &AcceptOptions, &HttpResponse),
        request: &ConnectRequest,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        future(PendingRequest::read(stream(), config));
        future(pending().accept(options));
        future(pending().accept_with(accepted));
        future(pending().refuse(refusal));
        future(pending().respond(page));
        future(WebSocket::accept(stream(), config, options));
        future(WebSocket::client(stream(), request, config));
        future(WebSocket::<ClientStream>::connect(request, config));
        future(Connector::new().connect(request, config));
        future(Connector::new().dial(request, config));
    }
}
