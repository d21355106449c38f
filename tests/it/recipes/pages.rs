//! Pages of engines and exporters as they were recorded, brought to the numbers of a case, and written down as
//! the history that a Prometheus would have of them.

use std::fmt::Write as _;

use crate::support::fixture;

/// Between two scrapes, seconds.
const EVERY: i64 = 15;

/// What the recipes read of vLLM.
const VLLM: [&str; 9] = [
    "vllm:num_requests_running",
    "vllm:num_requests_waiting",
    "vllm:kv_cache_usage_perc",
    "vllm:num_preemptions_total",
    "vllm:prompt_tokens_total",
    "vllm:generation_tokens_total",
    "vllm:request_success_total",
    "vllm:time_to_first_token_seconds",
    "vllm:inter_token_latency_seconds",
];

/// What they read of a device.
const DCGM: [&str; 8] = [
    "DCGM_FI_DEV_GPU_UTIL",
    "DCGM_FI_DEV_FB_USED",
    "DCGM_FI_DEV_FB_FREE",
    "DCGM_FI_DEV_POWER_USAGE",
    "DCGM_FI_DEV_ENFORCED_POWER_LIMIT",
    "DCGM_FI_PROF_GR_ENGINE_ACTIVE",
    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE",
    "DCGM_FI_PROF_DRAM_ACTIVE",
];

/// What they read of Triton.
const TRITON: [&str; 4] = [
    "nv_inference_request_success",
    "nv_inference_pending_request_count",
    "nv_inference_queue_duration_us",
    "nv_inference_compute_input_duration_us",
];

/// The page of one pod over time: every series at its recorded number, or on a line from there.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    series: Vec<Series>,
    /// What was put in, for people.
    pub(crate) put_in: Vec<String>,
}

#[derive(Debug, Clone)]
struct Series {
    name: String,
    /// As between the braces.
    labels: String,
    /// When the history is read for the first time.
    value: f64,
    per_second: f64,
}

/// Seconds since the Unix epoch from and to which there are samples, and when it is now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) now: i64,
}

impl Page {
    /// vLLM with an empty queue, of which nothing is asked.
    pub(crate) fn vllm() -> Self {
        Self::read("vllm-0.33.0.txt", &VLLM)
            .is("vllm:num_requests_running", 0.0)
            .is("vllm:num_requests_waiting", 0.0)
            .is("vllm:kv_cache_usage_perc", 0.0)
            .unsaid()
    }

    /// The device that a pod has, of a node's exporter that was scraped with `honor_labels`.
    pub(crate) fn device(index: usize) -> Self {
        let mut page = Self::read("dcgm-exporter-4.5.3-optional-fields.txt", &DCGM);
        page.series.retain(|series| series.labels.contains("gpu=\"0\""));
        for series in &mut page.series {
            let labels = series.labels.split(',').filter(|label| {
                let name = label.split('=').next().unwrap_or_default();
                !["namespace", "pod", "UUID"].contains(&name)
            });
            series.labels = labels.collect::<Vec<_>>().join(",") + &format!(",UUID=\"GPU-{index}\"");
        }
        page
    }

    /// Triton with one model.
    pub(crate) fn triton() -> Self {
        let mut page = Self::read("triton-core.txt", &TRITON);
        let model = page.series[0].labels.clone();
        page.series.retain(|series| series.labels == model);
        page
    }

    /// An endpoint picker whose flow control holds so many requests back.
    pub(crate) fn gateway(queued: f64) -> Self {
        let queue = "inference_extension_flow_control_queue_size";
        // The second is how an endpoint picker is known.
        Self::read("gie-epp-1.5.0.txt", &[queue, "inference_pool_average_queue_size"]).is(queue, queued)
    }

    fn read(name: &str, families: &[&str]) -> Self {
        let text = fixture(name);
        let series = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
            let is_wanted = families.iter().any(|wanted| *wanted == name || Some(*wanted) == family);
            is_wanted.then(|| Series {
                name: name.to_owned(),
                labels: labels.trim_end_matches('}').to_owned(),
                value: value.parse().expect("a number"),
                per_second: 0.0,
            })
        });
        let page = Self { series: series.collect(), put_in: Vec::new() };
        assert!(!page.series.is_empty(), "{name} has none of {families:?}");
        page
    }

    /// What another page has as well, for a pod with an engine and a device.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.series.extend(other.series);
        self.put_in.extend(other.put_in);
        self
    }

    fn unsaid(mut self) -> Self {
        self.put_in.clear();
        self
    }

    fn said(mut self, name: &str, what: &str) -> Self {
        let name = format!("{} ", name.rsplit(':').next().unwrap_or(name));
        self.put_in.retain(|said| !said.starts_with(&name));
        self.put_in.push(name + what);
        self
    }

    /// The first series of this name.
    fn first(&mut self, name: &str) -> &mut Series {
        let found = self.series.iter_mut().find(|series| series.name == name);
        found.unwrap_or_else(|| panic!("{name} is not on the page"))
    }

    /// A gauge with this number; its other series, if it has some, with 0.
    pub(crate) fn is(mut self, name: &str, value: f64) -> Self {
        for series in self.series.iter_mut().filter(|series| series.name == name) {
            series.value = 0.0;
        }
        self.first(name).value = value;
        self.said(name, &((value * 1000.0).round() / 1000.0).to_string())
    }

    /// A gauge that has this number now and changes.
    pub(crate) fn moves(mut self, name: &str, value: f64, per_second: f64) -> Self {
        let series = self.first(name);
        (series.value, series.per_second) = (value, per_second);
        self.said(name, &format!("{value} {per_second:+}/s"))
    }

    /// A counter that counts so many a second.
    pub(crate) fn counts(mut self, name: &str, per_second: f64) -> Self {
        self.first(name).per_second = per_second;
        self.said(name, &format!("+{per_second}/s"))
    }

    /// A histogram of so many observations a second, spread evenly from 0 to `longest`.
    pub(crate) fn observes(mut self, name: &str, per_second: f64, longest: f64) -> Self {
        for series in &mut self.series {
            let Some(part) = series.name.strip_prefix(name) else { continue };
            let share = match part {
                "_bucket" => (bound(&series.labels) / longest).min(1.0),
                "_sum" => longest / 2.0,
                _ => 1.0,
            };
            series.per_second = per_second * share;
        }
        self.said(name, &format!("{per_second}/s up to {longest}"))
    }

    /// Its samples over a span, in the format of OpenMetrics, as if a pod had been scraped.
    pub(crate) fn record(&self, out: &mut String, namespace: &str, pod: &str, span: Span) {
        for Series { name, labels, value, per_second } in &self.series {
            let comma = if labels.is_empty() { "" } else { "," };
            for at in (span.from..=span.to).step_by(EVERY as usize) {
                let value = value + per_second * (at - span.now) as f64;
                writeln!(
                    out,
                    "{name}{{{labels}{comma}namespace=\"{namespace}\",pod=\"{pod}\"}} {value} {at}"
                )
                .expect("memory");
            }
        }
    }
}

/// The bound of a bucket.
fn bound(labels: &str) -> f64 {
    let rest = labels.split("le=\"").nth(1).expect("a bucket has a bound");
    let text = rest.split('"').next().expect("it ends");
    if text == "+Inf" { f64::INFINITY } else { text.parse().expect("a number") }
}
