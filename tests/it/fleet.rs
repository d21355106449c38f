//! The made-up fleet is what its description says, for other tests build on it.

use std::collections::BTreeMap;

use crate::support::fleet::{FIRST_TOKEN, Fleet, Pod, drift};

/// The samples of a page by name and labels. Fails where two are of the same series.
fn samples(page: &str) -> BTreeMap<&str, f64> {
    let mut samples = BTreeMap::new();
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').expect("a sample has a value");
        let value = value.parse().expect("a value is a number");
        assert_eq!(samples.insert(series, value), None, "{series} stands twice");
    }
    samples
}

fn sample(page: &str, name: &str, labels: &[&str]) -> f64 {
    let found: Vec<f64> = samples(page)
        .into_iter()
        .filter(|(series, _)| {
            series
                .split_once('{')
                .is_some_and(|(n, rest)| n == name && labels.iter().all(|l| rest.contains(l)))
        })
        .map(|(_, value)| value)
        .collect();
    let [value] = found[..] else { panic!("{name} {labels:?}: {} series", found.len()) };
    value
}

#[test]
fn a_large_fleet_has_three_gauges_a_pod() {
    let fleet = Fleet { namespaces: 1_000, pods: 4, full: false, drift: false };
    let page = fleet.page(0.0);
    assert_eq!(samples(&page).len(), 12_000);
    assert_eq!(page, fleet.page(3_600.0), "gauges stand still unless they are asked to drift");
}

#[test]
fn gauges_follow_from_the_place_of_the_pod() {
    let fleet = Fleet { namespaces: 2, pods: 3, full: false, drift: true };
    let page = fleet.page(0.0);
    let waiting = |page: &str, namespace: &str, pod: &str| {
        sample(
            page,
            "vllm:num_requests_waiting",
            &[&format!(r#"namespace="{namespace}""#), &format!(r#"pod="{pod}""#)],
        )
    };
    let queue: Vec<f64> =
        ["vllm-0", "vllm-1", "vllm-2"].into_iter().map(|pod| waiting(&page, "ai", pod)).collect();
    assert_eq!(queue, [7.0, 12.0, 4.0]);
    assert!((waiting(&page, "ai-1", "vllm-0") - 10.0).abs() < f64::EPSILON);
    assert!(
        (waiting(&fleet.page(120.0), "ai", "vllm-0") - 9.0).abs() < f64::EPSILON,
        "two minutes, two more"
    );
    let hour: Vec<u32> = (0..11).map(|minute| drift(f64::from(minute) * 60.0)).collect();
    assert_eq!(hour, [0, 1, 2, 3, 4, 5, 4, 3, 2, 1, 0]);
}

#[test]
fn counters_rise_at_their_rate_and_histograms_are_even() {
    let fleet = Fleet { namespaces: 1, pods: 2, full: true, drift: false };
    let (earlier, later) = (fleet.page(100.0), fleet.page(160.0));
    let pod = Pod { n: 0, p: 1 };
    let rise = |name: &str, labels: &[&str]| {
        let labels = [labels, &[r#"pod="vllm-1""#]].concat();
        (sample(&later, name, &labels) - sample(&earlier, name, &labels)) / 60.0
    };
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} is not {b}");
    close(rise("vllm:generation_tokens_total", &[]), pod.rate() * 200.0);
    let first_token =
        |part: &str, labels: &[&str]| rise(&format!("vllm:time_to_first_token_seconds_{part}"), labels);
    let count = first_token("count", &[]);
    close(count, pod.rate());
    close(first_token("bucket", &[r#"le="+Inf""#]), count);
    close(first_token("sum", &[]) / count, pod.longest(FIRST_TOKEN) / 2.0);
    let mut below = 0.0;
    for bound in FIRST_TOKEN.bounds {
        let share = first_token("bucket", &[&format!(r#"le="{bound:?}""#)]) / count;
        assert!(share >= below && share <= 1.0);
        close(share, (bound / pod.longest(FIRST_TOKEN)).min(1.0));
        below = share;
    }
}

#[test]
fn the_samples_of_a_family_stand_together() {
    let page = Fleet { namespaces: 2, pods: 2, full: true, drift: false }.page(10.0);
    let mut families = Vec::new();
    for line in page.lines() {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            let name = declared.split(' ').next().unwrap_or_default();
            assert!(!families.contains(&name), "{name} is declared twice");
            families.push(name);
        } else if !line.starts_with('#') {
            let family = families.last().expect("a family is declared before its samples");
            assert!(line.starts_with(family), "{line} stands under {family}");
        }
    }
    assert!(families.len() > 20);
}
