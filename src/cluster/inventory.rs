//! What is known of the cluster, ready to be asked.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::follow::Sink;
use super::hpas::Autoscalers;
use super::owners::OwnerObject;
use super::pods::PodObject;
use super::published::Published;
use super::write::Writer;
use crate::core::autoscaler::Autoscaler;
use crate::core::workload::{Inventory, Knowledge, Pod};

/// The pods, owners and autoscalers of the cluster, as the watches tell of them.
pub struct Cluster {
    published: Published,
    writer: Mutex<Writer>,
    knowledge: watch::Sender<Knowledge>,
    pub(super) autoscalers: Arc<Autoscalers>,
}

impl Cluster {
    /// A cluster of which nothing is known yet.
    pub(super) fn new(autoscalers: Arc<Autoscalers>) -> Self {
        let knowledge = watch::Sender::new(Knowledge::Nothing);
        Self { published: Published::default(), writer: Mutex::default(), knowledge, autoscalers }
    }

    /// Waits until pods and their owners were listed for the first time.
    pub async fn ready(&self) {
        let mut knowledge = self.knowledge.subscribe();
        // The sender is ours, so it is still there.
        let _ = knowledge.wait_for(|known| *known != Knowledge::Nothing).await;
    }

    /// Notes how far what is known can be relied on.
    pub(super) fn know(&self, knowledge: &Knowledge) {
        let mut writer = self.writer();
        let before = self.knowledge.borrow().clone();
        if before == *knowledge {
            return;
        }
        if before == Knowledge::Nothing {
            writer.settle(&self.published);
        }
        self.knowledge.send_replace(knowledge.clone());
        self.published.changed_everywhere();
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inventory for Cluster {
    fn pod(&self, namespace: &str, name: &str) -> Option<Arc<Pod>> {
        self.published.pod(namespace, name)
    }

    fn at(&self, ip: IpAddr) -> Option<Arc<Pod>> {
        self.published.addresses().at(ip)
    }

    fn pods(&self, namespace: Option<&str>) -> Vec<Arc<Pod>> {
        match namespace {
            Some(namespace) => self.published.pods(namespace),
            None => self.published.namespaces().iter().flat_map(|one| self.published.pods(one)).collect(),
        }
    }

    fn version(&self, namespace: Option<&str>) -> u64 {
        self.published.version(namespace)
    }

    fn knowledge(&self) -> Knowledge {
        self.knowledge.borrow().clone()
    }

    fn autoscalers(&self, namespace: &str, metric: &str) -> Vec<Arc<Autoscaler>> {
        self.autoscalers.that_name(namespace, metric)
    }

    fn all_autoscalers(&self) -> Option<Vec<Arc<Autoscaler>>> {
        self.autoscalers.all()
    }
}

/// Takes what the watch of pods tells.
pub(super) struct PodSink(pub(super) Arc<Cluster>);

impl Sink for PodSink {
    type Body = PodObject;

    fn begin(&self) {
        self.0.writer().begin_pods();
    }

    fn apply(&self, pod: PodObject) {
        self.0.writer().apply_pod(&self.0.published, &pod);
    }

    fn remove(&self, namespace: &str, name: &str) {
        self.0.writer().remove_pod(&self.0.published, namespace, name);
    }

    fn end(&self) {
        self.0.writer().end_pods(&self.0.published);
    }

    fn count(&self) -> usize {
        self.0.writer().pods()
    }
}

/// Takes what the watch of a kind of owner tells.
pub(super) struct OwnerSink {
    pub(super) cluster: Arc<Cluster>,
    pub(super) kind: &'static str,
}

impl Sink for OwnerSink {
    type Body = OwnerObject;

    fn begin(&self) {
        self.cluster.writer().begin_owners(self.kind);
    }

    fn apply(&self, object: OwnerObject) {
        self.cluster.writer().apply_owner(&self.cluster.published, self.kind, &object);
    }

    fn remove(&self, namespace: &str, name: &str) {
        self.cluster.writer().remove_owner(&self.cluster.published, self.kind, namespace, name);
    }

    fn end(&self) {
        self.cluster.writer().end_owners(&self.cluster.published, self.kind);
    }

    fn count(&self) -> usize {
        self.cluster.writer().controlled(self.kind)
    }
}
