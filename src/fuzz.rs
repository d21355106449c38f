//! What each reader of bytes from outside does with any bytes, for the fuzz targets of `fuzz/` and for the
//! usual tests. A check stands beside its reader, in a module called `fuzz`, and panics on a fault.
//!
//! It is compiled for tests and by cargo-fuzz only.

/// A check: it takes any bytes, and returns unless there is a fault.
pub type Check = fn(&[u8]);

/// All checks, by the names of their targets.
pub const CHECKS: &[(&str, Check)] = &[
    ("accept", crate::api::negotiate::fuzz::check),
    ("answer", crate::source::prometheus::decode::fuzz::check),
    ("autoscalers", crate::cluster::follow::fuzz::autoscalers),
    ("budgets", crate::cluster::memory::fuzz::check),
    ("certificate", crate::auth::certificate::fuzz::check),
    ("configuration", crate::config::fuzz::check),
    ("encoded", crate::core::selector::fuzz::encoded),
    ("exposition", crate::source::scrape::exposition::fuzz::check),
    ("expression", crate::core::expression::fuzz::check),
    ("headers", crate::auth::front_proxy::fuzz::check),
    ("metric", crate::catalog::resolve::fuzz::check),
    ("narrowing", crate::catalog::promql::fuzz::check),
    ("owners", crate::cluster::follow::fuzz::owners),
    ("pods", crate::cluster::follow::fuzz::pods),
    ("promql", crate::config::promql::fuzz::check),
    ("quantity", crate::core::quantity::fuzz::check),
    ("redis", crate::source::redis::decode::fuzz::check),
    ("request", crate::api::request::fuzz::check),
    ("schedule", crate::core::schedule::fuzz::check),
    ("secret", crate::cluster::certificate::fuzz::check),
    ("selector", crate::core::selector::fuzz::check),
    ("target", crate::source::scrape::pods::fuzz::check),
    ("trust", crate::auth::trust::fuzz::check),
    ("yaml", crate::api::negotiate::fuzz::yaml),
];

/// Runs the check of this target.
pub fn run(target: &str, bytes: &[u8]) {
    let (_, check) = CHECKS.iter().find(|(name, _)| *name == target).expect("a target has a check");
    check(bytes);
}

#[cfg(test)]
mod tests;
