//! The objects, and what has happened to them in order.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value as Json, json};
use tokio::sync::watch;

use super::kinds::Kind;
use super::problem::Problem;

/// An object's place. In the order of lists: by namespace, then by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// [`Kind::full_name`].
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: String,
}

/// A change to one object.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) version: u64,
    pub(super) key: Key,
    pub(super) before: Option<Arc<Json>>,
    pub(super) after: Option<Arc<Json>>,
}

#[derive(Default)]
pub(super) struct State {
    /// The newest resource version.
    pub(super) version: u64,
    /// Watches from before this version get 410.
    pub(super) oldest: u64,
    /// Counts how often every open watch was told to begin anew.
    pub(super) expiries: u64,
    pub(super) objects: BTreeMap<Key, Arc<Json>>,
    pub(super) events: Vec<Event>,
    /// Kinds whose lists and events are kept back.
    pub(super) held: BTreeSet<String>,
    /// Custom kinds that are served.
    pub(super) installed: BTreeSet<String>,
}

pub(super) struct Store {
    state: Mutex<State>,
    /// Ticks whenever a watch may have something to do.
    ticks: watch::Sender<u64>,
}

impl Store {
    pub(super) fn new() -> Self {
        // Versions look as etcd's do: never small.
        let state = State { version: 1_000, ..State::default() };
        Self { state: Mutex::new(state), ticks: watch::Sender::new(0) }
    }

    pub(super) fn read(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic")
    }

    pub(super) fn ticks(&self) -> watch::Receiver<u64> {
        self.ticks.subscribe()
    }

    /// Changes anything, and wakes the watches.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.read());
        self.ticks.send_modify(|tick| *tick += 1);
        result
    }
}

impl State {
    /// The kind is served.
    pub(super) fn serves(&self, kind: &Kind) -> bool {
        !kind.custom || self.installed.contains(&kind.full_name())
    }

    pub(super) fn get(&self, key: &Key) -> Result<Arc<Json>, Problem> {
        self.objects.get(key).cloned().ok_or_else(|| Problem::not_found(key))
    }

    pub(super) fn create(&mut self, key: Key, mut object: Json) -> Result<Arc<Json>, Problem> {
        if self.objects.contains_key(&key) {
            return Err(Problem::already_exists(&key));
        }
        let uid = format!("00000000-0000-4000-8000-{:012x}", self.version + 1);
        let metadata = metadata(&mut object);
        metadata.insert("uid".into(), uid.into());
        metadata.insert("creationTimestamp".into(), now().into());
        metadata.insert("generation".into(), 1.into());
        Ok(self.put(key, object))
    }

    /// Replaces an object; a resource version in the new one must be that of the old one.
    pub(super) fn replace(&mut self, key: Key, mut object: Json) -> Result<Arc<Json>, Problem> {
        let old = self.get(&key)?;
        let wanted = object["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        if !wanted.is_empty() && Some(wanted) != old["metadata"]["resourceVersion"].as_str() {
            return Err(Problem::conflict(&key));
        }
        let kept = metadata(&mut object);
        for field in ["uid", "creationTimestamp", "generation"] {
            kept.insert(field.into(), old["metadata"][field].clone());
        }
        kept.insert("resourceVersion".into(), old["metadata"]["resourceVersion"].clone());
        // What changes nothing is no event.
        if object == *old {
            return Ok(old);
        }
        Ok(self.put(key, object))
    }

    pub(super) fn delete(&mut self, key: &Key) -> Result<Arc<Json>, Problem> {
        let old = self.get(key)?;
        self.objects.remove(key);
        self.version += 1;
        let version = self.version;
        // The event of a deletion bears the version of the deletion.
        let mut last = (*old).clone();
        metadata(&mut last).insert("resourceVersion".into(), version.to_string().into());
        let before = Some(Arc::new(last));
        self.events.push(Event { version, key: key.clone(), before, after: None });
        Ok(old)
    }

    fn put(&mut self, key: Key, mut object: Json) -> Arc<Json> {
        self.version += 1;
        metadata(&mut object).insert("resourceVersion".into(), self.version.to_string().into());
        let object = Arc::new(object);
        let before = self.objects.insert(key.clone(), Arc::clone(&object));
        self.events.push(Event { version: self.version, key, before, after: Some(Arc::clone(&object)) });
        object
    }

    /// The objects of a kind, of a namespace if one is given, after a key if one is given.
    pub(super) fn list(
        &self,
        kind: &str,
        namespace: Option<&str>,
        after: Option<&Key>,
    ) -> impl Iterator<Item = (&Key, &Arc<Json>)> {
        let first = Key {
            kind: kind.to_owned(),
            namespace: namespace.unwrap_or_default().to_owned(),
            name: String::new(),
        };
        let from = after.map_or(Bound::Included(&first), Bound::Excluded);
        self.objects.range((from, Bound::Unbounded)).take_while(move |(key, _)| {
            key.kind == kind && namespace.is_none_or(|namespace| key.namespace == namespace)
        })
    }

    /// What happened after this version.
    pub(super) fn since(&self, version: u64) -> &[Event] {
        let from = self.events.partition_point(|event| event.version <= version);
        &self.events[from..]
    }

    /// Forgets what happened: every version that somebody may know is too old from now on.
    pub(super) fn compact(&mut self) {
        self.version += 1;
        self.oldest = self.version;
        self.events.clear();
    }
}

pub(super) fn metadata(object: &mut Json) -> &mut serde_json::Map<String, Json> {
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    object["metadata"].as_object_mut().expect("it was made one")
}

pub(super) fn now() -> String {
    format!("{:.0}", jiff::Timestamp::now())
}
