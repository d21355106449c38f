//! Metrics pages of a simulated replica, as its engine and its GPU's exporter write them.
//!
//! Names, labels, their order and the spelling of numbers are those of vLLM 0.33.0 (prometheus_client
//! 0.26) and of dcgm-exporter 4.5.3; families that nobody scales on are left out.

use std::fmt::{self, Display, Write as _};

use super::fleet::Pod;
use super::histogram::Histogram;

/// The model that the replicas serve, as a label.
pub const MODEL: &str = "llama-3.1-8b";
/// The namespace that the pods live in.
pub const NAMESPACE: &str = "demo";
/// The container that runs the engine.
pub const CONTAINER: &str = "vllm";

/// The engine's page; `None` while the pod loads, when nobody answers yet.
pub fn engine(pod: &Pod) -> Option<String> {
    let mut page = Page::default();
    let replica = &pod.replica;
    let counters = replica.counters();
    pod.serves_metrics().then(|| {
        page.gauge("num_requests_running", "Requests in the batch.", replica.running() as f64);
        page.gauge("num_requests_waiting", "Requests in the queue.", replica.waiting() as f64);
        page.by(
            ("num_requests_waiting_by_reason", "gauge", "Requests in the queue by what they wait for."),
            "reason",
            &[("capacity", replica.waiting() as u64), ("deferred", 0)],
        );
        page.gauge("kv_cache_usage_perc", "Share of the KV cache in use, 0 to 1.", replica.kv_usage());
        page.counter("prefix_cache_queries", "Prompt tokens looked up in the prefix cache, which is off.", 0);
        page.counter("prefix_cache_hits", "Prompt tokens found in the prefix cache, which is off.", 0);
        page.counter("num_preemptions", "Sequences put back for want of room.", counters.preemptions);
        page.counter("prompt_tokens", "Prompt tokens of requests that got a token.", counters.prompt_tokens);
        page.counter("generation_tokens", "Tokens of answers.", counters.generation_tokens);
        page.by(
            ("request_success_total", "counter", "Requests that ended, by reason."),
            "finished_reason",
            &[
                ("stop", counters.stopped),
                ("length", counters.cut),
                ("abort", counters.aborted),
                ("error", 0),
                ("repetition", 0),
            ],
        );
        page.histogram("request_prompt_tokens", "Prompt tokens of a request.", &counters.prompt);
        page.histogram("request_generation_tokens", "Tokens of an answer.", &counters.output);
        page.histogram("time_to_first_token_seconds", "From queue to first token.", &counters.first_token);
        page.histogram(
            "inter_token_latency_seconds",
            "From one token to the next.",
            &counters.between_tokens,
        );
        page.histogram(
            "request_time_per_output_token_seconds",
            "Time for each token after the first, the mean over a request.",
            &counters.per_output_token,
        );
        page.histogram("e2e_request_latency_seconds", "A whole request.", &counters.request);
        page.histogram("request_queue_time_seconds", "A request's time in the queue.", &counters.queue);
        page.histogram(
            "request_inference_time_seconds",
            "A request's time in the batch.",
            &counters.inference,
        );
        page.histogram("request_prefill_time_seconds", "From batch to first token.", &counters.prefill);
        page.histogram("request_decode_time_seconds", "From first token to last.", &counters.decode);
        page.0
    })
}

/// A page in vLLM's spelling.
#[derive(Default)]
struct Page(String);

impl Page {
    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.family(name, "gauge", help);
        self.line(name, &[], Python(value));
    }

    /// `name` without the `_total` that the client library adds.
    fn counter(&mut self, name: &str, help: &str, value: u64) {
        let name = format!("{name}_total");
        self.family(&name, "counter", help);
        self.line(&name, &[], Python(value as f64));
    }

    fn by(&mut self, (name, kind, help): (&str, &str, &str), label: &str, values: &[(&str, u64)]) {
        self.family(name, kind, help);
        for (by, value) in values {
            self.line(name, &[(label, by)], Python(*value as f64));
        }
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.family(name, "histogram", help);
        for (bound, count) in histogram.cumulative() {
            self.line(&format!("{name}_bucket"), &[("le", &Python(bound).to_string())], Python(count as f64));
        }
        self.line(&format!("{name}_count"), &[], Python(histogram.count() as f64));
        self.line(&format!("{name}_sum"), &[], Python(histogram.sum()));
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.0, "# HELP vllm:{name} {help}\n# TYPE vllm:{name} {kind}\n");
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let mut all = vec![("engine", "0"), ("model_name", MODEL)];
        all.extend(labels);
        all.sort_unstable();
        let all: Vec<String> = all.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
        let _ = writeln!(self.0, "vllm:{name}{{{}}} {value}", all.join(","));
    }
}

/// A number as Python's client library writes it: always with a point, and from a million on with an
/// exponent that has one zero before it, whatever its length.
struct Python(f64);

impl Display for Python {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(value) = *self;
        if value == f64::INFINITY {
            return f.write_str("+Inf");
        }
        let text = format!("{value:e}");
        match text.split_once('e') {
            Some((mantissa, exponent)) if value >= 1e6 => write!(f, "{mantissa}e+0{exponent}"),
            Some((mantissa, exponent)) if value != 0.0 && value < 1e-4 => {
                write!(f, "{mantissa}e-{:0>2}", exponent.trim_start_matches('-'))
            }
            _ => write!(f, "{value:?}"),
        }
    }
}

/// The page of the GPU exporter on the node of `pods`; each has one GPU, in this order. A pod that
/// loads its model has its GPU already.
pub fn dcgm<'a>(pods: impl IntoIterator<Item = &'a Pod>) -> String {
    let pods: Vec<&Pod> = pods.into_iter().collect();
    let mut out = String::new();
    for Field { name, kind, help, value } in FIELDS {
        let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        for (index, pod) in pods.iter().enumerate() {
            let _ = writeln!(
                out,
                "{name}{{gpu=\"{index}\",UUID=\"{}\",pci_bus_id=\"00000000:{:02X}:00.0\",device=\"nvidia{index}\",\
                 modelName=\"NVIDIA A100-SXM4-40GB\",Hostname=\"gpu-node-1\",DCGM_FI_DRIVER_VERSION=\"570.133.20\",\
                 container=\"{CONTAINER}\",namespace=\"{NAMESPACE}\",pod=\"{}\"}} {}",
                uuid(pod.id),
                index + 16,
                pod.name,
                value(pod),
            );
        }
    }
    out
}

/// A GPU's name, for ever that of its pod.
fn uuid(id: u64) -> String {
    let mut random = super::random::Random::new(id);
    let (high, low) = (random.bits(), random.bits());
    format!(
        "GPU-{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
}

struct Field {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    value: fn(&Pod) -> String,
}

const fn gauge(name: &'static str, help: &'static str, value: fn(&Pod) -> String) -> Field {
    Field { name, kind: "gauge", help, value }
}

/// Whole numbers and six digits after the point, as the exporter formats integer and double fields.
const FIELDS: &[Field] = &[
    gauge("DCGM_FI_DEV_GPU_TEMP", "GPU temperature, C.", |pod| format!("{:.0}", pod.gpu.temperature())),
    gauge("DCGM_FI_DEV_POWER_USAGE", "Board power, W.", |pod| format!("{:.6}", pod.gpu.power)),
    Field {
        name: "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION",
        kind: "counter",
        help: "Energy since driver load, mJ.",
        value: |pod| format!("{:.0}", pod.gpu.energy),
    },
    gauge("DCGM_FI_DEV_GPU_UTIL", "GPU busy, percent.", |pod| format!("{:.0}", 100.0 * pod.gpu.busy)),
    gauge("DCGM_FI_DEV_MEM_COPY_UTIL", "Memory interface busy, percent.", |pod| {
        format!("{:.0}", 100.0 * pod.gpu.dram)
    }),
    gauge("DCGM_FI_DEV_FB_FREE", "Free framebuffer, MiB.", |pod| pod.gpu.memory_free.to_string()),
    gauge("DCGM_FI_DEV_FB_USED", "Used framebuffer, MiB.", |pod| pod.gpu.memory_used.to_string()),
    gauge("DCGM_FI_DEV_FB_RESERVED", "Reserved framebuffer, MiB.", |pod| pod.gpu.memory_reserved.to_string()),
    gauge("DCGM_FI_PROF_GR_ENGINE_ACTIVE", "Graphics engine active, 0 to 1.", |pod| {
        format!("{:.6}", pod.gpu.busy)
    }),
    gauge("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", "Tensor pipe active, 0 to 1.", |pod| {
        format!("{:.6}", pod.gpu.tensor)
    }),
    gauge("DCGM_FI_PROF_DRAM_ACTIVE", "Memory interface active, 0 to 1.", |pod| {
        format!("{:.6}", pod.gpu.dram)
    }),
];

#[cfg(test)]
mod tests;
