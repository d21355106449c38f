//! The parsers, each behind the same two functions: the work that is measured, and what came of it.

use std::collections::HashSet;
use std::hint::black_box;
use std::sync::LazyLock;

use inferometer::source::scrape::exposition::{Exposition, Format};

use crate::reference::Row;

/// A parser and how it is used.
pub struct Parser {
    pub name: &'static str,
    pub version: &'static str,
    /// Reads a page into what its users get, and drops it. False when the page is refused.
    pub run: fn(&str) -> bool,
    /// The samples it reads, or nothing when it refuses the page.
    pub rows: fn(&str) -> Option<Vec<Row>>,
    /// Whether a sample is meant to be read.
    pub wants: fn(&Row) -> bool,
}

/// All that are measured.
pub const PARSERS: [Parser; 7] = [
    Parser {
        name: "inferometer, wanted names",
        version: "this tree",
        run: |page| ours(page, |name| WANTED.contains(name)),
        rows: |page| our_rows(page, |name| WANTED.contains(name)),
        wants: |row| WANTED.contains(row.name()),
    },
    Parser {
        name: "inferometer, every name",
        version: "this tree",
        run: |page| ours(page, |_| true),
        rows: |page| our_rows(page, |_| true),
        wants: |_| true,
    },
    Parser {
        name: "nom-openmetrics",
        version: "0.3.0",
        run: |page| black_box(nom_openmetrics::parser::prometheus(page)).is_ok(),
        rows: nom_openmetrics_rows,
        wants: |_| true,
    },
    Parser {
        name: "openmetrics-parser",
        version: "0.5.1",
        run: |page| black_box(openmetrics_parser::prometheus::parse_prometheus(page)).is_ok(),
        rows: openmetrics_parser_rows,
        wants: |_| true,
    },
    Parser {
        name: "prom_text_format_parser",
        version: "0.1.0",
        run: |page| black_box(prom_text_format_parser::Scrape::parse(page)).is_ok(),
        rows: prom_text_format_parser_rows,
        wants: |_| true,
    },
    Parser {
        name: "prometheus-exposition-format-rs",
        version: "0.1.2",
        run: |page| black_box(prometheus_exposition_format_rs::parse_complete(page)).is_ok(),
        rows: prometheus_exposition_format_rows,
        wants: |_| true,
    },
    Parser {
        name: "prometheus-parse",
        version: "0.2.5",
        run: |page| black_box(prometheus_parse(page)).is_ok(),
        rows: prometheus_parse_rows,
        wants: |_| true,
    },
];

/// What an autoscaler wants of the measured pages.
static WANTED: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    HashSet::from([
        "vllm:num_requests_waiting",
        "vllm:num_requests_running",
        "vllm:kv_cache_usage_perc",
        "vllm:prompt_tokens_total",
        "vllm:generation_tokens_total",
        "vllm:time_to_first_token_seconds_bucket",
        "vllm:time_to_first_token_seconds_sum",
        "vllm:time_to_first_token_seconds_count",
        "DCGM_FI_DEV_GPU_UTIL",
        "DCGM_FI_DEV_FB_USED",
        "DCGM_FI_DEV_FB_FREE",
        "DCGM_FI_DEV_POWER_USAGE",
    ])
});

fn ours(page: &str, wanted: impl Fn(&str) -> bool) -> bool {
    let mut exposition = Exposition::new(page.as_bytes(), Format::Text);
    loop {
        match exposition.next(&wanted) {
            Ok(Some(sample)) => {
                for label in sample.labels() {
                    black_box(label);
                }
                black_box(sample);
            }
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

fn our_rows(page: &str, wanted: impl Fn(&str) -> bool) -> Option<Vec<Row>> {
    let mut exposition = Exposition::new(page.as_bytes(), Format::Text);
    let mut rows = Vec::new();
    while let Some(sample) = exposition.next(&wanted).ok()? {
        rows.push(Row::new(sample.name, sample.labels(), sample.value));
    }
    Some(rows)
}

fn nom_openmetrics_rows(page: &str) -> Option<Vec<Row>> {
    let (_, families) = nom_openmetrics::parser::prometheus(page).ok()?;
    let samples = families.iter().flat_map(|family| &family.samples);
    let rows = samples.map(|sample| {
        let labels = sample.labels().iter().map(|label| (label.name, label.value.as_str()));
        Row::new(sample.name(), labels, sample.number())
    });
    Some(rows.collect())
}

fn openmetrics_parser_rows(page: &str) -> Option<Vec<Row>> {
    use openmetrics_parser::PrometheusValue::{Counter, Gauge, Histogram, Summary, Unknown};

    let exposition = openmetrics_parser::prometheus::parse_prometheus(page).ok()?;
    let mut rows = Vec::new();
    for (name, family) in &exposition.families {
        for sample in family.iter_samples() {
            let labels = sample.get_labelset();
            let labels: Vec<(&String, &String)> = labels.iter().flat_map(|labels| labels.iter()).collect();
            let mut push = |suffix: &str, bound: Option<(&str, f64)>, value: f64| {
                let bound = bound.map(|(label, bound)| (label, bound.to_string()));
                let labels =
                    labels.iter().map(|(name, value)| (name.as_str(), (*value).clone())).chain(bound);
                rows.push(Row::new(format!("{name}{suffix}"), labels, value));
            };
            match &sample.value {
                Unknown(number) | Gauge(number) => push("", None, number.as_f64()),
                Counter(counter) => push("", None, counter.value.as_f64()),
                Histogram(histogram) => {
                    for bucket in &histogram.buckets {
                        push("_bucket", Some(("le", bucket.upper_bound)), bucket.count.as_f64());
                    }
                    histogram.sum.iter().for_each(|sum| push("_sum", None, sum.as_f64()));
                    histogram.count.iter().for_each(|count| push("_count", None, *count as f64));
                }
                Summary(summary) => {
                    for quantile in &summary.quantiles {
                        push("", Some(("quantile", quantile.quantile)), quantile.value.as_f64());
                    }
                    summary.sum.iter().for_each(|sum| push("_sum", None, sum.as_f64()));
                    summary.count.iter().for_each(|count| push("_count", None, *count as f64));
                }
            }
        }
    }
    Some(rows)
}

fn prom_text_format_parser_rows(page: &str) -> Option<Vec<Row>> {
    use prom_text_format_parser::{Type, ValueType};

    let scrape = prom_text_format_parser::Scrape::parse(page).ok()?;
    let mut rows = Vec::new();
    for metric in &scrape.metrics {
        for sample in &metric.samples {
            let suffix = match (metric.kind, sample.value.value_type) {
                (Type::Histogram, ValueType::Sample) => "_bucket",
                (_, ValueType::Sum) => "_sum",
                (_, ValueType::Count) => "_count",
                _ => "",
            };
            let labels = sample.labels.iter().map(|label| (label.key.as_str(), label.value.as_str()));
            rows.push(Row::new(format!("{}{suffix}", metric.name), labels, sample.value.value.as_f64()));
        }
    }
    Some(rows)
}

fn prometheus_exposition_format_rows(page: &str) -> Option<Vec<Row>> {
    let metrics = prometheus_exposition_format_rs::parse_complete(page).ok()?;
    let rows = metrics.iter().flat_map(|metric| {
        metric
            .samples
            .iter()
            .map(|sample| Row::new(metric.name.as_str(), sample.labels.clone(), sample.value))
    });
    Some(rows.collect())
}

fn prometheus_parse(page: &str) -> std::io::Result<prometheus_parse::Scrape> {
    prometheus_parse::Scrape::parse(page.lines().map(|line| Ok(line.to_owned())))
}

fn prometheus_parse_rows(page: &str) -> Option<Vec<Row>> {
    use prometheus_parse::Value::{Counter, Gauge, Histogram, Summary, Untyped};

    let scrape = prometheus_parse(page).ok()?;
    let mut rows = Vec::new();
    for sample in &scrape.samples {
        let labels = || sample.labels.iter().map(|(name, value)| (name.clone(), value.clone()));
        match &sample.value {
            Counter(value) | Gauge(value) | Untyped(value) => {
                rows.push(Row::new(sample.metric.as_str(), labels(), *value));
            }
            Histogram(buckets) => rows.extend(buckets.iter().map(|bucket| {
                let bound = ("le".to_owned(), bucket.less_than.to_string());
                Row::new(format!("{}_bucket", sample.metric), labels().chain([bound]), bucket.count)
            })),
            Summary(quantiles) => rows.extend(quantiles.iter().map(|quantile| {
                let bound = ("quantile".to_owned(), quantile.quantile.to_string());
                Row::new(sample.metric.as_str(), labels().chain([bound]), quantile.count)
            })),
        }
    }
    Some(rows)
}
