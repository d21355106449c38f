//! Quantiles, means and shares are those of PromQL: asked of a real Prometheus beside ours.

use std::fmt::Write as _;

use inferometer::core::histogram::{Bucket, parse_le, quantile};
use tokio::time::Instant;

use crate::support::front::{Answer, Front};
use crate::support::{Exposition, Prometheus, Server, seconds, until, value_path};

const SERIES: &str = "vllm:time_to_first_token_seconds";
const BOUNDS: [&str; 9] = ["0.01", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "10.0", "+Inf"];

/// A histogram whose shape changes as it grows, another for each pod.
fn histogram(pod: usize, elapsed: f64) -> String {
    let mut page = format!("vllm:num_requests_running{{model_name=\"m\"}} 1\n# TYPE {SERIES} histogram\n");
    let mut total = 0.0;
    for (index, bound) in BOUNDS.iter().enumerate() {
        let weight = ((index * 7 + pod * 3) % 5 + 1) as f64;
        total += (elapsed * weight + (elapsed * (index as f64 + 1.0)).sqrt() * 3.0).floor();
        writeln!(page, "{SERIES}_bucket{{model_name=\"m\",le=\"{bound}\"}} {total}").expect("memory");
    }
    writeln!(page, "{SERIES}_sum{{model_name=\"m\"}} {}", total * 0.31 + elapsed * pod as f64)
        .expect("memory");
    writeln!(page, "{SERIES}_count{{model_name=\"m\"}} {total}").expect("memory");
    page
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_quantiles_agree() {
    let pages = Exposition::start().await;
    let targets: Vec<_> = (0..3).map(|pod| pages.pod("ai", &format!("vllm-{pod}"), "")).collect();
    let began = Instant::now();
    for pod in 0..targets.len() {
        pages.render(&format!("/ai/vllm-{pod}"), move || histogram(pod, began.elapsed().as_secs_f64() + 5.0));
    }
    let prometheus = Prometheus::start(&targets).await;
    // Through a front that does not tell when it started, so that nobody waits for two minutes.
    let front = Front::start(Some(prometheus.url()), Answer::Pass).await;
    let share = |name: &str, rest: &str| {
        format!("- {{ name: {name}, preset: inference_time_to_first_token_seconds, share: {{ below: {rest}\n")
    };
    let server = Server::configured(&format!(
        "apiVersion: inferometer.dev/v1alpha1\nkind: Configuration\nsources:\n\
         - {{ name: main, prometheus: {{ url: '{}' }} }}\nmetrics:\n{}{}{}{}",
        front.url(),
        share("in_time", "500ms } }"),
        share("in_time_worst", "0.5 }, aggregate: min }"),
        share("between", "0.15 } }"),
        share("beyond", "1m } }"),
    ))
    .await;

    let rate =
        |suffix: &str, by: &str| format!("sum by ({by}) (rate({SERIES}_{suffix}{{namespace=\"ai\"}}[2m]))");
    let of_all = |q: f64| format!("histogram_quantile({q}, {})", rate("bucket", "le"));
    let of_pods = |q: f64| format!("histogram_quantile({q}, {})", rate("bucket", "le,pod"));
    let up_to = |le: &str, by: &str| {
        let bucket = format!("{SERIES}_bucket{{namespace=\"ai\",le=\"{le}\"}}");
        format!("sum by ({by}) (rate({bucket}[2m])) / {}", rate("count", by))
    };
    let (low, high) = (up_to("0.1", ""), up_to("0.25", ""));
    let shares = [
        ("in_time", up_to("0.5", "")),
        ("in_time_worst", format!("min({})", up_to("0.5", "pod"))),
        // A third of the way from one bound to the next.
        ("between", format!("{low} + ({high} - {low}) / 3")),
        ("beyond", up_to("10.0", "")),
    ];
    let statistics = [
        ("_p50", of_all(0.5)),
        ("_p90", of_all(0.9)),
        ("_p95", of_all(0.95)),
        ("_p99", of_all(0.99)),
        ("", of_all(0.95)),
        ("_mean", format!("{} / {}", rate("sum", ""), rate("count", ""))),
        ("_p95_max", format!("max({})", of_pods(0.95))),
        ("_p50_min", format!("min({})", of_pods(0.5))),
        ("_p90_avg", format!("avg({})", of_pods(0.9))),
        ("_mean_max", format!("max({} / {})", rate("sum", "pod"), rate("count", "pod"))),
    ];
    for round in 0..3 {
        let named = statistics
            .iter()
            .map(|(suffix, promql)| (format!("inference_time_to_first_token_seconds{suffix}"), promql))
            .chain(shares.iter().map(|(name, promql)| ((*name).to_owned(), promql)));
        for (metric, promql) in named {
            until(&metric, seconds(15), async || {
                let reply = server.client.get(&(value_path("ai", &metric, "") + "?explain=true")).await;
                let now = jiff::Timestamp::now().as_millisecond() as f64 / 1000.0;
                let explained = reply.json();
                let ours =
                    explained["answer"]["exact"].as_f64().ok_or_else(|| explained["refusal"].to_string())?;
                let ago =
                    explained["derivation"]["inputs"][0]["readSecondsAgo"].as_f64().ok_or("never read")?;
                // The same evaluation time, but for the way there: a scrape between makes it differ.
                let theirs = prometheus.scalar_at(promql, now - ago).await?;
                let close = (ours - theirs).abs() <= 1e-6 * theirs.abs();
                if close { Ok(()) } else { Err(format!("{ours}, and Prometheus says {theirs}")) }
            })
            .await;
        }
        println!("round {round} agrees");
    }
    let window =
        server.client.value("ai", "inference_time_to_first_token_seconds_p99", "").await.expect("a value");
    assert_eq!(window.window, Some(120));
}

/// Buckets by their label, and the quantile wanted.
type Case = (f64, Vec<(String, f64)>);

fn edges() -> Vec<Case> {
    let case = |q: f64, buckets: &[(&str, f64)]| {
        (q, buckets.iter().map(|(le, count)| ((*le).to_owned(), *count)).collect::<Vec<_>>())
    };
    let plain: &[(&str, f64)] = &[("0.1", 1.0), ("0.5", 4.0), ("1", 9.0), ("+Inf", 10.0)];
    let mut cases: Vec<Case> =
        [-1.0, 0.0, 0.1, 0.5, 0.9, 0.95, 0.999, 1.0, 2.0].iter().map(|q| case(*q, plain)).collect();
    cases.extend([
        // Too little to tell.
        case(0.5, &[("+Inf", 10.0)]),
        case(0.5, &[("1", 10.0)]),
        case(0.5, &[("1", 5.0), ("2", 10.0)]),
        case(0.5, &[("1", 10.0), ("+Inf", 10.0)]),
        // Nothing observed.
        case(0.5, &[("1", 0.0), ("2", 0.0), ("+Inf", 0.0)]),
        case(0.0, &[("1", 0.0), ("2", 3.0), ("+Inf", 3.0)]),
        // All above the highest bound; exactly on a bound.
        case(0.5, &[("1", 0.0), ("2", 0.0), ("+Inf", 8.0)]),
        case(0.25, &[("1", 2.0), ("2", 4.0), ("+Inf", 8.0)]),
        // Counts that fall.
        case(0.5, &[("1", 5.0), ("2", 3.0), ("4", 7.0), ("+Inf", 6.0)]),
        case(0.9, &[("1", 9.0), ("2", 1.0), ("+Inf", 2.0)]),
        // Bounds at and below zero; one bound spelt twice; out of order.
        case(0.1, &[("-1", 2.0), ("0", 5.0), ("1", 9.0), ("+Inf", 10.0)]),
        case(0.5, &[("-1", 2.0), ("0", 5.0), ("1", 9.0), ("+Inf", 10.0)]),
        case(0.5, &[("0", 8.0), ("1", 9.0), ("+Inf", 10.0)]),
        case(0.5, &[("1", 2.0), ("1.0", 2.0), ("2", 6.0), ("+Inf", 8.0)]),
        case(0.5, &[("+Inf", 10.0), ("10", 7.0), ("2", 3.0), ("9", 5.0)]),
        case(0.5, &[("1e-05", 3.0), ("1e5", 6.0), ("+Inf", 6.0)]),
        case(0.5, &[("1", 1e-12), ("2", 2e-12), ("+Inf", 3e-12)]),
        case(0.7, &[("1", 1e300), ("2", 2e300), ("+Inf", 3e300)]),
    ]);
    cases
}

/// A generator without a seed to lose: what failed once fails again.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn case(&mut self) -> Case {
        let mut bound = self.below(40) as f64 / 16.0 - 0.5;
        let mut count = 0.0;
        let mut buckets = Vec::new();
        for _ in 0..=self.below(9) {
            // Counts mostly rise, as rates do, and sometimes fall or stay.
            count += [0.0, 0.25, 1.0, 3.5, 17.0, -0.5][self.below(6) as usize];
            count = f64::max(count, 0.0);
            buckets.push((bound.to_string(), count));
            bound += (self.below(30) + 1) as f64 / 8.0;
        }
        if self.below(12) > 0 {
            buckets.push(("+Inf".to_owned(), count + [0.0, 0.0, 2.0][self.below(3) as usize]));
        }
        let at = self.below(buckets.len() as u64) as usize;
        buckets.swap(0, at);
        (self.below(1001) as f64 / 1000.0, buckets)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_histogram_quantile_is_ours() {
    let prometheus = Prometheus::start(&[]).await;
    let mut random = Random(20_261_122);
    let cases: Vec<Case> = edges().into_iter().chain((0..600).map(|_| random.case())).collect();
    let mut answered = 0;
    for (batch, cases) in cases.chunks(20).enumerate() {
        // One query for many: each has its own label and its own quantile.
        let quantiles: Vec<String> = cases.iter().enumerate().map(|(index, (q, buckets))| {
            let bucket = |(le, count): &(String, f64)| {
                format!("label_replace(label_replace(vector({count}), \"le\", \"{le}\", \"\", \"\"), \"case\", \"{index}\", \"\", \"\")")
            };
            let buckets = buckets.iter().map(bucket).collect::<Vec<_>>().join(" or ");
            format!("histogram_quantile({q}, {buckets})")
        }).collect();
        let samples = prometheus.query(&quantiles.join(" or ")).await;
        for (index, (q, buckets)) in cases.iter().enumerate() {
            let label = index.to_string();
            let theirs = samples
                .iter()
                .find(|sample| sample.labels.get("case") == Some(&label))
                .map_or(f64::NAN, |sample| sample.value);
            let mut ours: Vec<Bucket> = buckets
                .iter()
                .map(|(le, count)| Bucket { upper: parse_le(le).expect("a bound"), count: *count })
                .collect();
            let ours = quantile(*q, &mut ours);
            let same = ours.is_nan() && theirs.is_nan()
                || ours.total_cmp(&theirs).is_eq()
                || (ours - theirs).abs() <= 1e-12 * theirs.abs();
            assert!(same, "batch {batch}, quantile {q} of {buckets:?}: {ours}, and Prometheus says {theirs}");
            answered += usize::from(theirs.is_finite());
        }
    }
    assert!(answered > 450, "only {answered} of {} have a quantile", cases.len());
}
