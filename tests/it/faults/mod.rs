//! The faults of the reliability matrix that no other file of these tests is about.
//!
//! What every answer and every log must keep to, whatever the fault, is watched by `support::monitor`.

mod abuse;
mod kubernetes;
mod kubernetes_clock;
mod kubernetes_network;
mod kubernetes_watch;
mod upstream;
