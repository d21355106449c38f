//! `pods`: pods of the cluster as targets.

use std::sync::Arc;

use super::scrape::{engine, namespace};
use crate::catalog::Catalog;
use crate::config::decode::{accept, boolean, checked, list, one_of, string};
use crate::config::source::quoted;
use crate::config::units::Refusal;
use crate::config::{Diagnostics, Node, Value};
use crate::core::selector::Selector;
use crate::source::scrape::discover::USUAL_PATH;
use crate::source::scrape::pods::{Port, Scheme, Selection, is_path};

/// The longest name of a port in Kubernetes.
const LONGEST_NAME: usize = 15;

/// One selection, or a list of them: one source may read engines that have their pages in different
/// places.
pub(super) fn pods(diags: &mut Diagnostics, node: &Node, catalog: &Catalog) -> Option<Vec<Selection>> {
    if !matches!(node.value, Value::Sequence(_)) {
        return Some(vec![selection(diags, node, catalog)?]);
    }
    let selections = list(|diags, node| selection(diags, node, catalog))(diags, node)?;
    if selections.is_empty() {
        diags.error_at(&node.span, "`pods` names none").hint("write `pods: [{ selector: ..., port: ... }]`");
    }
    Some(selections)
}

fn selection(diags: &mut Diagnostics, node: &Node, catalog: &Catalog) -> Option<Selection> {
    let mut map = node.mapping(diags, "`pods`")?;
    let namespaces = map.optional("namespaces", diags, names);
    let selector = map.optional("selector", diags, selector);
    let port = map.optional("port", diags, port);
    let path = map.optional("path", diags, checked(string, path));
    let scheme = map.optional("scheme", diags, one_of(&[("http", Scheme::Http), ("https", Scheme::Https)]));
    let engine = map.optional("engine", diags, |diags, node| engine(diags, node, catalog));
    let annotations = map.get("annotations").map(|(_, node)| boolean(diags, node));
    // What annotations ask for, only pods without them can lack.
    match annotations {
        None => {
            map.some_of(&["selector", "annotations"]);
            map.some_of(&["port"]);
        }
        Some(Some(false)) => ["selector", "port"].iter().for_each(|name| map.some_of(&[name])),
        Some(Some(true) | None) => {}
    }
    map.finish(diags);
    Some(Selection {
        namespaces: namespaces.unwrap_or_default(),
        selector: selector.unwrap_or_default(),
        port,
        path: path.unwrap_or_else(|| USUAL_PATH.to_owned()),
        scheme: scheme.unwrap_or(Scheme::Http),
        engine,
        annotated: annotations.flatten().unwrap_or_default(),
    })
}

fn names(diags: &mut Diagnostics, node: &Node) -> Option<Vec<Arc<str>>> {
    let names = list(checked(string, |name| namespace(name).map(Arc::from)))(diags, node)?;
    if names.is_empty() {
        diags.error_at(&node.span, "`namespaces` names none").hint("leave it out for all namespaces");
    }
    Some(names)
}

fn selector(diags: &mut Diagnostics, node: &Node) -> Option<Selector> {
    checked(string, |text| match Selector::parse(&text) {
        Err(error) => {
            Err(Refusal::new(error.message).at(error.position).hint("write it as for `kubectl get pods -l`"))
        }
        Ok(selector) => Ok(selector),
    })(diags, node)
}

fn port(diags: &mut Diagnostics, node: &Node) -> Option<Port> {
    let (text, _) = node.scalar(diags, "a port's name or number")?;
    let refused = |message: &str| Err(Refusal::new(format!("{message}, found {}", quoted(text))));
    let within = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let port = if text.bytes().all(|byte| byte.is_ascii_digit()) {
        match text.parse() {
            Ok(number) if number > 0 => Ok(Port::Number(number)),
            _ => refused("expected a port from 1 to 65535"),
        }
    } else if text.len() > LONGEST_NAME || !text.chars().all(within) {
        refused("expected the name of a container's port (at most 15 of a-z, 0-9, -) or its number")
    } else {
        Ok(Port::Name(text.into()))
    };
    accept(diags, node, port)
}

fn path(text: String) -> Result<String, Refusal> {
    if is_path(&text) {
        return Ok(text);
    }
    let refusal = Refusal::new("expected a path without a query");
    Err(if text.starts_with('/') { refusal } else { refusal.hint("write it from `/` on, like `/metrics`") })
}
