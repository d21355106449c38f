//! A budget of 800 on an HPA of 1 to 20 replicas: where a cost metric beside the queue's let a fleet grow to
//! its maximum, and kept it there.

use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::super::workload::NAMESPACE;
use super::super::{Autoscaler, ControlPlane, text};
use super::Stage;
use super::stage::{external, fleet};
use crate::support::{Caller, Server, seconds, until, value_path};

const METRIC: &str = "inference_requests_waiting";
const SELECTOR: &str = "deployment=vllm";
const BILL: &str = "gpu_bill_usd_per_hour";

/// The catalog's metric, read often and let go of soon, and the budget.
fn configuration(minimum_open: &str) -> String {
    format!(
        "metrics: [{{ name: {METRIC}, preset: {METRIC}, refresh: 1s, hold: 3s }}]\n\
         budgets:\n- name: fleet\n  spend: {{ promql: 'sum({BILL})' }}\n  limit: 800\n  resetBelow: 760\n  \
         minimumOpen: {minimum_open}\n  guards: [{{ namespace: {NAMESPACE}, autoscaler: vllm }}]\n"
    )
}

/// The scenario's parts, named once.
struct Play {
    stage: Stage,
    hpa: Autoscaler,
}

impl Play {
    fn put_in(&self, queue: f64, spend: f64) {
        self.stage.queue(queue);
        self.stage.apart(BILL, spend);
    }

    async fn tell(&self, step: &str) {
        self.stage.tell(step, METRIC, SELECTOR, &self.hpa).await;
    }

    async fn until_open(&self, replica: &Server, open: bool, within: u64) {
        until(&format!("open is {open}"), seconds(within), async || {
            let is = replica.own_metric("inferometer_budget_open", &["budget=\"fleet\""]).await;
            if (is > 0.5) == open { Ok(()) } else { Err(is.to_string()) }
        })
        .await;
    }

    /// The reasons of what we told this HPA, in order, and how often each was told.
    async fn told(&self) -> Vec<String> {
        let of = json!({
            "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": { "namespace": NAMESPACE },
        });
        let mut events: Vec<Json> = self.stage.inferometer.admin.list(&of).await;
        events.retain(|event| text(event, "/reason").starts_with("Budget"));
        events.sort_by_key(|event| text(event, "/eventTime").to_owned());
        for event in &events {
            assert_eq!(text(event, "/regarding/name"), "vllm");
            assert_eq!(event["series"], Json::Null, "told once");
        }
        events.iter().map(|event| text(event, "/reason").to_owned()).collect()
    }

    async fn until_told(&self, reasons: &[&str]) {
        until(&format!("told {reasons:?}"), seconds(20), async || {
            let told = self.told().await;
            if told == reasons { Ok(()) } else { Err(format!("{told:?}")) }
        })
        .await;
        println!("          Events: {reasons:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs KUBEBUILDER_ASSETS"]
async fn cluster_prometheus_hpa_budget() {
    let stage = Stage::set(ControlPlane::start().await, 20).await;
    stage.apart(BILL, 500.0);
    stage.queue(5.0);
    let replica = stage.serve(&configuration("20s")).await;
    let hpa = stage.autoscaler((1, 20), json!([external(METRIC, &fleet(), "5")])).await;
    hpa.until_reads("/external/current/averageValue", "5", 40).await;
    let play = Play { stage, hpa };
    play.tell("queue 5, spend 500 of 800").await;

    // Where the usual breaker went from 1 to 20.
    play.put_in(5.0, 900.0);
    play.until_open(&replica, true, 20).await;
    let tripped = Instant::now();
    play.put_in(200.0, 900.0);
    play.hpa.assert_holds(&play.stage.fleet, seconds(10)).await;
    play.tell("queue 200, spend 900, for 10 s").await;
    assert_eq!(play.stage.fleet.pods(), 1);
    play.stage.until_served(METRIC, SELECTOR, 5.0, 1).await;
    play.until_told(&["BudgetExceeded"]).await;

    // Well below the limit, and then the least time is over.
    play.put_in(200.0, 100.0);
    play.hpa.until_replicas(&play.stage.fleet, 20, 60).await;
    assert!(tripped.elapsed() > seconds(18), "after {:?}", tripped.elapsed());
    play.tell("queue 200, spend 100, once it was open for 20 s").await;
    play.until_told(&["BudgetExceeded", "BudgetReset"]).await;

    // Open, it may shrink, and what was given up does not come back.
    play.put_in(200.0, 900.0);
    play.until_open(&replica, true, 20).await;
    play.put_in(60.0, 900.0);
    play.hpa.until_replicas(&play.stage.fleet, 12, 30).await;
    play.tell("queue 60, spend 900").await;
    play.put_in(200.0, 900.0);
    play.hpa.assert_holds(&play.stage.fleet, seconds(6)).await;
    play.tell("queue 200 again, spend 900, for 6 s").await;

    let replica = restarted_while_open(&play, replica).await;
    play.until_told(&["BudgetExceeded", "BudgetReset", "BudgetExceeded"]).await;

    // Kept, and with nothing to do: where the usual breaker stayed at 20.
    play.stage.configure(play.stage.prometheus.url(), &configuration("1s"));
    play.until_open(&replica, false, 30).await;
    play.hpa.until_replicas(&play.stage.fleet, 20, 30).await;
    play.tell("queue 200, spend 100, minimumOpen 1s").await;
    play.put_in(0.0, 100.0);
    play.hpa.until_replicas(&play.stage.fleet, 1, 30).await;
    play.tell("queue 0, spend 100").await;
    play.until_told(&["BudgetExceeded", "BudgetReset", "BudgetExceeded", "BudgetReset"]).await;
}

/// Ours dies and starts anew, and another one takes over, each with a spend that opens no budget: what is
/// remembered alone keeps it open. The fleet never grows meanwhile. Gives the replica that is left.
async fn restarted_while_open(play: &Play, mut first: Server) -> Server {
    let (stage, began) = (&play.stage, Instant::now());
    play.put_in(200.0, 100.0);
    let file = stage.configure(stage.prometheus.url(), &configuration("30m"));
    until("the least time is another", seconds(20), async || {
        let taken = first.log().iter().any(|line| line.contains("configuration taken"));
        if taken { Ok(()) } else { Err("it was not taken") }
    })
    .await;
    first.process.kill();
    let second = stage.inferometer.replica(&["--config", &file]).await;
    stage.inferometer.register(&second).await;
    stage.until_served(METRIC, SELECTOR, 60.0, 20).await;
    println!(
        "          killed, and a new one served the held value {:?} after the spend fell",
        began.elapsed()
    );
    play.hpa.assert_holds(&stage.fleet, seconds(6)).await;
    play.tell("restarted; queue 200, spend 100, minimumOpen 30m").await;

    let third = stage.inferometer.replica(&["--config", &file]).await;
    let path = value_path(NAMESPACE, METRIC, SELECTOR);
    for (name, replica) in [("second", &second), ("third", &third)] {
        let aggregator = stage.plane.front_proxy_at("front-proxy-client", replica.client.base().to_owned());
        let controller = aggregator.sending(Caller::hpa_controller().headers());
        let value = until(&format!("the {name} holds"), seconds(30), async || {
            let reply = controller.get(&path).await;
            match reply.value(METRIC) {
                Ok(value) if value.text == "60" => Ok(value.text),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
        println!("          the {name} replica itself says {value}");
    }
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "namespace": "inferometer", "name": "inferometer-budgets" },
    });
    let remembered = stage.inferometer.admin.get(&map).await;
    println!("          inferometer-budgets: {}", remembered["data"]);
    let kept: Json = serde_json::from_str(text(&remembered, "/data/budgets.json")).expect("JSON");
    assert_eq!(kept["fleet"]["open"], true);
    stage.inferometer.register(&third).await;
    drop(second);
    play.hpa.assert_holds(&stage.fleet, seconds(6)).await;
    play.tell("the third replica alone; queue 200, spend 100").await;
    assert_eq!(stage.witness.since(began).await, [12], "replicas asked for since the spend fell");
    third
}
