//! The list of hosts that are connected to without a proxy.

use core::net::IpAddr;

use alloc::boxed::Box;
use alloc::vec::Vec;

/// A list in the form of the variable `NO_PROXY`.
#[derive(Clone, Debug, Default)]
pub(super) struct NoProxy(Vec<Entry>);

#[derive(Clone, Debug)]
struct Entry {
    hosts: Hosts,
    /// `None`: each port.
    port: Option<u16>,
}

#[derive(Clone, Debug)]
enum Hosts {
    All,
    /// The addresses that have so many first bits in common with this one.
    Network(IpAddr, u8),
    /// A name in lower case, and the names below it; or the latter only.
    Name {
        name: Box<str>,
        below_only: bool,
    },
}

impl NoProxy {
    /// Reads a list that is separated by commas or blanks. Entries without a meaning match nothing.
    pub(super) fn parse(list: &str) -> Self {
        let separators = |c: char| c == ',' || c.is_ascii_whitespace();
        Self(list.split(separators).filter_map(Entry::parse).collect())
    }

    /// Returns true if the host and port are in the list.
    pub(super) fn contains(&self, host: &str, port: u16) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        let address = host.parse().ok().map(|address: IpAddr| address.to_canonical());
        self.0.iter().any(|entry| {
            entry.port.is_none_or(|own| own == port) && entry.hosts.contains(host, address)
        })
    }
}

impl Entry {
    fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        if text == "*" {
            return Some(Self { hosts: Hosts::All, port: None });
        }
        if let Some((address, bits)) = text.split_once('/') {
            let address: IpAddr = address.parse().ok()?;
            let bits = bits.parse().ok().filter(|&bits| bits <= len(address))?;
            return Some(Self { hosts: Hosts::network(address, bits), port: None });
        }
        // An IPv6 address without brackets has no port.
        if let Ok(address) = text.parse() {
            return Some(Self { hosts: Hosts::address(address), port: None });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse().ok()?)),
            _ => (text, None),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if let Ok(address) = bare.unwrap_or(host).parse() {
            return Some(Self { hosts: Hosts::address(address), port });
        }
        let name = host.strip_prefix('*').unwrap_or(host);
        let below = name.strip_prefix('.');
        let name = below.unwrap_or(name);
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let hosts = Hosts::Name { name: name.into(), below_only: below.is_some() };
        Some(Self { hosts, port })
    }
}

impl Hosts {
    fn address(address: IpAddr) -> Self {
        Self::network(address, len(address))
    }

    /// Addresses are compared in their canonical form, so networks of IPv4 addresses in the form of
    /// IPv6 (RFC 4291 section 2.5.5.2) have it, too.
    fn network(address: IpAddr, bits: u8) -> Self {
        let canonical = address.to_canonical();
        match bits.checked_sub(len(address) - len(canonical)) {
            Some(bits) => Self::Network(canonical, bits),
            None => Self::Network(address, bits),
        }
    }

    fn contains(&self, host: &str, address: Option<IpAddr>) -> bool {
        match (self, address) {
            (Self::All, _) => true,
            (Self::Network(network, bits), Some(address)) => {
                len(*network) == len(address)
                    && first_bits(*network, *bits) == first_bits(address, *bits)
            }
            (Self::Name { name, below_only }, None) => {
                let Some(at) = host.len().checked_sub(name.len()) else { return false };
                let Some((before, end)) = host.split_at_checked(at) else { return false };
                let fits = if before.is_empty() { !below_only } else { before.ends_with('.') };
                !name.is_empty() && fits && end.eq_ignore_ascii_case(name)
            }
            (Self::Network(..), None) | (Self::Name { .. }, Some(_)) => false,
        }
    }
}

/// The length of an address, in bits.
const fn len(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn first_bits(address: IpAddr, bits: u8) -> Option<u128> {
    let value = match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    };
    value.checked_shr(u32::from(len(address) - bits))
}
