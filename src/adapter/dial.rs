//! The order and the timeouts of connection attempts to the addresses of a name, for both adapters.

use core::net::SocketAddr;
use core::time::Duration;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use std::io;

use crate::instant::Instant;

/// The minimum time for one address. The deadline is divided among the addresses, so that an
/// unresponsive one leaves time for the next; but a distant host needs at least this time.
const MIN_SHARE: Duration = Duration::from_secs(2);

/// The addresses of a name that are still to be tried, under one deadline.
#[derive(Debug)]
pub(crate) struct Dial {
    /// `host:port`, for errors.
    target: String,
    /// In reverse order: the last one is tried next.
    addresses: Vec<SocketAddr>,
    deadline: Option<Instant>,
    error: Option<io::Error>,
    out_of_time: bool,
}

impl Dial {
    /// Orders the resolved addresses as in RFC 8305 section 4: the address families alternate,
    /// starting with the family of the first address.
    ///
    /// # Errors
    /// The error of the resolver, with the name of the host.
    pub(crate) fn new(
        host: &str,
        port: u16,
        resolved: io::Result<impl IntoIterator<Item = SocketAddr>>,
        deadline: Option<Instant>,
    ) -> io::Result<Self> {
        let addresses =
            resolved.map_err(|error| named(&error, &format!("can't resolve the host {host}")))?;
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for address in addresses {
            match first.first() {
                Some(head) if SocketAddr::is_ipv4(head) != address.is_ipv4() => {
                    second.push(address);
                }
                _ => first.push(address),
            }
        }
        let mut addresses = Vec::with_capacity(first.len() + second.len());
        let mut second = second.into_iter();
        for address in first {
            addresses.push(address);
            addresses.extend(second.next());
        }
        addresses.extend(second);
        addresses.reverse();
        // An IPv6 address is in brackets before a port.
        let target =
            if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        Ok(Self { target, addresses, deadline, error: None, out_of_time: false })
    }

    /// Returns the next address and the timeout of the attempt, `None` for no timeout. Returns no
    /// address if none is left or the deadline has passed.
    pub(crate) fn next(&mut self, now: Instant) -> Option<(SocketAddr, Option<Duration>)> {
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(now));
        if left.is_some_and(|left| left.is_zero()) {
            self.out_of_time = true;
            return None;
        }
        let count = u32::try_from(self.addresses.len()).unwrap_or(u32::MAX);
        let address = self.addresses.pop()?;
        Some((address, left.map(|left| (left / count.max(1)).max(MIN_SHARE).min(left))))
    }

    /// Records a failed attempt.
    pub(crate) fn failed(&mut self, error: io::Error) {
        self.error = Some(error);
    }

    /// Returns the last error, or `None` if the deadline has passed.
    pub(crate) fn into_error(self) -> Option<io::Error> {
        if self.out_of_time {
            return None;
        }
        let text = format!("can't connect to {}", self.target);
        Some(self.error.map_or_else(
            || io::Error::new(io::ErrorKind::NotFound, format!("{text}: the name has no address")),
            |error| named(&error, &text),
        ))
    }
}

/// Adds `text`, which contains the host, to an error.
fn named(error: &io::Error, text: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{text}: {error}"))
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec;

    use super::*;

    const SECOND: u64 = 1_000_000;

    fn v4(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], 80))
    }

    fn v6(last: u16) -> SocketAddr {
        SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, last], 80))
    }

    fn dial(addresses: &[SocketAddr], deadline: Option<Instant>) -> Dial {
        Dial::new("example.com", 80, Ok(addresses.iter().copied()), deadline).unwrap()
    }

    fn order(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
        let mut dial = dial(&addresses, None);
        core::iter::from_fn(|| dial.next(Instant::from_micros(0)).map(|(address, _)| address))
            .collect()
    }

    #[test]
    fn address_families_alternate() {
        let given = vec![v6(1), v6(2), v6(3), v4(1)];
        assert_eq!(order(given), [v6(1), v4(1), v6(2), v6(3)]);
        assert_eq!(order(vec![v4(1), v6(1), v6(2)]), [v4(1), v6(1), v6(2)]);
        assert_eq!(order(vec![]), []);
    }

    #[test]
    fn an_unresponsive_address_leaves_time_for_the_next() {
        let at = |s| Instant::from_micros(s * SECOND);
        let mut dial = dial(&[v4(1), v4(2), v4(3)], Some(at(9)));
        assert_eq!(dial.next(at(0)), Some((v4(1), Some(Duration::from_secs(3)))));
        assert_eq!(dial.next(at(7)), Some((v4(2), Some(MIN_SHARE))));
        assert_eq!(dial.next(at(8)), Some((v4(3), Some(Duration::from_secs(1)))));
        assert_eq!(dial.next(at(9)), None);
        assert!(dial.into_error().is_none());
    }

    #[test]
    fn errors_contain_host_and_port() {
        let error = dial(&[], None).into_error().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let text = "can't connect to example.com:80: the name has no address";
        assert_eq!(error.to_string(), text);
        let mut dial = dial(&[v4(1)], None);
        assert_eq!(dial.next(Instant::from_micros(0)), Some((v4(1), None)));
        dial.failed(io::ErrorKind::ConnectionRefused.into());
        assert_eq!(dial.next(Instant::from_micros(0)), None);
        let error = dial.into_error().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(error.to_string(), "can't connect to example.com:80: connection refused");
        let failed = Err::<Vec<SocketAddr>, _>(io::ErrorKind::NotFound.into());
        let error = Dial::new("::1", 80, failed, None).unwrap_err();
        assert_eq!(error.to_string(), "can't resolve the host ::1: entity not found");
    }
}
