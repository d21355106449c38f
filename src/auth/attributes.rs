//! What a request does, in the words of RBAC: from method, path and query to verb and resource.
//!
//! Read as kube-apiserver reads the same request (its `RequestInfo`), so that one role opens both doors.
//! For the paths of the metrics APIs that gives, after `/apis/{group}/{version}`:
//!
//! | path | verb | resource/subresource | name | namespace |
//! |---|---|---|---|---|
//! | `namespaces/{ns}/{metric}` | `list` (`watch` if asked) | `{metric}` | | `{ns}` |
//! | `namespaces/{ns}/{resource}/{name}/{metric}` | `get` | `{resource}/{metric}` | `{name}` | `{ns}` |
//! | `namespaces/{ns}/metrics/{metric}` | `get` | `metrics` | `{metric}` | `{ns}` |
//! | `{resource}/{name}/{metric}` | `get` | `{resource}/{metric}` | `{name}` | |
//! | `namespaces/{ns}/status` | `get` | `namespaces/status` | `{ns}` | `{ns}` |
//!
//! The last line is why a metric cannot be called `status` or `finalize`: RBAC would take it for a part of
//! the namespace. A name of `*` is that name and no wildcard. Everything shorter is a path, reviewed under
//! the method in lower case. We differ in two points, both towards refusing: `fieldSelector` does not give
//! a request a name, and the verbs-in-the-path of old (`watch/…`, `proxy/…`) are not found.
//!
//! A part of a path has one spelling here: escapes of what needs none, empty parts, `.`, `..` and escaped
//! slashes are refused, so that the review and the router never read two different things.

use std::borrow::Cow;

use http::{Method, Uri};
use percent_encoding::percent_decode_str;

use super::identity::{Fields, Key};

/// Parts of a namespace that RBAC knows, and which are no resources in it.
const NAMESPACE_PARTS: [&str; 2] = ["status", "finalize"];

/// What a request does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes<'a> {
    /// `get`, `list`, …
    pub verb: Cow<'a, str>,
    /// What it is done to.
    pub subject: Subject<'a>,
}

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    /// A path outside the resource APIs, decoded.
    Path(Cow<'a, str>),
    /// A resource.
    Resource(Resource<'a>),
}

/// A resource of an API, each part decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource<'a> {
    /// The API group.
    pub group: Cow<'a, str>,
    /// The group's version.
    pub version: Cow<'a, str>,
    /// The namespace, if any.
    pub namespace: Option<Cow<'a, str>>,
    /// The resource; for external metrics the metric's name.
    pub resource: Cow<'a, str>,
    /// The object, if one is named.
    pub name: Option<Cow<'a, str>>,
    /// The part of the object; for objects' metrics the metric's name.
    pub subresource: Option<Cow<'a, str>>,
    /// `labelSelector` as it stands in the query, still encoded, of verbs that honour one.
    pub selector: Option<&'a str>,
}

/// Why a path is not even reviewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It has a part that could be read in two ways.
    #[error("the path has an empty part, a relative one, or an escape that it should not have")]
    Ambiguous,
    /// Nothing is ever served there.
    #[error("nothing is served under that path")]
    Unknown,
}

impl<'a> Attributes<'a> {
    /// Reads a request. Allocates only for parts that hold escapes.
    pub fn read(method: &'a Method, uri: &'a Uri) -> Result<Self, PathError> {
        let path = uri.path();
        let inner = path.strip_prefix('/').ok_or(PathError::Ambiguous)?;
        // One slash at the end is allowed and says nothing.
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        if path != "/" && !inner.split('/').all(is_unambiguous) {
            return Err(PathError::Ambiguous);
        }
        let mut parts = inner.split('/');
        if parts.next() != Some("apis") || inner.split('/').count() < 4 {
            let path = decode(path)?;
            return Ok(Self { verb: lower_case(method), subject: Subject::Path(path) });
        }
        let mut part = || parts.next().map(decode).transpose();
        let (Some(group), Some(version), Some(mut resource)) = (part()?, part()?, part()?) else {
            return Err(PathError::Unknown);
        };
        if resource == "watch" || resource == "proxy" {
            return Err(PathError::Unknown);
        }
        let (mut name, mut subresource) = (part()?, part()?);
        let mut namespace = None;
        if resource == "namespaces" {
            namespace.clone_from(&name);
            if let Some(inside) = subresource.take_if(|part| !NAMESPACE_PARTS.contains(&&**part)) {
                resource = inside;
                name = part()?;
                subresource = part()?;
            }
        }
        // What is served is what was reviewed, and no path has more parts than these.
        if parts.next().is_some() {
            return Err(PathError::Unknown);
        }
        let verb = verb(method, name.is_some(), uri.query());
        let selector = matches!(verb, "list" | "watch" | "deletecollection")
            .then(|| parameter(uri.query(), "labelSelector"))
            .flatten();
        let resource = Resource { group, version, namespace, resource, name, subresource, selector };
        Ok(Self { verb: verb.into(), subject: Subject::Resource(resource) })
    }

    /// The same for two requests of one user of which an authorizer must say the same.
    pub(super) fn key(&self) -> Key {
        let mut key = Fields::new();
        key.add(self.verb.as_bytes());
        match &self.subject {
            Subject::Path(path) => key.add(path.as_bytes()),
            Subject::Resource(it) => {
                key.add(it.group.as_bytes());
                key.add(it.version.as_bytes());
                key.add(it.resource.as_bytes());
                for part in [&it.namespace, &it.name, &it.subresource] {
                    key.add_option(part.as_deref().map(str::as_bytes));
                }
                key.add_option(it.selector.map(str::as_bytes));
            }
        }
        key.end()
    }
}

impl Resource<'_> {
    /// The label selector's text, decoded; `None` if there is none or an empty one.
    pub fn selector(&self) -> Option<String> {
        // Behind a name, since a value may hold a bare `=`.
        let pair = format!("labelSelector={}", self.selector?);
        let (_, text) = form_urlencoded::parse(pair.as_bytes()).next()?;
        (!text.is_empty()).then(|| text.into_owned())
    }
}

/// Whether a part of a path has only one spelling and stays one part when it is decoded.
fn is_unambiguous(part: &str) -> bool {
    if part.is_empty() || part == "." || part == ".." {
        return false;
    }
    let mut escapes = part.split('%');
    // What stands before the first escape.
    escapes.next();
    let sound = escapes.all(|rest| {
        let byte = rest.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        byte.is_some_and(|byte| {
            let unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            // `+1` would pass for a number.
            !rest.starts_with('+') && !unreserved && byte != b'/' && !byte.is_ascii_control()
        })
    });
    // There are control characters beyond ASCII, too.
    sound && decode(part).is_ok_and(|text| !text.contains(char::is_control))
}

fn decode(part: &str) -> Result<Cow<'_, str>, PathError> {
    percent_decode_str(part).decode_utf8().map_err(|_| PathError::Ambiguous)
}

fn lower_case(method: &Method) -> Cow<'_, str> {
    match *method {
        Method::GET => "get".into(),
        Method::HEAD => "head".into(),
        Method::POST => "post".into(),
        _ => method.as_str().to_ascii_lowercase().into(),
    }
}

fn verb(method: &Method, named: bool, query: Option<&str>) -> &'static str {
    match *method {
        Method::GET | Method::HEAD if named => "get",
        Method::GET | Method::HEAD => match parameter(query, "watch") {
            None => "list",
            Some(value) if value.eq_ignore_ascii_case("false") || value == "0" => "list",
            Some(_) => "watch",
        },
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if named => "delete",
        Method::DELETE => "deletecollection",
        _ => "",
    }
}

/// The first value of a query parameter, still encoded.
fn parameter<'q>(query: Option<&'q str>, name: &str) -> Option<&'q str> {
    query?.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (key, _) = form_urlencoded::parse(key.as_bytes()).next()?;
        (key == name).then_some(value)
    })
}

#[cfg(test)]
mod tests;
