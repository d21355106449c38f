//! The integration tests, one crate so that they link once: a file of this folder is a subject.
mod layering;
