use core::fmt;
use core::sync::atomic::{AtomicUsize, Ordering};

use alloc::sync::Arc;

/// A limit, in bytes, for the memory that many connections together hold for their peers.
///
/// Each connection has its own limits, but their sum grows with the number of connections. A budget
/// limits the sum. Make one, and give a clone to each [`Config`](crate::Config) with
/// [`ConfigBuilder::memory_budget`](crate::config::ConfigBuilder::memory_budget). All connections
/// of these configs share it. A clone is a handle of the same budget.
///
/// # Counted memory
/// * The buffers of each [`Inbox`](crate::Inbox), by capacity. They hold messages that are not
///   contiguous in one input, and inflated messages. After a message its buffer stays until
///   [`shrink`](crate::Inbox::shrink).
/// * The windows of compression of both directions, with their tables.
///
/// While a buffer grows, the old and the new one exist at the same time, and both are counted.
/// Memory is counted from before its allocation until after it is freed, or until
/// [`receive_owned`](crate::Connection::receive_owned) moves it out of the inbox. From then on it
/// belongs to the application.
///
/// A message that is complete and contiguous in one input takes no memory and does not use the
/// budget. Read buffers and output belong to the caller and are not counted. Two more are not
/// counted: the scratch memory of the compression engine, which belongs to the thread, and the
/// fixed parts of an inbox and a connection, some hundred bytes each.
///
/// # At the limit
/// * A buffer reserves less than usual in advance.
/// * If a message of more than 64 KiB still finds no room, its connection fails with
///   [`LimitError::MemoryBudget`](crate::error::LimitError::MemoryBudget) and the Close code 1013
///   (try again later). Other connections continue.
/// * A message in one frame needs room for its length. A fragmented or compressed one needs up to
///   2.25 times its length, while it is copied from a buffer to a larger one. A budget below that
///   many times [`max_message_len`](crate::config::ConfigBuilder::max_message_len) rejects messages
///   that `max_message_len` allows, even on an idle server.
/// * If there is no room for a larger window, a message is compressed with the present window.
///   If there is none, it is sent uncompressed. Later messages try again.
/// * The first 64 KiB of a message and the window of received messages, at most 32 KiB, are counted
///   but never refused. The window was promised to the peer in the handshake, and small messages
///   should pass while large ones fill the budget.
///
/// So the counted memory is at most the budget and 64 KiB for each connection, or 108 KiB with
/// compression: in addition to the window of received messages, the tables of a compressed block
/// that is not complete take 8 KiB, and the smallest window of sent messages takes 2 KiB. For each
/// thread that receives, add the 64 KiB of a buffer that is being replaced.
///
/// ```
/// use sansocket::Config;
/// use sansocket::config::MemoryBudget;
///
/// # fn main() -> Result<(), sansocket::error::ConfigError> {
/// let budget = MemoryBudget::new(256 << 20);
/// let feed = Config::server().memory_budget(budget.clone()).build()?;
/// let chat = Config::server().max_message_len(64 << 10).memory_budget(budget.clone()).build()?;
/// // A metric of the server:
/// println!("{} of {} bytes", budget.used(), budget.limit());
/// # assert_eq!(budget.used(), 0);
/// # drop((feed, chat));
/// # Ok(())
/// # }
/// ```
///
/// The count is an atomic number in an [`Arc`].
#[derive(Clone)]
pub struct MemoryBudget(Arc<Account>);

struct Account {
    limit: usize,
    used: AtomicUsize,
}

impl MemoryBudget {
    /// Creates a budget of `bytes` bytes.
    ///
    /// Building a [`Config`](crate::Config) with a budget of 0 bytes fails.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Account { limit: bytes, used: AtomicUsize::new(0) }))
    }

    /// Returns the number of bytes that are counted now, for all connections that share the budget.
    /// It can be more than [`limit`](Self::limit): see above.
    #[must_use]
    pub fn used(&self) -> usize {
        // Relaxed is enough for all operations: the count guards no other data.
        self.0.used.load(Ordering::Relaxed)
    }

    /// Returns the limit that the budget was made with, in bytes.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Adds to the count unless the sum passes the limit. Returns whether it was added.
    fn try_add(&self, bytes: usize) -> bool {
        let add = |used: usize| used.checked_add(bytes).filter(|&sum| sum <= self.0.limit);
        self.0.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
    }

    /// Adds to the count, without the limit. It can't overflow: all of the memory is allocated, or
    /// is about to be, so that the sum fits into the address space.
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

/// The bytes that one owner of memory has charged to a budget. `Drop` removes the charge, so it is
/// a field next to the memory that it stands for. Without a budget a charge counts no bytes.
#[derive(Debug, Default)]
pub(crate) struct Charge {
    budget: Option<MemoryBudget>,
    bytes: usize,
}

/// The budget has no room for the bytes.
#[derive(Debug)]
pub(crate) struct OverBudget;

impl Charge {
    /// Creates a charge of 0 bytes.
    pub(crate) fn new(budget: Option<&MemoryBudget>) -> Self {
        Self { budget: budget.cloned(), bytes: 0 }
    }

    /// Charges `bytes` more bytes.
    #[inline]
    pub(crate) fn add(&mut self, bytes: usize) -> Result<(), OverBudget> {
        let Some(budget) = &self.budget else { return Ok(()) };
        if bytes > 0 && !budget.try_add(bytes) {
            return Err(OverBudget);
        }
        self.bytes += bytes;
        Ok(())
    }

    /// Charges `bytes` more bytes, without the limit.
    pub(crate) fn force(&mut self, bytes: usize) {
        if let Some(budget) = &self.budget {
            budget.add(bytes);
            self.bytes += bytes;
        }
    }

    /// Sets the charge to exactly `bytes` bytes, without the limit.
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

    /// Returns whether `budget` is the budget of this charge.
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
    fn charges_stop_at_the_limit_and_are_given_back() {
        let budget = MemoryBudget::new(100);
        let mut first = Charge::new(Some(&budget));
        let mut second = Charge::new(Some(&budget));
        assert!(first.add(60).is_ok());
        assert!(second.add(41).is_err());
        assert!(second.add(usize::MAX).is_err(), "the sum overflows");
        assert_eq!(budget.used(), 60);
        assert!(second.add(40).is_ok());
        second.force(10);
        assert_eq!(budget.used(), 110);
        assert!(first.add(1).is_err());
        assert!(first.add(0).is_ok(), "0 bytes always have room");
        first.settle(5);
        assert_eq!(budget.used(), 55);
        drop(second);
        assert_eq!(budget.used(), 5);
        drop(first);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn without_a_budget_no_bytes_are_counted() {
        let mut charge = Charge::new(None);
        assert!(charge.add(usize::MAX).is_ok());
        charge.force(usize::MAX);
        charge.settle(1);
        assert_eq!(charge.bytes, 0);
        assert!(charge.is_to(None) && !charge.is_to(Some(&MemoryBudget::new(1))));
    }

    #[test]
    fn a_clone_is_the_same_budget_and_an_equal_limit_is_not() {
        let budget = MemoryBudget::new(100);
        let charge = Charge::new(Some(&budget));
        let clone = budget.clone();
        assert!(charge.is_to(Some(&budget)) && charge.is_to(Some(&clone)));
        assert!(!charge.is_to(Some(&MemoryBudget::new(100))));
        assert!(!charge.is_to(None));
    }
}
