//! Parsing and writing of the parameters of permessage-deflate
//! ([RFC 7692 section 7.1](https://www.rfc-editor.org/rfc/rfc7692#section-7.1)).

use core::fmt;

use crate::deflate::agreement::Direction;
use crate::deflate::window_bits::WindowBits;
use crate::error::extension::ExtensionError;
use crate::http1::lists::{List, Part};

const EXTENSION: &str = "permessage-deflate";
const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";

/// The parameters of one offer or answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parameters {
    pub(crate) server_no_context_takeover: bool,
    pub(crate) client_no_context_takeover: bool,
    pub(crate) server_max_window_bits: Bits,
    pub(crate) client_max_window_bits: Bits,
}

/// The value of a parameter that limits a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Bits {
    #[default]
    Absent,
    /// The parameter has no value. Only legal for `client_max_window_bits` in an offer (RFC 7692
    /// 7.1.2.2).
    Bare,
    Value(WindowBits),
}

impl Bits {
    const fn limit(self) -> WindowBits {
        match self {
            // RFC 7692 7.1.2: without the parameter, windows have up to 32,768 bytes.
            Self::Absent | Self::Bare => WindowBits::MAX,
            Self::Value(bits) => bits,
        }
    }

    fn write(self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => Ok(()),
            Self::Bare => write!(f, "; {name}"),
            Self::Value(bits) => write!(f, "; {name}={}", bits.get()),
        }
    }
}

impl Parameters {
    /// Adds a parameter of the field.
    fn add(&mut self, name: &[u8], value: Option<&[u8]>) -> Result<(), ExtensionError> {
        // Parameter names are case-sensitive: RFC 6455 and RFC 7692 don't say otherwise.
        if name == SERVER_NO_CONTEXT_TAKEOVER.as_bytes() {
            set_flag(&mut self.server_no_context_takeover, SERVER_NO_CONTEXT_TAKEOVER, value)
        } else if name == CLIENT_NO_CONTEXT_TAKEOVER.as_bytes() {
            set_flag(&mut self.client_no_context_takeover, CLIENT_NO_CONTEXT_TAKEOVER, value)
        } else if name == SERVER_MAX_WINDOW_BITS.as_bytes() {
            set_bits(&mut self.server_max_window_bits, SERVER_MAX_WINDOW_BITS, value)
        } else if name == CLIENT_MAX_WINDOW_BITS.as_bytes() {
            set_bits(&mut self.client_max_window_bits, CLIENT_MAX_WINDOW_BITS, value)
        } else {
            Err(ExtensionError::UnknownParameter)
        }
    }

    /// Checks that these parameters are a valid answer to an offer (RFC 7692 7.1).
    pub(crate) fn correspond(&self, offer: Self) -> Result<(), ExtensionError> {
        for (name, bits) in [
            (SERVER_MAX_WINDOW_BITS, self.server_max_window_bits),
            (CLIENT_MAX_WINDOW_BITS, self.client_max_window_bits),
        ] {
            if bits == Bits::Bare {
                return Err(ExtensionError::InvalidValue(name));
            }
        }
        if offer.server_no_context_takeover && !self.server_no_context_takeover {
            return Err(ExtensionError::NotGranted(SERVER_NO_CONTEXT_TAKEOVER));
        }
        if self.server_max_window_bits.limit() > offer.server_max_window_bits.limit() {
            return Err(ExtensionError::NotGranted(SERVER_MAX_WINDOW_BITS));
        }
        if self.client_max_window_bits != Bits::Absent
            && offer.client_max_window_bits == Bits::Absent
        {
            return Err(ExtensionError::UnofferedParameter(CLIENT_MAX_WINDOW_BITS));
        }
        Ok(())
    }

    /// Returns the parameters of the server's messages, if this is the answer.
    pub(crate) const fn server(&self) -> Direction {
        Direction {
            window_bits: self.server_max_window_bits.limit(),
            context_takeover: !self.server_no_context_takeover,
        }
    }

    /// Returns the parameters of the client's messages, if this is the answer.
    pub(crate) const fn client(&self) -> Direction {
        Direction {
            window_bits: self.client_max_window_bits.limit(),
            context_takeover: !self.client_no_context_takeover,
        }
    }
}

impl fmt::Display for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXTENSION)?;
        for (name, present) in [
            (SERVER_NO_CONTEXT_TAKEOVER, self.server_no_context_takeover),
            (CLIENT_NO_CONTEXT_TAKEOVER, self.client_no_context_takeover),
        ] {
            if present {
                write!(f, "; {name}")?;
            }
        }
        self.server_max_window_bits.write(SERVER_MAX_WINDOW_BITS, f)?;
        self.client_max_window_bits.write(CLIENT_MAX_WINDOW_BITS, f)
    }
}

/// Sets a parameter that has no value.
fn set_flag(
    flag: &mut bool,
    name: &'static str,
    value: Option<&[u8]>,
) -> Result<(), ExtensionError> {
    // RFC 7692 7.1.1: the parameter has no value.
    if value.is_some() {
        return Err(ExtensionError::InvalidValue(name));
    }
    if core::mem::replace(flag, true) {
        return Err(ExtensionError::DuplicateParameter(name));
    }
    Ok(())
}

/// Sets a parameter that limits a window.
fn set_bits(
    bits: &mut Bits,
    name: &'static str,
    value: Option<&[u8]>,
) -> Result<(), ExtensionError> {
    let new = match value {
        None => Bits::Bare,
        Some(value) => Bits::Value(window_bits(value).ok_or(ExtensionError::InvalidValue(name))?),
    };
    if core::mem::replace(bits, new) != Bits::Absent {
        return Err(ExtensionError::DuplicateParameter(name));
    }
    Ok(())
}

/// Parses window bits: a decimal integer from 8 to 15, without leading zeros (RFC 7692 7.1.2).
fn window_bits(value: &[u8]) -> Option<WindowBits> {
    // RFC 6455 9.1: a quoted value is a token after unquoting. No token has a backslash, so each
    // one belongs to an escape and is skipped.
    let mut digits = value.iter().copied().filter(|&byte| byte != b'\\');
    let bits = match (digits.next(), digits.next(), digits.next()) {
        (Some(digit @ b'8'..=b'9'), None, _) => digit - b'0',
        (Some(b'1'), Some(digit @ b'0'..=b'5'), None) => 10 + (digit - b'0'),
        _ => return None,
    };
    WindowBits::new(bits)
}

/// One member of the list of extensions.
pub(crate) struct Element {
    pub(crate) is_deflate: bool,
    parameters: Parameters,
    /// The first error of its parameters.
    error: Option<ExtensionError>,
}

impl Element {
    fn new(name: &[u8]) -> Self {
        Self {
            is_deflate: name == EXTENSION.as_bytes(),
            parameters: Parameters::default(),
            error: None,
        }
    }

    fn add(&mut self, name: &[u8], value: Option<&[u8]>) {
        if self.is_deflate && self.error.is_none() {
            self.error = self.parameters.add(name, value).err();
        }
    }

    pub(crate) fn parameters(&self) -> Result<Parameters, ExtensionError> {
        match self.error {
            Some(error) => Err(error),
            None if self.is_deflate => Ok(self.parameters),
            None => Err(ExtensionError::Unoffered),
        }
    }
}

/// Reads the list of extensions, which may be spread over several field lines, and calls `each` for
/// each member.
pub(crate) fn read_elements<'l, I>(
    lines: I,
    mut each: impl FnMut(&Element),
) -> Result<(), ExtensionError>
where
    I: IntoIterator<Item = &'l [u8]>,
{
    let (mut list, mut present) = (List::default(), false);
    for line in lines {
        present = true;
        let mut element: Option<Element> = None;
        let read = list.read_extensions(line, |part| match part {
            Part::Extension(name) => {
                if let Some(whole) = element.replace(Element::new(name)) {
                    each(&whole);
                }
            }
            Part::Parameter(name, value) => {
                if let Some(element) = &mut element {
                    element.add(name, value);
                }
            }
        });
        read.map_err(|_| ExtensionError::Grammar)?;
        element.iter().for_each(&mut each);
    }
    // RFC 6455 9.1: a list has at least one member.
    if present && list.members() == 0 { Err(ExtensionError::Grammar) } else { Ok(()) }
}
