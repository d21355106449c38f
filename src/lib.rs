//! Inferometer: the metrics API that lets plain HorizontalPodAutoscalers scale GPU inference.
#![forbid(unsafe_code)]

pub mod api;
pub mod config;
pub mod core;
pub mod server;
