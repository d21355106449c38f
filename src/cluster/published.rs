//! What readers see: pods by namespace and name, pods by address, and the numbers that tell of changes.
//!
//! One writer changes it. It thinks first and locks then, so that no reader waits for longer than a change of
//! one entry takes.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::addresses::Addresses;
use crate::core::workload::Pod;

/// A pod with what only the writer needs to know of it; found by the pod's name.
pub(super) struct Entry {
    pub(super) pod: Arc<Pod>,
    /// When the pod was made, in seconds since 1970.
    pub(super) created: u32,
    /// The number of the list, or of the watch after it, in which it was last seen.
    seen: AtomicU32,
}

impl Borrow<str> for Entry {
    fn borrow(&self) -> &str {
        &self.pod.name
    }
}

impl Hash for Entry {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.pod.name.hash(state);
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.pod.name == other.pod.name
    }
}

impl Eq for Entry {}

/// A namespace that has pods.
#[derive(Default)]
struct Space {
    version: AtomicU64,
    pods: RwLock<HashSet<Entry>>,
}

/// What readers see.
#[derive(Default)]
pub(super) struct Published {
    spaces: RwLock<HashMap<Arc<str>, Arc<Space>>>,
    addresses: RwLock<Addresses>,
    /// The last version number that was given. All come from here, so none is given twice.
    last: AtomicU64,
    /// That of the last change that concerns every namespace.
    everywhere: AtomicU64,
}

impl Published {
    pub(super) fn pod(&self, namespace: &str, name: &str) -> Option<Arc<Pod>> {
        self.find(namespace, name).map(|(pod, _)| pod)
    }

    /// A pod, and when it was made.
    pub(super) fn find(&self, namespace: &str, name: &str) -> Option<(Arc<Pod>, u32)> {
        let space = self.space(namespace)?;
        let pods = read(&space.pods);
        pods.get(name).map(|entry| (Arc::clone(&entry.pod), entry.created))
    }

    /// The pods of a namespace, in no order.
    pub(super) fn pods(&self, namespace: &str) -> Vec<Arc<Pod>> {
        let Some(space) = self.space(namespace) else { return Vec::new() };
        let pods = read(&space.pods);
        pods.iter().map(|entry| Arc::clone(&entry.pod)).collect()
    }

    /// The namespaces that have pods.
    pub(super) fn namespaces(&self) -> Vec<Arc<str>> {
        read(&self.spaces).keys().cloned().collect()
    }

    pub(super) fn addresses(&self) -> RwLockReadGuard<'_, Addresses> {
        read(&self.addresses)
    }

    pub(super) fn change_addresses(&self) -> RwLockWriteGuard<'_, Addresses> {
        write(&self.addresses)
    }

    /// Adds a pod or replaces the one of its name. `seen` is the number of the list, or of the watch after it,
    /// that told of it; none if what is new comes from elsewhere.
    pub(super) fn put(&self, pod: Arc<Pod>, created: u32, seen: Option<u32>) {
        let space = self.space(&pod.namespace).unwrap_or_else(|| {
            let mut spaces = write(&self.spaces);
            Arc::clone(spaces.entry(Arc::clone(&pod.namespace)).or_default())
        });
        let mut pods = write(&space.pods);
        let before = pods.get(&*pod.name).map_or(0, |entry| entry.seen.load(Ordering::Relaxed));
        pods.replace(Entry { pod, created, seen: AtomicU32::new(seen.unwrap_or(before)) });
    }

    /// Notes that a pod was seen as it is.
    pub(super) fn mark(&self, namespace: &str, name: &str, seen: u32) {
        let Some(space) = self.space(namespace) else { return };
        if let Some(entry) = read(&space.pods).get(name) {
            entry.seen.store(seen, Ordering::Relaxed);
        }
    }

    /// The pods of a namespace that were last seen before the list of this number.
    pub(super) fn unseen(&self, namespace: &str, seen: u32) -> Vec<Arc<Pod>> {
        let Some(space) = self.space(namespace) else { return Vec::new() };
        let pods = read(&space.pods);
        let gone = pods.iter().filter(|entry| entry.seen.load(Ordering::Relaxed) != seen);
        gone.map(|entry| Arc::clone(&entry.pod)).collect()
    }

    /// Removes a pod, and its namespace with the last one.
    pub(super) fn remove(&self, namespace: &str, name: &str) {
        let Some(space) = self.space(namespace) else { return };
        let mut pods = write(&space.pods);
        pods.remove(name);
        if pods.is_empty() {
            write(&self.spaces).remove(namespace);
        }
    }

    /// Tells readers that something in a namespace has changed; after the change, or they would take the old
    /// state for the new.
    pub(super) fn changed(&self, namespace: &str) {
        let version = self.last.fetch_add(1, Ordering::AcqRel) + 1;
        if let Some(space) = self.space(namespace) {
            space.version.store(version, Ordering::Release);
        }
    }

    /// Tells readers that something has changed for every namespace.
    pub(super) fn changed_everywhere(&self) {
        let version = self.last.fetch_add(1, Ordering::AcqRel) + 1;
        self.everywhere.store(version, Ordering::Release);
    }

    /// See `Inventory::version`. Of a namespace without pods it is that of the last change everywhere: one
    /// that vanishes and comes back gets a number that nobody had before.
    pub(super) fn version(&self, namespace: Option<&str>) -> u64 {
        let Some(namespace) = namespace else { return self.last.load(Ordering::Acquire) };
        let own = self.space(namespace).map_or(0, |space| space.version.load(Ordering::Acquire));
        own.max(self.everywhere.load(Ordering::Acquire))
    }

    fn space(&self, namespace: &str) -> Option<Arc<Space>> {
        read(&self.spaces).get(namespace).cloned()
    }
}

/// A lock for reading. A panic while it was held for writing leaves whole entries, so the rest stays right.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// A lock for writing, likewise.
fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
