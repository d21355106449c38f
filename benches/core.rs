//! What a request and a refresh cost in the core, without network and without clock.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use inferometer::catalog::Catalog;
use inferometer::core::evaluate::{Question, Whom, evaluate};
use inferometer::core::expression::{Expression, Shape, Variable};
use inferometer::core::freshness::Snapshot;
use inferometer::core::histogram::{Bucket, quantile};
use inferometer::core::selector::Selector;
use inferometer::core::series::{Builder, Column, Labels};
use inferometer::core::time::Timestamp;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// A signal with one series for each pod, as vLLM labels them.
fn samples(namespaces: usize, pods: usize) -> Builder {
    let mut builder = Builder::default();
    for namespace in 0..namespaces {
        for pod in 0..pods {
            let pairs = [
                ("namespace", format!("ai-{namespace}")),
                ("pod", format!("vllm-{pod}")),
                ("container", "vllm".to_owned()),
                ("instance", format!("10.0.{namespace}.{pod}:8000")),
                ("job", "vllm".to_owned()),
                ("model_name", "meta-llama/Llama-3.1-8B-Instruct".to_owned()),
                ("engine", "0".to_owned()),
            ];
            let labels = Labels::new(
                pairs.into_iter().map(|(name, value)| (Arc::from(name), Arc::from(value))).collect(),
            );
            builder.time(labels.clone(), NOW);
            builder.number(labels, Column::Term(0), (namespace + pod) as f64);
        }
    }
    builder
}

fn request(criterion: &mut Criterion) {
    let catalog = Catalog::built_in().expect("the built-in catalog loads");
    let metric = catalog.resolve("inference_requests_waiting").expect("it is in the catalog");
    let input = &metric.inputs[0];
    let set = samples(1_000, 4).finish(input.signal.element(), &input.signal.labels(), 0);
    let snapshot = Snapshot {
        set: Some(Arc::new(set)),
        refreshed_at: Some(NOW),
        interval: Duration::from_secs(2),
        ..Snapshot::default()
    };
    let selector = Selector::parse("engine=vllm,pod notin (vllm-9)").expect("a selector");
    let question = Question { namespace: "ai-500", selector: &selector, whom: Whom::All, pods: None };
    criterion.bench_function("evaluate: 4 of 4,000 series", |bencher| {
        bencher.iter(|| evaluate(&metric, &[(input, &snapshot)], black_box(question), "main", NOW, None));
    });
    criterion.bench_function("resolve a name with suffixes", |bencher| {
        bencher.iter(|| catalog.resolve(black_box("inference_time_to_first_token_seconds_p99_max")));
    });
    criterion.bench_function("parse a selector", |bencher| {
        bencher
            .iter(|| Selector::parse(black_box("app=vllm,tier in (gold,silver),!canary,zone notin (a,b)")));
    });
}

fn refresh(criterion: &mut Criterion) {
    let catalog = Catalog::built_in().expect("the built-in catalog loads");
    let metric = catalog.resolve("inference_requests_waiting").expect("it is in the catalog");
    let signal = &metric.inputs[0].signal;
    criterion.bench_function("build a set of 4,000 series", |bencher| {
        bencher.iter_batched(
            || samples(1_000, 4),
            |builder| builder.finish(signal.element(), &signal.labels(), 0),
            criterion::BatchSize::LargeInput,
        );
    });
    let buckets: Vec<Bucket> = (0..40)
        .map(|index| Bucket {
            upper: if index == 39 { f64::INFINITY } else { f64::from(index) },
            count: f64::from(index * index),
        })
        .collect();
    criterion.bench_function("quantile of 40 buckets", |bencher| {
        bencher.iter_batched(
            || buckets.clone(),
            |mut buckets| quantile(0.95, &mut buckets),
            criterion::BatchSize::SmallInput,
        );
    });
}

fn expression(criterion: &mut Criterion) {
    let variables = ["waiting", "kv", "ttft", "gpu"].map(|name| Variable {
        name: name.into(),
        optional: false,
        shape: Shape::Intensive,
        range: (0.0, f64::INFINITY),
    });
    let source = "max(waiting / 5.0, kv / 0.85, ttft / 2.0, gpu / 0.8)";
    let expression = Expression::compile(source, &variables).expect("an expression");
    let values = [Some(12.0), Some(0.4), Some(1.5), Some(0.7)];
    criterion.bench_function("expression: evaluate four signals", |bencher| {
        bencher.iter(|| black_box(&expression).evaluate(black_box(&values)));
    });
    criterion.bench_function("expression: compile four signals", |bencher| {
        bencher.iter(|| Expression::compile(black_box(source), &variables));
    });
}

criterion_group!(benches, request, refresh, expression);
criterion_main!(benches);
