//! The integration tests, one crate so that they link once: a file of this folder is a subject.
mod fleet;
mod layering;
#[path = "../support/mod.rs"]
mod support;
