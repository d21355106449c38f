//! That the files load, cover the reference lists, and disagree loudly.

use super::*;
use crate::core::metric::Formula;
use crate::core::signal::Kind;

mod composites;
mod reference;

/// A file of one engine with these presets.
fn file(engine: &str, presets: &str) -> String {
    format!(
        "engine: {engine}\ntitle: {engine}\nsource: made up\ndetect: ['{engine}_up']\npresets:\n{presets}"
    )
}

/// A preset that says what the metric is.
fn waiting(series: &str) -> String {
    format!(
        "- name: inference_requests_waiting\n  help: Waiting.\n  unit: requests\n  semantics: extensive\n  \
         direction: rises\n  value: {{ term: {{ gauge: ['{series}'] }} }}\n"
    )
}

/// A preset that leaves it to another file.
fn waiting_too(value: &str) -> String {
    format!("- name: inference_requests_waiting\n  value: {value}\n")
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
            assert!(preset.facts.help.ends_with('.'), "{name}: help is a sentence");
            let is_as_it_is = preset.kind() == "gauge" && !name.ends_with("_change_per_second");
            assert_eq!(preset.window.is_none(), is_as_it_is, "{name}");
            let inside = |target: &Target| {
                preset.facts.range.is_none_or(|(low, high)| low < target.value && target.value < high)
            };
            assert!(preset.facts.target.as_ref().is_none_or(inside), "{name}: a target outside the range");
        }
    }
}

#[test]
fn a_new_engine_is_a_new_file_and_nothing_else() {
    let value = "{ term: { gauge: ['made_up:queue{kind=\"chat\"}'] } }";
    let made_up = file("made_up", &waiting_too(value));
    let files: Vec<_> = FILES.iter().copied().chain([("made_up.yaml", made_up.as_str())]).collect();
    let catalog = Catalog::from_files(&files).expect("loads");
    let metric = catalog.resolve("inference_requests_waiting").expect("resolves");
    let providers: Vec<_> = metric.inputs.iter().map(|input| &*input.engine).collect();
    assert!(providers.contains(&"vllm") && providers.contains(&"made_up"));
    let input = metric.inputs.iter().find(|input| &*input.engine == "made_up").expect("an input");
    assert_eq!(&input.detect[..], [Arc::<str>::from("made_up_up")]);
    assert_eq!(input.signal.labels().engine.as_deref(), Some("made_up"));
    assert_eq!(input.signal.to_string(), "made_up:queue");
    let max = catalog.resolve("inference_requests_waiting_max").expect("resolves");
    assert_eq!(max.inputs.len(), metric.inputs.len());
    let raw = catalog.resolve("made_up:queue").expect("its own name resolves");
    assert_eq!(raw.inputs.len(), 1);
}

#[test]
fn what_a_metric_is_is_said_once_and_in_any_order() {
    let good = file("good", &waiting("good:queue"));
    let other = file("other", &waiting_too("{ term: { gauge: ['other:queue'] } }"));
    for files in [[("a", &*good), ("b", &*other)], [("b", &*other), ("a", &*good)]] {
        let catalog = Catalog::from_files(&files).expect("loads");
        for preset in catalog.presets("inference_requests_waiting") {
            assert_eq!((&*preset.facts.unit, &*preset.facts.help), ("requests", "Waiting."));
        }
        let engines = catalog.presets("inference_requests_waiting").iter().map(|one| catalog.engine_of(one));
        let engines: Vec<_> = engines.map(|engine| &*engine.name).collect();
        assert_eq!(engines, ["good", "other"], "first who says it");
    }
    let refused = |other: &str| refusal(&[("good.yaml", &good), ("other.yaml", &file("other", other))]);
    let name = "catalog/other.yaml: inference_requests_waiting";
    assert_eq!(refused(&waiting("other:queue")), format!("{name}: another file says already what it is"));
    assert_eq!(
        refused(&waiting_too("{ term: { gauge: [a] } }\n  unit: tokens")),
        format!("{name}: `help`, `unit`, `semantics` and `direction` go together")
    );
    for alone in
        ["range: [0, 1]", "aggregate: max", "scope: cluster", "note: N.", "target: { value: 1, why: x }"]
    {
        assert_eq!(
            refused(&waiting_too(&format!("{{ term: {{ gauge: [a] }} }}\n  {alone}"))),
            format!("{name}: `range`, `aggregate`, `scope`, `target` and `note` stand beside `help`")
        );
    }
    assert_eq!(refusal(&[("other.yaml", &other)]), format!("{name}: no file says what it is"));
}

#[test]
fn providers_that_compute_otherwise_are_refused() {
    let good = file("good", &waiting("good:queue"));
    for value in [
        "{ ratio: { numerator: [{ gauge: [a] }], denominator: [{ gauge: [b] }] } }",
        "{ distribution: { histogram: [a], statistic: mean } }",
    ] {
        assert_eq!(
            refusal(&[("good.yaml", &good), ("other.yaml", &file("other", &waiting_too(value)))]),
            "catalog/other.yaml: inference_requests_waiting: its kind of value differs from that of another engine",
        );
    }
}

#[test]
fn the_default_statistic_must_agree_too() {
    let facts = "help: T., unit: seconds, semantics: intensive, direction: rises, ";
    let ttft = |engine: &str, facts: &str, statistic: &str| {
        let value = format!("{{ distribution: {{ histogram: [{engine}:t], statistic: {statistic} }} }}");
        file(engine, &format!("- {{ name: t, {facts}value: {value} }}\n"))
    };
    let (a, b) = (ttft("a", facts, "p95"), ttft("b", "", "mean"));
    assert_eq!(
        refusal(&[("a", &a), ("b", &b)]),
        "catalog/b: t: its statistic differs from that of another engine"
    );
    assert!(Catalog::from_files(&[("a", &a), ("c", &ttft("c", "", "p95"))]).is_ok());
}

#[test]
fn nothing_is_counted_twice() {
    let twice = file("a", &(waiting("a:queue") + &waiting_too("{ term: { gauge: ['a:queue'] } }")));
    assert_eq!(
        refusal(&[("a.yaml", &twice)]),
        "catalog/a.yaml: inference_requests_waiting: stated twice, so it would be counted twice"
    );
    let one = file("a", &waiting("a:queue"));
    let again = file("a", &waiting_too("{ term: { gauge: ['a:queue'] } }"));
    assert_eq!(
        refusal(&[("a.yaml", &one), ("b.yaml", &again)]),
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
        (preset("{ term: {} }"), "n: a term has either `gauge`, `counter` or `slope`"),
        (
            preset("{ term: { gauge: [a], counter: [b] } }"),
            "n: a term has either `gauge`, `counter` or `slope`",
        ),
        (preset("{ distribution: { histogram: [], statistic: p95 } }"), "n: no series"),
        (
            preset("{ term: { gauge: [a], slope: [a] } }"),
            "n: a term has either `gauge`, `counter` or `slope`",
        ),
        (
            preset("{ term: { slope: [a] } }").replace("presets:", "blank_from: 9\npresets:"),
            "n: a `slope` cannot tell what is no value, so `blank_from` rules it out",
        ),
        (
            preset("{ term: { gauge: [a], without: [x], max_without: [y] } }"),
            "n: a term has either `without` or `max_without`",
        ),
        (preset("{ term: { gauge: [a], factor: { gauge: b, on: [] } } }"), "n: `factor` names no label `on`"),
        (
            preset("{ term: { gauge: [a], factor: { gauge: 'rate(b[5m])', on: [c] } } }"),
            "n: `rate(b[5m])` is not a plain series",
        ),
        (
            preset("{ term: { gauge: [a] } }").replace("presets:", "others: [a]\npresets:"),
            "`others` has a, which a preset reads",
        ),
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
    let input = metric.inputs.iter().find(|input| &*input.engine == "dcgm").expect("an input");
    assert_eq!(input.signal.to_string(), "DCGM_FI_DEV_FB_USED + DCGM_FI_DEV_FB_FREE");
    let Formula::Ratio { numerator, denominator } = &input.formula else { panic!("a ratio") };
    let terms = |side: &[Weighted]| side.iter().map(|one| one.term).collect::<Vec<_>>();
    assert_eq!((terms(numerator), terms(denominator)), (vec![0], vec![0, 1]));
}

/// Arrivals are finished requests plus the change of those in the system, so the two must be of the same
/// series.
#[test]
fn the_change_of_requests_in_the_system_is_of_the_same_series_as_their_number() {
    let catalog = Catalog::built_in().expect("loads");
    let series = |name: &str| -> BTreeMap<String, (Vec<Term>, bool)> {
        let presets = catalog.presets(name).iter();
        presets
            .map(|preset| {
                let Value::Linear { terms, sum } = &preset.value else { panic!("{name}: a sum") };
                let alike = |term: &Term| Term { kind: Kind::Gauge, ..term.clone() };
                let is_plain = sum.iter().all(|one| (one.weight - 1.0).abs() < f64::EPSILON);
                let engine = catalog.engine_of(preset).name.to_string();
                (engine, (terms.iter().map(alike).collect(), is_plain))
            })
            .collect()
    };
    let change = "inference_requests_in_system_change_per_second";
    assert_eq!(series(change), series("inference_requests_in_system"));
    assert_eq!(series(change).len(), 8);
    let metric = catalog.resolve(change).expect("resolves");
    assert_eq!(metric.negative, crate::core::metric::Missing::Zero, "alone, a fall is served as 0");
    assert_eq!(metric.window(), Some(Duration::from_mins(1)));
    let raw = catalog.resolve("vllm:num_requests_running").expect("resolves");
    assert_eq!(raw.window(), None, "by its own name it is a gauge");
}

#[test]
fn a_gauge_by_its_own_name_is_never_its_slope() {
    let facts = "help: N., unit: requests/s, semantics: extensive, direction: neither";
    let text = file("a", &format!("- {{ name: n, {facts}, value: {{ term: {{ slope: [a] }} }} }}\n"));
    let catalog = Catalog::from_files(&[("a.yaml", &text)]).expect("loads");
    assert!(catalog.resolve("n").is_some() && catalog.resolve("a").is_none());
}

#[test]
fn what_presets_tell_apart_by_a_label_is_no_metric_by_itself() {
    let sums = |second: &str| {
        let value = format!("{{ sum: [{{ gauge: ['a{{m=\"1\"}}'] }}, {{ gauge: ['a{second}'] }}] }}");
        let facts = "help: N., unit: requests, semantics: extensive, direction: rises";
        let text = file("a", &format!("- {{ name: n, {facts}, value: {value} }}\n"));
        Catalog::from_files(&[("a.yaml", &text)]).expect("loads")
    };
    assert!(sums("{m=\"1\"}").resolve("a").is_some());
    let two = sums("{m=\"2\"}");
    assert!(two.resolve("a").is_none() && two.raw_names().next().is_none());
    assert!(two.known_series("a").is_some(), "it is known all the same");
}

#[test]
fn an_engine_owns_the_names_that_begin_as_its_do() {
    let catalog = Catalog::built_in().expect("loads");
    let owner = |name| catalog.owner(name).map(|(engine, prefix)| (&*engine.name, prefix));
    assert_eq!(owner("vllm:anything"), Some(("vllm", "vllm:")));
    assert_eq!(owner("ray_vllm:anything"), Some(("ray_vllm", "ray_vllm:")));
    assert_eq!(owner("nv_trt_llm_anything"), Some(("triton", "nv_trt_llm_")));
    for nobodys in ["num_requests_waiting", "node_cpu_seconds_total", "gpu_anything", "vllm", ""] {
        assert_eq!(owner(nobodys), None, "{nobodys}");
    }
    for engine in catalog.engines().iter().filter(|engine| !engine.prefix.is_empty()) {
        let is_own = |series: &str| engine.prefix.iter().any(|prefix| series.starts_with(prefix));
        assert!(engine.others().iter().all(|series| is_own(series)), "{}", engine.name);
    }
}
