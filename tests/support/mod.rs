//! What tests share among themselves and with the examples.
pub(crate) mod fleet;
