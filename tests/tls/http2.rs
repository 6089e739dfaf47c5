//! `wss://` over HTTP/2: sessions of a connector, and HTTP/1.1 for servers without it.

use core::future::{pending, poll_fn};
use core::net::SocketAddr;
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use sansocket::error::{ConnectError, ConnectErrorKind, ConnectStep};
use sansocket::h2::{Incoming, Prefer, Session, SessionOptions};
use sansocket::handshake::proxy::Proxy;
use sansocket::handshake::{HandshakeError, HttpVersion};
use sansocket::tokio::{ClientStream, Connector, WebSocket};
use sansocket::{AcceptOptions, CloseCode, Config, ConnectRequest, Event, WebSocketError};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::{accept, acceptor, block_on, config, echo, request, trusting};
use crate::common::tasks::{boxed, spawn};

/// The events that end sessions of a [`Server`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Control {
    Go,
    Drain,
    Abort,
}

/// A server in the runtime of the test. It counts transports with HTTP/1.1 and HTTP/2.
struct Server {
    address: SocketAddr,
    http1: Arc<AtomicUsize>,
    http2: Arc<AtomicUsize>,
    control: watch::Sender<Control>,
    _tasks: JoinSet<()>,
}

/// Serves a session of HTTP/2, which is not open yet.
type Serve = fn(TlsStream<TcpStream>, SessionOptions, watch::Receiver<Control>) -> Serving;
type Serving = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Server {
    async fn start(serve: Serve) -> Self {
        Self::with_options(serve, SessionOptions::builder().build().unwrap()).await
    }

    async fn with_options(serve: Serve, options: SessionOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (control, _) = watch::channel(Control::Go);
        let (http1, http2) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let counts = (http1.clone(), http2.clone());
        let controlled = control.subscribe();
        let acceptor = acceptor("localhost.pem");
        let mut tasks = JoinSet::new();
        tasks.spawn(boxed(async move {
            let mut transports = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let (counts, mut controlled) = (counts.clone(), controlled.clone());
                let (acceptor, options) = (acceptor.clone(), options.clone());
                transports.spawn(boxed(async move {
                    let Ok(stream) = TlsAcceptor::accept(&acceptor, stream).await else { return };
                    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                        counts.1.fetch_add(1, Ordering::SeqCst);
                        controlled.mark_unchanged();
                        serve(stream, options, controlled).await;
                    } else {
                        counts.0.fetch_add(1, Ordering::SeqCst);
                        let _ = echo(&mut accept(stream).await).await;
                    }
                }));
            }
        }));
        Self { address, http1, http2, control, _tasks: tasks }
    }

    /// The numbers of transports with HTTP/1.1 and HTTP/2 so far.
    fn transports(&self) -> (usize, usize) {
        (self.http1.load(Ordering::SeqCst), self.http2.load(Ordering::SeqCst))
    }

    fn request(&self) -> ConnectRequest {
        request("localhost", self.address)
    }
}

/// Echoes on all streams.
fn echoes(
    stream: TlsStream<TcpStream>,
    options: SessionOptions,
    mut controlled: watch::Receiver<Control>,
) -> Serving {
    Box::pin(async move {
        let mut session = Session::handshake(stream, &options).await.unwrap();
        let mut sockets = JoinSet::new();
        loop {
            let incoming = tokio::select! {
                incoming = session.accept() => incoming,
                _ = controlled.changed() => match *controlled.borrow_and_update() {
                    Control::Go => continue,
                    Control::Drain => {
                        session.drain();
                        continue;
                    }
                    Control::Abort => return,
                },
            };
            let Ok(Some(incoming)) = incoming else { return };
            let Incoming::WebSocket(request) = incoming else { continue };
            let config = Config::server().build().unwrap();
            if let Ok(mut ws) = request.accept(&AcceptOptions::new(), &config) {
                sockets.spawn(boxed(async move { drop(echo(&mut ws).await) }));
            }
        }
    })
}

/// A session of the crate `h2`, which does not allow WebSockets, or resets each of their streams.
fn raw(stream: TlsStream<TcpStream>, reset: Option<h2::Reason>) -> Serving {
    Box::pin(async move {
        let mut builder = h2::server::Builder::new();
        if reset.is_some() {
            builder.enable_connect_protocol();
        }
        let Ok(mut session) = builder.handshake::<_, Bytes>(stream).await else { return };
        while let Some(Ok((_, mut respond))) = session.accept().await {
            respond.send_reset(reset.unwrap_or(h2::Reason::CANCEL));
        }
    })
}

fn not_allowed(
    stream: TlsStream<TcpStream>,
    _: SessionOptions,
    _: watch::Receiver<Control>,
) -> Serving {
    raw(stream, None)
}

fn connector() -> Connector {
    Connector::new().tls(Arc::new(trusting("ca.pem"))).http2(Prefer::new())
}

type Socket = WebSocket<ClientStream>;

async fn connect(connector: &Connector, server: &Server) -> Socket {
    try_connect(connector, server, 5000).await.unwrap()
}

async fn try_connect(
    connector: &Connector,
    server: &Server,
    timeout_ms: u64,
) -> Result<Socket, ConnectError> {
    let (request, config) = (server.request(), config(timeout_ms));
    connector.connect(&request, &config).await.map(|(ws, _)| ws)
}

async fn echoed(ws: &mut Socket, text: &str) -> Result<(), WebSocketError> {
    ws.send_text(text).await?;
    let read = ws.read().await?;
    assert!(matches!(read, Some((Event::Text(echo), _)) if echo == text));
    Ok(())
}

fn version(ws: &Socket) -> HttpVersion {
    ws.get_ref().http_version()
}

#[test]
fn t5_web_sockets_of_an_origin_share_a_session() {
    block_on(async {
        let server = Server::start(echoes).await;
        let connector = connector();
        let mut tasks = JoinSet::new();
        // All of them are connected at the same time, before there is a session.
        for number in 0..20 {
            let (connector, request) = (connector.clone(), server.request());
            tasks.spawn(boxed(async move {
                let connected = connector.connect(&request, &config(5000)).await;
                let (mut ws, response) = connected.unwrap();
                assert_eq!(response.status(), 200);
                echoed(&mut ws, &"x".repeat(10_000 * number)).await.unwrap();
                ws
            }));
        }
        let sockets = tasks.join_all().await;
        assert_eq!(server.transports(), (0, 1));
        for mut ws in sockets {
            assert_eq!(version(&ws), HttpVersion::Http2);
            assert_eq!(ws.get_ref().peer_addr().unwrap(), server.address);
            assert_ne!(ws.get_ref().local_addr().unwrap(), server.address);
            assert!(ws.get_ref().as_tcp().is_none());
            echoed(&mut ws, "again").await.unwrap();
            ws.close(CloseCode::NORMAL, "").await.unwrap();
            assert!(ws.into_inner().stream.into_tcp().is_err());
        }
    });
}

#[test]
fn t5_split_over_http2() {
    block_on(async {
        let server = Server::start(echoes).await;
        let (mut reader, sender) = connect(&connector(), &server).await.split();
        let message = vec![7; 100_000];
        let send = async {
            for _ in 0..50 {
                sender.send_binary(&message).await.unwrap();
            }
            sender.close_output(CloseCode::NORMAL, "").unwrap();
        };
        let receive = async {
            let mut count = 0;
            while let Some((event, _)) = reader.read().await.unwrap() {
                count += usize::from(matches!(event, Event::Binary(echo) if echo == message));
            }
            count
        };
        assert_eq!(tokio::join!(send, receive).1, 50);
    });
}

/// ALPN selects HTTP/1.1: its transport is used, and later ones don't wait for each other.
#[test]
fn t5_a_server_without_http2() {
    block_on(async {
        let address = super::echo_server_http1().await;
        let connector = connector();
        let mut sockets = Vec::new();
        for _ in 0..3 {
            let request = request("localhost", address);
            let (mut ws, response) = connector.connect(&request, &config(5000)).await.unwrap();
            assert_eq!((response.status(), version(&ws)), (101, HttpVersion::Http11));
            echoed(&mut ws, "Hello").await.unwrap();
            sockets.push(ws);
        }
    });
}

/// A second transport with HTTP/1.1; for a minute the next WebSockets use it at once.
#[test]
fn t5_a_server_whose_http2_does_not_allow_web_sockets() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let server = Server::start(not_allowed).await;
        let connector = connector();
        for expected in [(1, 1), (2, 1)] {
            let mut ws = connect(&connector, &server).await;
            echoed(&mut ws, "Hello").await.unwrap();
            assert_eq!((version(&ws), server.transports()), (HttpVersion::Http11, expected));
        }
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(61)).await;
        tokio::time::resume();
        connect(&connector, &server).await;
        assert_eq!(server.transports(), (3, 2));
    });
}

/// RFC 9113 section 7: HTTP_1_1_REQUIRED.
#[test]
fn t5_a_server_that_requires_http1_for_a_request() {
    block_on(async {
        let server =
            Server::start(|stream, _, _| raw(stream, Some(h2::Reason::HTTP_1_1_REQUIRED))).await;
        let mut ws = connect(&connector(), &server).await;
        echoed(&mut ws, "Hello").await.unwrap();
        assert_eq!((version(&ws), server.transports()), (HttpVersion::Http11, (1, 1)));
    });
}

/// A reset is not repeated, unless the server has not processed the request; and then only once.
#[test]
fn t5_a_server_that_resets_the_request() {
    block_on(async {
        for reset in [h2::Reason::REFUSED_STREAM, h2::Reason::INTERNAL_ERROR] {
            let server = if reset == h2::Reason::REFUSED_STREAM {
                Server::start(|stream, _, _| raw(stream, Some(h2::Reason::REFUSED_STREAM))).await
            } else {
                Server::start(|stream, _, _| raw(stream, Some(h2::Reason::INTERNAL_ERROR))).await
            };
            let error = try_connect(&connector(), &server, 5000).await.unwrap_err();
            assert_eq!((error.step(), server.transports()), (ConnectStep::Handshake, (0, 1)));
            let ConnectErrorKind::Io(error) = error.kind() else { panic!("{error:?}") };
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        }
    });
}

#[test]
fn t5_a_refusal_over_http2_has_its_status() {
    block_on(async {
        let server = Server::start(echoes).await;
        let connector = connector();
        let _open = connect(&connector, &server).await;
        let foreign = server.request().origin("https://elsewhere.example").unwrap();
        let error = connector.connect(&foreign, &config(5000)).await.unwrap_err();
        assert_eq!(error.response().map(|response| response.status()), Some(403));
        assert_eq!(server.transports(), (0, 1));
    });
}

/// GOAWAY: the WebSockets of the session go on, the next one opens a session.
#[test]
fn t5_a_drained_session_takes_no_more_web_sockets() {
    block_on(async {
        let server = Server::start(echoes).await;
        let connector = connector();
        let mut first = connect(&connector, &server).await;
        server.control.send(Control::Drain).unwrap();
        // The server has sent GOAWAY before the echo.
        tokio::task::yield_now().await;
        echoed(&mut first, "one").await.unwrap();
        let mut second = connect(&connector, &server).await;
        assert_eq!(server.transports(), (0, 2));
        echoed(&mut first, "two").await.unwrap();
        echoed(&mut second, "three").await.unwrap();
    });
}

#[test]
fn t5_a_lost_session_is_replaced() {
    block_on(async {
        let server = Server::start(echoes).await;
        let connector = connector();
        let mut first = connect(&connector, &server).await;
        for lost in 1..4 {
            server.control.send(Control::Abort).unwrap();
            let WebSocketError::Io(_) = first.read().await.map(|_| ()).unwrap_err() else {
                panic!("not an error of the transport")
            };
            first = connect(&connector, &server).await;
            echoed(&mut first, "Hello").await.unwrap();
            assert_eq!(server.transports(), (0, 1 + lost));
        }
        // Without a read of the loss in between.
        server.control.send(Control::Abort).unwrap();
        echoed(&mut connect(&connector, &server).await, "Hello").await.unwrap();
    });
}

/// Sessions are tasks of the runtime in which they were opened.
#[test]
fn t5_a_connector_outlives_a_runtime() {
    let connector = connector();
    for _ in 0..2 {
        block_on(async {
            let server = Server::start(echoes).await;
            echoed(&mut connect(&connector, &server).await, "Hello").await.unwrap();
        });
    }
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let serving = runtime();
    let server = serving.block_on(Server::start(echoes));
    std::thread::scope(|scope| {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        scope.spawn(|| serving.block_on(async { drop(stopped.await) }));
        for transports in 1..3 {
            block_on(async {
                let mut ws = connect(&connector, &server).await;
                echoed(&mut ws, "Hello").await.unwrap();
            });
            assert_eq!(server.transports(), (0, transports));
        }
        drop(stop);
    });
}

/// The algorithm of Nagle, with delayed acknowledgements, would take 40 ms at each opening. The shortest of
/// several is compared, since the machine may have other work.
#[test]
fn t5_opening_waits_for_no_acknowledgement() {
    block_on(async {
        let server = Server::start(echoes).await;
        let http1 = Connector::new().tls(Arc::new(trusting("ca.pem")));
        for connector in [http1, connector()] {
            let mut shortest = Duration::MAX;
            for _ in 0..20 {
                // A session of its own.
                let connector = connector.clone().local_addr("127.0.0.1".parse().unwrap());
                let start = std::time::Instant::now();
                connect(&connector, &server).await;
                shortest = shortest.min(start.elapsed());
            }
            assert!(shortest < Duration::from_millis(20), "{shortest:?}");
        }
    });
}

/// One stream for each session: the second WebSocket opens another session, the third waits.
#[test]
fn t5_sessions_are_opened_up_to_the_limit() {
    let one = SessionOptions::builder().max_streams(1).build().unwrap();
    let many = SessionOptions::builder().build().unwrap();
    block_on(async {
        // The limit of the client, and that of the server.
        for (ours, theirs) in [(one.clone(), many.clone()), (many, one)] {
            let server = Server::with_options(echoes, theirs).await;
            let prefer = Prefer::new().session_options(ours).max_sessions(2);
            let connector = connector().http2(prefer);
            let mut first = connect(&connector, &server).await;
            let mut second = connect(&connector, &server).await;
            assert_eq!(server.transports(), (0, 2));
            let error = try_connect(&connector, &server, 100).await.unwrap_err();
            assert!(error.is_timeout(), "{error:?}");
            echoed(&mut first, "one").await.unwrap();
            echoed(&mut second, "two").await.unwrap();
            let close = async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                second.close(CloseCode::NORMAL, "").await.unwrap();
                drop(second);
            };
            let (mut third, ()) = tokio::join!(connect(&connector, &server), close);
            echoed(&mut third, "three").await.unwrap();
            assert_eq!(server.transports(), (0, 2));
        }
    });
}

#[test]
fn t5_a_connector_with_http2_uses_http1_for_ws_urls() {
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            drop(echo(&mut accept(stream).await).await);
        });
        let request = ConnectRequest::new(&format!("ws://{address}/")).unwrap();
        let (mut ws, _) = connector().connect(&request, &config(5000)).await.unwrap();
        assert_eq!(version(&ws), HttpVersion::Http11);
        echoed(&mut ws, "Hello").await.unwrap();
    });
}

/// Each wait has a deadline: the settings of the server, and the session that another call opens.
#[test]
fn t5_settings_that_never_come() {
    block_on(async {
        let server = Server::start(|stream, _, _| {
            Box::pin(async move {
                let (mut reader, _writer) = tokio::io::split(stream);
                let _ = tokio::io::copy(&mut reader, &mut tokio::io::sink()).await;
            })
        })
        .await;
        let connector = connector();
        let (first, second) = tokio::join!(
            try_connect(&connector, &server, 300),
            try_connect(&connector, &server, 300)
        );
        for error in [first.unwrap_err(), second.unwrap_err()] {
            assert!(error.is_timeout(), "{error:?}");
        }
    });
}

/// The session is open, but its transport is dead: the next WebSocket does not use it.
#[test]
fn t5_a_session_that_answers_no_more() {
    block_on(async {
        let server = Server::start(|stream, options, _| {
            Box::pin(async move {
                let mut session = Session::handshake(stream, &options).await.unwrap();
                let Ok(Some(Incoming::WebSocket(request))) = session.accept().await else { return };
                let config = Config::server().build().unwrap();
                let ws = request.accept(&AcceptOptions::new(), &config).unwrap();
                let drive = tokio::time::timeout(Duration::from_millis(100), session.accept());
                let _ = drive.await;
                pending::<()>().await;
                drop((ws, session));
            })
        })
        .await;
        let connector = connector();
        let first = connect(&connector, &server).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let error = try_connect(&connector, &server, 300).await.unwrap_err();
        assert!(matches!(error.kind(), ConnectErrorKind::Handshake(HandshakeError::Timeout)));
        connect(&connector, &server).await;
        assert_eq!(server.transports(), (0, 2));
        drop(first);
    });
}

#[test]
fn t5_a_change_of_a_setting_uses_other_sessions() {
    block_on(async {
        let server = Server::start(echoes).await;
        let connector = connector();
        let _open = connect(&connector, &server).await;
        // The certificate of the server is not valid for these roots.
        let other = connector.clone().tls(Arc::new(trusting("self_signed.pem")));
        let error = try_connect(&other, &server, 5000).await.unwrap_err();
        assert_eq!(error.step(), ConnectStep::Tls);
        let local = connector.clone().local_addr("127.0.0.9".parse().unwrap());
        let ws = connect(&local, &server).await;
        assert_eq!(ws.get_ref().local_addr().unwrap().ip().to_string(), "127.0.0.9");
        let proxy = Proxy::http("127.0.0.1:9").unwrap();
        let error = try_connect(&connector.clone().proxy(proxy), &server, 5000).await.unwrap_err();
        assert_eq!(error.step(), ConnectStep::Connect);
        connect(&connector, &server).await;
    });
}

#[test]
fn t5_hc10_http2_through_a_proxy() {
    block_on(async {
        let server = Server::start(echoes).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::http(&listener.local_addr().unwrap().to_string()).unwrap();
        let target = server.address;
        spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(stream.read_u8().await.unwrap());
                    }
                    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                    let mut server = TcpStream::connect(target).await.unwrap();
                    let _ = copy_bidirectional(&mut stream, &mut server).await;
                });
            }
        });
        let connector = connector().proxy(proxy);
        let mut first = connect(&connector, &server).await;
        let mut second = connect(&connector, &server).await;
        echoed(&mut first, &"x".repeat(200_000)).await.unwrap();
        echoed(&mut second, "Hello").await.unwrap();
        assert_eq!((version(&second), server.transports()), (HttpVersion::Http2, (0, 1)));
        for mut ws in [first, second] {
            ws.close(CloseCode::NORMAL, "").await.unwrap();
        }
    });
}

/// A dropped attempt leaves no session half open, and no call that waits for it.
#[test]
fn t5_an_attempt_over_http2_dropped_at_any_poll() {
    block_on(async {
        let server = Server::start(echoes).await;
        for polls in 1..40 {
            let connector = connector();
            let (to, config) = (server.request(), config(5000));
            {
                let mut attempt = pin!(connector.connect(&to, &config));
                for _ in 0..polls {
                    let once =
                        poll_fn(|cx| core::task::Poll::Ready(attempt.as_mut().poll(cx).is_ready()));
                    if once.await {
                        break;
                    }
                    tokio::time::sleep(Duration::from_micros(300)).await;
                }
            }
            let mut ws = connect(&connector, &server).await;
            echoed(&mut ws, "Hello").await.unwrap();
        }
    });
}

/// One WebSocket for each session, one session for each origin.
fn narrow() -> Connector {
    let options = SessionOptions::builder().max_streams(1).build().unwrap();
    connector().http2(Prefer::new().session_options(options).max_sessions(1))
}

/// A session that has received GOAWAY gets no free slot: its WebSocket may stay open for hours.
#[test]
fn t5_a_drained_session_without_a_slot_is_replaced() {
    block_on(async {
        for waits in [false, true] {
            let server = Server::start(echoes).await;
            let connector = narrow();
            let mut first = connect(&connector, &server).await;
            let drain = async {
                if waits {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                server.control.send(Control::Drain).unwrap();
                tokio::task::yield_now().await;
                echoed(&mut first, "one").await.unwrap();
            };
            let mut second = if waits {
                tokio::join!(connect(&connector, &server), drain).0
            } else {
                drain.await;
                connect(&connector, &server).await
            };
            assert_eq!(server.transports(), (0, 2));
            echoed(&mut first, "two").await.unwrap();
            echoed(&mut second, "three").await.unwrap();
        }
    });
}

/// `max_streams` 1: the second request over `h2::Client` waits for a slot, then fails.
#[test]
fn t5_an_open_that_waits_fails_at_goaway() {
    block_on(async {
        let options = SessionOptions::builder().max_streams(1).build().unwrap();
        let (near, far) = tokio::io::duplex(1 << 16);
        let (drain, drained) = tokio::sync::oneshot::channel::<()>();
        spawn(async move {
            let options = SessionOptions::builder().build().unwrap();
            let mut session = Session::handshake(far, &options).await.unwrap();
            let Ok(Some(Incoming::WebSocket(request))) = session.accept().await else { panic!() };
            let config = Config::server().build().unwrap();
            let _ws = request.accept(&AcceptOptions::new(), &config).unwrap();
            let waiting = async { drained.await.unwrap() };
            tokio::select! {
                _ = session.accept() => panic!(),
                () = waiting => session.drain(),
            }
            drop(session.accept().await);
        });
        let (client, session) = sansocket::h2::Client::handshake(near, &options).await.unwrap();
        spawn(session);
        let to = ConnectRequest::new("ws://localhost/chat").unwrap();
        let (_first, _) = client.open(&to, &config(5000)).await.unwrap();
        let waiting_config = config(20_000);
        let second = client.open(&to, &waiting_config);
        let drain = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            drain.send(()).unwrap();
        };
        let error = tokio::join!(second, drain).0.unwrap_err();
        let ConnectErrorKind::Io(error) = error.kind() else { panic!("{error:?}") };
        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
    });
}

/// The server ends each session as soon as it is open: one attempt is enough.
#[test]
fn t5_sessions_without_streams_that_end() {
    block_on(async {
        let server = Server::start(|stream, _, _| {
            Box::pin(async move {
                let mut builder = h2::server::Builder::new();
                builder.enable_connect_protocol().max_concurrent_streams(0);
                let mut session = builder.handshake::<_, Bytes>(stream).await.unwrap();
                let driven = tokio::time::timeout(Duration::from_millis(20), session.accept());
                let _ = driven.await;
            })
        })
        .await;
        let error = try_connect(&connector(), &server, 2000).await.unwrap_err();
        assert!(!error.is_timeout(), "{error:?}");
        assert_eq!((error.step(), server.transports()), (ConnectStep::Handshake, (0, 1)));
    });
}

/// A server that is slow for one request still has the session.
#[test]
fn t5_a_timeout_of_a_request_does_not_remove_a_live_session() {
    block_on(async {
        let server = Server::start(|stream, options, _| {
            Box::pin(async move {
                let mut session = Session::handshake(stream, &options).await.unwrap();
                let (mut sockets, mut kept) = (JoinSet::new(), Vec::new());
                let mut count = 0;
                while let Ok(Some(incoming)) = session.accept().await {
                    let Incoming::WebSocket(request) = incoming else { continue };
                    count += 1;
                    if count == 2 {
                        kept.push(request);
                        continue;
                    }
                    let config = Config::server().build().unwrap();
                    let mut ws = request.accept(&AcceptOptions::new(), &config).unwrap();
                    sockets.spawn(boxed(async move { drop(echo(&mut ws).await) }));
                }
            })
        })
        .await;
        let connector = connector();
        let mut first = connect(&connector, &server).await;
        let talk = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            echoed(&mut first, "Hello").await.unwrap();
        };
        let error = tokio::join!(try_connect(&connector, &server, 300), talk).0.unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
        connect(&connector, &server).await;
        assert_eq!(server.transports(), (0, 1));
    });
}

/// The call has waited for a slot: the server had little time for the response.
#[test]
fn t5_a_timeout_soon_after_the_request_does_not_remove_the_session() {
    block_on(async {
        let server = Server::start(|stream, options, _| {
            Box::pin(async move {
                let mut session = Session::handshake(stream, &options).await.unwrap();
                let mut kept = (Vec::new(), Vec::new());
                let mut count = 0;
                while let Ok(Some(incoming)) = session.accept().await {
                    let Incoming::WebSocket(request) = incoming else { continue };
                    count += 1;
                    if count == 2 {
                        kept.0.push(request);
                    } else {
                        let config = Config::server().build().unwrap();
                        kept.1.push(request.accept(&AcceptOptions::new(), &config).unwrap());
                    }
                }
            })
        })
        .await;
        let connector = narrow();
        let first = connect(&connector, &server).await;
        let (second, ()) = tokio::join!(try_connect(&connector, &server, 600), async {
            tokio::time::sleep(Duration::from_millis(400)).await;
            drop(first);
        });
        assert!(second.unwrap_err().is_timeout());
        connect(&connector, &server).await;
        assert_eq!(server.transports(), (0, 1));
    });
}

#[test]
fn t5_the_case_of_a_host_does_not_matter() {
    block_on(async {
        let server = Server::start(echoes).await;
        let connector = connector();
        for host in ["localhost", "LocalHost"] {
            let request = request(host, server.address);
            let (mut ws, _) = connector.connect(&request, &config(5000)).await.unwrap();
            echoed(&mut ws, "Hello").await.unwrap();
        }
        assert_eq!(server.transports(), (0, 1));
    });
}

/// The call that waits for a slot uses another session when this one is found dead.
#[test]
fn t5_a_call_that_waits_for_a_slot_of_a_dead_session() {
    block_on(async {
        let server = Server::start(|stream, options, _| {
            Box::pin(async move {
                let mut session = Session::handshake(stream, &options).await.unwrap();
                let Ok(Some(Incoming::WebSocket(request))) = session.accept().await else { return };
                let config = Config::server().build().unwrap();
                let ws = request.accept(&AcceptOptions::new(), &config).unwrap();
                let drive = tokio::time::timeout(Duration::from_millis(100), session.accept());
                let _ = drive.await;
                pending::<()>().await;
                drop((ws, session));
            })
        })
        .await;
        let options = SessionOptions::builder().max_streams(2).build().unwrap();
        let connector = connector().http2(Prefer::new().session_options(options).max_sessions(1));
        let _first = connect(&connector, &server).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let (second, third) = tokio::join!(try_connect(&connector, &server, 300), async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            try_connect(&connector, &server, 5000).await
        });
        assert!(second.unwrap_err().is_timeout());
        third.unwrap();
        assert_eq!(server.transports(), (0, 2));
    });
}

/// The session is lost after the server has received the request, and has sent data since.
#[test]
fn t5_a_request_that_may_be_processed_is_not_repeated() {
    block_on(async {
        let server = Server::start(|stream, options, _| {
            Box::pin(async move {
                let mut session = Session::handshake(stream, &options).await.unwrap();
                let Ok(Some(Incoming::WebSocket(request))) = session.accept().await else { return };
                let config = Config::server().build().unwrap();
                let mut ws = request.accept(&AcceptOptions::new(), &config).unwrap();
                let Ok(Some(request)) = session.accept().await else { return };
                ws.send_text("news").await.unwrap();
                let drive = tokio::time::timeout(Duration::from_millis(100), session.accept());
                let _ = drive.await;
                drop(request);
            })
        })
        .await;
        let connector = connector();
        let _first = connect(&connector, &server).await;
        let error = try_connect(&connector, &server, 5000).await.unwrap_err();
        assert!(matches!(error.kind(), ConnectErrorKind::Io(_)), "{error:?}");
        assert_eq!(server.transports(), (0, 1));
        connect(&connector, &server).await;
        assert_eq!(server.transports(), (0, 2));
    });
}

/// A server that ends the session at a request gets it twice, not once for each session.
#[test]
fn t5_a_request_without_an_answer_is_repeated_once() {
    static RECEIVED: AtomicUsize = AtomicUsize::new(0);

    block_on(async {
        let server = Server::start(|stream, options, _| {
            Box::pin(async move {
                let mut session = Session::handshake(stream, &options).await.unwrap();
                let mut sockets = Vec::new();
                while let Ok(Some(incoming)) = session.accept().await {
                    let Incoming::WebSocket(request) = incoming else { continue };
                    if request.request().path() == "/end" {
                        RECEIVED.fetch_add(1, Ordering::SeqCst);
                        return;
                    }
                    let config = Config::server().build().unwrap();
                    sockets.push(request.accept(&AcceptOptions::new(), &config).unwrap());
                }
            })
        })
        .await;
        let options = SessionOptions::builder().max_streams(1).build().unwrap();
        let connector = connector().http2(Prefer::new().session_options(options).max_sessions(4));
        let mut open = Vec::new();
        for _ in 0..4 {
            open.push(connect(&connector, &server).await);
        }
        assert_eq!(server.transports(), (0, 4));
        drop(open);
        // The slots are free again, and all that the server has sent has arrived.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let url = format!("wss://localhost:{}/end", server.address.port());
        let request = ConnectRequest::new(&url).unwrap();
        let error = connector.connect(&request, &config(5000)).await.unwrap_err();
        assert!(matches!(error.kind(), ConnectErrorKind::Io(_)), "{error:?}");
        let received = RECEIVED.load(Ordering::SeqCst);
        assert!((1..=2).contains(&received), "{received}");
    });
}

/// A future that is not polled, for example in a stream whose consumer is busy, delays no other call.
#[test]
fn t5_a_call_that_is_not_polled_while_it_opens_a_session() {
    block_on(async {
        let server = Server::start(echoes).await;
        let connector = connector();
        let (to, config) = (server.request(), config(20_000));
        let mut opening = pin!(connector.connect(&to, &config));
        let mut waiting = pin!(connector.connect(&to, &config));
        poll_fn(|cx| {
            assert!(opening.as_mut().poll(cx).is_pending());
            assert!(waiting.as_mut().poll(cx).is_pending());
            core::task::Poll::Ready(())
        })
        .await;
        let mut third = connect(&connector, &server).await;
        echoed(&mut third, "Hello").await.unwrap();
        for attempt in [opening, waiting] {
            echoed(&mut attempt.await.unwrap().0, "Hello").await.unwrap();
        }
        assert_eq!(server.transports(), (0, 1));
    });
}

/// It is the first in the queue, and keeps one slot only.
#[test]
fn t5_a_call_that_is_not_polled_while_it_waits_for_a_slot() {
    block_on(async {
        let server = Server::start(echoes).await;
        let options = SessionOptions::builder().max_streams(2).build().unwrap();
        let connector = connector().http2(Prefer::new().session_options(options).max_sessions(1));
        let open = [connect(&connector, &server).await, connect(&connector, &server).await];
        let (to, config) = (server.request(), config(20_000));
        let mut waiting = pin!(connector.connect(&to, &config));
        poll_fn(|cx| {
            assert!(waiting.as_mut().poll(cx).is_pending());
            core::task::Poll::Ready(())
        })
        .await;
        let (mut later, ()) = tokio::join!(connect(&connector, &server), async { drop(open) });
        echoed(&mut later, "Hello").await.unwrap();
        let mut also = waiting.await.unwrap().0;
        echoed(&mut also, "Hello").await.unwrap();
        assert_eq!(server.transports(), (0, 1));
    });
}

/// The sessions of a runtime that has ended are dropped with their origins.
#[test]
fn t5_sessions_of_a_runtime_that_has_ended_are_removed() {
    let connector = connector();
    // The removal begins at this number of origins.
    block_on(async {
        let mut servers = Vec::new();
        for _ in 0..16 {
            let server = Server::start(echoes).await;
            connect(&connector, &server).await;
            servers.push(server);
        }
    });
    // Two: one of them may have a port of the servers before.
    block_on(async {
        let servers = [Server::start(echoes).await, Server::start(echoes).await];
        let _open =
            [connect(&connector, &servers[0]).await, connect(&connector, &servers[1]).await];
        assert_eq!(format!("{connector:?}").matches("PooledSession").count(), 2);
    });
}
