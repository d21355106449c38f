//! The one that changes what is known of pods and their owners.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::addresses::Claim;
use super::object::Meta;
use super::owners::{Controllers, OwnerObject, named};
use super::pods::{PODS, PodObject};
use super::pool::Pool;
use super::published::Published;
use crate::core::series::{Label, Labels};
use crate::core::workload::{Owner, Pod, Port};

/// What is needed to change what is [`Published`].
#[derive(Default)]
pub(super) struct Writer {
    texts: Pool<Arc<str>>,
    labels: Pool<Labels>,
    chains: Pool<Arc<[Owner]>>,
    ports: Pool<Arc<[Port]>>,
    /// Who controls whom, by namespace.
    controllers: HashMap<Arc<str>, Controllers>,
    /// The second addresses of pods that have two, by namespace and name.
    seconds: HashMap<(Arc<str>, Arc<str>), IpAddr>,
    /// How many pods there are.
    pods: usize,
    /// The number of the present list of pods.
    list: u32,
    /// What the present list of a kind of owner has told so far. None while nothing is known of the kind.
    told: HashMap<&'static str, HashSet<(Arc<str>, Owner)>>,
    /// Whether every kind of owner was listed, so that chains are renewed with each change.
    settled: bool,
}

/// A pod as it is to be published.
struct New {
    pod: Arc<Pod>,
    created: u32,
    second: Option<IpAddr>,
    /// See [`Published::put`].
    seen: Option<u32>,
}

impl Writer {
    /// How many pods there are.
    pub(super) fn pods(&self) -> usize {
        self.pods
    }

    /// How many objects of a kind have a controller: of the others there is nothing to keep.
    pub(super) fn controlled(&self, kind: &str) -> usize {
        self.controllers.values().map(|one| one.of_kind(kind).count()).sum()
    }

    /// A list of pods begins.
    pub(super) fn begin_pods(&mut self) {
        self.list = self.list.wrapping_add(1);
    }

    /// The list of pods has ended: what it did not tell of is gone.
    pub(super) fn end_pods(&mut self, published: &Published) {
        for namespace in published.namespaces() {
            for pod in published.unseen(&namespace, self.list) {
                self.remove_pod(published, &pod.namespace, &pod.name);
            }
        }
    }

    /// A pod is as it is told here.
    pub(super) fn apply_pod(&mut self, published: &Published, object: &PodObject) {
        let meta = &object.metadata;
        let known = published.find(&meta.namespace, &meta.name);
        let new = self.pod(published, object, known.as_ref().map(|(pod, _)| &pod.name));
        if let Some((pod, created)) = &known {
            let key = (Arc::clone(&pod.namespace), Arc::clone(&pod.name));
            let is_same =
                **pod == *new.pod && *created == new.created && self.seconds.get(&key) == new.second.as_ref();
            if is_same {
                published.mark(&meta.namespace, &meta.name, self.list);
                return;
            }
        }
        self.replace(published, known.as_ref().map(|(pod, _)| &**pod), Some(new));
    }

    /// A pod is gone.
    pub(super) fn remove_pod(&mut self, published: &Published, namespace: &str, name: &str) {
        if let Some((pod, _)) = published.find(namespace, name) {
            self.replace(published, Some(&pod), None);
        }
    }

    /// A list of a kind of owner begins.
    pub(super) fn begin_owners(&mut self, kind: &'static str) {
        let is_known = self.controllers.values().any(|one| one.of_kind(kind).next().is_some());
        self.told.remove(kind);
        if is_known {
            self.told.insert(kind, HashSet::new());
        }
    }

    /// The list of a kind of owner has ended: what it did not tell of is gone.
    pub(super) fn end_owners(&mut self, published: &Published, kind: &'static str) {
        let Some(told) = self.told.remove(kind) else { return };
        let mut gone = Vec::new();
        for (namespace, controllers) in &self.controllers {
            let known = controllers.of_kind(kind).map(|object| (Arc::clone(namespace), object.clone()));
            gone.extend(known.filter(|key| !told.contains(key)));
        }
        for (namespace, object) in gone {
            self.control(published, &namespace, &object, None);
        }
    }

    /// An object that may own others is as it is told here.
    pub(super) fn apply_owner(&mut self, published: &Published, kind: &'static str, object: &OwnerObject) {
        let meta = &object.metadata;
        let controller = self.controller(meta);
        // Of what nobody controls there is nothing to keep.
        if controller.is_none() && !self.controllers.contains_key(meta.namespace.as_str()) {
            return;
        }
        let namespace = self.texts.text(&meta.namespace);
        let owner = self.owner(kind, &meta.name);
        if let Some(told) = self.told.get_mut(kind) {
            told.insert((Arc::clone(&namespace), owner.clone()));
        }
        self.control(published, &namespace, &owner, controller);
    }

    /// An object that may own others is gone.
    pub(super) fn remove_owner(
        &mut self,
        published: &Published,
        kind: &'static str,
        namespace: &str,
        name: &str,
    ) {
        let (namespace, owner) = (self.texts.text(namespace), self.owner(kind, name));
        self.control(published, &namespace, &owner, None);
    }

    /// Every kind of owner was listed: all chains are made anew, and from now on with each change.
    pub(super) fn settle(&mut self, published: &Published) {
        self.settled = true;
        for namespace in published.namespaces() {
            self.renew(published, &namespace, |_| true);
        }
    }

    fn control(
        &mut self,
        published: &Published,
        namespace: &Arc<str>,
        object: &Owner,
        controller: Option<Owner>,
    ) {
        let known = self.controllers.entry(Arc::clone(namespace)).or_default();
        let is_news = known.set(object.clone(), controller);
        if is_news {
            self.renew_those_of(published, namespace, object);
        }
        self.forget_empty(namespace);
    }

    /// Publishes `new` in place of `old`.
    fn replace(&mut self, published: &Published, old: Option<&Pod>, new: Option<New>) {
        let Some(any) = new.as_ref().map(|new| &*new.pod).or(old) else { return };
        let (namespace, name) = (Arc::clone(&any.namespace), Arc::clone(&any.name));
        let was = old.and_then(|pod| pod.owners.first());
        let is = new.as_ref().and_then(|new| new.pod.owners.first());
        let belongs_elsewhere = was != is;
        if belongs_elsewhere {
            let controllers = self.controllers.entry(Arc::clone(&namespace)).or_default();
            if let Some(owner) = is {
                controllers.name(owner);
            }
            if let Some(owner) = was {
                controllers.unname(owner);
            }
        }
        match (old, &new) {
            (None, Some(_)) => self.pods += 1,
            (Some(_), None) => self.pods -= 1,
            _ => {}
        }
        self.publish(published, old, new, &namespace, &name);
        if belongs_elsewhere {
            let pod = named(&self.texts.text(PODS.name), name);
            self.renew_those_of(published, &namespace, &pod);
            self.forget_empty(&namespace);
        }
    }

    fn publish(
        &mut self,
        published: &Published,
        old: Option<&Pod>,
        new: Option<New>,
        namespace: &Arc<str>,
        name: &Arc<str>,
    ) {
        let key = (Arc::clone(namespace), Arc::clone(name));
        let old_second = self.seconds.remove(&key);
        let held = |pod: &Pod, second: Option<IpAddr>| {
            [pod.ip, second].into_iter().flatten().filter(|_| pod.counts).collect::<Vec<IpAddr>>()
        };
        let had = old.map(|pod| held(pod, old_second)).unwrap_or_default();
        let has = new.as_ref().map(|new| held(&new.pod, new.second)).unwrap_or_default();
        let mut touched: HashSet<Arc<str>> = HashSet::new();
        if !(had.is_empty() && has.is_empty()) {
            let mut addresses = published.change_addresses();
            for ip in had.iter().filter(|ip| !has.contains(ip)) {
                touched.extend(old.and_then(|pod| addresses.take(*ip, pod)));
            }
            if let Some(New { pod, created, .. }) = &new {
                for ip in has {
                    touched.extend(addresses.put(ip, Claim { pod: Arc::clone(pod), created: *created }));
                }
            }
        }
        match new {
            Some(New { pod, created, second, seen }) => {
                if let Some(second) = second {
                    self.seconds.insert(key, second);
                }
                published.put(pod, created, seen);
            }
            None => published.remove(namespace, name),
        }
        published.changed(namespace);
        touched.iter().filter(|other| *other != namespace).for_each(|other| published.changed(other));
    }

    /// Makes the chains anew of the pods that belong to `owner`, near or far.
    fn renew_those_of(&mut self, published: &Published, namespace: &Arc<str>, owner: &Owner) {
        let is_named = self.controllers.get(namespace).is_some_and(|known| known.is_named(owner));
        if self.settled && is_named {
            self.renew(published, namespace, |pod| pod.owners.contains(owner));
        }
    }

    fn renew(&mut self, published: &Published, namespace: &Arc<str>, concerns: impl Fn(&Pod) -> bool) {
        for old in published.pods(namespace) {
            let Some(nearest) = old.owners.first().filter(|_| concerns(&old)) else { continue };
            let owners = self.chain(published, namespace, Some(nearest.clone()));
            if owners == old.owners {
                continue;
            }
            let Some((_, created)) = published.find(namespace, &old.name) else { continue };
            let second = self.seconds.get(&(Arc::clone(&old.namespace), Arc::clone(&old.name))).copied();
            let pod = Arc::new(Pod { owners, ..Pod::clone(&old) });
            self.publish(
                published,
                Some(&old),
                Some(New { pod, created, second, seen: None }),
                namespace,
                &old.name,
            );
        }
    }

    fn forget_empty(&mut self, namespace: &Arc<str>) {
        if self.controllers.get(namespace).is_some_and(Controllers::is_empty) {
            self.controllers.remove(namespace);
        }
    }

    fn pod(&mut self, published: &Published, object: &PodObject, name: Option<&Arc<str>>) -> New {
        let meta = &object.metadata;
        let namespace = self.texts.text(&meta.namespace);
        let nearest = self.controller(meta);
        let addresses = object.addresses();
        let own = |ip: Option<IpAddr>| ip.filter(|_| !addresses.are_the_nodes);
        let ports = object.ports().map(|port| Port {
            name: port.name.as_deref().map(|name| self.texts.text(name)),
            number: port.number,
        });
        let ports = ports.collect();
        let pod = Pod {
            name: name.cloned().unwrap_or_else(|| meta.name.as_str().into()),
            labels: self.labels(&meta.labels.0),
            annotations: self.labels(&meta.annotations.0),
            owners: self.chain(published, &namespace, nearest),
            ip: own(addresses.first),
            reached_by: addresses.first,
            ports: self.ports.list(ports),
            node: object.node().map(|node| self.texts.text(node)),
            counts: object.counts(),
            ready: object.ready(),
            created: meta.creation_timestamp.map_or_else(Default::default, |time| {
                crate::core::time::Timestamp::from_millis(time.as_millisecond())
            }),
            namespace,
        };
        let created = meta.creation_timestamp.map_or(0, |time| u32::try_from(time.as_second()).unwrap_or(0));
        New { pod: Arc::new(pod), created, second: own(addresses.second), seen: Some(self.list) }
    }

    fn chain(&mut self, published: &Published, namespace: &Arc<str>, nearest: Option<Owner>) -> Arc<[Owner]> {
        let chain = nearest.map(|nearest| {
            let pods_own = |name: &str| published.pod(namespace, name)?.owners.first().cloned();
            match self.controllers.get(namespace) {
                Some(controllers) => controllers.chain(nearest, pods_own),
                None => Controllers::default().chain(nearest, pods_own),
            }
        });
        self.chains.list(chain.unwrap_or_default())
    }

    fn controller(&mut self, meta: &Meta) -> Option<Owner> {
        let reference = meta.controller()?;
        let kind = reference.kind.to_ascii_lowercase();
        Some(self.owner(&kind, &reference.name))
    }

    fn owner(&mut self, kind: &str, name: &str) -> Owner {
        named(&self.texts.text(kind), self.texts.text(name))
    }

    fn labels(&mut self, pairs: &[(String, String)]) -> Labels {
        let label =
            |(name, value): &(String, String)| -> Label { (self.texts.text(name), self.texts.text(value)) };
        let labels = Labels::new(pairs.iter().map(label).collect());
        self.labels.share(labels)
    }
}
