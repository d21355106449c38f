//! Who is asking, as the API server will be told.

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest as _, Sha256};

/// The group of everyone whose identity is known.
pub const AUTHENTICATED: &str = "system:authenticated";

/// The group that kube-apiserver gives to those it lets pass without an identity.
pub const UNAUTHENTICATED: &str = "system:unauthenticated";

/// The group that may do everything.
pub const MASTERS: &str = "system:masters";

/// A SHA-256 digest, by which caches know users and requests.
pub(super) type Key = [u8; 32];

/// What an authenticator knows of a caller besides the name: further facts for the authorizer, by key.
pub type Extra = BTreeMap<String, Vec<String>>;

/// A caller whose identity is known.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    name: String,
    uid: Option<String>,
    groups: Vec<String>,
    extra: Extra,
    key: Key,
}

impl User {
    /// A user with these groups and [`AUTHENTICATED`], which the aggregator leaves out when it asks for
    /// itself. A user that kube-apiserver calls unauthenticated stays that.
    pub fn new(name: String, uid: Option<String>, mut groups: Vec<String>, extra: Extra) -> Self {
        if !groups.iter().any(|group| group == AUTHENTICATED || group == UNAUTHENTICATED) {
            groups.push(AUTHENTICATED.to_owned());
        }
        let mut key = Fields::new();
        key.add(name.as_bytes());
        key.add_option(uid.as_deref().map(str::as_bytes));
        key.count(groups.len());
        for group in &groups {
            key.add(group.as_bytes());
        }
        for (name, values) in &extra {
            key.add(name.as_bytes());
            key.count(values.len());
            for value in values {
                key.add(value.as_bytes());
            }
        }
        Self { key: key.end(), name, uid, groups, extra }
    }

    /// The name, such as `system:serviceaccount:team:name`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What tells two users of one name apart, where the authenticator has it.
    pub fn uid(&self) -> Option<&str> {
        self.uid.as_deref()
    }

    /// The groups, in the authenticator's order.
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// Further facts.
    pub fn extra(&self) -> &Extra {
        &self.extra
    }

    /// Whether the user is in this group.
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|one| one == group)
    }

    /// The same for two users that no authorizer can tell apart, and only for them.
    pub(super) fn key(&self) -> &Key {
        &self.key
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("name", &self.name)
            .field("uid", &self.uid)
            .field("groups", &self.groups)
            .field("extra", &self.extra)
            .finish_non_exhaustive()
    }
}

/// Takes bytes, one piece after the other.
pub(super) trait Sink {
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Sha256 {
    fn put(&mut self, bytes: &[u8]) {
        self.update(bytes);
    }
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// What is left of bytes of which all that was put is the beginning, if it is.
pub(super) struct Rest<'a>(pub(super) Option<&'a [u8]>);

impl Sink for Rest<'_> {
    fn put(&mut self, bytes: &[u8]) {
        self.0 = self.0.and_then(|rest| rest.strip_prefix(bytes));
    }
}

/// Writes a list of fields, to a digest if not said otherwise, so that no two different lists give the same bytes.
pub(super) struct Fields<S = Sha256>(pub(super) S);

impl Fields {
    pub(super) fn new() -> Self {
        Self(Sha256::new())
    }

    pub(super) fn end(self) -> Key {
        self.0.finalize().into()
    }
}

impl<S: Sink> Fields<S> {
    /// A field, with its length before it.
    pub(super) fn add(&mut self, field: &[u8]) {
        self.count(field.len());
        self.0.put(field);
    }

    /// A field that may be absent, which is not the same as empty.
    pub(super) fn add_option(&mut self, field: Option<&[u8]>) {
        self.count(usize::from(field.is_some()));
        if let Some(field) = field {
            self.add(field);
        }
    }

    /// How many fields follow.
    pub(super) fn count(&mut self, count: usize) {
        self.0.put(&(count as u64).to_be_bytes());
    }
}
