//! What a cluster would tell of the live fleet: its pods, and the HPA that asks.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::IpAddr;
use std::sync::Arc;

use super::controller::SELECTOR;
use super::stage::Stage;
use crate::core::autoscaler::{Autoscaler, Goal, Of, Want};
use crate::core::selector::{Selector, SelectorError};
use crate::core::series::Labels;
use crate::core::workload::{Inventory, Knowledge, Owner, Pod};
use crate::demo::exposition::NAMESPACE;
use crate::demo::fleet;
use crate::engine::Clock;

/// The Deployment and its HPA.
const NAME: &str = "vllm";

/// The live fleet as an API server has it.
pub(super) struct Cluster {
    stage: Arc<Stage>,
    /// The HPA as it was written.
    autoscaler: Autoscaler,
    clock: Clock,
}

impl Cluster {
    /// One whose HPA asks for `metric` with this `AverageValue`.
    pub(super) fn new(
        stage: Arc<Stage>,
        metric: &str,
        target: f64,
        replicas: (u32, u32),
    ) -> Result<Self, SelectorError> {
        let want = Want {
            of: Of::External,
            metric: metric.into(),
            selector: Selector::parse(SELECTOR)?,
            target: Goal::AverageValue(format!("{target:.3}").into()),
        };
        let autoscaler = Autoscaler {
            namespace: NAMESPACE.into(),
            name: NAME.into(),
            scales: deployment(),
            min_replicas: replicas.0,
            max_replicas: replicas.1,
            current_replicas: None,
            desired_replicas: None,
            wants: [want].into(),
        };
        Ok(Self { stage, autoscaler, clock: Clock::start() })
    }

    fn shown(&self, pod: &fleet::Pod) -> Arc<Pod> {
        Arc::new(Pod {
            namespace: NAMESPACE.into(),
            name: pod.name.as_str().into(),
            labels: Labels::default(),
            annotations: Labels::default(),
            owners: [deployment()].into(),
            ip: None,
            reached_by: None,
            node: None,
            ports: [].into(),
            counts: !pod.is_draining(),
            ready: pod.is_ready(),
            // A day passes in less real time than a pod may load.
            created: self.clock.now(),
        })
    }
}

fn deployment() -> Owner {
    Owner { kind: "deployment".into(), name: NAME.into() }
}

impl Inventory for Cluster {
    fn pod(&self, namespace: &str, name: &str) -> Option<Arc<Pod>> {
        let scene = self.stage.scene();
        let mut pods = scene.fleets[0].fleet().pods().iter().filter(|_| namespace == NAMESPACE);
        pods.find(|pod| pod.name == name).map(|pod| self.shown(pod))
    }

    fn at(&self, _: IpAddr) -> Option<Arc<Pod>> {
        None
    }

    fn pods(&self, namespace: Option<&str>) -> Vec<Arc<Pod>> {
        let is_here = namespace.is_none_or(|namespace| namespace == NAMESPACE);
        let scene = self.stage.scene();
        scene.fleets[0].fleet().pods().iter().filter(|_| is_here).map(|pod| self.shown(pod)).collect()
    }

    fn version(&self, _: Option<&str>) -> u64 {
        let scene = self.stage.scene();
        let fleet = scene.fleets[0].fleet();
        let mut hasher = DefaultHasher::new();
        fleet.replicas().hash(&mut hasher);
        for pod in fleet.pods() {
            (pod.id, pod.is_ready(), pod.is_draining()).hash(&mut hasher);
        }
        hasher.finish()
    }

    fn knowledge(&self) -> Knowledge {
        Knowledge::Complete
    }

    fn autoscalers(&self, namespace: &str, metric: &str) -> Vec<Arc<Autoscaler>> {
        if namespace != NAMESPACE || self.autoscaler.wants.iter().all(|want| *want.metric != *metric) {
            return Vec::new();
        }
        let replicas = Some(self.stage.scene().fleets[0].fleet().replicas());
        let autoscaler = self.autoscaler.clone();
        vec![Arc::new(Autoscaler { current_replicas: replicas, desired_replicas: replicas, ..autoscaler })]
    }
}
