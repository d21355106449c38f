//! `sources`: where numbers come from.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};

use crate::config::decode::{byte_size, checked, duration, http_url, integer, list, one_of, path, string};
use crate::config::units::Refusal;
use crate::config::{Diagnostics, Node, Spanned};
use crate::source::prometheus::{Auth, Settings, Text};

/// Names of the kinds of source that this build has.
const KINDS: &str = "`prometheus`";
/// A query that takes longer would outlive the refresh interval many times over.
const MAX_TIMEOUT: Duration = Duration::from_secs(30);
const BODY_BYTES: std::ops::RangeInclusive<u64> = 1 << 16..=1 << 30;
/// Headers that carry secrets, and those that the client must set itself.
const SECRET: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];
const OWN: [&str; 8] = [
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "host",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// What could be read of one source. The name alone already serves to check the metrics.
pub(super) struct Declared {
    pub(super) name: Option<Spanned<String>>,
    pub(super) settings: Option<Settings>,
}

pub(super) fn source(diags: &mut Diagnostics, node: &Node) -> Option<Declared> {
    let mut map = node.mapping(diags, "a source")?;
    let name = map.required("name", diags, crate::config::decode::spanned(source_name));
    map.get("prometheus");
    // A source of an unknown kind is one mistake, not a missing field beside an unknown one.
    let is_unknown = map.unasked().next().is_some();
    map.others(format!("the kinds of source in this build: {KINDS}"));
    let settings = if is_unknown {
        map.optional("prometheus", diags, prometheus)
    } else {
        map.required("prometheus", diags, prometheus)
    };
    map.finish(diags);
    let settings =
        name.as_ref().zip(settings).map(|(name, settings)| Settings { name: name.value.clone(), ..settings });
    Some(Declared { name, settings })
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

fn auth(diags: &mut Diagnostics, node: &Node) -> Option<Auth> {
    let mut map = node.mapping(diags, "`auth`")?;
    let scheme = map.choice(&["basic", "bearerTokenFile"], false, diags);
    let (mut user, mut token) = (None, None);
    match scheme {
        Some(("basic", node)) => user = basic(diags, node),
        Some((_, node)) => token = path(diags, node),
        None => {}
    }
    let client_certificate = map.optional("clientCertificate", diags, certificate);
    let headers = map.optional("headers", diags, list(header)).unwrap_or_default();
    map.conceal_unasked(diags);
    map.finish(diags);

    for (index, (span, name, _)) in headers.iter().enumerate() {
        if headers[..index].iter().any(|(_, other, _)| other == name) {
            diags.error_at(span, format!("the header `{name}` is already set"));
        } else if name == "authorization" && scheme.is_some() {
            diags.error_at(span, "`basic` and `bearerTokenFile` set this header already");
        }
    }
    let headers = headers.into_iter().map(|(_, name, value)| (name, value)).collect();
    Some(Auth { basic: user, bearer: token.map(Text::File), headers, client_certificate, ca: None })
}

fn basic(diags: &mut Diagnostics, node: &Node) -> Option<(Text, Text)> {
    let mut map = node.mapping(diags, "`basic`")?;
    let username = match map.choice(&["username", "usernameFile"], true, diags) {
        Some(("username", node)) => checked(string, username)(diags, node).map(Text::Literal),
        Some((_, node)) => path(diags, node).map(Text::File),
        None => None,
    };
    let inline = map.get("password");
    if let Some((key, node)) = inline {
        diags.conceal(&node.span);
        diags
            .error_at(&key.span, "a password must not stand in the configuration")
            .hint("use `passwordFile`");
    }
    // One mistake makes one report.
    let password = if inline.is_some() {
        map.optional("passwordFile", diags, path)
    } else {
        map.required("passwordFile", diags, path)
    };
    map.conceal_unasked(diags);
    map.finish(diags);
    Some((username?, Text::File(password?)))
}

fn username(name: String) -> Result<String, Refusal> {
    match name.find(':') {
        Some(at) => Err(Refusal::new("a user's name cannot contain `:`").at(at)),
        None => Ok(name),
    }
}

fn certificate(diags: &mut Diagnostics, node: &Node) -> Option<(PathBuf, PathBuf)> {
    let mut map = node.mapping(diags, "`clientCertificate`")?;
    let certificate = map.required("certFile", diags, path);
    let key = map.required("keyFile", diags, path);
    map.conceal_unasked(diags);
    map.finish(diags);
    Some((certificate?, key?))
}

fn header(diags: &mut Diagnostics, node: &Node) -> Option<(crate::config::Span, HeaderName, Text)> {
    let mut map = node.mapping(diags, "a header")?;
    let span = map.span();
    let name = map.required("name", diags, checked(string, header_name));
    let value = match map.choice(&["value", "valueFile"], true, diags) {
        Some(("value", node)) if name.as_ref().is_some_and(|name| SECRET.contains(&name.as_str())) => {
            diags.conceal(&node.span);
            diags
                .error_at(&node.span, "a secret must not stand in the configuration")
                .hint("use `valueFile`");
            None
        }
        Some(("value", node)) => checked(string, header_value)(diags, node).map(Text::Literal),
        Some((_, node)) => path(diags, node).map(Text::File),
        None => None,
    };
    map.conceal_unasked(diags);
    map.finish(diags);
    Some((span, name?, value?))
}

fn header_name(name: String) -> Result<HeaderName, Refusal> {
    match HeaderName::try_from(name) {
        Ok(name) if OWN.contains(&name.as_str()) => {
            Err(Refusal::new(format!("the client sets `{name}` itself")))
        }
        Ok(name) => Ok(name),
        Err(_) => Err(Refusal::new("this cannot be the name of a header")),
    }
}

fn header_value(value: String) -> Result<String, Refusal> {
    match HeaderValue::try_from(&value) {
        Ok(_) => Ok(value),
        Err(_) => Err(Refusal::new("this cannot be the value of a header")),
    }
}
