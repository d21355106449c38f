//! The identity that kube-apiserver passes on in headers. Whoever calls this has verified that the
//! connection is the front proxy's.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use http::{HeaderMap, HeaderName, HeaderValue};
use moka::sync::Cache;
use sha2::{Digest as _, Sha256};

use super::identity::{Fields, Key, Rest, Sink, User};
use super::trust::FrontProxy;

/// Bytes of users that are kept: each request bears all of a user, and most bear the same few.
const MOST_BYTES: u64 = 8 * 1024 * 1024;

/// Whom the headers name.
#[derive(Debug)]
pub(super) enum Named {
    /// This user.
    User(Arc<User>),
    /// Nobody: the front proxy asks in no one's name.
    Nobody,
    /// More than one, or nobody by an empty name.
    Unclear,
}

/// Reads users from headers, and remembers them.
#[derive(Debug)]
pub(super) struct Users {
    known: Cache<Key, Arc<User>>,
    /// Who asked last, since nearly all who ask are one: the HPA controller.
    last: ArcSwapOption<Last>,
}

#[derive(Debug)]
struct Last {
    fields: Vec<u8>,
    user: Arc<User>,
}

impl Users {
    pub(super) fn new() -> Self {
        let known = Cache::builder()
            .max_capacity(MOST_BYTES)
            .weigher(|_key, user: &Arc<User>| u32::try_from(weight(user)).unwrap_or(u32::MAX))
            .build();
        Self { known, last: ArcSwapOption::empty() }
    }

    /// Whom these headers name. Allocates nothing for a user that was seen before.
    pub(super) fn read(&self, proxy: &FrontProxy, headers: &HeaderMap) -> Named {
        // The first of the listed headers that is there decides; the others are not looked at.
        let Some(name) = proxy.user.iter().find(|name| headers.contains_key(*name)) else {
            return Named::Nobody;
        };
        let Some(name) = only(headers, name).filter(|name| !name.is_empty()) else {
            return Named::Unclear;
        };
        let uid = match proxy.uid.iter().find(|uid| headers.contains_key(*uid)) {
            Some(header) => match only(headers, header) {
                Some(uid) => Some(uid).filter(|uid| !uid.is_empty()),
                None => return Named::Unclear,
            },
            None => None,
        };
        let told = Told { proxy, headers, name, uid };
        if let Some(last) = &*self.last.load()
            && told.is(&last.fields)
        {
            return Named::User(Arc::clone(&last.user));
        }
        let key = told.digest();
        if let Some(user) = self.known.get(&key) {
            self.last.store(Some(Arc::new(Last { fields: told.bytes(), user: Arc::clone(&user) })));
            return Named::User(user);
        }
        let Some(user) = build(proxy, headers, name, uid) else { return Named::Unclear };
        let user = Arc::new(user);
        self.known.insert(key, Arc::clone(&user));
        Named::User(user)
    }

    #[cfg(test)]
    pub(super) fn kept_bytes(&self) -> u64 {
        self.known.run_pending_tasks();
        self.known.weighted_size()
    }
}

/// The one value of a header, if it is one and text.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| text(value)).flatten()
}

fn text(value: &HeaderValue) -> Option<&str> {
    std::str::from_utf8(value.as_bytes()).ok()
}

fn groups<'a>(proxy: &'a FrontProxy, headers: &'a HeaderMap) -> impl Iterator<Item = &'a HeaderValue> {
    proxy.groups.iter().flat_map(|name| headers.get_all(name)).filter(|value| !value.is_empty())
}

/// What follows the prefix, and the value.
fn extras<'a>(
    proxy: &'a FrontProxy,
    headers: &'a HeaderMap,
) -> impl Iterator<Item = (&'a str, &'a HeaderValue)> {
    proxy.extra.iter().flat_map(move |prefix| {
        headers.iter().filter_map(move |(name, value)| Some((name.as_str().strip_prefix(&**prefix)?, value)))
    })
}

/// All that the headers tell of a user.
#[derive(Clone, Copy)]
struct Told<'a> {
    proxy: &'a FrontProxy,
    headers: &'a HeaderMap,
    name: &'a str,
    uid: Option<&'a str>,
}

impl Told<'_> {
    fn write<S: Sink>(self, sink: S) -> Fields<S> {
        let Self { proxy, headers, name, uid } = self;
        let mut fields = Fields(sink);
        fields.add(name.as_bytes());
        fields.add_option(uid.map(str::as_bytes));
        fields.count(groups(proxy, headers).count());
        groups(proxy, headers).for_each(|group| fields.add(group.as_bytes()));
        for (name, value) in extras(proxy, headers) {
            fields.add(name.as_bytes());
            fields.add(value.as_bytes());
        }
        fields
    }

    fn digest(self) -> Key {
        self.write(Sha256::new()).end()
    }

    fn bytes(self) -> Vec<u8> {
        self.write(Vec::new()).0
    }

    /// Whether these are its bytes.
    fn is(self, bytes: &[u8]) -> bool {
        self.write(Rest(Some(bytes))).0.0 == Some(&[])
    }
}

/// The user; `None` if a part is not text. Nothing is left out for that, since a group or a fact may be
/// one that takes rights away.
fn build(proxy: &FrontProxy, headers: &HeaderMap, name: &str, uid: Option<&str>) -> Option<User> {
    let groups =
        groups(proxy, headers).map(|value| text(value).map(str::to_owned)).collect::<Option<Vec<_>>>()?;
    let mut extra = BTreeMap::<String, Vec<String>>::new();
    for (encoded, value) in extras(proxy, headers) {
        // Header names are in lower case already.
        extra.entry(unescape(encoded)?).or_default().push(text(value)?.to_owned());
    }
    Some(User::new(name.to_owned(), uid.map(str::to_owned), groups, extra))
}

/// The key of a further fact. One that is not encoded as it should be is taken as it stands, as in Go.
fn unescape(encoded: &str) -> Option<String> {
    let bytes = encoded.as_bytes();
    let sound = encoded.match_indices('%').all(|(at, _)| {
        bytes.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    let key = if sound {
        percent_encoding::percent_decode_str(encoded).decode_utf8().ok()?.into_owned()
    } else {
        encoded.to_owned()
    };
    (!key.is_empty()).then_some(key)
}

fn weight(user: &User) -> usize {
    let extra =
        user.extra().iter().map(|(key, values)| key.len() + values.iter().map(String::len).sum::<usize>());
    // What holds the parts weighs as well.
    512 + user.name().len()
        + user.groups().iter().map(|group| group.len() + 24).sum::<usize>()
        + extra.sum::<usize>()
}
