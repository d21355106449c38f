//! What we watch in the cluster, and what we keep there.

pub mod authentication;
pub mod certificate;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod registration;
mod retry;
pub mod serving;
