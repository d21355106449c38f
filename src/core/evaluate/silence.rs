//! Targets that do not answer: whom their silence concerns, and how it is told.

use std::sync::Arc;

use super::{Question, Run, Whom};
use crate::core::freshness::Snapshot;
use crate::core::metric::{Input, Scope};
use crate::core::refusal::Refusal;
use crate::core::series::Silent;
use crate::core::signal::Element;
use crate::core::workload::Knowledge;

/// So many are named in an explanation.
const MOST: usize = 20;

impl Run<'_> {
    /// Whether a target may have what is asked for and has not told it yet.
    pub(super) fn is_unheard(&self, silent: &Silent, input: &Input) -> bool {
        !silent.known && self.concerns(silent, input)
    }

    /// The refusal of a number that a target may have.
    pub(super) fn silent(&self, silent: &Silent, input: &Input) -> Refusal {
        Refusal::Silent {
            metric: self.metric.name.to_string(),
            signal: input.signal.to_string(),
            source_name: self.source_name.to_owned(),
            target: silent.name().to_owned(),
            cause: silent.cause.to_string(),
        }
    }

    /// Whether a target that does not answer may have what is asked for.
    pub(super) fn concerns(&self, silent: &Silent, input: &Input) -> bool {
        let Question { namespace, selector, whom, pods } = self.question;
        if silent.engine.as_ref().is_some_and(|engine| *engine != input.engine) {
            return false;
        }
        // An exporter of devices tells of pods in namespaces other than its own, and so does one of
        // prices.
        if silent.speaks_for_others && is_of_others(input) {
            return true;
        }
        let is_in_scope = match self.metric.scope {
            Scope::Namespace if !namespace.is_empty() => {
                silent.labels.get("namespace").is_none_or(|own| own == namespace)
            }
            Scope::Namespace | Scope::Cluster => true,
        };
        let names = silent.labels.get("namespace").zip(silent.labels.get("pod"));
        let pod = pods.zip(names).and_then(|(pods, (namespace, name))| pods.pod(namespace, name));
        // Of a pod that is gone nothing is missing.
        let is_known = names.is_some() && pods.is_some_and(|pods| pods.knowledge() == Knowledge::Complete);
        if is_known && !pod.as_ref().is_some_and(|pod| pod.counts) {
            return false;
        }
        let label = |name: &str| match name {
            "engine" => silent.engine.as_deref(),
            _ => silent.labels.get(name).or_else(|| pod.as_ref().and_then(|pod| pod.label(name))),
        };
        let may_be_theirs = match whom {
            Whom::All => true,
            Whom::Object { key, name } => label(key).is_none_or(|own| own == name),
            Whom::Pods(wanted) => wanted.may_match(label),
        };
        is_in_scope && may_be_theirs && selector.may_match(label)
    }
}

/// Whether exporters tell such numbers of others than themselves.
fn is_of_others(input: &Input) -> bool {
    matches!(input.signal.element(), Element::Device(_)) || input.signal.has_factor()
}

impl Run<'_> {
    /// What the source remarked, and which of its targets that may matter here do not answer. Those of other
    /// namespaces are nobody's business here.
    pub(super) fn remarks(&self, input: &Input, snapshot: &Snapshot) -> Arc<[String]> {
        let silent = snapshot.set.as_ref().map_or(&[][..], |set| set.silent());
        if silent.is_empty() {
            return Arc::clone(&snapshot.warnings);
        }
        let is_near = |silent: &&Silent| {
            self.question.namespace.is_empty()
                || silent.labels.get("namespace").is_none_or(|own| own == self.question.namespace)
        };
        let of = |silent: &Silent| format!("target {} gives no metrics: {}", silent.name(), silent.cause);
        let far = silent.iter().filter(|one| !is_near(one) && self.concerns(one, input)).count();
        let far = (far > 0).then(|| format!("{far} targets in other namespaces give no metrics"));
        let near = silent.iter().filter(is_near).take(MOST).map(of);
        snapshot.warnings.iter().cloned().chain(near).chain(far).collect()
    }
}
