//! Checks files before they are applied: configurations, and the autoscalers that use their metrics.
//!
//! A wrong autoscaler is not refused by Kubernetes. It scales to the maximum, or never, and says
//! little. Here it is found out before.

use std::sync::Arc;

use super::schema::{API_VERSION, KIND, configuration, second, start};
use super::source::quoted;
use super::suggest::did_you_mean;
use super::{Configuration, Diagnostics, Node, Value, parse};
use crate::catalog::{Catalog, promql};
use crate::core::freshness::Coverage;
use crate::core::metric::Metric;
use crate::core::signal::Signal;

mod autoscaler;
mod budget;
mod of;
mod selector;
mod target;

/// The kind of a Kubernetes autoscaler.
const AUTOSCALER: &str = "HorizontalPodAutoscaler";

/// What a file holds, for people to see. Mistakes are in the diagnostics.
#[derive(Debug, Default)]
pub struct Checked {
    /// The configuration, if there is one and it has no errors.
    pub configuration: Option<Configuration>,
    /// The metrics it defines, then those that autoscalers name, each once.
    pub metrics: Vec<CheckedMetric>,
    /// How many autoscalers were checked.
    pub autoscalers: usize,
    /// Documents that are neither: their kind and the line on which they begin.
    pub ignored: Vec<(String, usize)>,
}

/// A metric and what it asks its source.
#[derive(Debug, Clone)]
pub struct CheckedMetric {
    /// The metric.
    pub metric: Metric,
    /// For each input, its engine or source and its PromQL for the whole cluster, or the keys of a Redis.
    pub queries: Vec<(Arc<str>, String)>,
}

impl CheckedMetric {
    fn new(metric: &Metric) -> Self {
        let query = |input: &crate::core::metric::Input| {
            let asked = match input.signal.as_ref() {
                Signal::Redis(signal) => signal.to_string(),
                signal => promql::compile(signal, &Coverage::Cluster),
            };
            (Arc::clone(&input.engine), asked)
        };
        // What is not read by a query has none.
        let queries = metric.inputs.iter().map(query).filter(|(_, query)| !query.is_empty());
        Self { queries: queries.collect(), metric: metric.clone() }
    }
}

/// What names of metrics refer to.
struct Names<'a> {
    catalog: &'a Catalog,
    configuration: Option<&'a Configuration>,
    /// Whether a configuration could not be read, so that an unknown name may be one of its own.
    is_partial: bool,
}

impl Names<'_> {
    fn resolve(&self, name: &str) -> Option<Metric> {
        let own = self.configuration.and_then(|configuration| configuration.metric(name));
        own.cloned().or_else(|| self.catalog.resolve(name))
    }
}

/// Checks the documents of one file. Autoscalers may use the metrics of the catalog, of the
/// configuration in the same file, or else of `known`.
pub fn check(
    file: &str,
    text: &str,
    catalog: &Catalog,
    known: Option<&Configuration>,
    diags: &mut Diagnostics,
) -> Checked {
    let errors = diags.errors();
    let documents = parse(file, text, diags);
    if documents.is_empty() && diags.errors() == errors {
        diags
            .error_in(file, "the file holds nothing to check")
            .hint(format!("expected a `{KIND}` of {API_VERSION} or a `{AUTOSCALER}`"));
    }
    let mut checked = Checked::default();
    let mut configurations: Vec<&Node> = Vec::new();
    let mut autoscalers = Vec::new();
    for node in &documents {
        sort(diags, node, &mut configurations, &mut autoscalers, &mut checked.ignored);
    }
    // What could not be parsed may have been the configuration.
    let mut is_partial = diags.errors() > errors && configurations.is_empty();
    if let [first, rest @ ..] = &configurations[..] {
        let before = diags.errors();
        let found = configuration(diags, first, catalog);
        for node in rest {
            second(diags, node, first);
        }
        checked.configuration = found.filter(|_| diags.errors() == before);
        is_partial |= checked.configuration.is_none();
    }
    let names = Names { catalog, configuration: checked.configuration.as_ref().or(known), is_partial };
    let mut metrics: Vec<CheckedMetric> =
        checked.configuration.iter().flat_map(|own| &own.metrics).map(CheckedMetric::new).collect();
    checked.autoscalers = autoscalers.len();
    budget::check(diags, &autoscalers, &names);
    for node in autoscalers {
        for metric in autoscaler::check(diags, node, &names) {
            if metrics.iter().all(|known| known.metric.name != metric.name) {
                metrics.push(CheckedMetric::new(&metric));
            }
        }
    }
    checked.metrics = metrics;
    checked
}

/// Puts a document where it belongs, a list's items each.
fn sort<'n>(
    diags: &mut Diagnostics,
    node: &'n Node,
    configurations: &mut Vec<&'n Node>,
    autoscalers: &mut Vec<&'n Node>,
    ignored: &mut Vec<(String, usize)>,
) {
    let text = |name| node.field(name).and_then(Node::text);
    let version = text("apiVersion").unwrap_or_default();
    match text("kind") {
        Some(AUTOSCALER) => match version {
            "autoscaling/v2" => autoscalers.push(node),
            // This version knows no metrics but the CPU's.
            "autoscaling/v1" => ignored.push((format!("{AUTOSCALER} of autoscaling/v1"), node.span.line)),
            _ => {
                let span = node.field("apiVersion").map_or(start(node), |node| node.span);
                let message = format!("no {AUTOSCALER} of {} can be checked", quoted(version));
                diags
                    .error_at(&span, message)
                    .hint("use autoscaling/v2, which every Kubernetes since 1.23 has");
            }
        },
        Some("List" | "HorizontalPodAutoscalerList") => {
            if let Some(Value::Sequence(items)) = node.field("items").map(|items| &items.value) {
                for item in items {
                    sort(diags, item, configurations, autoscalers, ignored);
                }
            }
        }
        // Without a kind there is nothing to go by; read as ours, what it lacks is reported.
        None | Some(KIND) => configurations.push(node),
        Some(_) if version.starts_with("inferometer.dev/") => configurations.push(node),
        Some(kind) => match did_you_mean(kind, [KIND, AUTOSCALER]) {
            Some(near) => {
                let span = node.field("kind").map_or(start(node), |node| node.span);
                diags
                    .error_at(&span, format!("unknown kind {}", quoted(kind)))
                    .hint(format!("did you mean `{near}`?"));
            }
            None => ignored.push((kind.to_owned(), node.span.line)),
        },
    }
}
