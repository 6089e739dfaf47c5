//! The input of a stream: the session's task takes it, the WebSocket's task reads it.
//!
//! Data that nobody takes counts against the budget of h2 for small frames, which ends the whole session
//! (`too_many_data_frames`). So a pump, which the session polls, takes all data at once. It *copies*
//! them: a kept frame of 10 bytes would keep the buffer of 16 KiB that it was read with. The window
//! is returned to the peer when the application has read the data; the window of the stream thus
//! bounds the mailbox.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use alloc::boxed::Box;
use alloc::sync::Arc;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Buf, BytesMut};
use h2::client::ResponseFuture;
use h2::{FlowControl, RecvStream};
use http::Response;
use tokio::io::ReadBuf;

use crate::h2::error::stream_error;
use crate::h2::progress::{Mark, Progress};
use crate::h2::slots::Slot;

/// A larger buffer is freed when it is empty.
const KEEP_LEN: usize = 4096;

/// The data of a stream that are not read yet.
#[derive(Default)]
pub(super) struct Mailbox {
    state: Mutex<State>,
    /// The stream of a client: the stream and the pump have it until both are dropped.
    _slot: Option<Slot>,
}

#[derive(Default)]
struct State {
    held: BytesMut,
    /// The head of a response, and the window of its stream.
    response: Option<Box<(Response<()>, FlowControl)>>,
    end: End,
    reader: Option<Waker>,
    pump: Option<Waker>,
    is_dropped: bool,
    /// The end of the output that the session has not written, when the stream was dropped.
    unwritten: Option<(Arc<Progress>, Mark)>,
}

#[derive(Default)]
enum End {
    #[default]
    Open,
    /// END_STREAM.
    Ended,
    /// The error; `None` after it was returned.
    Failed(Option<io::Error>),
}

impl Mailbox {
    /// The mailbox of a stream without data.
    pub(super) fn ended() -> Self {
        Self { state: Mutex::new(State { end: End::Ended, ..State::default() }), _slot: None }
    }

    pub(super) fn with_slot(slot: Slot) -> Self {
        Self { state: Mutex::default(), _slot: Some(slot) }
    }

    /// No code panics under this lock.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads data, and returns their number.
    pub(super) fn poll_read(
        &self,
        cx: &Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut state = self.state();
        let len = state.held.len().min(buf.remaining());
        if let Some(data) = state.held.get(..len)
            && len > 0
        {
            buf.put_slice(data);
            state.held.advance(len);
            if state.held.is_empty() && state.held.capacity() > KEEP_LEN {
                state.held = BytesMut::new();
            }
            return Poll::Ready(Ok(len));
        }
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(0));
        }
        match &mut state.end {
            End::Ended => Poll::Ready(Ok(0)),
            End::Failed(error) => {
                let error = error.take();
                Poll::Ready(Err(error.unwrap_or_else(|| io::ErrorKind::ConnectionReset.into())))
            }
            End::Open => {
                // An idle stream holds no buffer.
                state.held = BytesMut::new();
                set(&mut state.reader, cx);
                Poll::Pending
            }
        }
    }

    /// Takes the head of the response.
    pub(super) fn poll_response(
        &self,
        cx: &Context<'_>,
    ) -> Poll<io::Result<(Response<()>, FlowControl)>> {
        let mut state = self.state();
        if let Some(response) = state.response.take() {
            return Poll::Ready(Ok(*response));
        }
        if let End::Failed(error) = &mut state.end {
            let error = error.take();
            return Poll::Ready(
                Err(error.unwrap_or_else(|| io::ErrorKind::ConnectionReset.into())),
            );
        }
        set(&mut state.reader, cx);
        Poll::Pending
    }

    /// Makes the pump drop the stream of h2, after the output before the mark is written.
    pub(super) fn end(&self, unwritten: Option<(Arc<Progress>, Mark)>) {
        let mut state = self.state();
        state.is_dropped = true;
        state.unwritten = unwritten;
        state.held = BytesMut::new();
        let pump = state.pump.take();
        drop(state);
        if let Some(pump) = pump {
            pump.wake();
        }
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = self.state().held.len();
        f.debug_struct("Mailbox").field("held", &held).finish_non_exhaustive()
    }
}

/// Moves the data of a stream to its mailbox. Ready when the stream has failed or was dropped.
///
/// It holds the stream of h2 until the output is written: h2 discards the output of a dropped stream.
#[derive(Debug)]
pub(super) struct Pump {
    source: Source,
    mailbox: Arc<Mailbox>,
}

#[derive(Debug)]
pub(super) enum Source {
    /// The response that precedes the data.
    Response(ResponseFuture),
    Data(RecvStream),
}

impl Pump {
    pub(super) const fn new(source: Source, mailbox: Arc<Mailbox>) -> Self {
        Self { source, mailbox }
    }
}

impl Future for Pump {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { source, mailbox } = &mut *self;
        let mut state = mailbox.state();
        if state.is_dropped {
            let unwritten = state.unwritten.clone();
            drop(state);
            let Some((progress, mark)) = unwritten else { return Poll::Ready(()) };
            if let Source::Data(stream) = source {
                // Discarded. The window returns with the stream.
                while let Poll::Ready(Some(Ok(_))) = stream.poll_data(cx) {}
            }
            // The session has ended, or it has written the output.
            return progress.poll_written(mark, cx).map(|_| ());
        }
        let mut has_news = false;
        let has_failed = loop {
            if matches!(state.end, End::Ended) {
                break false;
            }
            let stream = match source {
                Source::Data(stream) => stream,
                Source::Response(response) => {
                    match Pin::new(response).poll(cx) {
                        Poll::Ready(Ok(response)) => {
                            has_news = true;
                            let (head, mut stream) = response.into_parts();
                            let flow = stream.flow_control().clone();
                            let head = Response::from_parts(head, ());
                            state.response = Some(Box::new((head, flow)));
                            *source = Source::Data(stream);
                        }
                        Poll::Ready(Err(error)) => {
                            state.end = End::Failed(Some(stream_error(error)));
                            break true;
                        }
                        Poll::Pending => break false,
                    }
                    continue;
                }
            };
            match stream.poll_data(cx) {
                Poll::Ready(Some(Ok(data))) => {
                    has_news = true;
                    state.held.extend_from_slice(&data);
                }
                Poll::Ready(Some(Err(error))) => {
                    state.end = End::Failed(Some(stream_error(error)));
                    break true;
                }
                Poll::Ready(None) => {
                    has_news = true;
                    state.end = End::Ended;
                }
                Poll::Pending => break false,
            }
        };
        if !has_failed {
            set(&mut state.pump, cx);
        }
        let reader = if has_news || has_failed { state.reader.take() } else { None };
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
        if has_failed { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// A pump that is dropped with its session: no more data arrive.
impl Drop for Pump {
    fn drop(&mut self) {
        let mut state = self.mailbox.state();
        if matches!(state.end, End::Open) {
            state.end = End::Failed(Some(io::ErrorKind::ConnectionAborted.into()));
        }
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

fn set(waker: &mut Option<Waker>, cx: &Context<'_>) {
    match waker {
        Some(waker) if waker.will_wake(cx.waker()) => {}
        waker => *waker = Some(cx.waker().clone()),
    }
}
