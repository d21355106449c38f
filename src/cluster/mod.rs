//! What we watch in the cluster, and what we keep there.

mod addresses;
pub mod authentication;
pub mod certificate;
pub mod client;
pub mod events;
#[cfg(test)]
pub(crate) mod fixtures;
pub(crate) mod follow;
mod health;
mod hpas;
mod inventory;
pub mod memory;
mod metrics;
mod object;
mod one;
mod owners;
mod pods;
mod pool;
mod published;
pub mod registration;
mod retry;
pub mod serving;
#[cfg(test)]
mod tests;
pub mod warm;
pub mod watch;
mod write;

pub use inventory::Cluster;
pub use metrics::WatchMetrics;
