//! Events on HPAs, where people look first: `kubectl describe hpa`.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff;
use kube::api::{Api, ListParams, ObjectMeta, PostParams};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::registration::MANAGER;
use super::retry::{Pauses, explain};
use crate::core::autoscaler::Autoscaler;
use crate::engine::budgets::{Herald, Notice};

/// Who reports, as Kubernetes wants it written.
const CONTROLLER: &str = "inferometer.dev/budgets";

/// Events that may wait. Those beyond are dropped: what they tell is in the log and in our own metrics.
const WAITING: usize = 1024;

/// How often each is tried, and for how long.
const TRIES: usize = 5;
const ANSWER: Duration = Duration::from_secs(10);

/// The longest part of an HPA's name in that of an Event, so that the whole is a name.
const MAX_NAME: usize = 120;

/// What waits to be told to an HPA, by its namespace and name.
type Waiting = (Box<str>, Box<str>, Notice);

/// Takes what is to be told.
pub struct Events(mpsc::Sender<Waiting>);

impl Herald for Events {
    fn tell(&self, autoscaler: &Autoscaler, notice: &Notice) {
        let of: Waiting =
            (autoscaler.namespace.as_ref().into(), autoscaler.name.as_ref().into(), notice.clone());
        if self.0.try_send(of).is_err() {
            tracing::warn!(
                namespace = %autoscaler.namespace,
                autoscaler = %autoscaler.name,
                reason = notice.reason,
                "an Event is left out: too many wait to be written"
            );
        }
    }
}

impl Events {
    /// Events in the name of `instance`, and what writes them one by one until it is dropped.
    pub fn new(client: kube::Client, instance: String) -> (Arc<Self>, impl Future<Output = ()> + Send) {
        let (sender, mut waiting) = mpsc::channel::<Waiting>(WAITING);
        let write = async move {
            while let Some((namespace, autoscaler, notice)) = waiting.recv().await {
                let event = Told { client: &client, instance: &instance, namespace: &namespace };
                event.write(&autoscaler, &notice).await;
            }
        };
        (Arc::new(Self(sender)), write)
    }
}

struct Told<'a> {
    client: &'a kube::Client,
    instance: &'a str,
    namespace: &'a str,
}

impl Told<'_> {
    async fn write(&self, autoscaler: &str, notice: &Notice) {
        let mut pauses = Pauses::default();
        let mut problem = String::new();
        for _ in 0..TRIES {
            match timeout(ANSWER, self.attempt(autoscaler, notice)).await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => problem = explain(&error),
                Err(_) => "the server is silent".clone_into(&mut problem),
            }
            if let Some(pause) = pauses.next() {
                sleep(pause).await;
            }
        }
        tracing::warn!(
            namespace = self.namespace,
            autoscaler,
            reason = notice.reason,
            error = problem,
            "failed to write an Event"
        );
    }

    /// Of one change all replicas write an Event of one name, so that there is one.
    async fn attempt(&self, autoscaler: &str, notice: &Notice) -> kube::Result<()> {
        let hpas: Api<HorizontalPodAutoscaler> = Api::namespaced(self.client.clone(), self.namespace);
        // A list, since that is all we may do with HPAs. The Event is found by the HPA's uid.
        let named = ListParams::default().fields(&format!("metadata.name={autoscaler}"));
        let Some(hpa) = hpas.list_metadata(&named).await?.items.into_iter().next() else { return Ok(()) };
        let event = self.event(autoscaler, hpa.metadata, notice);
        let events: Api<Event> = Api::namespaced(self.client.clone(), self.namespace);
        let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        match events.create(&params, &event).await {
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            other => other.map(|_| ()),
        }
    }

    fn event(&self, autoscaler: &str, hpa: ObjectMeta, notice: &Notice) -> Event {
        let namespace = Some(self.namespace.to_owned());
        let metadata = ObjectMeta {
            name: Some(name(autoscaler, notice)),
            namespace: namespace.clone(),
            ..ObjectMeta::default()
        };
        // A time that no calendar has is as good as none.
        let time = jiff::Timestamp::from_millisecond(notice.since.as_millis()).unwrap_or_default();
        Event {
            metadata,
            event_time: Some(MicroTime(time)),
            reporting_controller: Some(CONTROLLER.to_owned()),
            reporting_instance: Some(self.instance.to_owned()),
            action: Some("HoldReplicas".to_owned()),
            reason: Some(notice.reason.to_owned()),
            type_: Some(if notice.warning { "Warning" } else { "Normal" }.to_owned()),
            note: Some(notice.message.clone()),
            regarding: Some(ObjectReference {
                api_version: Some("autoscaling/v2".to_owned()),
                kind: Some("HorizontalPodAutoscaler".to_owned()),
                namespace,
                name: Some(autoscaler.to_owned()),
                uid: hpa.uid,
                resource_version: hpa.resource_version,
                ..ObjectReference::default()
            }),
            ..Event::default()
        }
    }
}

/// `llama.budgetexceeded-gpu-fleet-18bcfe568a0`
fn name(autoscaler: &str, notice: &Notice) -> String {
    let whom = autoscaler.get(..MAX_NAME).unwrap_or(autoscaler).trim_end_matches(['.', '-']);
    let plain = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' };
    let budget: String = notice.budget.chars().take(63).map(plain).collect();
    let reason = notice.reason.to_ascii_lowercase();
    format!("{whom}.{reason}-{budget}-{:x}", notice.since.as_millis())
}

#[cfg(test)]
mod tests;
