//! Budgets, black-box: a spend in a real Prometheus, HPAs in an API server, and what the HPA would read.

use serde_json::{Value as Json, json};

use crate::support::cluster::Aggregator;
use crate::support::objects::{deployment, external, hpa};
use crate::support::{
    Client, Cluster, Exposition, Prometheus, Server, Target, WAITING, replace_file, seconds, until,
};

const BILL: &str = "/bill";

/// A cluster with two Deployments of one pod each, and their HPAs; a Prometheus that knows their queues
/// and the bill.
struct Stage {
    cluster: Cluster,
    pages: Exposition,
    prometheus: Prometheus,
}

impl Stage {
    /// `a100` and `h100` have an HPA each, with a target of 4 waiting requests for each replica.
    async fn set(replicas: u32) -> Self {
        let cluster = Cluster::start().await;
        let pages = Exposition::start().await;
        let mut targets: Vec<Target> = Vec::new();
        for name in ["a100", "h100"] {
            cluster.put(deployment("ai", name, 1));
            let metrics = json!([external(WAITING, &json!({ "deployment": name }), "4")]);
            cluster.api.put(hpa("ai", name, &metrics));
            targets.push(pages.pod("ai", &format!("{name}-1-0"), queue(100)));
        }
        pages.set(BILL, bill(500));
        targets.push(pages.target("bill", BILL, &[]));
        let prometheus = Prometheus::start(&targets).await;
        let stage = Self { cluster, pages, prometheus };
        stage.scale("a100", replicas);
        stage.scale("h100", replicas);
        stage
    }

    /// As the HPA's controller notes what it has decided.
    fn scale(&self, name: &str, replicas: u32) {
        let status = json!({ "status": {
            "currentReplicas": replicas, "desiredReplicas": replicas,
            "conditions": [{ "type": "AbleToScale", "status": "True" }],
        } });
        self.cluster.api.merge("autoscaling/v2", "HorizontalPodAutoscaler", "ai", name, &status);
    }

    fn wait(&self, name: &str, requests: u32) {
        self.pages.set(&format!("/ai/{name}-1-0"), queue(requests));
    }

    /// The binary with this budget.
    async fn serve(&self, budget: &str) -> (Server, Aggregator) {
        let url = self.prometheus.url();
        let configuration = format!(
            "apiVersion: inferometer.dev/v1alpha1\nkind: Configuration\nsources:\n\
             - {{ name: main, prometheus: {{ url: '{url}' }} }}\nbudgets:\n- name: fleet\n{budget}"
        );
        let file = self.cluster.file("config.yaml");
        replace_file(&file, configuration);
        self.cluster.serve(&["--config", file.to_str().expect("a path in UTF-8")]).await
    }

    /// The reasons of the Events on this HPA, in the order of their times.
    fn told(&self, name: &str) -> Vec<String> {
        let mut events = self.cluster.api.list("events.k8s.io/v1", "Event", "ai");
        events.retain(|event| event["regarding"]["name"] == name);
        events.sort_by_key(|event| event["eventTime"].as_str().map(str::to_owned));
        events.iter().map(|event| event["reason"].as_str().unwrap_or_default().to_owned()).collect()
    }

    async fn is_told(&self, name: &str, reasons: &[&str]) {
        until(&format!("{name} is told {reasons:?}"), seconds(20), async || {
            let told = self.told(name);
            if told == reasons { Ok(()) } else { Err(format!("{told:?}")) }
        })
        .await;
    }
}

fn queue(requests: u32) -> String {
    format!(
        "vllm:num_requests_waiting{{model_name=\"m\"}} {requests}\nvllm:num_requests_running{{model_name=\"m\"}} 1\n"
    )
}

fn bill(spend: u32) -> String {
    format!("gpu_bill_usd_per_hour {spend}\n")
}

/// Waits until the HPA of this Deployment would see this number.
async fn reads(client: &Client, name: &str, expected: &str) {
    let selector = format!("deployment={name}");
    until(&format!("{name} reads {expected}"), seconds(30), async || {
        match client.value("ai", WAITING, &selector).await {
            Ok(value) if value.text == expected => Ok(()),
            Ok(value) => Err(value.text),
            Err(problem) => Err(problem.to_string()),
        }
    })
    .await;
}

/// Looks for some seconds, in which the HPA must see nothing else.
async fn goes_on_reading(client: &Client, name: &str, expected: &str) {
    let selector = format!("deployment={name}");
    for _ in 0..30 {
        assert_eq!(client.quantity("ai", WAITING, &selector).await, expected);
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_a_budget_trips_holds_and_resets() {
    let stage = Stage::set(5).await;
    let budget = "  spend: { promql: 'sum(gpu_bill_usd_per_hour)' }\n  limit: 800\n  resetBelow: 760\n  \
                  minimumOpen: 8s\n  guards: [{ namespace: ai, autoscaler: a100 }]\n";
    let (server, aggregator) = stage.serve(budget).await;
    let client = aggregator.hpa_controller();
    reads(&client, "a100", "100").await;
    assert_eq!(stage.told("a100"), Vec::<String>::new());

    stage.pages.set(BILL, bill(900));
    reads(&client, "a100", "20").await;
    stage.is_told("a100", &["BudgetExceeded"]).await;
    assert_eq!(client.quantity("ai", WAITING, "deployment=h100").await, "100", "it is not guarded");
    let labels = ["budget=\"fleet\""];
    for (name, expected) in [("budget_open", 1.0), ("budget_spend", 900.0), ("budget_limit", 800.0)] {
        let value = server.own_metric(&format!("inferometer_{name}"), &labels).await;
        assert!((value - expected).abs() < 1e-9, "{name} is {value}");
    }

    // Fewer are allowed, and what was given up does not come back.
    stage.wait("a100", 7);
    reads(&client, "a100", "7").await;
    stage.scale("a100", 2);
    stage.wait("a100", 100);
    reads(&client, "a100", "8").await;

    // In the band nothing changes, below it the least time is kept.
    stage.pages.set(BILL, bill(780));
    goes_on_reading(&client, "a100", "8").await;
    stage.pages.set(BILL, bill(100));
    reads(&client, "a100", "100").await;
    stage.is_told("a100", &["BudgetExceeded", "BudgetReset"]).await;
    assert_eq!(stage.told("h100"), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_a_restart_while_open_and_a_second_replica_forget_nothing() {
    let stage = Stage::set(5).await;
    let budget = "  spend: { promql: 'sum(gpu_bill_usd_per_hour)' }\n  limit: 800\n  minimumOpen: 10m\n  \
                  guards: [{ namespace: ai, workload: deployment/a100 }]\n";
    stage.pages.set(BILL, bill(900));
    let (first, aggregator) = stage.serve(budget).await;
    reads(&aggregator.hpa_controller(), "a100", "20").await;
    stage.is_told("a100", &["BudgetExceeded"]).await;
    let remembered = || {
        let kept = stage.cluster.api.get("v1", "ConfigMap", "inferometer", "inferometer-budgets")?;
        serde_json::from_str::<Json>(kept["data"]["budgets.json"].as_str()?).ok()
    };
    let before = until("it is remembered", seconds(10), async || remembered().ok_or("nothing")).await;
    assert_eq!(before["fleet"]["open"], true);

    // One that has never seen the limit exceeded, beside it and after it.
    stage.pages.set(BILL, bill(100));
    let (_second, aggregator) = stage.serve(budget).await;
    let client = aggregator.hpa_controller();
    reads(&client, "a100", "20").await;
    drop(first);
    let (_third, aggregator) = stage.serve(budget).await;
    let client = aggregator.hpa_controller();
    reads(&client, "a100", "20").await;
    goes_on_reading(&client, "a100", "20").await;
    assert_eq!(remembered().as_ref(), Some(&before), "nobody has changed it");
    assert_eq!(stage.told("a100"), ["BudgetExceeded"], "of three replicas one Event");
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_a_lost_spend_is_told_and_held() {
    let stage = Stage::set(5).await;
    let budget = "  spend: { promql: 'sum(gpu_bill_usd_per_hour)' }\n  limit: 800\n  \
                  lost: { after: 3s }\n  guards: [{ namespace: ai }]\n";
    let (server, aggregator) = stage.serve(budget).await;
    let client = aggregator.hpa_controller();
    reads(&client, "a100", "100").await;
    // The exporter dies; Prometheus itself is well.
    stage.pages.remove(BILL);
    reads(&client, "a100", "20").await;
    stage.is_told("a100", &["BudgetSpendUnknown"]).await;
    stage.is_told("h100", &["BudgetSpendUnknown"]).await;
    let lost = server.own_metric("inferometer_budget_lost", &["budget=\"fleet\""]).await;
    assert!((lost - 1.0).abs() < 1e-9);
    stage.pages.set(BILL, bill(500));
    reads(&client, "a100", "100").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_two_hpas_share_a_budget() {
    let stage = Stage::set(1).await;
    let budget = "  spend: { pricePerReplica: 4 }\n  limit: 40\n  minimumOpen: 1s\n  guards:\n  \
                  - { namespace: ai, autoscaler: a100 }\n  - { namespace: ai, autoscaler: h100, price: 8 }\n";
    let (server, aggregator) = stage.serve(budget).await;
    let client = aggregator.hpa_controller();
    // 28 of 40 are left, 14 for each: 3 more for 4 and 1 more for 8; of the rest, 2 more for the first.
    reads(&client, "a100", "24").await;
    reads(&client, "h100", "8").await;
    stage.scale("a100", 6);
    stage.scale("h100", 2);
    until("it is open", seconds(10), async || {
        let open = server.own_metric("inferometer_budget_open", &["budget=\"fleet\""]).await;
        if open > 0.5 { Ok(()) } else { Err("closed") }
    })
    .await;
    goes_on_reading(&client, "a100", "24").await;
    goes_on_reading(&client, "h100", "8").await;
    // What one gives up is shared anew: 20 are left, of which 10 are one more for 8.
    stage.wait("a100", 0);
    reads(&client, "a100", "0").await;
    stage.scale("a100", 1);
    reads(&client, "h100", "12").await;
}
