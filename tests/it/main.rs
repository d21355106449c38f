//! The integration tests, one crate so that they link once: a file of this folder is a subject.
//!
//! Most are black-box tests: the built binary, beside the real programs that it talks to. Tests whose
//! names contain `prometheus` start a real Prometheus, and those of `cluster` a Kubernetes control plane.
//! Nothing is skipped but the latter, whose programs few machines have: where another program is missing,
//! its tests fail and say what to install.

mod apiserver;
mod authority;
mod budget;
mod cluster;
mod commands;
mod composites;
mod contract;
mod custom;
mod dashboard;
mod demo;
mod devices;
mod differential;
mod direct;
mod discovery;
mod examples;
mod faults;
mod fleet;
mod identity;
mod kubectl;
mod layering;
mod load;
mod manifests;
mod names;
mod outage;
mod quantiles;
mod quickstart;
mod recipes;
mod redis;
mod registration;
mod reliability;
mod reload;
mod rotation;
mod schedule;
mod shutdown;
mod slopes;
mod soak;
mod support;
mod timestamps;
mod upstream;
mod values;
mod workloads;
