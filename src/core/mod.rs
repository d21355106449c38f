//! The pure core: no I/O, no clock, no async. Time reaches it as an argument.
pub mod histogram;
pub mod quantity;
pub mod selector;
