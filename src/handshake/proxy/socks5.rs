//! SOCKS5 ([RFC 1928](https://www.rfc-editor.org/rfc/rfc1928)) with the authentication methods "none"
//! and "user and password" ([RFC 1929](https://www.rfc-editor.org/rfc/rfc1929)).

use core::fmt;
use core::net::IpAddr;

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::BytesMut;

use crate::handshake::connect::ConnectRequest;
use crate::handshake::proxy::error::{ProxyError, SocksError, SocksReply};
use crate::handshake::proxy::server::{Credentials, ProxyServer};
use crate::input::Input;

const VERSION: u8 = 0x05;
const AUTH_VERSION: u8 = 0x01;

const NO_AUTHENTICATION: u8 = 0x00;
const USER_AND_PASSWORD: u8 = 0x02;
const NO_ACCEPTABLE_METHOD: u8 = 0xff;

const CONNECT: u8 = 0x01;

const IPV4: u8 = 0x01;
const NAME: u8 = 0x03;
const IPV6: u8 = 0x04;

/// The client's side of a SOCKS5 dialogue.
pub(super) struct Socks5 {
    /// User and password as RFC 1929 sends them.
    authentication: Option<Box<[u8]>>,
    /// The command CONNECT.
    request: Box<[u8]>,
    state: State,
}

/// The next byte of the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    MethodVersion,
    Method,
    AuthVersion,
    AuthStatus,
    ReplyVersion,
    Reply,
    Reserved,
    AddressType,
    NameLen,
    /// So many bytes of address and port are left.
    Address(u16),
    Done,
}

impl Socks5 {
    /// Appends the offer of authentication methods.
    pub(super) fn new(
        server: &ProxyServer,
        request: &ConnectRequest,
        out: &mut BytesMut,
    ) -> Result<Self, ProxyError> {
        let request = connect(request)?;
        let authentication = server.credentials().map(authenticate);
        out.extend_from_slice(match authentication {
            Some(_) => &[VERSION, 2, NO_AUTHENTICATION, USER_AND_PASSWORD],
            None => &[VERSION, 1, NO_AUTHENTICATION],
        });
        Ok(Self { authentication, request, state: State::MethodVersion })
    }

    /// Reads on and appends the next request; `true`: the tunnel is open, and its bytes are the rest of
    /// the input.
    pub(super) fn receive(
        &mut self,
        input: &mut Input<'_>,
        out: &mut BytesMut,
    ) -> Result<bool, SocksError> {
        while self.state != State::Done
            && let [byte, ..] = *input.as_bytes()
        {
            input.take(1);
            self.state = self.byte(byte, out)?;
        }
        Ok(self.state == State::Done)
    }

    fn byte(&self, byte: u8, out: &mut BytesMut) -> Result<State, SocksError> {
        Ok(match (self.state, byte) {
            (State::MethodVersion, VERSION) => State::Method,
            (State::ReplyVersion, VERSION) => State::Reply,
            (State::MethodVersion | State::ReplyVersion, _) => {
                return Err(SocksError::Version(byte));
            }
            (State::Method, NO_AUTHENTICATION) => self.request(out),
            (State::Method, NO_ACCEPTABLE_METHOD) => return Err(SocksError::NoAcceptableMethod),
            (State::Method, _) => match &self.authentication {
                Some(authentication) if byte == USER_AND_PASSWORD => {
                    out.extend_from_slice(authentication);
                    State::AuthVersion
                }
                _ => return Err(SocksError::Method(byte)),
            },
            (State::AuthVersion, AUTH_VERSION) => State::AuthStatus,
            (State::AuthVersion, _) => return Err(SocksError::AuthVersion(byte)),
            // RFC 1929 2: another status than 0 is a failure.
            (State::AuthStatus, 0) => self.request(out),
            (State::AuthStatus, _) => return Err(SocksError::Credentials(byte)),
            (State::Reply, 0) => State::Reserved,
            (State::Reply, _) => return Err(SocksError::Reply(SocksReply::new(byte))),
            // No meaning: its value is not looked at.
            (State::Reserved, _) => State::AddressType,
            // The address of the proxy's end, which is not needed, and two bytes of port.
            (State::AddressType, IPV4) => State::Address(4 + 2),
            (State::AddressType, IPV6) => State::Address(16 + 2),
            (State::AddressType, NAME) => State::NameLen,
            (State::AddressType, _) => return Err(SocksError::AddressType(byte)),
            (State::NameLen, len) => State::Address(u16::from(len) + 2),
            (State::Address(..=1) | State::Done, _) => State::Done,
            (State::Address(left), _) => State::Address(left - 1),
        })
    }

    fn request(&self, out: &mut BytesMut) -> State {
        out.extend_from_slice(&self.request);
        State::ReplyVersion
    }
}

/// Without the credentials and the host.
impl fmt::Debug for Socks5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socks5").field("state", &self.state).finish_non_exhaustive()
    }
}

/// RFC 1929 2. The lengths were checked with the credentials.
fn authenticate(credentials: &Credentials) -> Box<[u8]> {
    let mut bytes = Vec::from([AUTH_VERSION]);
    for part in [&credentials.user, &credentials.password] {
        bytes.push(u8::try_from(part.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(part.get(..255).unwrap_or(part));
    }
    bytes.into()
}

/// RFC 1928 4 and 5: names are resolved by the proxy.
fn connect(request: &ConnectRequest) -> Result<Box<[u8]>, ProxyError> {
    let mut bytes = Vec::from([VERSION, CONNECT, 0]);
    match request.host().parse() {
        Ok(IpAddr::V4(address)) => {
            bytes.push(IPV4);
            bytes.extend_from_slice(&address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            bytes.push(IPV6);
            bytes.extend_from_slice(&address.octets());
        }
        Err(_) => {
            let name = request.host().as_bytes();
            bytes.push(NAME);
            bytes.push(u8::try_from(name.len()).map_err(|_| ProxyError::HostTooLong)?);
            bytes.extend_from_slice(name);
        }
    }
    bytes.extend_from_slice(&request.port().to_be_bytes());
    Ok(bytes.into())
}
