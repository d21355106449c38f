use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use super::*;
use crate::demo::fleet::{Fleet, Setup};
use crate::demo::trace::Day;

/// Two overloaded replicas, and one that loads.
fn fleet() -> Fleet {
    let mut fleet = Fleet::new(Setup::default(), 2);
    for arrival in Day::default().steady(12.0, 300.0).trace().arrivals {
        fleet.offer(arrival);
    }
    fleet.scale_to(3);
    fleet.advance(310.0);
    fleet
}

fn fixture(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/expositions/");
    std::fs::read_to_string(format!("{folder}{name}")).unwrap()
}

/// Everything before the value, of every sample.
fn series(page: &str) -> BTreeSet<&str> {
    let samples = page.lines().filter(|line| !line.starts_with('#'));
    samples.map(|line| line.rsplit_once(' ').unwrap().0).collect()
}

fn value(page: &str, series: &str) -> f64 {
    let line =
        page.lines().find(|line| line.starts_with(series)).unwrap_or_else(|| panic!("{series} in {page}"));
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

#[test]
fn the_engines_page_holds_series_of_the_real_one_and_no_others() {
    let fleet = fleet();
    let page = engine(&fleet.pods()[0]).unwrap();
    let real = fixture("vllm-0.33.0.txt");
    let strange: Vec<&str> = series(&page).difference(&series(&real)).copied().collect();
    assert!(strange.is_empty(), "{strange:?}");
    for family in page.lines().filter(|line| line.starts_with("# TYPE")) {
        assert!(real.lines().any(|line| line == family), "{family}");
        // All buckets and reasons of a family, not some.
        let name = family.split(' ').nth(2).unwrap();
        let of = |page| {
            series(page)
                .into_iter()
                .filter(|series: &&str| {
                    let rest = series.strip_prefix(name).unwrap_or("x");
                    ["{", "_bucket{", "_sum{", "_count{"].iter().any(|start| rest.starts_with(start))
                })
                .count()
        };
        assert_eq!(of(&page), of(&real), "{name}");
    }
}

#[test]
fn the_engines_page_tells_what_the_replica_has_counted() {
    let fleet = fleet();
    let pod = &fleet.pods()[0];
    let page = engine(pod).unwrap();
    let counters = pod.replica.counters();
    let labels = r#"{engine="0",model_name="llama-3.1-8b"}"#;
    for (name, expected) in [
        ("num_requests_running", pod.replica.running() as f64),
        ("num_requests_waiting", pod.replica.waiting() as f64),
        ("kv_cache_usage_perc", pod.replica.kv_usage()),
        ("prompt_tokens_total", counters.prompt_tokens as f64),
        ("generation_tokens_total", counters.generation_tokens as f64),
        ("time_to_first_token_seconds_count", counters.first_token.count() as f64),
        ("time_to_first_token_seconds_sum", counters.first_token.sum()),
    ] {
        let seen = value(&page, &format!("vllm:{name}{labels} "));
        assert!((seen - expected).abs() <= 1e-12 * expected, "{name}: {seen} instead of {expected}");
    }
    assert!(pod.replica.running() == 32 && pod.replica.waiting() > 0 && counters.aborted > 0);
    let aborted =
        r#"vllm:request_success_total{engine="0",finished_reason="abort",model_name="llama-3.1-8b"} "#;
    assert!((value(&page, aborted) - counters.aborted as f64).abs() < 1e-9);
}

#[test]
fn a_pod_that_loads_has_a_gpu_but_no_page() {
    let fleet = fleet();
    let [_, _, loading] = fleet.pods() else { panic!("{:?}", fleet.pods()) };
    assert_eq!(engine(loading), None);
    assert!(dcgm([loading]).contains(&format!("pod=\"{}\"", loading.name)));
}

#[test]
fn the_gpu_page_has_the_families_and_labels_of_the_real_one() {
    let fleet = fleet();
    let page = dcgm(fleet.pods());
    let real = fixture("dcgm-exporter-4.5.3-default.txt");
    let labels = |line: &str| -> Vec<String> {
        let (_, rest) = line.split_once('{').unwrap();
        let pairs = rest.rsplit_once('}').unwrap().0.split(',');
        pairs.map(|pair| pair.split_once('=').unwrap().0.to_owned()).collect()
    };
    for line in page.lines() {
        if line.starts_with('#') {
            assert!(real.lines().any(|other| other == line), "{line}");
        } else {
            let name = line.split_once('{').unwrap().0;
            let other = real.lines().find(|other| other.starts_with(&format!("{name}{{"))).unwrap();
            assert_eq!(labels(line), labels(other), "{name}");
            let point =
                |line: &str| line.rsplit_once(' ').unwrap().1.split_once('.').map(|(_, digits)| digits.len());
            assert_eq!(point(line), point(other), "{name}");
        }
    }
    let ids: BTreeSet<&str> =
        page.lines().filter_map(|line| line.split("UUID=\"").nth(1)?.split('"').next()).collect();
    assert_eq!(ids.len(), 3);
    assert!(ids.iter().all(|id| id.len() == "GPU-6f1b2c3d-9a4e-4b7c-8d21-5e0f7a6b9c14".len()));
}

#[test]
fn numbers_are_spelled_as_python_does() {
    for (value, text) in [
        (0.0, "0.0"),
        (0.83, "0.83"),
        (236_536.0, "236536.0"),
        (999_999.0, "999999.0"),
        (1_083_664.0, "1.083664e+06"),
        (1_000_000.0, "1e+06"),
        (24_893_296_640.0, "2.489329664e+010"),
        (0.000_05, "5e-05"),
        (2_560.0, "2560.0"),
        (f64::INFINITY, "+Inf"),
    ] {
        assert_eq!(Python(value).to_string(), text);
    }
}

#[test]
fn promtool_takes_both_pages() {
    let fleet = fleet();
    for page in [engine(&fleet.pods()[0]).unwrap(), dcgm(fleet.pods())] {
        let mut child = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("promtool is needed (Debian package prometheus): {error}"));
        child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        // 3 means that it has read the page but finds its names against good manners, as the real ones are.
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(0 | 3)), "{told}");
        assert!(!told.contains("error while linting"), "{told}");
    }
}
