//! An HPA of the examples in the hands of the algorithm: what it asks, and what it makes of the answers.

use std::time::Duration;

use inferometer::core::hpa::{
    Behavior, Controller, Decision, Observation, Options, Phase, Pod, PodId, Policy, PolicyKind, Rules,
    Scale, Select, Spec, Target,
};
use inferometer::core::time::Timestamp;
use serde_json::Value as Json;

use crate::support::client::CUSTOM;
use crate::support::{Client, value_path};

/// Between two looks of the controller.
const SYNC: Duration = Duration::from_secs(15);

const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// An HPA: its object, and what of it the algorithm looks at.
#[derive(Debug, Clone)]
pub(crate) struct Autoscaler {
    pub(crate) object: Json,
    pub(crate) spec: Spec,
    asks: Vec<Ask>,
}

/// One metric: its name, and its selector as the controller writes it.
#[derive(Debug, Clone)]
struct Ask {
    name: String,
    selector: String,
    of_pods: bool,
}

/// A look at the metrics and what comes of it.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) decision: Decision,
    /// When the replicas become fewer, if the numbers stay as they are, and how many there are then.
    pub(crate) later: Option<(Duration, u32)>,
}

impl Autoscaler {
    /// The object of a manifest.
    pub(crate) fn read(yaml: &str) -> Self {
        let object: Json = serde_saphyr::from_str(yaml).expect("an HPA");
        let spec = &object["spec"];
        let metrics = spec["metrics"].as_array().expect("metrics");
        let rules = |direction: &str, default: Rules| rules(&spec["behavior"][direction], default);
        let behavior = Behavior {
            scale_up: rules("scaleUp", Rules::up()),
            scale_down: rules("scaleDown", Rules::down()),
        };
        let parsed = Spec {
            min_replicas: whole(&spec["minReplicas"]).unwrap_or(1),
            max_replicas: whole(&spec["maxReplicas"]).expect("maxReplicas"),
            metrics: metrics.iter().map(target).collect(),
            behavior,
        };
        let asks = metrics.iter().map(|metric| ask(metric, object["metadata"]["name"].as_str())).collect();
        Self { spec: parsed, asks, object }
    }

    /// One that nobody can ask, for observations of another kind.
    pub(crate) fn of(spec: Spec) -> Self {
        Self { object: Json::Null, spec, asks: Vec::new() }
    }

    pub(crate) fn deployment(&self) -> &str {
        self.object["spec"]["scaleTargetRef"]["name"].as_str().expect("a target")
    }

    /// The same in another namespace, with so many replicas.
    pub(crate) fn placed(&self, namespace: &str, replicas: u32) -> Json {
        let mut object = self.object.clone();
        object["metadata"]["namespace"] = namespace.into();
        object["status"] = serde_json::json!({ "currentReplicas": replicas, "desiredReplicas": replicas });
        object
    }

    /// Asks for every metric as the controller does.
    pub(crate) async fn observe(&self, client: &Client, namespace: &str) -> Vec<Observation> {
        let mut all = Vec::new();
        for ask in &self.asks {
            all.push(ask.observe(client, namespace).await);
        }
        all
    }

    /// What the controller decides at once, and how long it takes to shrink if nothing changes.
    pub(crate) fn decide(&self, replicas: u32, observations: &[Observation]) -> Outcome {
        let mut controller = Controller::new(Options::default());
        if replicas == 0 {
            controller = controller.scaled_to_zero();
        }
        let pods: Vec<Pod> = (0..u64::from(replicas)).map(ready).collect();
        let scale = Scale { spec_replicas: replicas, status_replicas: replicas, pods: &pods };
        let mut look = |after: Duration| controller.sync(START.plus(after), &self.spec, &scale, observations);
        let decision = look(Duration::ZERO);
        let later = (1..=240).map(|count| SYNC * count).find_map(|after| {
            let then = look(after).replicas;
            (decision.replicas == replicas && then < replicas).then_some((after, then))
        });
        Outcome { decision, later }
    }
}

impl Ask {
    async fn observe(&self, client: &Client, namespace: &str) -> Observation {
        if !self.of_pods {
            let reply = client.get(&value_path(namespace, &self.name, &self.selector)).await;
            return match reply.value(&self.name) {
                Ok(value) => Observation::Value(value.number),
                Err(problem) => Observation::Unknown(problem.message),
            };
        }
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("labelSelector", &self.selector)
            .finish();
        let path = format!("{CUSTOM}/v1beta2/namespaces/{namespace}/pods/*/{}?{query}", self.name);
        let reply = client.get(&path).await;
        if reply.status != 200 {
            return Observation::Unknown(reply.problem().message);
        }
        let list = reply.json();
        let items = list["items"].as_array().expect("items").iter();
        Observation::Pods(
            items.map(|item| (id(&item["describedObject"]["name"]), number(&item["value"]))).collect(),
        )
    }
}

/// The pod `NAME-1-INDEX`.
fn id(name: &Json) -> PodId {
    let index = name.as_str().and_then(|name| name.rsplit_once('-')?.1.parse().ok());
    PodId(index.expect("a pod of the Deployment"))
}

fn ready(index: u64) -> Pod {
    Pod {
        id: PodId(index),
        phase: Phase::Running,
        ready: true,
        started_at: START.shifted(-3_600_000),
        ready_since: Some(START.shifted(-3_500_000)),
        deleted: false,
        sample: None,
    }
}

fn target(metric: &Json) -> Target {
    match metric["type"].as_str() {
        Some("Pods") => Target::Pods(number(&metric["pods"]["target"]["averageValue"])),
        Some("External") => {
            let target = &metric["external"]["target"];
            match target["type"].as_str() {
                Some("AverageValue") => Target::AverageValue(number(&target["averageValue"])),
                _ => Target::Value(number(&target["value"])),
            }
        }
        other => panic!("a recipe with metrics of type {other:?}"),
    }
}

fn ask(metric: &Json, workload: Option<&str>) -> Ask {
    let of_pods = metric["type"] == "Pods";
    let named = if of_pods { &metric["pods"]["metric"] } else { &metric["external"]["metric"] };
    let labels = named["selector"]["matchLabels"].as_object().into_iter().flatten();
    let selector: Vec<String> =
        labels.map(|(key, value)| format!("{key}={}", value.as_str().expect("a label"))).collect();
    // Of pods, those that the Deployment's own selector matches.
    let selector = if of_pods { format!("app={}", workload.expect("a name")) } else { selector.join(",") };
    Ask { name: named["name"].as_str().expect("a name").to_owned(), selector, of_pods }
}

fn rules(yaml: &Json, default: Rules) -> Rules {
    let policies = yaml["policies"].as_array().map(|list| list.iter().map(policy).collect());
    Rules {
        stabilization: yaml["stabilizationWindowSeconds"]
            .as_u64()
            .map_or(default.stabilization, Duration::from_secs),
        select: if yaml["selectPolicy"] == "Min" { Select::Min } else { Select::Max },
        policies: policies.unwrap_or(default.policies),
        tolerance: yaml["tolerance"].as_str().and_then(|text| text.parse().ok()),
    }
}

fn policy(yaml: &Json) -> Policy {
    Policy {
        kind: if yaml["type"] == "Pods" { PolicyKind::Pods } else { PolicyKind::Percent },
        value: whole(&yaml["value"]).expect("a value"),
        period: Duration::from_secs(yaml["periodSeconds"].as_u64().expect("a period")),
    }
}

fn whole(value: &Json) -> Option<u32> {
    value.as_u64().and_then(|value| value.try_into().ok())
}

/// A quantity in plain numbers or thousandths.
fn number(value: &Json) -> f64 {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match text.strip_suffix('m') {
        Some(milli) => milli.parse::<f64>().expect("thousandths") / 1000.0,
        None => text.parse().expect("a number"),
    }
}
