use core::fmt;
use core::sync::atomic::{AtomicUsize, Ordering};

use alloc::sync::Arc;

/// A bound, in bytes, for the memory that many connections hold for their peers.
///
/// Each connection has limits of its own, but their sum grows with the number of connections. A
/// budget bounds the sum. Make one, and give a clone to each [`Config`](crate::Config) by
/// [`ConfigBuilder::memory_budget`](crate::config::ConfigBuilder::memory_budget): all connections of these
/// configs share it. A clone is another handle of the same budget.
///
/// # What is counted
/// * The buffers of the [`Inbox`](crate::Inbox)es, at their capacity: messages that didn't lie whole
///   in one input, inflated messages, and the room that the last message has left until
///   [`shrink`](crate::Inbox::shrink).
/// * The windows of compression, of both directions, with their tables.
///
/// While a buffer grows, the old and the new one exist at once, and both are counted. Memory counts
/// from before it is allocated until after it is freed, or until it is moved out of the inbox by
/// [`receive_owned`](crate::Connection::receive_owned): from then on it belongs to the application.
///
/// A message that lies whole in one input takes no memory and does not touch the budget. Read
/// buffers and output belong to the caller and are not counted. Neither are the scratch of the
/// compression engine, which belongs to the thread, and the fixed parts of an
/// inbox and a connection, some hundred bytes each.
///
/// # What happens at the limit
/// * A buffer reserves less than usual in advance.
/// * A message of more than 64 KiB that still finds no room fails its connection with
///   [`LimitError::MemoryBudget`](crate::error::LimitError::MemoryBudget) and the Close code 1013 (try
///   again later). Other connections go on.
/// * A message in one frame needs room for its length, a fragmented or compressed one for up to 2.25
///   times its length, while it moves from a buffer to a larger one. A budget below that many times
///   [`max_message_len`](crate::config::ConfigBuilder::max_message_len) refuses messages that
///   `max_message_len` allows, even on an idle server.
/// * A message that is sent compressed finds no room for a larger window: it uses the window there
///   is. Without any, it is sent uncompressed. Later messages try again.
/// * The first 64 KiB of a message and the window of received messages, at most 32 KiB, are counted
///   but never refused: the peer agreed on the window, and small messages should pass while large
///   ones fill the budget.
///
/// So the memory counted is at most the budget and 64 KiB for each connection, with compression
/// 108 KiB: beside the window of received messages the tables of a compressed block that is not
/// whole take 8 KiB, and the smallest window of sent messages 2 KiB. For each thread that receives
/// add the 64 KiB of a buffer that is being replaced.
///
/// ```
/// use sansocket::Config;
/// use sansocket::config::MemoryBudget;
///
/// # fn main() -> Result<(), sansocket::error::ConfigError> {
/// let budget = MemoryBudget::new(256 << 20);
/// let feed = Config::server().memory_budget(budget.clone()).build()?;
/// let chat = Config::server().max_message_len(64 << 10).memory_budget(budget.clone()).build()?;
/// // For the metrics of the server:
/// println!("{} of {} bytes", budget.used(), budget.limit());
/// # assert_eq!(budget.used(), 0);
/// # drop((feed, chat));
/// # Ok(())
/// # }
/// ```
///
/// The count is an atomic number behind an [`Arc`].
#[derive(Clone)]
pub struct MemoryBudget(Arc<Account>);

struct Account {
    limit: usize,
    used: AtomicUsize,
}

impl MemoryBudget {
    /// Makes a budget of so many bytes.
    ///
    /// 0 bytes are refused when a [`Config`](crate::Config) is built with it.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Account { limit: bytes, used: AtomicUsize::new(0) }))
    }

    /// Returns how many bytes are counted at the moment, by all connections that share the budget.
    /// It may be more than [`limit`](Self::limit): see above.
    #[must_use]
    pub fn used(&self) -> usize {
        // The count guards no other data.
        self.0.used.load(Ordering::Relaxed)
    }

    /// Returns how many bytes it was made with.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn try_add(&self, bytes: usize) -> bool {
        let add = |used: usize| used.checked_add(bytes).filter(|&sum| sum <= self.0.limit);
        self.0.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
    }

    /// For memory that is there, or nearly: the sum of it fits into an address space.
    fn add(&self, bytes: usize) {
        self.0.used.fetch_add(bytes, Ordering::Relaxed);
    }

    fn sub(&self, bytes: usize) {
        self.0.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl fmt::Debug for MemoryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBudget")
            .field("used", &self.used())
            .field("limit", &self.limit())
            .finish()
    }
}

/// Bytes charged to a budget; given back when it is dropped. It lies beside the memory that it
/// stands for. Without a budget all of it is free.
#[derive(Debug, Default)]
pub(crate) struct Charge {
    budget: Option<MemoryBudget>,
    bytes: usize,
}

/// The budget has no room.
#[derive(Debug)]
pub(crate) struct OverBudget;

impl Charge {
    /// A charge of 0 bytes.
    pub(crate) fn new(budget: Option<&MemoryBudget>) -> Self {
        Self { budget: budget.cloned(), bytes: 0 }
    }

    /// Charges so many bytes more.
    #[inline]
    pub(crate) fn add(&mut self, bytes: usize) -> Result<(), OverBudget> {
        let Some(budget) = &self.budget else { return Ok(()) };
        if bytes > 0 && !budget.try_add(bytes) {
            return Err(OverBudget);
        }
        self.bytes += bytes;
        Ok(())
    }

    /// The same without a look at the limit.
    pub(crate) fn force(&mut self, bytes: usize) {
        if let Some(budget) = &self.budget {
            budget.add(bytes);
            self.bytes += bytes;
        }
    }

    /// Makes it a charge of exactly so many bytes, without a look at the limit.
    #[inline]
    pub(crate) fn settle(&mut self, bytes: usize) {
        let Some(budget) = &self.budget else { return };
        if bytes < self.bytes {
            budget.sub(self.bytes - bytes);
        } else if bytes > self.bytes {
            budget.add(bytes - self.bytes);
        }
        self.bytes = bytes;
    }

    /// Whether this is what it is charged to.
    #[inline]
    pub(crate) fn is_to(&self, budget: Option<&MemoryBudget>) -> bool {
        match (&self.budget, budget) {
            (None, None) => true,
            (Some(own), Some(other)) => own.is(other),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.settle(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_goes_up_to_the_limit_and_is_given_back() {
        let budget = MemoryBudget::new(100);
        let mut first = Charge::new(Some(&budget));
        let mut second = Charge::new(Some(&budget));
        assert!(first.add(60).is_ok());
        assert!(second.add(41).is_err());
        assert!(second.add(usize::MAX).is_err(), "the sum is no number");
        assert_eq!(budget.used(), 60);
        assert!(second.add(40).is_ok());
        second.force(10);
        assert_eq!(budget.used(), 110);
        assert!(first.add(1).is_err());
        assert!(first.add(0).is_ok(), "nothing always has room");
        first.settle(5);
        assert_eq!(budget.used(), 55);
        drop(second);
        assert_eq!(budget.used(), 5);
        drop(first);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn without_a_budget_nothing_is_counted() {
        let mut charge = Charge::new(None);
        assert!(charge.add(usize::MAX).is_ok());
        charge.force(usize::MAX);
        charge.settle(1);
        assert_eq!(charge.bytes, 0);
        assert!(charge.is_to(None) && !charge.is_to(Some(&MemoryBudget::new(1))));
    }

    #[test]
    fn clones_are_the_same_budget_and_equal_limits_are_not() {
        let budget = MemoryBudget::new(100);
        let charge = Charge::new(Some(&budget));
        let clone = budget.clone();
        assert!(charge.is_to(Some(&budget)) && charge.is_to(Some(&clone)));
        assert!(!charge.is_to(Some(&MemoryBudget::new(100))));
        assert!(!charge.is_to(None));
    }
}
