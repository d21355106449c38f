//! `auth`: how requests to a source are authenticated. Secrets are in files, never in the configuration.

use std::path::PathBuf;

use reqwest::header::{HeaderName, HeaderValue};

use crate::config::decode::{MapDecoder, checked, list, path, string};
use crate::config::units::Refusal;
use crate::config::{Diagnostics, Node};
use crate::source::{Auth, Text};

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

pub(super) fn auth(diags: &mut Diagnostics, node: &Node) -> Option<Auth> {
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
    let password = password(diags, &mut map, true);
    map.conceal_unasked(diags);
    map.finish(diags);
    Some((username?, Text::File(password?)))
}

/// The file of a password, which must not stand in the configuration itself.
pub(super) fn password(diags: &mut Diagnostics, map: &mut MapDecoder<'_>, needed: bool) -> Option<PathBuf> {
    let inline = map.get("password");
    if let Some((key, node)) = inline {
        diags.conceal(&node.span);
        diags
            .error_at(&key.span, "a password must not stand in the configuration")
            .hint("use `passwordFile`");
    }
    // One mistake makes one report.
    if inline.is_none() && needed {
        map.required("passwordFile", diags, path)
    } else {
        map.optional("passwordFile", diags, path)
    }
}

fn username(name: String) -> Result<String, Refusal> {
    match name.find(':') {
        Some(at) => Err(Refusal::new("a user's name cannot contain `:`").at(at)),
        None => Ok(name),
    }
}

pub(super) fn certificate(diags: &mut Diagnostics, node: &Node) -> Option<(PathBuf, PathBuf)> {
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
