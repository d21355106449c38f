//! The Kubernetes surface; knows nothing of Prometheus.
//!
//! The modules below are the pure part of it: from values to the bytes that Kubernetes clients expect, with no
//! I/O, no state and no web framework. What those clients expect was read in their sources (Kubernetes 1.36);
//! where the form of an answer is not free, a comment names the client that needs it.
pub mod discovery;
pub mod document;
pub mod negotiate;
pub mod openapi;
pub mod status;
pub mod types;
