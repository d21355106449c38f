//! Reading configuration so that every mistake is reported at once, each at its place.
//!
//! A deserializer stops at the first error. Here a document becomes a tree of located [`Node`]s, and
//! decode functions of the shape `fn(&mut Diagnostics, &Node) -> Option<T>` walk it: each reports what it
//! dislikes and returns `None`, and its caller goes on with the next field.
//!
//! ```
//! use inferometer::config::{Diagnostics, Node, decode::duration, decode::metric_name, parse};
//! use std::time::Duration;
//!
//! struct Metric {
//!     name: String,
//!     window: Option<Duration>,
//! }
//!
//! fn metric(diags: &mut Diagnostics, node: &Node) -> Option<Metric> {
//!     let mut map = node.mapping(diags, "a metric")?;
//!     let name = map.required("name", diags, metric_name);
//!     let window = map.optional("window", diags, duration);
//!     map.finish(diags);
//!     Some(Metric { name: name?, window })
//! }
//!
//! let mut diags = Diagnostics::default();
//! let documents = parse("config.yaml", "name: queue\nwindw: 30\n", &mut diags);
//! assert!(metric(&mut diags, &documents[0]).is_some());
//! assert!(diags.finish().to_string().contains("did you mean `window`?"));
//! ```
//!
//! [`load`] reads a configuration this way, [`check`] also the autoscalers that use its metrics.

pub mod decode;
pub mod diagnostic;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub mod hpa;
mod lint;
mod names;
pub mod node;
mod parse;
pub(crate) mod promql;
mod render;
mod scalar;
pub mod schema;
mod source;
mod suggest;
mod syntax;
pub mod units;

pub use decode::{MapDecoder, Spanned};
pub use diagnostic::{Diagnostic, Diagnostics, Report, Severity};
pub use hpa::{Checked, CheckedMetric, check};
pub use node::{Key, Node, Value};
pub use parse::parse;
pub use schema::{Configuration, load, read, target_url};
pub use source::Span;
pub use suggest::did_you_mean;

#[cfg(test)]
mod tests;
