//! Autoscalers: what is kept of them, by what they are found, and what is read ahead for them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use super::fixture::{Told, decoded};
use crate::cluster::follow::Sink as _;
use crate::cluster::hpas::AutoscalerSink;
use crate::cluster::{WatchMetrics, warm};
use crate::core::autoscaler::{Goal, Of};
use crate::core::workload::Inventory as _;

fn sink(told: &Told) -> AutoscalerSink {
    let autoscalers = Arc::clone(&told.cluster.autoscalers);
    AutoscalerSink { autoscalers, metrics: Arc::new(WatchMetrics::default()) }
}

fn external(metric: &str, selector: &Value) -> Value {
    json!({"type": "External", "external": {"metric": {"name": metric, "selector": selector}, "target": {"type": "AverageValue", "averageValue": "16"}}})
}

fn autoscaler(name: &str, metrics: &[Value]) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "ai", "resourceVersion": "1"},
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "vllm"}, "maxReplicas": 9, "metrics": metrics},
        "status": {"desiredReplicas": 0, "currentMetrics": null},
    })
}

#[test]
fn what_it_asks_for_and_has_decided_is_kept() {
    let told = Told::new();
    let sink = sink(&told);
    let selector = json!({
        "matchLabels": {"deployment": "vllm"},
        "matchExpressions": [
            {"key": "gpu", "operator": "In", "values": ["h100", "a100"]},
            {"key": "tier", "operator": "NotIn", "values": ["test"]},
            {"key": "team", "operator": "Exists"},
            {"key": "canary", "operator": "DoesNotExist", "values": []},
        ],
    });
    let mut object = autoscaler(
        "one",
        &[
            json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}),
            external("waiting", &selector),
            json!({"type": "Pods", "pods": {"metric": {"name": "queue"}, "target": {"type": "AverageValue", "averageValue": "500m"}}}),
            json!({"type": "Object", "object": {"metric": {"name": "rate"}, "describedObject": {"kind": "Service", "name": "llm"}, "target": {"type": "Value", "value": "2k"}}}),
        ],
    );
    sink.apply(decoded(&object));
    let found = told.cluster.autoscalers("ai", "queue");
    let [one] = &found[..] else { panic!("{found:?}") };
    assert_eq!((&*one.scales.kind, &*one.scales.name), ("deployment", "vllm"));
    assert_eq!((one.min_replicas, one.max_replicas), (1, 9));
    assert_eq!((one.current_replicas, one.desired_replicas), (None, None), "it has not looked yet");
    let wants: Vec<_> = one.wants.iter().map(|want| (&*want.metric, &want.of, &want.target)).collect();
    assert!(
        matches!(&wants[..], [
        ("waiting", Of::External, Goal::AverageValue(first)),
        ("queue", Of::Pods, Goal::AverageValue(second)),
        ("rate", Of::Object(object), Goal::Value(third)),
    ] if &**first == "16" && &**second == "500m" && &*object.kind == "service" && &**third == "2k"),
        "{wants:?}"
    );
    let selector = one.wants[0].selector.to_string();
    assert_eq!(selector, "!canary,deployment=vllm,gpu in (a100,h100),team,tier notin (test)");
    assert!(one.wants[1].selector.is_everything());

    object["status"] =
        json!({"currentReplicas": 2, "desiredReplicas": 3, "conditions": [{"type": "AbleToScale"}]});
    sink.apply(decoded(&object));
    let one = &told.cluster.autoscalers("ai", "waiting")[0];
    assert_eq!((one.current_replicas, one.desired_replicas), (Some(2), Some(3)));
    let mut counts = |min: u32, status: Value| {
        object["spec"]["minReplicas"] = min.into();
        object["status"] = status;
        sink.apply(decoded(&object));
        let one = &told.cluster.autoscalers("ai", "waiting")[0];
        (one.current_replicas, one.desired_replicas)
    };
    // As the controller writes them: of a new one whose metrics it could not read, of one at rest, and of
    // one that has just decided on none.
    let (able, limited) = (json!({"type": "AbleToScale"}), json!({"type": "ScalingLimited"}));
    let new = json!({"currentReplicas": 5, "desiredReplicas": 0, "conditions": [able]});
    assert_eq!(counts(1, new.clone()), (Some(5), None));
    assert_eq!(counts(0, new), (Some(5), None));
    assert_eq!(counts(0, json!({"desiredReplicas": 0, "conditions": [able]})), (Some(0), Some(0)));
    let ending = json!({"currentReplicas": 5, "desiredReplicas": 0, "conditions": [able, limited]});
    assert_eq!(counts(0, ending.clone()), (Some(5), Some(0)));
    assert_eq!(counts(1, ending), (Some(5), None), "it cannot have wanted none");
    assert!(told.cluster.autoscalers("ai", "cpu").is_empty(), "resources are not ours");
    assert!(told.cluster.autoscalers("other", "waiting").is_empty());
}

#[test]
fn a_bad_selector_costs_its_own_metric_only() {
    let told = Told::new();
    let sink = sink(&told);
    for bad in [
        json!({"matchLabels": {"app": "a,b"}}),
        json!({"matchLabels": {"": "a"}}),
        json!({"matchExpressions": [{"key": "a", "operator": "In", "values": []}]}),
        json!({"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["1"]}]}),
    ] {
        let metrics = [external("waiting", &bad), external("running", &Value::Null)];
        sink.apply(decoded(&autoscaler("one", &metrics)));
        assert!(told.cluster.autoscalers("ai", "waiting").is_empty(), "{bad}");
        assert_eq!(told.cluster.autoscalers("ai", "running").len(), 1, "{bad}");
        sink.remove("ai", "one");
    }
    assert_eq!(sink.metrics.count_bad_selectors(), 4);
}

/// The API server lets a field stand that does not go with a target's type; the controller looks past it.
#[test]
fn a_target_is_what_its_type_says() {
    let told = Told::new();
    let sink = sink(&told);
    let both = |kind: &str| json!({"type": kind, "averageValue": "1", "value": "1000000"});
    let described = json!({"kind": "Deployment", "name": "d"});
    let object = |kind: &str| json!({"type": "Object", "object": {"describedObject": described, "metric": {"name": "queue"}, "target": both(kind)}});
    let pods = json!({"type": "Pods", "pods": {"metric": {"name": "queue"}, "target": both("AverageValue")}});
    sink.apply(decoded(&autoscaler("one", &[pods, object("AverageValue"), object("Value")])));
    let known = told.cluster.autoscalers("ai", "queue");
    let goals: Vec<_> = known[0].wants.iter().map(|want| want.target.clone()).collect();
    let mean = || Goal::AverageValue("1".into());
    assert_eq!(goals, [mean(), mean(), Goal::Value("1000000".into())]);
}

#[test]
fn the_index_follows_every_change() {
    let told = Told::new();
    let sink = sink(&told);
    let apply = |name: &str, metrics: &[&str]| {
        let metrics: Vec<Value> = metrics.iter().map(|metric| external(metric, &Value::Null)).collect();
        sink.apply(decoded(&autoscaler(name, &metrics)));
    };
    let names = |metric: &str| -> Vec<String> {
        told.cluster.autoscalers("ai", metric).iter().map(|one| one.name.to_string()).collect()
    };
    apply("two", &["waiting", "waiting"]);
    apply("one", &["waiting", "running"]);
    assert_eq!(names("waiting"), ["one", "two"]);
    apply("one", &["running"]);
    assert_eq!((names("waiting"), names("running")), (vec!["two".to_owned()], vec!["one".to_owned()]));
    sink.begin();
    apply("one", &["running"]);
    sink.end();
    assert_eq!((names("waiting"), names("running")), (vec![], vec!["one".to_owned()]));
    assert_eq!(sink.count(), 1);
    sink.remove("ai", "one");
    assert!(names("running").is_empty() && told.cluster.autoscalers.asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_is_read_ahead() {
    let told = Told::new();
    let sink = sink(&told);
    let calls: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = Arc::clone(&calls);
    let warm = warm::keep(Arc::clone(&told.cluster), move |namespace: &str, metric: &str| {
        noted.lock().unwrap().push(format!("{namespace}/{metric}"));
    });
    let task = tokio::spawn(warm);
    let take = || std::mem::take(&mut *calls.lock().unwrap());
    sleep(Duration::from_secs(1)).await;
    assert!(take().is_empty());

    let mut object = autoscaler(
        "one",
        &[external("waiting", &Value::Null), external("waiting", &json!({"matchLabels": {"a": "b"}}))],
    );
    sink.apply(decoded(&object));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(take(), ["ai/waiting"], "once, within a second");
    // A status is no news.
    object["status"] = json!({"currentReplicas": 2, "desiredReplicas": 3, "conditions": [{}]});
    sink.apply(decoded(&object));
    sleep(Duration::from_secs(1)).await;
    assert!(take().is_empty());
    sleep(Duration::from_mins(1)).await;
    assert_eq!(take(), ["ai/waiting"; 2], "and again every 30 s");

    // Ten thousand are not asked for at once, but all are.
    for number in 0..10_000 {
        let metric = external(&format!("metric-{number}"), &Value::Null);
        sink.apply(decoded(&autoscaler(&format!("hpa-{number}"), &[metric])));
    }
    sleep(Duration::from_millis(500)).await;
    let first = take();
    assert!((100..=1000).contains(&first.len()), "{}", first.len());
    sleep(Duration::from_secs(10)).await;
    let all: BTreeSet<String> = first.into_iter().chain(take()).collect();
    assert!(all.len() >= 10_000, "{}", all.len());
    // A round is spread, too.
    sleep(Duration::from_mins(1)).await;
    take();
    sleep(Duration::from_secs(3)).await;
    let some = take().len();
    assert!((900..=1_400).contains(&some), "{some} in a tenth of a round");
    task.abort();
}
