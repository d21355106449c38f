use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::core::evaluate::Whom;
use crate::engine::Ask;
use crate::engine::fake::World;

fn owner(kind: &str, name: &str) -> Owner {
    Owner { kind: kind.into(), name: name.into() }
}

fn want(of: Of, metric: &str, selector: &str, target: Goal) -> Want {
    Want { of, metric: metric.into(), selector: Selector::parse(selector).unwrap(), target }
}

/// The explanation of `queue` for pod `a-0`, while these autoscalers name it.
async fn explained(autoscalers: Vec<Autoscaler>) -> Explanation {
    let world = World::new();
    let selector = Selector::parse("pod=a-0").unwrap();
    let patience = Duration::from_millis(800);
    let ask = Ask { metric: "queue", namespace: "ai", selector: &selector, whom: Whom::All, patience };
    let mut explained = world.engine.explain(ask).await.unwrap();
    explained.autoscalers = autoscalers.into_iter().map(Arc::new).collect();
    Explanation::new(&explained, "ai", &selector)
}

#[tokio::test(start_paused = true)]
async fn autoscalers_are_told_with_what_they_want_of_the_metric() {
    let fresh = Autoscaler {
        namespace: "ai".into(),
        name: "fresh".into(),
        scales: owner("statefulset", "llama"),
        min_replicas: 1,
        max_replicas: 2,
        current_replicas: None,
        desired_replicas: None,
        wants: Box::new([want(Of::Pods, "queue", "", Goal::AverageValue("16".into()))]),
    };
    let old = Autoscaler {
        name: "old".into(),
        scales: owner("deployment", "llama"),
        max_replicas: 8,
        current_replicas: Some(2),
        desired_replicas: Some(3),
        wants: Box::new([
            want(Of::External, "queue", "pod=b-0", Goal::AverageValue("1500m".into())),
            want(Of::External, "latency", "", Goal::Value("2".into())),
            want(Of::Object(owner("service", "llama")), "queue", "", Goal::Value("40".into())),
        ]),
        ..fresh.clone()
    };
    let told = explained(vec![fresh, old]).await;
    let expected = json!([
        {
            "name": "fresh", "scales": "statefulset/llama", "of": "Pods", "selector": "",
            "target": "AverageValue 16", "minReplicas": 1, "maxReplicas": 2,
        },
        {
            "name": "old", "scales": "deployment/llama", "of": "External", "selector": "pod=b-0",
            "target": "AverageValue 1500m", "minReplicas": 1, "maxReplicas": 8,
            "currentReplicas": 2, "desiredReplicas": 3,
        },
        {
            "name": "old", "scales": "deployment/llama", "of": "Object service/llama", "selector": "",
            "target": "Value 40", "minReplicas": 1, "maxReplicas": 8,
            "currentReplicas": 2, "desiredReplicas": 3,
        },
    ]);
    let text = serde_json::to_string(&told).unwrap();
    let read: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(read["autoscalers"], expected);
    // As `inferometer explain` reads it from a server.
    let back: Explanation = serde_json::from_str(&text).unwrap();
    assert_eq!(back.autoscalers, told.autoscalers);
}

#[tokio::test(start_paused = true)]
async fn where_nobody_asks_nothing_is_said_of_it() {
    let told = serde_json::to_value(explained(Vec::new()).await).unwrap();
    assert!(told.get("autoscalers").is_none(), "{told}");
    let back: Explanation = serde_json::from_value(told).unwrap();
    assert!(back.autoscalers.is_empty());
}
