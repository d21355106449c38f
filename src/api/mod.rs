//! The Kubernetes surface.
