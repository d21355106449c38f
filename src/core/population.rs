//! The workload that a question is about: who asks, and how its pods are.

use std::sync::Arc;
use std::time::Duration;

use super::autoscaler::{Autoscaler, Goal, Of, Want};
use super::composite::Fact;
use super::evaluate::{Facts, Question, Whom};
use super::justify::{self, Asker};
use super::quantity::Quantity;
use super::time::Timestamp;
use super::workload::{Owner, Pod};

/// A pod that is not ready counts as loading for so long after its creation. One that takes longer is
/// broken or has no place, and must not keep others from being asked for.
pub const LOADING_FOR: Duration = Duration::from_mins(15);

/// The label by which the pods of a LeaderWorkerSet know their place; the HPA counts the leaders.
const WORKER_INDEX: &str = "leaderworkerset.sigs.k8s.io/worker-index";

/// The autoscalers among `autoscalers` that ask just this question, each with what it compares the answer
/// with.
pub fn asking<'a>(
    autoscalers: &'a [Arc<Autoscaler>],
    metric: &str,
    question: &Question<'_>,
) -> Vec<(&'a Arc<Autoscaler>, &'a Want)> {
    let is_this = |want: &&Want| {
        let is_of = match (&want.of, question.whom) {
            (Of::External, Whom::All) | (Of::Pods, Whom::Pods(_)) => true,
            (Of::Object(owner), Whom::Object { key, name }) => {
                is_kind(&owner.kind, key) && *owner.name == *name
            }
            // All of a namespace is the namespace's own number.
            (Of::Object(owner), Whom::All) => {
                *owner.kind == *"namespace" && *owner.name == *question.namespace
            }
            _ => false,
        };
        is_of && *want.metric == *metric && want.selector == *question.selector
    };
    let of = |one: &'a Arc<Autoscaler>| one.wants.iter().filter(is_this).map(move |want| (one, want));
    autoscalers.iter().flat_map(of).collect()
}

/// The same as guards see them. An autoscaler whose target cannot be read as a number is left out; the API
/// server lets none of these in.
pub fn askers(asking: &[(&Arc<Autoscaler>, &Want)], question: &Question<'_>) -> Vec<Asker> {
    let number = |text: &str| Quantity::parse(text).ok().map(Quantity::as_f64);
    let asker = |(autoscaler, want): &(&Arc<Autoscaler>, &Want)| {
        let goal = match (&want.target, &want.of) {
            (Goal::AverageValue(target), Of::Pods) => justify::Goal::Pods(number(target)?),
            (Goal::AverageValue(target), _) => justify::Goal::AverageValue(number(target)?),
            (Goal::Value(target), _) => justify::Goal::Value(number(target)?),
        };
        // An AverageValue of a sum is all that it compares.
        let counts_pods = !matches!(goal, justify::Goal::AverageValue(_));
        let ready = question.pods.filter(|_| counts_pods).map(|known| {
            let pods = known.pods(Some(&autoscaler.namespace));
            pods.iter().filter(|pod| is_replica(pod, &autoscaler.scales) && pod.ready).count() as u32
        });
        Some(Asker {
            namespace: Arc::clone(&autoscaler.namespace),
            name: Arc::clone(&autoscaler.name),
            goal,
            replicas: autoscaler.wanted(),
            ready,
        })
    };
    asking.iter().filter_map(asker).collect()
}

/// What expressions may know of the workload. It is that of the autoscaler that asks; without one, that of
/// the pods that the selector names by labels of their own.
pub fn facts(asking: &[(&Arc<Autoscaler>, &Want)], question: &Question<'_>, now: Timestamp) -> Facts {
    let Some(known) = question.pods else { return Facts::default() };
    let first = asking.first().map(|(autoscaler, _)| *autoscaler);
    let same = |one: &Arc<Autoscaler>| {
        first.is_some_and(|first| first.scales == one.scales && first.namespace == one.namespace)
    };
    let scales = first.filter(|_| asking.iter().all(|(one, _)| same(one))).map(|first| &first.scales);
    let place = (!question.namespace.is_empty()).then_some(question.namespace);
    let selector = question.selector;
    let is_meant = |pod: &Pod| match scales {
        Some(scales) => is_replica(pod, scales),
        None => selector.matches(|key| pod.label(key)) && is_leader(pod),
    };
    if scales.is_none() && selector.is_everything() {
        return Facts::default();
    }
    let (mut ready, mut loading, mut others) = (0.0, 0.0, 0.0);
    for pod in known.pods(place).iter().filter(|pod| pod.counts && is_meant(pod)) {
        if pod.ready {
            ready += 1.0;
        } else if pod.created.plus(LOADING_FOR) > now {
            loading += 1.0;
        } else {
            others += 1.0;
        }
    }
    let there: f64 = ready + loading + others;
    if scales.is_none() && there == 0.0 {
        return Facts::default();
    }
    // Pods come as soon as they are ordered; what an autoscaler says it wants may be older.
    let replicas = first.and_then(|first| first.wanted()).map_or(there, |wanted| there.max(wanted.into()));
    let target = match asking {
        [(_, want)] => match &want.target {
            Goal::Value(target) | Goal::AverageValue(target) => Quantity::parse(target).ok(),
        },
        _ => None,
    };
    let of = |fact| match fact {
        Fact::Replicas => Some(if scales.is_some() { replicas } else { there }),
        Fact::Ready => Some(ready),
        Fact::Loading => Some(loading),
        Fact::Target => target.map(Quantity::as_f64),
    };
    Facts { values: Fact::ALL.map(of) }
}

impl Autoscaler {
    /// How many replicas its target is set to: what it asked for last, or what it found there before.
    pub fn wanted(&self) -> Option<u32> {
        self.desired_replicas.or(self.current_replicas)
    }
}

/// Whether a kind is what a path names; what a path says of endpoints has lost its last letter.
fn is_kind(kind: &str, key: &str) -> bool {
    let stem = |word: &str| word.strip_suffix('s').unwrap_or(word).len();
    kind[..stem(kind)] == key[..stem(key)]
}

/// Whether a pod is a replica of this workload.
fn is_replica(pod: &Pod, of: &Owner) -> bool {
    pod.counts && is_leader(pod) && pod.owners.iter().any(|owner| owner == of)
}

fn is_leader(pod: &Pod) -> bool {
    pod.labels.get(WORKER_INDEX).is_none_or(|index| index == "0")
}
