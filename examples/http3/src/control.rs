//! The unidirectional streams of a connection (RFC 9114 section 6.2).

use core::error::Error;
use std::io;

use bytes::BytesMut;
use quinn::{Connection, RecvStream, SendStream};
use shiguredo_http3::{ErrorCode, ServerConnection, Settings, UniStreamType, VarInt, varint};
use tokio::sync::Mutex;

use crate::fault::{Fault, quic};
use crate::frames::Part;
use crate::message::MAX_FIELD_SECTION;
use crate::stream::{Input, put_frame};

/// The longest input on the encoder stream. Without a dynamic table one byte says all that is allowed.
const MAX_ENCODER_INPUT: usize = 1024;

/// The state of a connection: the settings of both ends, and the streams that must never end.
pub(crate) struct Control {
    http: ServerConnection,
    /// The control stream, the encoder stream, the decoder stream.
    sends: [SendStream; 3],
}

impl Control {
    /// Opens the streams of the server, and sends its settings.
    pub(crate) async fn open(
        connection: &Connection,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let settings = Settings::default()
            .qpack_max_table_capacity(VarInt::ZERO)
            .qpack_blocked_streams(VarInt::ZERO)
            .max_field_section_size(MAX_FIELD_SECTION.into())
            .enable_connect_protocol(true);
        let mut http = ServerConnection::new(settings);
        let mut sends = [
            connection.open_uni().await?,
            connection.open_uni().await?,
            connection.open_uni().await?,
        ];
        let [control, encoder, decoder] = sends.each_ref().map(|send| u64::from(send.id()));
        let first = http.init_h3_streams(control, encoder, decoder)?;
        let first = [first.control_data, first.encoder_data, first.decoder_data];
        for (send, data) in sends.iter_mut().zip(first) {
            send.write_all(&data).await?;
        }
        Ok(Self { http, sends })
    }

    /// Announces the end of the connection: requests from the stream `next` on are not processed.
    pub(crate) async fn goaway(&mut self, next: u64) -> Result<(), Fault> {
        self.http.send_goaway(VarInt::new(next).unwrap_or(VarInt::MAX))?;
        self.flush().await
    }

    async fn receive(&mut self, stream: u64, data: &[u8], fin: bool) -> Result<(), Fault> {
        self.http.feed_stream(stream, data, fin)?;
        // The settings of the client change nothing here.
        while self.http.poll_event()?.is_some() {}
        self.flush().await
    }

    async fn flush(&mut self) -> Result<(), Fault> {
        for send in &mut self.sends {
            if let Some((data, _)) = self.http.take_stream_data(send.id().into()) {
                send.write_all(&data).await?;
            }
        }
        Ok(())
    }
}

/// Reads a stream of the client until it ends. Closes the connection at a violation.
pub(crate) async fn receive(
    connection: Connection,
    mut recv: RecvStream,
    control: &Mutex<Control>,
) {
    let id = u64::from(recv.id());
    let fault = match read_type(&mut recv).await {
        Ok(Some(kind)) => match UniStreamType::from_type(kind.get()) {
            Some(kind) => critical(id, kind, recv, control).await,
            // RFC 9114 section 6.2: an unknown type, such as GREASE, is no error.
            None => {
                let _ = recv.stop(quic(ErrorCode::StreamCreationError));
                return;
            }
        },
        Ok(None) => return,
        Err(error) => Err(error),
    };
    let code = match fault {
        // The connection is lost, or the stream was reset before its type was known.
        Ok(()) | Err(Fault::Io(_)) => return,
        Err(Fault::Connection(code) | Fault::Stream(code)) => code,
    };
    connection.close(quic(code), code.to_string().as_bytes());
}

/// Reads the type of a stream; `None` if it ends before.
async fn read_type(recv: &mut RecvStream) -> Result<Option<VarInt>, Fault> {
    let mut bytes = Vec::new();
    loop {
        let mut next = [0];
        if recv.read(&mut next).await?.is_none() {
            return Ok(None);
        }
        bytes.extend(next);
        if let Ok((kind, _)) = varint::decode(&bytes) {
            return Ok(Some(kind));
        }
    }
}

/// Reads a stream that must not end.
async fn critical(
    id: u64,
    kind: UniStreamType,
    recv: RecvStream,
    control: &Mutex<Control>,
) -> Result<(), Fault> {
    control.lock().await.receive(id, &[kind as u8], false).await?;
    let result = match kind {
        UniStreamType::Control => frames(id, recv, control).await,
        UniStreamType::QpackEncoder => instructions(id, recv, MAX_ENCODER_INPUT, control).await,
        _ => instructions(id, recv, usize::MAX, control).await,
    };
    match result {
        // RFC 9114 section 6.2.1, RFC 9204 section 4.2: so is its reset.
        Err(Fault::Io(error)) if error.kind() == io::ErrorKind::ConnectionReset => {
            Err(Fault::Connection(ErrorCode::ClosedCriticalStream))
        }
        result => result,
    }
}

/// Reads the control stream. Only complete frames of known types are passed on, so that their buffer is
/// bounded.
async fn frames(id: u64, recv: RecvStream, control: &Mutex<Control>) -> Result<(), Fault> {
    let mut input = Input::new(recv, BytesMut::new());
    let mut is_first = true;
    while let Some(part) = input.read().await? {
        match part {
            Part::Frame(kind, payload) => {
                let mut frame = BytesMut::new();
                put_frame(kind, &payload, &mut frame).map_err(Fault::Io)?;
                control.lock().await.receive(id, &frame, false).await?;
            }
            // RFC 9114 section 6.2.1: the first frame must be SETTINGS.
            Part::Data(_) | Part::Unknown if is_first => {
                return Err(Fault::Connection(ErrorCode::MissingSettings));
            }
            Part::Data(_) => return Err(Fault::Connection(ErrorCode::FrameUnexpected)),
            Part::Unknown => {}
        }
        is_first = false;
    }
    control.lock().await.receive(id, &[], true).await
}

/// Reads the instructions of QPACK, `max` bytes of them.
async fn instructions(
    id: u64,
    mut recv: RecvStream,
    mut max: usize,
    control: &Mutex<Control>,
) -> Result<(), Fault> {
    let mut buffer = [0; 256];
    while let Some(len) = recv.read(&mut buffer).await? {
        max = max.checked_sub(len).ok_or(Fault::Connection(ErrorCode::ExcessiveLoad))?;
        let data = buffer.get(..len).unwrap_or_default();
        control.lock().await.receive(id, data, false).await?;
    }
    control.lock().await.receive(id, &[], true).await
}
