//! The built-in composites on numbers worked out by hand.

use super::*;
use crate::core::composite::{Composite, Fact};
use crate::core::metric::{Metric, Semantics};

fn composites() -> Vec<Metric> {
    let catalog = Catalog::built_in().expect("loads");
    let all = catalog.names().filter_map(|name| catalog.resolve(name));
    all.filter(|metric| metric.composite.is_some()).collect()
}

fn composite(metric: &Metric) -> &Composite {
    metric.composite.as_ref().expect("a composite")
}

/// The names of its parts, and of what it may know of the workload.
fn names(composite: &Composite) -> Vec<String> {
    let parts = composite.parts.iter().map(|part| part.name.to_string());
    parts.chain(Fact::ALL.map(|fact| fact.name().to_owned())).collect()
}

/// What it makes of these numbers; of one that has `each`, for a single pod or device.
fn value(composite: &Composite, numbers: &[(&str, f64)]) -> Option<f64> {
    let names = names(composite);
    let mut values = vec![None; names.len()];
    for (name, number) in numbers {
        let index = names.iter().position(|known| known == name);
        values[index.unwrap_or_else(|| panic!("{name} is none of {names:?}"))] = Some(*number);
    }
    let expression = composite.value.as_ref().or(composite.each.as_ref()).expect("an expression");
    expression.evaluate(&values).ok()
}

/// Numbers by name, and what is made of them.
type Row = (&'static [(&'static str, f64)], f64);

const TABLE: [(&str, &[Row]); 18] = [
    (
        "inference_saturation",
        &[
            (&[("waiting", 10.0), ("kv", 0.9)], 2.0),
            (&[("waiting", 2.0), ("kv", 0.5)], 0.625),
            (&[("waiting", 4.0)], 0.8),
            (&[("waiting", 0.0), ("kv", 0.0)], 0.0),
        ],
    ),
    (
        "inference_kv_cache_pressure",
        &[
            (&[("kv", 0.35), ("fullest", 0.9)], 1.0),
            (&[("kv", 0.84), ("fullest", 0.9)], 1.2),
            (&[("kv", 0.1), ("fullest", 0.1), ("preemptions", 0.001)], 1.2),
            (&[("kv", 0.7), ("fullest", 0.7), ("preemptions", 0.0)], 1.0),
        ],
    ),
    (
        "inference_kv_cache_band",
        &[
            (&[("kv", 0.99)], 1.1),
            (&[("kv", 0.9)], 1.0),
            (&[("kv", 0.7)], 1.0),
            (&[("kv", 0.5)], 1.0),
            (&[("kv", 0.4)], 0.8),
            (&[("kv", 0.0)], 0.0),
        ],
    ),
    (
        "inference_scale_down_veto",
        &[
            (&[("kv", 0.35)], 0.5),
            (&[("kv", 0.35), ("rejections", 0.01)], 1.0),
            (&[("kv", 0.35), ("rejections", 0.0), ("preemptions", 0.01)], 1.0),
            (&[("kv", 0.84), ("rejections", 5.0)], 1.2),
        ],
    ),
    (
        "inference_requests_waiting_per_replica",
        &[(&[("waiting", 12.0), ("ready", 3.0)], 4.0), (&[("waiting", 12.0), ("ready", 0.0)], 12.0)],
    ),
    (
        "inference_queue_drain_seconds",
        &[
            (&[("waiting", 12.0), ("finished", 5.0)], 2.4),
            // As long as nothing finishes it stays finite.
            (&[("waiting", 3.0), ("finished", 0.0)], 300.0),
            (&[("waiting", 0.0), ("finished", 0.0)], 0.0),
        ],
    ),
    (
        "inference_time_to_first_token_slo_burn",
        &[
            (&[], 0.0),
            (&[("good", 1.0)], 0.0),
            (&[("good", 0.975)], 0.5),
            (&[("good", 0.95)], 1.0),
            (&[("good", 0.5)], 2.0),
            (&[("good", 0.0)], 2.0),
        ],
    ),
    (
        "inference_latency_slo_ratio",
        &[
            (&[], 0.0),
            (&[("first", 0.25)], 0.5),
            (&[("between", 0.06)], 1.2),
            (&[("first", 0.25), ("between", 0.01)], 0.5),
            (&[("first", 60.0), ("between", 0.01)], 2.0),
        ],
    ),
    (
        "inference_seconds_per_token_under_load",
        &[
            (&[("running", 60.0), ("tokens", 1000.0)], 0.06),
            (&[("running", 0.0), ("tokens", 0.0)], 0.0),
            (&[("running", 9.0), ("tokens", 0.0)], 0.0),
        ],
    ),
    (
        "inference_throughput_deficit",
        &[
            (&[("waiting", 1.0), ("tokens", 4000.0), ("ready", 2.0)], 1.25),
            (&[("waiting", 0.0), ("tokens", 0.0), ("ready", 2.0)], 0.0),
            (&[("waiting", 1.0), ("tokens", 0.0), ("ready", 2.0)], 2.0),
            (&[("waiting", 1.0), ("tokens", 5000.0), ("ready", 0.0)], 0.5),
        ],
    ),
    (
        "inference_token_demand_replicas",
        &[
            (&[("prompt", 16000.0), ("generated", 4000.0), ("waiting", 0.0)], 3.0),
            (&[("prompt", 16000.0), ("generated", 4000.0), ("waiting", 20.0)], 4.0),
            (&[("prompt", 0.0), ("generated", 0.0), ("waiting", 0.0)], 0.0),
        ],
    ),
    (
        "inference_saturation_replicas",
        &[(&[("kv", 2.1), ("waiting", 2.0)], 3.0), (&[("kv", 0.7), ("waiting", 12.0)], 6.0)],
    ),
    (
        "inference_demand_replicas",
        &[
            (&[("demand", 6.0), ("replicas", 4.0), ("loading", 0.0)], 6.0),
            (&[("demand", 6.0), ("replicas", 4.0), ("loading", 1.0)], 4.0),
            (&[("demand", 2.5), ("replicas", 4.0), ("loading", 3.0)], 2.5),
            (&[("demand", 2.5), ("replicas", 0.0), ("loading", 0.0)], 2.5),
        ],
    ),
    (
        "inference_arrivals_per_second",
        &[
            (&[("finished", 5.0), ("change", 1.5)], 6.5),
            (&[("finished", 5.0), ("change", -1.5)], 3.5),
            // More has left than has finished: the aborted, or a pod.
            (&[("finished", 5.0), ("change", -6.0)], 0.0),
        ],
    ),
    (
        "inference_prefill_pressure",
        &[
            (&[("waiting", 4.0), ("prompt", 4096.0), ("finished", 1.0), ("ready", 2.0)], 1.0),
            (&[("waiting", 4.0), ("prompt", 4096.0), ("finished", 0.0), ("ready", 2.0)], 0.0),
            (&[("waiting", 4.0), ("prompt", 4096.0), ("finished", 2.0), ("ready", 0.0)], 1.0),
        ],
    ),
    (
        "inference_wake_from_zero",
        &[(&[], 0.0), (&[("queued", 0.0)], 0.0), (&[("queued", 0.001)], 1.0), (&[("queued", 900.0)], 1.0)],
    ),
    (
        "inference_demand_requests_per_second",
        &[
            (
                &[("finished", 8.0), ("change", 0.0), ("waiting", 0.0), ("replicas", 4.0), ("loading", 0.0)],
                8.0,
            ),
            // What an HPA compares it with is not known: nothing is held back.
            (
                &[
                    ("finished", 6.0),
                    ("change", 2.0),
                    ("waiting", 240.0),
                    ("replicas", 4.0),
                    ("loading", 1.0),
                ],
                12.0,
            ),
            // Those that load were ordered for the backlog.
            (
                &[
                    ("finished", 6.0),
                    ("change", 2.0),
                    ("waiting", 240.0),
                    ("replicas", 5.0),
                    ("loading", 1.0),
                    ("target", 2.0),
                ],
                10.0,
            ),
            // Arrivals count in full.
            (
                &[
                    ("finished", 6.0),
                    ("change", 6.0),
                    ("waiting", 240.0),
                    ("replicas", 5.0),
                    ("loading", 1.0),
                    ("target", 2.0),
                ],
                12.0,
            ),
            (
                &[
                    ("finished", 6.0),
                    ("change", -9.0),
                    ("waiting", 240.0),
                    ("replicas", 5.0),
                    ("loading", 0.0),
                    ("target", 2.0),
                ],
                4.0,
            ),
        ],
    ),
    (
        "gpu_effective_utilization",
        &[
            (&[("tensor", 0.3), ("bandwidth", 0.17)], 0.5),
            (&[("tensor", 0.0), ("bandwidth", 0.68)], 0.8),
            (&[("tensor", 0.9), ("bandwidth", 0.1)], 1.0),
            (&[("tensor", 0.0), ("bandwidth", 0.0)], 0.0),
        ],
    ),
];

#[test]
fn composites_are_worked_out_as_by_hand() {
    let composites = composites();
    assert_eq!(composites.len(), TABLE.len());
    for (name, rows) in TABLE {
        let metric = composites.iter().find(|metric| &*metric.name == name).expect(name);
        for (numbers, expected) in rows {
            let found = value(composite(metric), numbers).expect("all that is needed is there");
            assert!((found - expected).abs() < 1e-9, "{name} of {numbers:?}: {found}, not {expected}");
        }
    }
}

/// Nothing that is there may make a composite infinite, undefined or negative: at zero, next to it, and far
/// beyond what is likely.
#[test]
fn composites_divide_by_nothing() {
    for metric in composites() {
        let composite = composite(&metric);
        let names = names(composite);
        let expression = composite.value.as_ref().or(composite.each.as_ref()).expect("an expression");
        let used: Vec<&String> = expression.uses().iter().map(|index| &names[*index]).collect();
        let is_optional = |name: &str| {
            composite.parts.iter().any(|part| &*part.name == name && part.variable().optional)
                || name == "target"
        };
        let most = |name: &str| {
            let part = composite.parts.iter().find(|part| &*part.name == name);
            part.map_or(f64::INFINITY, |part| part.variable().range.1)
        };
        let choices = |name: &str| -> Vec<Option<f64>> {
            let mut all = [0.0, 1e-9, 1.0, 1e9].map(|number: f64| Some(number.min(most(name)))).to_vec();
            all.extend((name == "change").then_some(Some(-1e9)));
            all.extend(is_optional(name).then_some(None));
            all
        };
        let mut rows: Vec<Vec<(&str, f64)>> = vec![Vec::new()];
        for name in used {
            rows = rows
                .iter()
                .flat_map(|row| {
                    choices(name).into_iter().map(|choice| {
                        row.iter().copied().chain(choice.map(|number| (name.as_str(), number))).collect()
                    })
                })
                .collect();
        }
        for row in rows {
            let found = value(composite, &row).unwrap_or_else(|| panic!("{} of {row:?}", metric.name));
            assert!(found.is_finite() && found >= 0.0, "{} of {row:?}: {found}", metric.name);
            let (low, high) = metric.range.unwrap_or((0.0, f64::INFINITY));
            assert!(low <= found && found <= high, "{} of {row:?}: {found}", metric.name);
        }
    }
}

#[test]
fn composites_say_what_they_are() {
    for metric in composites() {
        let Metric { name, help, unit, .. } = &metric;
        assert!(help.ends_with('.'), "{name}: help is a sentence");
        assert!(!unit.is_empty(), "{name}");
        // What grows with the replicas is in replicas, or in what one of them serves.
        let grows = match &**unit {
            "replicas" | "requests/s" => Semantics::Extensive,
            _ => Semantics::Intensive,
        };
        assert_eq!(metric.semantics, grows, "{name} in {unit}");
        assert!(metric.inputs.is_empty() && composite(&metric).warnings().next().is_none(), "{name}");
        if let Some(target) = &metric.target {
            assert!(target.value > 0.0 && target.why.is_some(), "{name}");
            let set_point = matches!(&**unit, "pressure" | "replicas" | "burn rate");
            assert!(!set_point || (target.value - 1.0).abs() < f64::EPSILON, "{name}: its set point is 1");
        }
    }
}
