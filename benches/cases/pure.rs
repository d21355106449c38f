//! What has neither network nor clock.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use inferometer::api::types::external_metric_value_list;
use inferometer::catalog::Catalog;
use inferometer::core::evaluate::{Question, Whom, evaluate};
use inferometer::core::expression::{Expression, Shape, Variable};
use inferometer::core::freshness::Snapshot;
use inferometer::core::histogram::{Bucket, quantile};
use inferometer::core::metric::{Aggregate, Metric};
use inferometer::core::quantity::Quantity;
use inferometer::core::selector::Selector;
use inferometer::source::scrape::exposition::{Exposition, Format};

use super::{Case, NOW, Run, labels, run, samples};

pub(super) static CASES: [Case; 15] = [
    Case { name: "selector-parse", times: 500, make: parse_selector },
    Case { name: "selector-match", times: 500, make: match_selector },
    Case { name: "resolve-name", times: 100, make: resolve },
    Case { name: "evaluate-4-of-4000", times: 100, make: evaluate_few },
    Case { name: "aggregate-sum-of-4000", times: 5, make: evaluate_sum },
    Case { name: "aggregate-p90-of-4000", times: 5, make: evaluate_percentile },
    Case { name: "quantile-of-40-buckets", times: 500, make: quantile_of_buckets },
    Case { name: "expression-evaluate", times: 500, make: evaluate_expression },
    Case { name: "expression-compile", times: 100, make: compile_expression },
    Case { name: "exposition-all", times: 10, make: read_page },
    Case { name: "exposition-wanted", times: 50, make: read_wanted },
    Case { name: "quantity-write", times: 500, make: write_quantity },
    Case { name: "quantity-parse", times: 500, make: parse_quantity },
    Case { name: "json-body", times: 500, make: write_body },
    Case { name: "set-of-4000", times: 2, make: build_set },
];

const SELECTOR: &str = "app=vllm,tier in (gold,silver),!canary,zone notin (a,b),pod";
const PAGE: &str = include_str!("../../tests/fixtures/expositions/vllm-0.33.0.txt");

fn catalog() -> Catalog {
    Catalog::built_in().expect("the built-in catalog loads")
}

fn parse_selector() -> Run {
    run(|| Selector::parse(black_box(SELECTOR)))
}

fn match_selector() -> Run {
    let selector =
        Selector::parse("engine=0,job in (vllm,sglang),!canary,pod notin (a,b)").expect("a selector");
    let labels = labels(1, 1);
    run(move || {
        selector.matches(|key| {
            labels.iter().find(|(name, _)| *name == black_box(key)).map(|(_, value)| value.as_str())
        })
    })
}

fn resolve() -> Run {
    let catalog = catalog();
    run(move || catalog.resolve(black_box("inference_time_to_first_token_seconds_p99_max")))
}

/// Evaluates a metric for one namespace of many.
fn evaluation(aggregate: Aggregate, selector: &str, (namespaces, pods): (usize, usize)) -> Run {
    let metric = catalog().resolve("vllm:num_requests_waiting").expect("it is in the catalog");
    let metric = Metric { aggregate, ..metric };
    let selector = Selector::parse(selector).expect("a selector");
    let signal = &metric.inputs[0].signal;
    let set = samples(namespaces, pods, NOW).finish(signal.element(), &signal.labels(), 0);
    let snapshot = Snapshot {
        set: Some(Arc::new(set)),
        refreshed_at: Some(NOW),
        interval: Duration::from_secs(2),
        ..Snapshot::default()
    };
    run(move || {
        let namespace = black_box("ai-0");
        let question = Question { namespace, selector: &selector, whom: Whom::All, pods: None };
        let known = [(&metric.inputs[0], &snapshot)];
        evaluate(&metric, &known, question, "main", NOW, None).expect("a reading")
    })
}

fn evaluate_few() -> Run {
    let selector = "engine=vllm,pod notin (vllm-9)";
    evaluation(Aggregate::Sum, selector, (1_000, 4))
}

fn evaluate_sum() -> Run {
    evaluation(Aggregate::Sum, "", (1, 4_000))
}

fn evaluate_percentile() -> Run {
    evaluation(Aggregate::Quantile(0.9), "", (1, 4_000))
}

fn quantile_of_buckets() -> Run {
    let bucket = |index: i32| Bucket {
        upper: if index == 39 { f64::INFINITY } else { f64::from(index) },
        count: f64::from(index * index),
    };
    let buckets: Vec<Bucket> = (0..40).map(bucket).collect();
    run(move || quantile(black_box(0.95), &mut buckets.clone()))
}

const EXPRESSION: &str = "max(waiting / 5.0, kv / 0.85, ttft / 2.0, gpu / 0.8)";

fn variables() -> [Variable; 4] {
    ["waiting", "kv", "ttft", "gpu"].map(|name| Variable {
        name: name.into(),
        optional: false,
        shape: Shape::Intensive,
        range: (0.0, f64::INFINITY),
    })
}

fn evaluate_expression() -> Run {
    let expression = Expression::compile(EXPRESSION, &variables()).expect("an expression");
    let values = [Some(12.0), Some(0.4), Some(1.5), Some(0.7)];
    run(move || expression.evaluate(black_box(&values)))
}

fn compile_expression() -> Run {
    let variables = variables();
    run(move || Expression::compile(black_box(EXPRESSION), &variables))
}

/// Reads a page; how many samples and labels there were.
fn read(mut wanted: impl FnMut(&str) -> bool) -> usize {
    let mut page = Exposition::new(black_box(PAGE).as_bytes(), Format::Text);
    let mut count = 0;
    while let Some(sample) = page.next(&mut wanted).expect("a recorded page") {
        count += 1 + sample.labels().count();
    }
    count
}

fn read_page() -> Run {
    run(|| read(|_| true))
}

fn read_wanted() -> Run {
    run(|| read(|name| name == "vllm:num_requests_waiting"))
}

fn write_quantity() -> Run {
    let mut text = Vec::with_capacity(64);
    run(move || {
        text.clear();
        for value in [0.0, 26.0, 1.5, 0.0125, 123_456.789] {
            Quantity::from_f64(black_box(value)).expect("it can be served").write_into(&mut text);
        }
        text.len()
    })
}

fn parse_quantity() -> Run {
    run(|| {
        black_box(["16", "850m", "1.5", "4Gi", "1e3"]).map(|text| Quantity::parse(text).expect("a quantity"))
    })
}

fn write_body() -> Run {
    let value = Quantity::from_f64(26.5).expect("it can be served");
    run(move || {
        external_metric_value_list(black_box("inference_requests_waiting"), NOW.as_millis(), Some(120), value)
    })
}

fn build_set() -> Run {
    let metric = catalog().resolve("vllm:num_requests_waiting").expect("it is in the catalog");
    let signal = Arc::clone(&metric.inputs[0].signal);
    run(move || samples(1_000, 4, NOW).finish(signal.element(), &signal.labels(), 0))
}
