use serde_json::{Value, json};

use super::*;

/// An explanation as a server sends it.
fn explanation() -> Value {
    json!({
        "kind": "MetricExplanation",
        "apiVersion": "inferometer.dev/v1alpha1",
        "metric": {
            "name": "queue", "help": "Requests that wait.", "unit": "requests", "type": "extensive",
            "targetType": "AverageValue", "direction": "rises under load", "suggestedTarget": 5.0,
            "holdSeconds": 60.0,
        },
        "namespace": "ai",
        "selector": "app=llama",
        "source": "main",
        "answer": {
            "value": "7", "exact": 7.0, "timestamp": "2026-11-22T00:15:51Z", "ageSeconds": 2.0, "held": false,
        },
        "derivation": {
            "inputs": [{
                "engine": "vllm", "signal": "queue", "query": "queue", "formula": "$1", "series": 5,
                "inNamespace": 4, "selected": 1, "readSecondsAgo": 1.0, "intervalSeconds": 2.0,
                "sampleIntervalSeconds": 15.0, "limitSeconds": 75.0, "failure": null, "warnings": [],
            }],
            "elements": [{ "name": "a-0", "value": 7.0, "ageSeconds": 2.0 }],
            "aggregate": "sum",
        },
    })
}

fn drawn(explanation: Value) -> String {
    draw(&serde_json::from_value(explanation).unwrap(), false)
}

#[test]
fn series_of_pods_that_are_gone_are_counted_where_there_are_any() {
    let mut explanation = explanation();
    let line = "series   5 in the cluster, 4 in the namespace, 1 selected";
    assert!(drawn(explanation.clone()).contains(line), "{}", drawn(explanation));
    explanation["derivation"]["inputs"][0]["gone"] = json!(3);
    let line = "series   5 in the cluster, 4 in the namespace, 3 of pods that are gone, 1 selected";
    assert!(drawn(explanation.clone()).contains(line), "{}", drawn(explanation));
}

#[test]
fn autoscalers_stand_between_the_aggregate_and_what_they_see() {
    let mut explanation = explanation();
    assert!(!drawn(explanation.clone()).contains("autoscaler"));
    explanation["autoscalers"] = json!([
        {
            "name": "llama", "scales": "deployment/llama", "of": "External", "selector": "app=llama",
            "target": "AverageValue 16", "minReplicas": 1, "maxReplicas": 8,
            "currentReplicas": 2, "desiredReplicas": 3,
        },
        {
            "name": "fresh", "scales": "statefulset/llama", "of": "Object service/llama", "selector": "",
            "target": "Value 40", "minReplicas": 0, "maxReplicas": 2,
        },
    ]);
    let lines = concat!(
        "├─ aggregate sum\n",
        "├─ autoscaler llama of deployment/llama: 2 replicas, 3 wanted, 1 to 8 allowed\n",
        "│  asks as External, target AverageValue 16, selector app=llama\n",
        "├─ autoscaler fresh of statefulset/llama: ? replicas, ? wanted, 0 to 2 allowed\n",
        "│  asks as Object service/llama, target Value 40, every series\n",
        "└─ the HPA sees 7\n",
    );
    assert!(drawn(explanation.clone()).contains(lines), "{}", drawn(explanation));
}

#[test]
fn a_schedule_tells_what_comes_next() {
    let mut explanation = explanation();
    assert!(!drawn(explanation.clone()).contains("next"));
    explanation["derivation"]["inputs"][0]["next"] = json!([
        { "at": "2026-11-23T06:30:00Z", "local": "2026-11-23T07:30:00+01:00", "value": 3.0 },
        { "at": "2026-11-23T19:00:00Z", "local": "2026-11-23T20:00:00+01:00", "value": 0.5 },
    ]);
    let lines = concat!(
        "│  │  next     3 from 2026-11-23T07:30:00+01:00 on (2026-11-23T06:30:00Z)\n",
        "│  │  next     0.5 from 2026-11-23T20:00:00+01:00 on (2026-11-23T19:00:00Z)\n",
        "│  │  formula  $1\n",
    );
    assert!(drawn(explanation.clone()).contains(lines), "{}", drawn(explanation));
}
