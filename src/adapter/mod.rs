//! Code that both adapters share.

pub(crate) mod dial;
pub(crate) mod failure;
pub(crate) mod parts;
pub(crate) mod pool;
pub(crate) mod sending;
