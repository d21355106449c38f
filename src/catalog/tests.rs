//! That the files load, cover the reference lists, and disagree loudly.

use super::*;
use crate::core::metric::Formula;

mod reference;

/// A file of one engine with these presets.
fn file(engine: &str, presets: &str) -> String {
    format!(
        "engine: {engine}\ntitle: {engine}\nsource: made up\ndetect: ['{engine}_up']\npresets:\n{presets}"
    )
}

fn waiting(series: &str) -> String {
    format!(
        "- name: inference_requests_waiting\n  help: Waiting.\n  unit: requests\n  semantics: extensive\n  \
         direction: rises\n  value: {{ term: {{ gauge: ['{series}'] }} }}\n"
    )
}

fn refusal(files: &[(&str, &str)]) -> String {
    Catalog::from_files(files).expect_err("refused").to_string()
}

#[test]
fn the_built_in_catalog_loads() {
    let catalog = Catalog::built_in().expect("loads");
    let engines: Vec<_> = catalog.engines().iter().map(|engine| &*engine.name).collect();
    assert!(engines.contains(&"vllm") && engines.contains(&"dcgm"), "{engines:?}");
    for name in catalog.names() {
        for preset in catalog.presets(name) {
            assert!(!preset.series().is_empty(), "{name}");
            assert!(["gauge", "counter", "histogram"].contains(&preset.kind()), "{name}");
            assert!(name.starts_with("inference_") || name.starts_with("gpu_"), "{name}");
            assert!(preset.help.ends_with('.'), "{name}: help is a sentence");
            assert_eq!(preset.window.is_some(), preset.kind() != "gauge", "{name}");
            let inside = |target: &Target| {
                preset.range.is_none_or(|(low, high)| low < target.value && target.value < high)
            };
            assert!(preset.target.as_ref().is_none_or(inside), "{name}: a target outside the range");
        }
    }
}

#[test]
fn a_new_engine_is_a_new_file_and_nothing_else() {
    let made_up = file("made_up", &waiting("made_up:queue{kind=\"chat\"}"));
    let files: Vec<_> = FILES.iter().copied().chain([("made_up.yaml", made_up.as_str())]).collect();
    let catalog = Catalog::from_files(&files).expect("loads");
    let metric = catalog.resolve("inference_requests_waiting").expect("resolves");
    let providers: Vec<_> = metric.inputs.iter().map(|input| &*input.engine).collect();
    assert!(providers.contains(&"vllm") && providers.contains(&"made_up"));
    let input = metric.inputs.iter().find(|input| &*input.engine == "made_up").expect("an input");
    assert_eq!(&input.detect[..], ["made_up_up".into()]);
    assert_eq!(input.signal.labels().engine.as_deref(), Some("made_up"));
    assert_eq!(input.signal.to_string(), "made_up:queue");
    let max = catalog.resolve("inference_requests_waiting_max").expect("resolves");
    assert_eq!(max.inputs.len(), metric.inputs.len());
    let raw = catalog.resolve("made_up:queue").expect("its own name resolves");
    assert_eq!(raw.inputs.len(), 1);
}

#[test]
fn providers_that_disagree_are_refused() {
    let good = file("good", &waiting("good:queue"));
    let change = |from: &str, to: &str| {
        let text = waiting("other:queue");
        assert!(text.contains(from), "{from}");
        file("other", &text.replace(from, to))
    };
    for (fact, other) in [
        ("unit", change("unit: requests", "unit: tokens")),
        ("semantics", change("extensive", "intensive")),
        ("direction", change("rises", "falls")),
        ("range", change("help:", "range: [0, 9]\n  help:")),
        ("aggregate", change("help:", "aggregate: max\n  help:")),
        (
            "kind of value",
            change(
                "term: { gauge: ['other:queue'] }",
                "ratio: { numerator: [{ gauge: [a] }], denominator: [{ gauge: [b] }] }",
            )
            .replace("unit: requests", "unit: requests\n  aggregate: sum"),
        ),
    ] {
        assert_eq!(
            refusal(&[("good.yaml", &good), ("other.yaml", &other)]),
            format!(
                "catalog/other.yaml: inference_requests_waiting: its {fact} differs from that of another engine"
            ),
        );
    }
}

#[test]
fn the_default_statistic_must_agree_too() {
    let ttft = |engine: &str, statistic: &str| {
        file(
            engine,
            &format!(
                "- {{ name: t, help: T., unit: seconds, semantics: intensive, direction: rises, value: {{ distribution: {{ histogram: [{engine}:t], statistic: {statistic} }} }} }}\n"
            ),
        )
    };
    let (a, b) = (ttft("a", "p95"), ttft("b", "mean"));
    assert_eq!(
        refusal(&[("a", &a), ("b", &b)]),
        "catalog/b: t: its statistic differs from that of another engine"
    );
    assert!(Catalog::from_files(&[("a", &a), ("c", &ttft("c", "p95"))]).is_ok());
}

#[test]
fn nothing_is_counted_twice() {
    let twice = file("a", &(waiting("a:queue") + &waiting("a:queue")));
    assert_eq!(
        refusal(&[("a.yaml", &twice)]),
        "catalog/a.yaml: inference_requests_waiting: stated twice, so it would be counted twice"
    );
    let one = file("a", &waiting("a:queue"));
    assert_eq!(
        refusal(&[("a.yaml", &one), ("b.yaml", &one)]),
        "catalog/b.yaml: engine a has a file already, so its series would be counted twice"
    );
}

#[test]
fn files_that_make_no_sense_are_refused() {
    let preset = |value: &str| {
        file(
            "a",
            &format!(
                "- {{ name: n, help: N., unit: requests, semantics: extensive, direction: rises, value: {value} }}\n"
            ),
        )
    };
    for (text, message) in [
        (preset("{ term: {} }"), "n: a term has either `gauge` or `counter`"),
        (preset("{ term: { gauge: [a], counter: [b] } }"), "n: a term has either `gauge` or `counter`"),
        (preset("{ distribution: { histogram: [], statistic: p95 } }"), "n: no series"),
        (preset("{ term: { gauge: ['sum(a)'] } }"), "n: `sum(a)` is not a plain series"),
        (preset("{ term: { gauge: ['a offset 5m'] } }"), "n: `a offset 5m` is not a plain series"),
        (preset("{ term: { gauge: ['a[5m]'] } }"), "n: `a[5m]` is not a plain series"),
        (preset("{ term: { gauge: ['{job=\"a\"}'] } }"), "n: `{job=\"a\"}` has no name"),
        (
            preset("{ term: { gauge: [a] } }").replace("requests", "ratio"),
            "n: a ratio states its range [0, 1]",
        ),
        (
            preset("{ term: { gauge: [a] } }").replace("help:", "range: [1, 1], help:"),
            "n: range: the first bound must be below the second",
        ),
        (
            preset("{ term: { gauge: [a] } }").replace("a_up", "rate(a[5m])"),
            "`rate(a[5m])` is not a plain series",
        ),
    ] {
        assert_eq!(refusal(&[("a.yaml", &text)]), format!("catalog/a.yaml: {message}"));
    }
    for text in [
        "",
        "engine: a",
        "- 1",
        "[[[[",
        &preset("{ histogram: [a] }"),
        &preset("{ term: { gauge: [a], tims: 2 } }"),
    ] {
        assert!(refusal(&[("a.yaml", text)]).starts_with("catalog/a.yaml: "), "{text}");
    }
}

#[test]
fn a_series_on_both_sides_of_a_ratio_is_read_once() {
    let catalog = Catalog::built_in().expect("loads");
    let metric = catalog.resolve("gpu_memory_used_ratio").expect("resolves");
    assert_eq!(metric.inputs[0].signal.to_string(), "DCGM_FI_DEV_FB_USED + DCGM_FI_DEV_FB_FREE");
    let Formula::Ratio { numerator, denominator } = &metric.inputs[0].formula else { panic!("a ratio") };
    let terms = |side: &[Weighted]| side.iter().map(|one| one.term).collect::<Vec<_>>();
    assert_eq!((terms(numerator), terms(denominator)), (vec![0], vec![0, 1]));
}
