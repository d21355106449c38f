//! Reading all metrics of a group: asked for the HPA controller at once.
//!
//! The controller asks for each autoscaler with a selector of its own. Word for word, ten thousand autoscalers
//! would be ten thousand reviews twice a minute. In a review `*` and no namespace mean all of them
//! ([ResourceAttributes]), so a yes to this is a yes to each, and RBAC gives it only to a ClusterRoleBinding whose
//! rule has `*` for resources, as the one that we install. It counts only for what the front proxy passes on:
//! that was reviewed word for word by kube-apiserver already, with whatever authorizers it has.
//!
//! [ResourceAttributes]: https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/subject-access-review-v1/

use super::attributes::{Attributes, Resource, Subject};
use super::identity::Key;
use crate::api::types::{CUSTOM_GROUP, EXTERNAL_GROUP};

/// How an HPA's metrics are read: under this verb in this group.
const KINDS: [(&str, &str); 2] = [(EXTERNAL_GROUP, "list"), (CUSTOM_GROUP, "get")];

/// The kinds of requests that can be reviewed all at once.
#[derive(Debug)]
pub(super) struct Kinds([Key; KINDS.len()]);

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind(usize);

impl Kinds {
    pub(super) fn new() -> Self {
        Self(std::array::from_fn(|index| Kind(index).attributes().key()))
    }

    /// [`Attributes::key`] of all of this kind.
    pub(super) fn key(&self, kind: Kind) -> &Key {
        &self.0[kind.0]
    }
}

impl Kind {
    /// The kind that this is one of.
    pub(super) fn of(attributes: &Attributes<'_>) -> Option<Self> {
        let Subject::Resource(it) = &attributes.subject else { return None };
        let asked = (&*it.group, &*attributes.verb);
        KINDS.iter().position(|kind| *kind == asked).map(Self)
    }

    /// What to ask for all of this kind.
    pub(super) fn attributes(self) -> Attributes<'static> {
        let (group, verb) = KINDS[self.0];
        let subject = Subject::Resource(Resource {
            group: group.into(),
            version: "*".into(),
            namespace: None,
            resource: "*".into(),
            name: None,
            subresource: None,
            selector: None,
        });
        Attributes { verb: verb.into(), subject }
    }
}
