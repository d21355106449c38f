//! The watches against an API server made up in memory.

mod autoscalers;
mod chains;
mod fixture;
mod interleavings;
mod watches;
