//! Code that both adapters share.

pub(crate) mod connections;
pub(crate) mod connector;
pub(crate) mod dial;
pub(crate) mod failure;
pub(crate) mod parts;
pub(crate) mod payloads;
pub(crate) mod pool;
pub(crate) mod sending;
