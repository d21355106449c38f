//! Any bytes, read as the headers of a request, one a line.

use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Named, Users};
use crate::auth::certificate::fuzz::authority;
use crate::auth::layer::bare;
use crate::auth::token::{Brought, brought};
use crate::auth::trust::{FrontProxy, Trust};

/// As Kubernetes sets it up, with one more header for the user's name.
static TRUST: LazyLock<Trust> = LazyLock::new(|| {
    let names = |names: &[&'static str]| names.iter().map(|name| HeaderName::from_static(name)).collect();
    let front_proxy = FrontProxy {
        authorities: authority(),
        names: Vec::new(),
        user: names(&["x-remote-user", "x-forwarded-user"]),
        uid: names(&["x-remote-uid"]),
        groups: names(&["x-remote-group"]),
        extra: vec!["x-remote-extra-".to_owned()],
    };
    Trust { front_proxy: Some(front_proxy), ..Trust::default() }
});

/// A user is who one header names, in the groups that headers name, and the same when asked for again;
/// and behind the door no header tells of identity.
pub(crate) fn check(bytes: &[u8]) {
    let proxy = TRUST.front_proxy.as_ref().expect("it is set up");
    let mut headers = read(bytes);
    let users = Users::new();
    match users.read(proxy, &headers) {
        Named::User(user) => {
            let name = proxy.user.iter().find(|name| headers.contains_key(*name)).expect("it was named");
            let all: Vec<&HeaderValue> = headers.get_all(name).iter().collect();
            assert!(all.len() == 1 && all[0].as_bytes() == user.name().as_bytes() && !user.name().is_empty());
            let groups = headers.get_all("x-remote-group").iter().filter(|group| !group.is_empty()).count();
            assert!((groups..=groups + 1).contains(&user.groups().len()));
            let facts = headers.keys().filter(|name| name.as_str().starts_with("x-remote-extra-")).count();
            assert!(user.extra().len() <= facts && user.extra().keys().all(|key| !key.is_empty()));
            assert_eq!(user.uid().is_some(), headers.get("x-remote-uid").is_some_and(|uid| !uid.is_empty()));
            let Named::User(again) = users.read(proxy, &headers) else { panic!("once only") };
            assert_eq!(user, again);
        }
        Named::Nobody => assert!(!proxy.user.iter().any(|name| headers.contains_key(name))),
        Named::Unclear => {}
    }
    if let Brought::Token(token) = brought(&headers) {
        assert!(!token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic() || byte == b'\t'));
        let value = headers["authorization"].to_str().expect("a token is text");
        assert!(value[..6].eq_ignore_ascii_case("bearer") && value.contains(token));
    }
    bare(&mut headers);
    let tells = |name: &HeaderName| {
        name.as_str().starts_with("x-remote-")
            || matches!(name.as_str(), "x-forwarded-user" | "authorization")
    };
    assert!(!headers.keys().any(tells), "{headers:?}");
}

fn read(bytes: &[u8]) -> HeaderMap {
    let lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (HeaderName::from_bytes(&line[..colon]).ok()?, line[colon + 1..].trim_ascii());
        Some((name, HeaderValue::from_bytes(value).ok()?))
    });
    let mut headers = HeaderMap::new();
    // More than a server takes.
    lines.take(200).for_each(|(name, value)| _ = headers.append(name, value));
    headers
}
