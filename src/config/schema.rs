//! The configuration document: what it says, and what it means.
//!
//! Reading goes on after a mistake, so that one run reports them all; the result is used only when
//! there is none.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use self::others::Others;
use super::decode::{Spanned, spanned, string};
use super::source::quoted;
use super::suggest::did_you_mean;
use super::{Diagnostics, Node, Span, Value, parse};
use crate::catalog::Catalog;
use crate::core::budget::Budget;
use crate::core::metric::Metric;
use crate::source::Definition;

mod budget;
mod composite;
mod guards;
pub(super) mod metric;
mod others;
mod preset;
mod query;
mod redis;
mod schedule;
mod share;
mod source;

pub use source::target_url;

/// The version of the configuration that this build reads.
pub const API_VERSION: &str = "inferometer.dev/v1alpha1";
/// The kind of a configuration document.
pub const KIND: &str = "Configuration";
/// The largest file read; [`parse`] has the same bound.
pub const MAX_BYTES: u64 = 1024 * 1024;

/// What a user has configured.
#[derive(Debug, Clone, Default)]
pub struct Configuration {
    /// Where numbers come from; the first is the default.
    pub sources: Vec<Definition>,
    /// Metrics beside the catalog's, or in their place.
    pub metrics: Vec<Metric>,
    /// What may be spent, and whom that holds.
    pub budgets: Vec<Arc<Budget>>,
    /// Where pods are named as targets, which only a cluster has.
    pub pods_at: Option<Span>,
    /// Where a budget is named, which only HPAs of a cluster can be held by.
    pub budgets_at: Option<Span>,
}

impl Configuration {
    /// The metric of this name.
    pub fn metric(&self, name: &str) -> Option<&Metric> {
        self.metrics.iter().find(|metric| metric.name.as_ref() == name)
    }
}

/// Reads a file of at most 1 MiB. What keeps it from being read is reported.
pub fn read(path: &Path, diags: &mut Diagnostics) -> Option<String> {
    let mut bytes = Vec::new();
    // One byte more, so that a file of too many is told from one of just enough.
    let result = std::fs::File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes));
    let message = match result {
        Err(error) => format!("cannot read the file: {error}"),
        Ok(_) if bytes.len() as u64 > MAX_BYTES => "the file is larger than 1 MiB".to_owned(),
        Ok(_) => match String::from_utf8(bytes) {
            Ok(text) => return Some(text),
            Err(error) => {
                let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
                let line = valid.split(|byte| *byte == b'\n').count();
                format!("the file is not UTF-8 text: see line {line}")
            }
        },
    };
    diags.error_in(&path.display().to_string(), message);
    None
}

/// Reads the configuration in `text`, the content of `file`. `None` means that errors have been
/// reported; warnings do not keep a configuration from being used.
pub fn load(file: &str, text: &str, catalog: &Catalog, diags: &mut Diagnostics) -> Option<Configuration> {
    let errors = diags.errors();
    let mut documents = parse(file, text, diags);
    // What ends in `---` has an empty document behind it.
    documents.retain(|node| node.value != Value::Null);
    if documents.is_empty() && diags.errors() == errors {
        diags
            .error_in(file, "the file holds no configuration")
            .hint(format!("a configuration begins with `apiVersion: {API_VERSION}` and `kind: {KIND}`"));
    }
    let mut result = None;
    for (index, node) in documents.iter().enumerate() {
        if index == 0 {
            result = configuration(diags, node, catalog);
        } else {
            second(diags, node, &documents[0]);
        }
    }
    result.filter(|_| diags.errors() == errors)
}

/// Reports a document beside the first.
pub(super) fn second(diags: &mut Diagnostics, node: &Node, first: &Node) {
    diags
        .error_at(&start(node), "a second document")
        .hint(format!("there is one configuration, and it begins on line {}", first.span.line));
}

/// Where to report something about a whole document.
pub(super) fn start(node: &Node) -> Span {
    node.span.at(node.span.line, node.span.column)
}

/// Decodes one document. The result is of use only if nothing was reported.
pub(super) fn configuration(
    diags: &mut Diagnostics,
    node: &Node,
    catalog: &Catalog,
) -> Option<Configuration> {
    let mut map = node.mapping(diags, "a configuration")?;
    map.required("apiVersion", diags, |diags, node| constant(diags, node, API_VERSION));
    map.required("kind", diags, |diags, node| constant(diags, node, KIND));
    let mut sources = Vec::new();
    let mut names = Some(Names::default());
    let mut no_promql = Vec::new();
    let mut redis = Vec::new();
    let mut pods_at = None;
    if let Some((_, node)) = map.get("sources") {
        for item in node.items(diags, "a list of sources").unwrap_or_default() {
            let declared = source::source(diags, item, catalog);
            let name = declared.as_ref().and_then(|declared| declared.name.clone());
            if let Some(declared) = declared.as_ref().filter(|declared| !declared.knows_promql) {
                no_promql.extend(declared.name.iter().map(|name| name.value.clone()));
            }
            if let Some(has_namespace) = declared.as_ref().and_then(|declared| declared.redis) {
                let name = name.as_ref().map(|name| name.value.clone()).unwrap_or_default();
                redis.push(redis::Known { name, has_namespace });
            }
            pods_at = pods_at.or_else(|| declared.as_ref().and_then(|declared| declared.pods_at));
            match (name, &mut names) {
                (Some(name), Some(names)) => names.add(diags, "source", name),
                _ => names = None,
            }
            sources.extend(declared.and_then(|declared| declared.definition));
        }
    }
    let nodes = map.get("metrics").and_then(|(_, node)| node.items(diags, "a list of metrics"));
    let others = Others::new(nodes.unwrap_or_default());
    let context = metric::Context {
        catalog,
        sources: names.as_ref(),
        no_promql: &no_promql,
        redis: &redis,
        others: &others,
    };
    let mut metrics = Vec::new();
    let mut metric_names = Names::default();
    let mut owners = Vec::new();
    let nodes = nodes.unwrap_or_default();
    for (node, made) in nodes.iter().zip(others.all(diags, &context)) {
        let Some((name, metric)) = made else { continue };
        if let Some(name) = name {
            owners.push((node, name.clone()));
            metric_names.add(diags, "metric", name);
        }
        metrics.extend(metric);
    }
    let (mut budgets, mut budgets_at) = (Vec::new(), None);
    let mut budget_names = Names::default();
    for (item, name) in owners {
        let Some(node) = item.field("budget") else { continue };
        budgets_at = budgets_at.or(Some(start(node)));
        budgets.extend(budget::of_metric(diags, node, &name.value, &context, &metrics).map(Arc::new));
        budget_names.add(diags, "budget", name);
    }
    if let Some((_, node)) = map.get("budgets") {
        for item in node.items(diags, "a list of budgets").unwrap_or_default() {
            budgets_at = budgets_at.or_else(|| Some(start(item)));
            let Some((name, budget)) = budget::budget(diags, item, &context, &metrics) else { continue };
            if let Some(name) = name {
                budget_names.add(diags, "budget", name);
            }
            budgets.extend(budget.map(Arc::new));
        }
    }
    map.finish(diags);
    Some(Configuration { sources, metrics, budgets, pods_at, budgets_at })
}

fn constant(diags: &mut Diagnostics, node: &Node, expected: &str) -> Option<()> {
    let Spanned { value, span } = spanned(string)(diags, node)?;
    if value == expected {
        return Some(());
    }
    diags
        .error_at(&span, format!("this build does not read {}", quoted(&value)))
        .hint(format!("write `{expected}`"));
    None
}

/// Names that must be unique, with the line of each.
#[derive(Debug, Default)]
struct Names {
    /// In the order of the file.
    order: Vec<String>,
    lines: HashMap<String, usize>,
}

impl Names {
    fn add(&mut self, diags: &mut Diagnostics, what: &str, name: Spanned<String>) {
        if let Some(line) = self.lines.get(&name.value) {
            diags
                .error_at(&name.span, format!("a second {what} called {}", quoted(&name.value)))
                .hint(format!("the first is on line {line}"));
            return;
        }
        self.order.push(name.value.clone());
        self.lines.insert(name.value, name.span.line);
    }

    /// Checks that a name is among them.
    fn check(&self, diags: &mut Diagnostics, what: &str, name: &Spanned<String>) {
        if self.lines.contains_key(&name.value) {
            return;
        }
        let near = did_you_mean(&name.value, self.order.iter().map(String::as_str));
        let hint = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None if self.order.is_empty() => format!("no {what}s are configured"),
            None => format!("configured are: {}", self.order.join(", ")),
        };
        diags.error_at(&name.span, format!("no {what} is called {}", quoted(&name.value))).hint(hint);
    }
}
