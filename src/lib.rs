//! Inferometer: the metrics API that lets plain HorizontalPodAutoscalers scale GPU inference.
//!
//! Read it in the order in which a request travels: [`server`] → [`api`] → [`engine`] → [`core`];
//! and in which numbers do: [`source`] → [`engine`] → [`core`]. Names become metrics in [`catalog`].
#![forbid(unsafe_code)]

pub mod api;
pub mod auth;
pub mod catalog;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod core;
pub mod demo;
pub mod engine;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod server;
pub mod source;
pub mod telemetry;
