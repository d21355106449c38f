//! Our own metrics as they are scraped.

use std::collections::{HashMap, HashSet};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use http::Method;
use tokio::time::sleep;

use super::{METRICS, Server};
use crate::core::metric::Metric;
use crate::core::signal::{Element, QuerySignal, Signal};
use crate::engine::fake::{Deed, World, like};
use crate::engine::observe::Signals;
use crate::source::Vitals;

/// What `/metrics` shows.
pub(super) fn encode(world: &World) -> String {
    let mut registry = world.telemetry.registry();
    registry.register_collector(Box::new(Signals(Arc::clone(&world.engine))));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    text
}

/// A server that has seen some of everything.
async fn busy() -> Server {
    let server = Server::new();
    let query = |promql: &str| {
        let signal = QuerySignal {
            promql: promql.to_owned(),
            window: None,
            element: Element::Series,
            timed: false,
            of_samples: false,
        };
        let mut metric = like("queue", "mine");
        metric.inputs[0].signal = Arc::new(Signal::Query(signal));
        metric.inputs[0].detect = Arc::default();
        metric
    };
    let slower = Metric { refresh: Some(std::time::Duration::from_secs(9)), ..like("queue", "slower") };
    server.world.install(vec![query("sum(x{a=\"b\\\\c\"})\n+ 1"), slower]);
    for metric in
        ["queue", "queue", "queue", "slower", "rate", "latency", "shared", "mine", "nothing", "queue?watch=1"]
    {
        server.metric(metric).await;
    }
    server.metric("queue?labelSelector=pod%3Dx").await;
    server.request(Method::DELETE, &format!("{METRICS}/ai/queue"), &[]).await;
    server.world.source.script().deed = Deed::Fail;
    server.metric("g0").await;
    sleep(std::time::Duration::from_secs(20)).await;
    server.world.source.script().vitals = Some(Vitals {
        targets: 5,
        silent: 2,
        series: 700,
        bytes: 80_000,
        longest: std::time::Duration::from_millis(250),
        latest: std::time::Duration::from_millis(1500),
    });
    server.world.telemetry.refused("silent");
    server.world.telemetry.reloaded(true);
    server.world.telemetry.certificate_reloaded(false);
    server.world.telemetry.answered(418, std::time::Duration::from_secs(5));
    server
}

#[tokio::test(start_paused = true)]
async fn requests_are_counted_by_code_and_refusals_by_reason() {
    let text = encode(&busy().await.world);
    for line in [
        r#"inferometer_api_requests_total{code="200"} 7"#,
        r#"inferometer_api_requests_total{code="404"} 1"#,
        r#"inferometer_api_requests_total{code="405"} 2"#,
        r#"inferometer_api_requests_total{code="503"} 3"#,
        r#"inferometer_api_requests_total{code="other"} 1"#,
        r#"inferometer_api_request_seconds_bucket{le="+Inf"} 14"#,
        "inferometer_api_request_seconds_count 14",
        r#"inferometer_refusals_total{reason="no_series"} 2"#,
        r#"inferometer_refusals_total{reason="source_down"} 1"#,
        r#"inferometer_refusals_total{reason="stale"} 0"#,
        r#"inferometer_refusals_total{reason="silent"} 1"#,
        "inferometer_remembered_readings_total 1",
        "inferometer_configuration_generation 2",
        r#"inferometer_configuration_reloads_total{result="success"} 1"#,
        r#"inferometer_certificate_reloads_total{result="failure"} 1"#,
        r#"inferometer_signal_up{source="main",signal="alpha:queue",window=""} 0.0"#,
        r#"inferometer_signal_series{source="main",signal="alpha:rate_total",window="2m"} 1.0"#,
        r#"inferometer_scrape_targets{source="main"} 5.0"#,
        r#"inferometer_scrape_targets_silent{source="main"} 2.0"#,
        r#"inferometer_scrape_series{source="main"} 700.0"#,
        r#"inferometer_scrape_bytes{source="main"} 80000.0"#,
        r#"inferometer_scrape_duration_seconds{source="main"} 0.25"#,
        r#"inferometer_scrape_delay_seconds{source="main"} 1.5"#,
        r#"inferometer_source_refreshes_total{source="main",result="success"}"#,
        r#"inferometer_source_refreshes_total{source="main",result="unreachable"}"#,
    ] {
        assert!(text.lines().any(|shown| shown.starts_with(line)), "{line}\n{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_series_is_shown_once_under_a_declared_name() {
    let text = encode(&busy().await.world);
    assert!(text.ends_with("# EOF\n"));
    let mut types: HashMap<&str, &str> = HashMap::new();
    let mut seen = HashSet::new();
    for line in text.lines().filter(|line| *line != "# EOF") {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(types.insert(name, kind).is_none(), "{name} is declared twice");
        }
        if line.starts_with('#') {
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().unwrap().is_finite(), "{line}");
        assert!(seen.insert(series), "{series} is shown twice");
        let name = series.split('{').next().unwrap();
        let declared = |suffix: &str, kind: &str| {
            name.strip_suffix(suffix).is_some_and(|base| types.get(base).is_some_and(|known| *known == kind))
        };
        let histogram = ["_bucket", "_sum", "_count"].iter().any(|suffix| declared(suffix, "histogram"));
        assert!(declared("", "gauge") || declared("_total", "counter") || histogram, "{line}");
    }
    // Cumulative, and the last is the count.
    let buckets: Vec<u64> = text
        .lines()
        .filter(|line| line.starts_with("inferometer_api_request_seconds_bucket"))
        .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
        .collect();
    assert!(buckets.is_sorted());
    assert_eq!(buckets.len(), 11);
    assert!(text.contains(r#"signal="`sum(x{a=\"b\\\\c\"})\n+ 1`""#), "{text}");
}

/// In the older format, which names counters by their series.
fn classic(text: &str) -> String {
    let counters: HashSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    let rename = |line: &str| {
        let mut words: Vec<String> = line.splitn(4, ' ').map(str::to_owned).collect();
        if words[0] == "#" && words.get(2).is_some_and(|name| counters.contains(name.as_str())) {
            words[2].push_str("_total");
        }
        words.join(" ") + "\n"
    };
    text.lines().map(rename).collect()
}

/// By Prometheus's own parser and linter, where they are installed.
#[tokio::test(start_paused = true)]
async fn prometheus_reads_what_is_shown() {
    let text = encode(&busy().await.world);
    let promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = promtool else { return };
    promtool.stdin.take().unwrap().write_all(classic(&text).as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let told =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{text}");
}
