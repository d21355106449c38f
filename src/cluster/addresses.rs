//! Which pod an address belongs to. Addresses are used again: where two pods seem to have one, it is the
//! younger pod's.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::Arc;

use crate::core::workload::Pod;

/// A pod that says that it has an address.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub(super) pod: Arc<Pod>,
    /// When the pod was made, in seconds since 1970.
    pub(super) created: u32,
}

impl Claim {
    fn rank(&self) -> (u32, &str, &str) {
        (self.created, &self.pod.namespace, &self.pod.name)
    }

    fn is_of(&self, pod: &Pod) -> bool {
        self.pod.name == pod.name && self.pod.namespace == pod.namespace
    }
}

/// Addresses and the pods that have them.
#[derive(Default)]
pub(super) struct Addresses {
    holders: HashMap<IpAddr, Claim>,
    /// Of the few that more than one pod claims, those who do not get it.
    others: HashMap<IpAddr, Vec<Claim>>,
}

impl Addresses {
    /// The pod that has `ip`.
    pub(super) fn at(&self, ip: IpAddr) -> Option<Arc<Pod>> {
        self.holders.get(&ip).map(|claim| Arc::clone(&claim.pod))
    }

    /// Notes a claim, and drops any that the pod already had. Returns the namespace of another pod that
    /// loses or gets the address by it.
    pub(super) fn put(&mut self, ip: IpAddr, mut claim: Claim) -> Option<Arc<str>> {
        let gets = self.take(ip, &claim.pod);
        let holder = match self.holders.entry(ip) {
            Entry::Vacant(free) => {
                free.insert(claim);
                return None;
            }
            Entry::Occupied(held) => held.into_mut(),
        };
        let is_younger = claim.rank() > holder.rank();
        if is_younger {
            std::mem::swap(holder, &mut claim);
        }
        let loser = Arc::clone(&claim.pod.namespace);
        self.others.entry(ip).or_default().push(claim);
        if is_younger { Some(loser) } else { gets }
    }

    /// Drops a pod's claim. Returns the namespace of a pod that gets the address by it.
    pub(super) fn take(&mut self, ip: IpAddr, pod: &Pod) -> Option<Arc<str>> {
        let holds = self.holders.get(&ip)?.is_of(pod);
        let Some(others) = self.others.get_mut(&ip) else {
            if holds {
                self.holders.remove(&ip);
            }
            return None;
        };
        let mut next = None;
        if holds {
            others.sort_by(|a, b| a.rank().cmp(&b.rank()));
            next = others.pop();
        } else {
            others.retain(|claim| !claim.is_of(pod));
        }
        if others.is_empty() {
            self.others.remove(&ip);
        }
        let next = next?;
        let winner = Arc::clone(&next.pod.namespace);
        self.holders.insert(ip, next);
        Some(winner)
    }
}
