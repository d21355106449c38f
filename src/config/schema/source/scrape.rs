//! `scrape`: targets that are read directly.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;

use super::auth::auth;
use super::pods::pods;
use crate::catalog::Catalog;
use crate::config::decode::{
    accept, byte_size, checked, duration, entries, http_url, integer, list, path, string,
};
use crate::config::node::Key;
use crate::config::suggest::did_you_mean;
use crate::config::units::Refusal;
use crate::config::{Diagnostics, Node};
use crate::core::series::{Label, Labels};
use crate::source::Auth;
use crate::source::scrape::Settings;
use crate::source::scrape::discover::{Endpoint, USUAL_PATH};
use crate::source::scrape::pods::Selection;

/// An engine that is asked more often spends its time on pages.
const FASTEST: Duration = Duration::from_millis(250);
/// Slower than Prometheus itself by default, and it may as well be asked.
const SLOWEST: Duration = Duration::from_mins(1);
/// What is known of every target anyway.
const TAKEN: [&str; 3] = ["instance", "job", "namespace"];

pub(super) fn scrape(
    diags: &mut Diagnostics,
    node: &Node,
    catalog: &Catalog,
) -> Option<(Settings, Vec<Endpoint>, Vec<Selection>)> {
    let mut map = node.mapping(diags, "`scrape`")?;
    let interval = map.optional("interval", diags, checked(duration, interval));
    let timeout = map.optional("timeout", diags, checked(duration, super::timeout));
    let max_body = map.optional("maxBodyBytes", diags, checked(byte_size, super::body_bytes));
    let max_series = map.optional("maxSeries", diags, integer(1..=10_000_000));
    let targets = map.get("targets").map(|(_, node)| node);
    let endpoints = targets.map(|node| list(|diags, node| target(diags, node, catalog))(diags, node));
    if let Some(Some([])) = endpoints.as_ref().map(Option::as_deref) {
        diags.error_at(&node.span, "`targets` names none").hint("write `targets: [{ url: ... }]`");
    }
    let pods_field = map.get("pods");
    let pods = pods_field.map(|(_, node)| pods(diags, node, catalog));
    map.some_of(&["targets", "pods"]);
    let auth_node = map.get("auth").map(|(_, node)| node);
    if let Some((key, _)) = pods_field.filter(|_| auth_node.is_some())
        && pods.iter().flatten().flatten().any(|selection| selection.namespaces.is_empty())
    {
        diags
            .error_at(&key.span, "whoever can create a pod in any namespace would be sent what `auth` says")
            .hint("list the `namespaces` whose pods may see it");
    }
    let auth = auth_node.and_then(|node| auth(diags, node));
    let ca = map.optional("caFile", diags, path);
    map.conceal_unasked(diags);
    map.finish(diags);

    let defaults = Settings::new("");
    let interval = interval.unwrap_or(defaults.interval);
    let settings = Settings {
        interval,
        timeout: timeout.unwrap_or_else(|| defaults.timeout.min(interval.max(Duration::from_secs(1)))),
        auth: Auth { ca, ..auth.unwrap_or_default() },
        max_body: max_body.unwrap_or(defaults.max_body),
        max_series: max_series.map_or(defaults.max_series, |count| count as usize),
        ..defaults
    };
    // What is there and wrong has been reported.
    Some((
        settings,
        endpoints.unwrap_or_else(|| Some(Vec::new()))?,
        pods.unwrap_or_else(|| Some(Vec::new()))?,
    ))
}

fn interval(interval: Duration) -> Result<Duration, Refusal> {
    if (FASTEST..=SLOWEST).contains(&interval) {
        Ok(interval)
    } else {
        Err(Refusal::new("an interval is between 250ms and 1m"))
    }
}

fn target(diags: &mut Diagnostics, node: &Node, catalog: &Catalog) -> Option<Endpoint> {
    let mut map = node.mapping(diags, "a target")?;
    let place = map.span();
    let url = map.required("url", diags, http_url);
    let has_namespace = map.get("namespace").is_some();
    let namespace = map.optional("namespace", diags, checked(string, namespace));
    let labels = map.optional("labels", diags, entries(label));
    let engine = map.optional("engine", diags, |diags, node| engine(diags, node, catalog));
    map.finish(diags);
    let url = target_url(url?);
    let namespace = namespace.or_else(|| namespace_of(&url));
    if namespace.is_none() && !has_namespace {
        diags
            .error_at(&place, "in which namespace is this target?")
            .hint("add `namespace`; only of `….svc` names it is known");
    }
    let mut pairs = labels.unwrap_or_default();
    pairs.push(("namespace".into(), namespace?.into()));
    Some(Endpoint { url, labels: Labels::new(pairs), engine })
}

/// The URL of a target, with the usual path if it has none.
pub fn target_url(mut url: Url) -> Url {
    if url.path() == "/" {
        url.set_path(USUAL_PATH);
    }
    url
}

/// The namespace in the name of a Service: `vllm.ai.svc.cluster.local` is in `ai`.
fn namespace_of(url: &Url) -> Option<String> {
    let host = url.host_str().filter(|host| host.parse::<IpAddr>().is_err())?;
    let parts: Vec<&str> = host.split('.').collect();
    let svc = parts.iter().position(|part| *part == "svc").filter(|at| *at >= 2)?;
    Some(parts[svc - 1].to_owned())
}

pub(super) fn namespace(name: String) -> Result<String, Refusal> {
    let within = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    match name.find(|c| !within(c)) {
        Some(at) => Err(Refusal::new("a namespace cannot contain this").at(at)),
        None if name.len() > 63 => Err(Refusal::new("a namespace has at most 63 characters")),
        None => Ok(name),
    }
}

fn label(diags: &mut Diagnostics, key: &Key, node: &Node) -> Option<Label> {
    let is_name = |text: &str| {
        let within = |c: char| c.is_ascii_alphanumeric() || c == '_';
        text.chars().all(within) && !text.starts_with(|c: char| c.is_ascii_digit())
    };
    if TAKEN.contains(&key.text.as_str()) {
        diags.error_at(&key.span, format!("every target has its own `{}`", key.text));
        return None;
    }
    if !is_name(&key.text) || key.text.is_empty() {
        diags.error_at(&key.span, "this cannot be the name of a label").hint("allowed are A-Z, a-z, 0-9, _");
        return None;
    }
    Some((key.text.as_str().into(), string(diags, node)?.into()))
}

pub(super) fn engine(diags: &mut Diagnostics, node: &Node, catalog: &Catalog) -> Option<Arc<str>> {
    let name = string(diags, node)?;
    let known = catalog.engines().iter().map(|engine| &engine.name);
    let found = known.clone().find(|engine| ***engine == *name).cloned();
    let refused = || {
        let names: Vec<&str> = known.map(AsRef::as_ref).collect();
        let hint = match did_you_mean(&name, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known are: {}", names.join(", ")),
        };
        Refusal::new("the catalog has no engine of this name").hint(hint)
    };
    accept(diags, node, found.ok_or_else(refused))
}
