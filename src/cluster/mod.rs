//! What we watch in the cluster, and what we keep there.

pub mod authentication;
