//! `sources`: where numbers come from.

use std::time::Duration;

use crate::catalog::Catalog;
use crate::config::decode::{byte_size, checked, duration, http_url, integer, one_of, path, string};
use crate::config::units::Refusal;
use crate::config::{Diagnostics, Node, Span, Spanned, Value};
use crate::source::prometheus::Settings;
use crate::source::{Auth, Definition};

use self::auth::auth;
pub use self::scrape::target_url;

mod auth;
mod pods;
mod redis;
mod scrape;

/// A query that takes longer would outlive the refresh interval many times over.
const MAX_TIMEOUT: Duration = Duration::from_secs(30);
const BODY_BYTES: std::ops::RangeInclusive<u64> = 1 << 16..=1 << 30;

/// What could be read of one source. The name alone already serves to check the metrics.
pub(super) struct Declared {
    pub(super) name: Option<Spanned<String>>,
    pub(super) knows_promql: bool,
    /// Of a Redis: whether it is said whose its keys are.
    pub(super) redis: Option<bool>,
    pub(super) definition: Option<Definition>,
    /// Where it names pods.
    pub(super) pods_at: Option<Span>,
}

pub(super) fn source(diags: &mut Diagnostics, node: &Node, catalog: &Catalog) -> Option<Declared> {
    let mut map = node.mapping(diags, "a source")?;
    let name = map.required("name", diags, crate::config::decode::spanned(source_name));
    let (has_prometheus, has_scrape) = (map.get("prometheus").is_some(), map.get("scrape").is_some());
    let redis_node = map.get("redis").map(|(_, node)| node);
    // A source of an unknown kind is one mistake, not a missing field beside an unknown one.
    let is_known = has_prometheus || has_scrape || redis_node.is_some() || map.unasked().next().is_none();
    map.others("the kinds of source in this build: `prometheus`, `scrape`, `redis`");
    let kind = map.choice(&["prometheus", "scrape", "redis"], is_known, diags);
    let own_name = || name.as_ref().map(|name| name.value.clone()).unwrap_or_default();
    let definition = match kind {
        Some(("prometheus", node)) => prometheus(diags, node)
            .map(|settings| Definition::Prometheus(Settings { name: own_name(), ..settings })),
        Some(("redis", node)) => redis::redis(diags, node).map(|settings| {
            Definition::Redis(crate::source::redis::Settings { name: own_name(), ..settings })
        }),
        Some((_, node)) => scrape::scrape(diags, node, catalog).map(|(settings, endpoints, pods)| {
            let settings = crate::source::scrape::Settings { name: own_name(), ..settings };
            Definition::Scrape(settings, endpoints, pods)
        }),
        None => None,
    };
    map.finish(diags);
    let definition = definition.filter(|_| name.is_some());
    let pods_at = node.field("scrape").and_then(|scrape| place_of(scrape, "pods"));
    let redis = redis_node.map(|node| node.field("namespace").is_some());
    Some(Declared { name, knows_promql: !has_scrape && redis.is_none(), redis, definition, pods_at })
}

/// Where a field of a mapping is named.
fn place_of(node: &Node, field: &str) -> Option<Span> {
    let Value::Mapping(entries) = &node.value else { return None };
    entries.iter().find(|(key, _)| key.text == field).map(|(key, _)| key.span)
}

/// A name that reads well in messages and as a label's value.
pub(super) fn source_name(diags: &mut Diagnostics, node: &Node) -> Option<String> {
    checked(string, |name| {
        let within = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        match name.char_indices().find(|(_, c)| !within(*c)) {
            Some((at, _)) => Err(Refusal::new("a source's name cannot contain this")
                .at(at)
                .hint("allowed are a-z, 0-9, -")),
            None if name.len() > 63 => Err(Refusal::new("a source's name has at most 63 characters")),
            None => Ok(name),
        }
    })(diags, node)
}

fn prometheus(diags: &mut Diagnostics, node: &Node) -> Option<Settings> {
    let mut map = node.mapping(diags, "`prometheus`")?;
    let url = map.required("url", diags, http_url);
    let timeout = map.optional("timeout", diags, checked(duration, timeout));
    let max_body = map.optional("maxBodyBytes", diags, checked(byte_size, body_bytes));
    let max_series = map.optional("maxSeries", diags, integer(1..=10_000_000));
    let partial = map.optional("partialAnswers", diags, one_of(&[("refuse", false), ("accept", true)]));
    let auth_node = map.get("auth").map(|(_, node)| node);
    let auth = auth_node.and_then(|node| auth(diags, node));
    let ca = map.get("caFile").map(|(key, node)| (key.span, path(diags, node)));
    map.conceal_unasked(diags);
    map.finish(diags);

    let url = url?;
    if url.scheme() == "http"
        && let Some((span, _)) = &ca
    {
        diags.warning_at(span, "`caFile` has no effect without TLS").hint("write the url with https://");
    }
    let defaults = Settings::new("", url);
    Some(Settings {
        auth: Auth { ca: ca.and_then(|(_, path)| path), ..auth.unwrap_or_default() },
        timeout: timeout.unwrap_or(defaults.timeout),
        max_body: max_body.unwrap_or(defaults.max_body),
        max_series: max_series.map_or(defaults.max_series, |count| count as usize),
        accept_partial: partial.unwrap_or(defaults.accept_partial),
        ..defaults
    })
}

fn timeout(timeout: Duration) -> Result<Duration, Refusal> {
    if timeout <= MAX_TIMEOUT { Ok(timeout) } else { Err(Refusal::new("a timeout is at most 30s")) }
}

fn body_bytes(bytes: u64) -> Result<usize, Refusal> {
    match usize::try_from(bytes) {
        Ok(size) if BODY_BYTES.contains(&bytes) => Ok(size),
        _ => Err(Refusal::new("this must be between 64KiB and 1GiB")),
    }
}
