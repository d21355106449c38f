//! What pods may belong to: which kinds are watched, and who controls whom in a namespace.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;

use super::object::{Body, Kind, Meta};
use super::pods::PODS;
use crate::core::workload::Owner;

/// The kinds that may stand between a pod and its outermost owner. Of any other, kind and name are known from
/// what it owns, and what owns it in turn is not looked for.
pub(super) static OWNERS: [Kind; 5] = [
    owner("replicaset", "/apis/apps/v1/replicasets"),
    owner("statefulset", "/apis/apps/v1/statefulsets"),
    owner("deployment", "/apis/apps/v1/deployments"),
    owner("job", "/apis/batch/v1/jobs"),
    owner("leaderworkerset", "/apis/leaderworkerset.x-k8s.io/v1/leaderworkersets"),
];

const fn owner(name: &'static str, path: &'static str) -> Kind {
    Kind { name, path, metadata_only: true, needed: true }
}

/// So many owners are told of a pod. There are no more in practice, unless they go round in a circle.
const MOST_OWNERS: usize = 8;

/// The metadata of an object that may own others.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct OwnerObject {
    pub(super) metadata: Meta,
}

impl Body for OwnerObject {
    fn meta(&self) -> &Meta {
        &self.metadata
    }
}

/// Who controls whom in one namespace. Pods are told of by their own.
#[derive(Default)]
pub(super) struct Controllers {
    /// Of each object that has one.
    of: HashMap<Owner, Owner>,
    /// How many objects and pods name this one as theirs: of most, none does.
    named: HashMap<Owner, u32>,
}

impl Controllers {
    /// Notes what controls `object`. Whether that is news.
    pub(super) fn set(&mut self, object: Owner, controller: Option<Owner>) -> bool {
        if self.of.get(&object) == controller.as_ref() {
            return false;
        }
        if let Some(new) = &controller {
            self.name(new);
        }
        let old = match controller {
            Some(new) => self.of.insert(object, new),
            None => self.of.remove(&object),
        };
        if let Some(old) = old {
            self.unname(&old);
        }
        true
    }

    /// One more pod names this as its controller.
    pub(super) fn name(&mut self, owner: &Owner) {
        *self.named.entry(owner.clone()).or_default() += 1;
    }

    /// One pod fewer does.
    pub(super) fn unname(&mut self, owner: &Owner) {
        if let Some(count) = self.named.get_mut(owner) {
            *count -= 1;
            if *count == 0 {
                self.named.remove(owner);
            }
        }
    }

    /// Whether anything known names it as its controller.
    pub(super) fn is_named(&self, owner: &Owner) -> bool {
        self.named.contains_key(owner)
    }

    /// The objects of a kind that have a controller.
    pub(super) fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Owner> {
        self.of.keys().filter(move |object| *object.kind == *kind)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.of.is_empty() && self.named.is_empty()
    }

    /// From the nearest owner to the outermost one that is known. `pods_own` tells what controls the pod of a
    /// name: in a LeaderWorkerSet, pods own StatefulSets.
    pub(super) fn chain(&self, nearest: Owner, pods_own: impl Fn(&str) -> Option<Owner>) -> Vec<Owner> {
        let mut chain = vec![nearest];
        while let [.., last] = &chain[..]
            && chain.len() < MOST_OWNERS
        {
            let next =
                if *last.kind == *PODS.name { pods_own(&last.name) } else { self.of.get(last).cloned() };
            match next {
                Some(next) => chain.push(next),
                None => break,
            }
        }
        chain
    }
}

/// An owner of this kind, as watched kinds are named.
pub(super) fn named(kind: &Arc<str>, name: Arc<str>) -> Owner {
    Owner { kind: Arc::clone(kind), name }
}
