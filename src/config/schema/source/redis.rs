//! `redis`: a Redis whose keys are read.

use reqwest::Url;

use super::auth::{certificate, password};
use super::scrape::namespace;
use crate::config::decode::{MapDecoder, accept, boolean, checked, duration, integer, list, path, string};
use crate::config::source::quoted;
use crate::config::units::Refusal;
use crate::config::{Diagnostics, Node};
use crate::source::redis::{Address, Mode, Settings};
use crate::source::{Auth, Text};

/// The port of a server, if none is written, and that of a Sentinel.
const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;
/// More than anybody configures.
const MAX_DATABASE: u64 = 65_535;
/// The user of whom nothing but the password is said.
const DEFAULT_USER: &str = "default";

pub(super) fn redis(diags: &mut Diagnostics, node: &Node) -> Option<Settings> {
    let mut map = node.mapping(diags, "`redis`")?;
    let place = match map.choice(&["url", "sentinel", "cluster"], true, diags) {
        Some(("url", node)) => url(diags, node),
        Some(("sentinel", node)) => sentinel(diags, node),
        Some((_, node)) => cluster(diags, node),
        None => None,
    };
    let has_url = map.get("url").is_some();
    let tls = map.get("tls").map(|(key, node)| (key, boolean(diags, node)));
    if let Some((key, _)) = &tls
        && has_url
    {
        diags
            .error_at(&key.span, "a URL says by itself whether TLS is spoken")
            .hint("write it with rediss://");
    }
    let namespace = map.optional("namespace", diags, checked(string, namespace));
    let auth_node = map.get("auth");
    let auth = auth_node.and_then(|(_, node)| auth(diags, node));
    let ca = map.get("caFile");
    let timeout = map.optional("timeout", diags, checked(duration, super::timeout));
    let ca_path = ca.and_then(|(_, node)| path(diags, node));
    map.conceal_unasked(diags);
    map.finish(diags);

    let Place { mode, tls: is_rediss, database } = place?;
    let tls = is_rediss || tls.is_some_and(|(_, tls)| tls == Some(true));
    if let Some((key, _)) = ca
        && !tls
    {
        let hint = if has_url { "write the url with rediss://" } else { "add `tls: true`" };
        diags.warning_at(&key.span, "`caFile` has no effect without TLS").hint(hint);
    }
    let defaults = Settings::new("", mode);
    Some(Settings {
        tls,
        database,
        auth: Auth { ca: ca_path, ..auth.unwrap_or_default() },
        timeout: timeout.unwrap_or(defaults.timeout),
        namespace: namespace.map(Into::into),
        ..defaults
    })
}

/// What `url`, `sentinel` or `cluster` says.
struct Place {
    mode: Mode,
    tls: bool,
    database: u16,
}

fn url(diags: &mut Diagnostics, node: &Node) -> Option<Place> {
    let text = string(diags, node)?;
    accept(diags, node, parse_url(&text))
}

fn parse_url(text: &str) -> Result<Place, Refusal> {
    const LIKE: &str = "write it like `redis://redis.jobs:6379/0`, or with rediss:// for TLS";
    let wrong = || Refusal::new(format!("expected a redis or rediss URL, found {}", quoted(text))).hint(LIKE);
    let url = Url::parse(text).map_err(|_| wrong())?;
    if !matches!(url.scheme(), "redis" | "rediss") {
        return Err(wrong());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Refusal::new("a URL must not contain credentials").hint("use `auth` for them"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Refusal::new("this URL has no query or fragment").hint(LIKE));
    }
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(wrong)?;
    let database = match url.path().trim_start_matches('/') {
        "" => 0,
        number => number
            .parse()
            .map_err(|_| Refusal::new("the path of this URL is the number of a database").hint(LIKE))?,
    };
    let address = Address { host: bare(host), port: url.port().unwrap_or(PORT) };
    Ok(Place { mode: Mode::Single(address), tls: url.scheme() == "rediss", database })
}

fn bare(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches(']').to_owned()
}

fn sentinel(diags: &mut Diagnostics, node: &Node) -> Option<Place> {
    let mut map = node.mapping(diags, "`sentinel`")?;
    let master = map.required("masterName", diags, string);
    let addresses = map.required("addresses", diags, |diags, node| addresses(diags, node, SENTINEL_PORT));
    let database = map.optional("database", diags, integer(0..=MAX_DATABASE));
    let auth_node = map.get("auth");
    let login = auth_node.and_then(|(_, node)| login(diags, node));
    map.conceal_unasked(diags);
    map.finish(diags);
    Some(Place {
        mode: Mode::Sentinel { master: master?, addresses: addresses?, login },
        tls: false,
        database: database.unwrap_or(0) as u16,
    })
}

fn cluster(diags: &mut Diagnostics, node: &Node) -> Option<Place> {
    let mut map = node.mapping(diags, "`cluster`")?;
    let addresses = map.required("addresses", diags, |diags, node| addresses(diags, node, PORT));
    map.conceal_unasked(diags);
    map.finish(diags);
    Some(Place { mode: Mode::Cluster(addresses?), tls: false, database: 0 })
}

fn addresses(diags: &mut Diagnostics, node: &Node, port: u16) -> Option<Vec<Address>> {
    let addresses = list(|diags, node| concealed(diags, node, port))(diags, node)?;
    if addresses.is_empty() {
        diags.error_at(&node.span, "`addresses` names none").hint("write `addresses: [host:port]`");
        return None;
    }
    Some(addresses)
}

/// An address; what is none may hold a password.
fn concealed(diags: &mut Diagnostics, node: &Node, port: u16) -> Option<Address> {
    let text = string(diags, node)?;
    if text.contains('@') {
        diags.conceal(&node.span);
    }
    accept(diags, node, address(&text, port))
}

fn address(text: &str, port: u16) -> Result<Address, Refusal> {
    let hint = || format!("write it like `redis-0.redis:{port}`");
    if text.contains("://") {
        return Err(
            Refusal::new("this is an address, not a URL").hint(format!("{}; for TLS, `tls: true`", hint()))
        );
    }
    if text.contains('@') {
        return Err(Refusal::new("an address must not contain credentials").hint("use `auth` for them"));
    }
    let wrong = || Refusal::new(format!("expected an address, found {}", quoted(text))).hint(hint());
    let url = Url::parse(&format!("redis://{text}")).map_err(|_| wrong())?;
    let has_more = !url.path().is_empty() || url.query().is_some() || url.fragment().is_some();
    match url.host_str().filter(|host| !host.is_empty() && !has_more) {
        Some(host) => Ok(Address { host: bare(host), port: url.port().unwrap_or(port) }),
        None => Err(wrong()),
    }
}

fn auth(diags: &mut Diagnostics, node: &Node) -> Option<Auth> {
    let mut map = node.mapping(diags, "`auth`")?;
    let client_certificate = map.optional("clientCertificate", diags, certificate);
    // A certificate may do without a password, as far as the server is concerned.
    let basic = login_of(diags, &mut map, client_certificate.is_none());
    map.conceal_unasked(diags);
    map.finish(diags);
    Some(Auth { basic, client_certificate, ..Auth::default() })
}

fn login(diags: &mut Diagnostics, node: &Node) -> Option<(Text, Text)> {
    let mut map = node.mapping(diags, "`auth`")?;
    let login = login_of(diags, &mut map, true);
    map.conceal_unasked(diags);
    map.finish(diags);
    login
}

fn login_of(diags: &mut Diagnostics, map: &mut MapDecoder<'_>, needed: bool) -> Option<(Text, Text)> {
    let user = map.choice(&["username", "usernameFile"], false, diags);
    let password = password(diags, map, needed || user.is_some());
    let user = match user {
        Some(("username", node)) => string(diags, node).map(Text::Literal),
        Some((_, node)) => path(diags, node).map(Text::File),
        None => Some(Text::Literal(DEFAULT_USER.to_owned())),
    };
    Some((user?, Text::File(password?)))
}
