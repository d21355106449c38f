//! The demo: the first command of the README, a day in seconds.

use std::process::{Command, Stdio};

use crate::support::command::{Process, inferometer, text};
use crate::support::{Client, seconds, until, value_path};

/// A short day on a small fleet, so that a slow machine can play it too.
const DAY: [&str; 9] = ["demo", "--day", "30m", "--plateau", "3", "--bursts", "1", "--max-replicas", "6"];

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_serves_while_it_runs_and_ends_with_a_table() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (log, report) = (folder.path().join("log"), folder.path().join("day.html"));
    let output = std::fs::File::create(&log).expect("writable");
    let mut demo = Process::start(
        Command::new(env!("CARGO_BIN_EXE_inferometer"))
            .args(DAY)
            .args(["--duration", "20s", "--model-load", "30s", "--report"])
            .arg(&report)
            .stdout(Stdio::from(output)),
    );
    let said = || std::fs::read_to_string(&log).expect("the demo's words");
    let mut base = None;
    until("the demo says where its API is", seconds(20), async || {
        let said = said();
        let rest = said.split("https://").nth(1).ok_or("nothing yet")?;
        base = rest.split_whitespace().next().map(|address| format!("https://{address}"));
        Ok::<_, &str>(())
    })
    .await;
    let client = Client::new(base.expect("an address"));
    for metric in ["inference_requests_in_system", "inference_kv_cache_utilization", "gpu_utilization"] {
        until(metric, seconds(10), async || {
            client.value("demo", metric, "").await.map_err(|problem| problem.message)
        })
        .await;
    }
    // What is made of rates has a window as short as the day; six seconds go by before it is trusted.
    until("a quantile", seconds(15), async || {
        let value = client.value("demo", "inference_time_to_first_token_seconds_p95", "engine=vllm").await;
        value.map(|value| assert!(value.number < 60.0, "{}", value.text)).map_err(|problem| problem.message)
    })
    .await;
    assert_eq!(demo.exit_code(seconds(60)).await, 0, "{}", said());

    let said = said();
    for part in [
        "kubectl --kubeconfig /dev/null",
        "in system 16 a replica, live",
        "fixed fleet of",
        "CPU 50 %",
        "waiting 5 a replica",
        "demand from arrivals",
        "first tokens in time",
        "GPU-hours",
        "day: 0.5 h, seed 1",
        "The first row was live",
    ] {
        assert!(said.contains(part), "{part:?} is missing:\n{said}");
    }
    assert!(!said.contains("Ended early"), "{said}");
    assert!(!said.contains('\x1b'), "no drawing over where there is no terminal");
    let page = std::fs::read_to_string(&report).expect("the report");
    assert!(page.contains("<svg") && page.contains("demand from arrivals"));
    assert!(
        !page.contains("src=") && !page.contains("<script") && !page.contains("<link"),
        "needs nothing else"
    );
}

/// The live HPA follows demand as a cluster's would: pods and target are known, rates are those of the day.
#[tokio::test(flavor = "multi_thread")]
async fn the_demo_can_follow_demand_from_arrivals() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let log = folder.path().join("log");
    let mut demo = Process::start(
        Command::new(env!("CARGO_BIN_EXE_inferometer"))
            .args(DAY)
            .args(["--duration", "20s", "--model-load", "30s", "--policy", "demand"])
            .stdout(Stdio::from(std::fs::File::create(&log).expect("writable"))),
    );
    let said = || std::fs::read_to_string(&log).expect("the demo's words");
    let base = until("the demo says where its API is", seconds(20), async || {
        let said = said();
        let rest = said.split("https://").nth(1).and_then(|rest| rest.split_whitespace().next());
        rest.map(|address| format!("https://{address}")).ok_or("nothing yet")
    })
    .await;
    let path = value_path("demo", "inference_demand_requests_per_second", "engine=vllm") + "&explain=true";
    let client = Client::new(base);
    until("demand knows its HPA", seconds(15), async || {
        let explained = client.get(&path).await.json();
        let value = explained["answer"]["exact"].as_f64().ok_or_else(|| explained["refusal"].to_string())?;
        // At most 3 requests a second come, thrice that in a burst; in real time ninety times as many.
        assert!(value < 30.0, "{value}");
        let facts = &explained["derivation"]["expression"]["facts"];
        let is_known = |fact: &str| facts[fact].as_f64().is_some_and(|number| number > 0.0);
        if is_known("target") && is_known("replicas") { Ok(()) } else { Err(explained.to_string()) }
    })
    .await;
    assert_eq!(demo.exit_code(seconds(60)).await, 0, "{}", said());
    let said = said();
    assert!(said.contains("demand from arrivals, live"), "{said}");
    let mut counts = said.split("over TLS ").nth(1).expect("passes").split_whitespace();
    let passes: u32 = counts.next().and_then(|count| count.parse().ok()).expect("a number");
    let refused: u32 = counts.nth(3).and_then(|count| count.parse().ok()).expect("a number");
    // Six of the twenty seconds go by before windows are trusted.
    assert!(passes > 0 && refused * 2 < passes, "{refused} of {passes} passes were refused:\n{said}");
}

#[test]
fn what_cannot_be_played_is_refused_before_it_begins() {
    for (args, why) in [
        (&["--min-replicas", "9", "--max-replicas", "3"][..], "above"),
        (&["--duration", "60"], "60s"),
        (&["--plateau", "0"], "above zero"),
        (&["--report", "/nowhere/day.html"], "/nowhere/day.html"),
    ] {
        let output = inferometer(&[&["demo"], args].concat());
        assert!(!output.status.success() && output.stdout.is_empty());
        assert!(text(&output.stderr).contains(why), "{}", text(&output.stderr));
    }
}
