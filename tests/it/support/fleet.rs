//! A made-up fleet of vLLM replicas, as metrics pages show it. Every number follows from the index `n` of the
//! namespace, the index `p` of the pod in it (both from 0) and the page's age `t` in seconds, so that a test can
//! work out what must come of it.
//!
//! | series | value |
//! |---|---|
//! | `vllm:num_requests_waiting` | (7 + 3n + 5p) mod 13 + drift |
//! | `vllm:num_requests_running` | 16 + (5n + 7p) mod 17 + drift |
//! | `vllm:kv_cache_usage_perc` | (40 + (11n + 13p) mod 55 + drift) / 100 |
//!
//! The drift is 0 unless asked for; then it goes from 0 to 5 and back by one a minute. The namespaces are called
//! `ai`, `ai-1`, `ai-2` …, the pods of each `vllm-0`, `vllm-1` …
//!
//! A full page adds counters, histograms and one GPU a pod. A pod finishes r = 1 + (n + 2p) mod 4 requests a
//! second from t = 0 on, each of [`PROMPT`] prompt tokens, a quarter of them found in the prefix cache, and
//! [`OUTPUT`] generated tokens; three of four end with `stop`, the others with `length`. The observations of a
//! histogram lie evenly between 0 and a bound of its buckets ([`Pod::longest`]), so that its q-quantile over one
//! pod is q times that bound and its mean half of it. Counts are not rounded: rates and quantiles come out exact
//! over any window. The GPU is busy for u = 60 + (5n + 9p) mod 40 percent of the time; see [`Pod::busy`].
#![allow(dead_code, reason = "each crate that includes this file uses a part of it")]

use std::fmt::Write as _;

/// Prompt tokens of a request.
pub(crate) const PROMPT: f64 = 512.0;
/// Generated tokens of a request.
pub(crate) const OUTPUT: f64 = 200.0;
/// The label `model_name` of every series.
pub(crate) const MODEL: &str = "meta-llama/Llama-3.1-8B-Instruct";

/// Bucket bounds as vLLM has them, and among them the four where observations may end, by (n + p) mod 4.
pub(crate) const FIRST_TOKEN: Buckets = Buckets {
    bounds: &[
        0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0,
        40.0, 80.0, 160.0, 640.0, 2560.0,
    ],
    longest: [0.5, 0.75, 1.0, 2.5],
};
/// As [`FIRST_TOKEN`], of one token.
pub(crate) const TOKEN: Buckets = Buckets {
    bounds: &[
        0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0,
        80.0,
    ],
    longest: [0.025, 0.05, 0.075, 0.1],
};
/// As [`FIRST_TOKEN`], of a whole request.
pub(crate) const REQUEST: Buckets = Buckets {
    bounds: &[
        0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0,
        480.0, 960.0, 1920.0, 7680.0,
    ],
    longest: [5.0, 10.0, 15.0, 20.0],
};
/// As [`FIRST_TOKEN`], of the time in the queue.
pub(crate) const QUEUE: Buckets = Buckets { bounds: REQUEST.bounds, longest: [0.3, 0.5, 0.8, 1.0] };

/// A histogram's shape.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Buckets {
    pub(crate) bounds: &'static [f64],
    longest: [f64; 4],
}

/// How large the fleet is and what its page shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fleet {
    pub(crate) namespaces: u32,
    /// In each namespace.
    pub(crate) pods: u32,
    /// Counters, histograms and GPUs too.
    pub(crate) full: bool,
    /// Gauges move.
    pub(crate) drift: bool,
}

/// A pod by its place: `n` and `p` above.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pod {
    pub(crate) n: u32,
    pub(crate) p: u32,
}

impl Pod {
    pub(crate) fn namespace(self) -> String {
        if self.n == 0 { "ai".to_owned() } else { format!("ai-{}", self.n) }
    }

    pub(crate) fn name(self) -> String {
        format!("vllm-{}", self.p)
    }

    /// Requests in the queue, the drift left out.
    pub(crate) fn waiting(self) -> u32 {
        (7 + 3 * self.n + 5 * self.p) % 13
    }

    /// Requests in the batch, the drift left out.
    pub(crate) fn running(self) -> u32 {
        16 + (5 * self.n + 7 * self.p) % 17
    }

    /// Percent of the KV cache in use, the drift left out.
    pub(crate) fn cached(self) -> u32 {
        40 + (11 * self.n + 13 * self.p) % 55
    }

    /// Requests finished per second.
    pub(crate) fn rate(self) -> f64 {
        f64::from(1 + (self.n + 2 * self.p) % 4)
    }

    /// Where the observations of a histogram end.
    pub(crate) fn longest(self, buckets: Buckets) -> f64 {
        buckets.longest[((self.n + self.p) % 4) as usize]
    }

    /// Percent of the time in which the GPU is busy. Its power is 100 + 6u watts of 700, its used memory
    /// 60,000 + 200u MiB of 81,559, its temperature 20 + u/2 °C; its multiprocessors are active for 0.9u, its
    /// memory for 0.6u and its tensor cores for 0.4u percent of the time.
    pub(crate) fn busy(self) -> u32 {
        60 + (5 * self.n + 9 * self.p) % 40
    }
}

/// What the gauges have gained at `age` seconds: one a minute up to 5, then down again.
pub(crate) fn drift(age: f64) -> u32 {
    let step = (age / 60.0) as u32 % 10;
    step.min(10 - step)
}

impl Fleet {
    /// Every pod, namespace by namespace.
    pub(crate) fn each(self) -> impl Iterator<Item = Pod> {
        (0..self.namespaces).flat_map(move |n| (0..self.pods).map(move |p| Pod { n, p }))
    }

    /// The metrics page, `age` seconds after the counters began.
    pub(crate) fn page(self, age: f64) -> String {
        let drift = f64::from(if self.drift { drift(age) } else { 0 });
        let pods = |labels: &dyn Fn(Pod) -> String| self.each().map(|pod| (pod, labels(pod))).collect();
        let mut page = Page { text: String::new(), pods: pods(&engine_labels) };
        page.gauge("vllm:num_requests_running", "Requests in the running batch.", |pod| {
            f64::from(pod.running()) + drift
        });
        page.gauge("vllm:num_requests_waiting", "Requests in the queue.", |pod| {
            f64::from(pod.waiting()) + drift
        });
        page.gauge("vllm:kv_cache_usage_perc", "KV cache in use, 0 to 1.", |pod| {
            (f64::from(pod.cached()) + drift) / 100.0
        });
        if self.full {
            page.engine(age);
            page.pods = pods(&device_labels);
            page.devices(age);
        }
        page.text
    }
}

fn engine_labels(pod: Pod) -> String {
    format!(r#"engine="0",model_name="{MODEL}",namespace="{}",pod="{}""#, pod.namespace(), pod.name())
}

fn device_labels(pod: Pod) -> String {
    format!(
        r#"gpu="{gpu}",UUID="GPU-{n:08x}-0000-4000-8000-{p:012x}",device="nvidia{gpu}",modelName="NVIDIA H100 80GB HBM3",Hostname="gpu-node-{n}",container="vllm",namespace="{namespace}",pod="{pod}""#,
        gpu = pod.p % 8,
        n = pod.n,
        p = pod.p,
        namespace = pod.namespace(),
        pod = pod.name(),
    )
}

/// A page in the making. A family's samples stand together, as the format wants.
struct Page {
    text: String,
    /// The pods, each with the labels of its series.
    pods: Vec<(Pod, String)>,
}

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn samples(&mut self, name: &str, more: &str, value: impl Fn(Pod) -> f64) {
        for (pod, labels) in &self.pods {
            let _ = writeln!(self.text, "{name}{{{labels}{more}}} {}", value(*pod));
        }
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Fn(Pod) -> f64) {
        self.family(name, "gauge", help);
        self.samples(name, "", value);
    }

    fn counter(&mut self, name: &str, help: &str, value: impl Fn(Pod) -> f64) {
        self.family(name, "counter", help);
        self.samples(name, "", value);
    }

    fn histogram(&mut self, name: &str, help: &str, buckets: Buckets, count: impl Fn(Pod) -> f64) {
        self.family(name, "histogram", help);
        for bound in buckets.bounds {
            self.samples(&format!("{name}_bucket"), &format!(r#",le="{bound:?}""#), |pod| {
                count(pod) * (bound / pod.longest(buckets)).min(1.0)
            });
        }
        self.samples(&format!("{name}_bucket"), r#",le="+Inf""#, &count);
        self.samples(&format!("{name}_count"), "", &count);
        self.samples(&format!("{name}_sum"), "", |pod| count(pod) * pod.longest(buckets) / 2.0);
    }

    fn engine(&mut self, age: f64) {
        let finished = |pod: Pod| pod.rate() * age;
        let tokens = |pod: Pod| finished(pod) * OUTPUT;
        let prompts = |pod: Pod| finished(pod) * PROMPT;
        let cached = |pod: Pod| prompts(pod) / 4.0;
        self.counter("vllm:prompt_tokens_total", "Prompt tokens handled.", prompts);
        self.counter("vllm:prefix_cache_queries_total", "Prompt tokens looked up in the cache.", prompts);
        self.counter("vllm:prefix_cache_hits_total", "Prompt tokens found in the cache.", cached);
        self.counter("vllm:generation_tokens_total", "Tokens generated.", tokens);
        self.counter("vllm:num_preemptions_total", "Preempted requests.", |_| 0.0);
        self.family("vllm:request_success_total", "counter", "Finished requests by reason.");
        for (reason, share) in [("stop", 0.75), ("length", 0.25)] {
            let label = format!(r#",finished_reason="{reason}""#);
            self.samples("vllm:request_success_total", &label, |pod| finished(pod) * share);
        }
        for (name, help, buckets) in [
            ("vllm:time_to_first_token_seconds", "Time to the first token.", FIRST_TOKEN),
            ("vllm:e2e_request_latency_seconds", "Whole request latency.", REQUEST),
            ("vllm:request_queue_time_seconds", "Time queued, per request.", QUEUE),
            ("vllm:request_time_per_output_token_seconds", "Mean time per output token, per request.", TOKEN),
        ] {
            self.histogram(name, help, buckets, finished);
        }
        self.histogram("vllm:inter_token_latency_seconds", "Gap between output tokens.", TOKEN, tokens);
    }

    fn devices(&mut self, age: f64) {
        let busy = |pod: Pod| f64::from(pod.busy());
        let watts = |pod: Pod| 100.0 + 6.0 * busy(pod);
        let used = |pod: Pod| 60_000.0 + 200.0 * busy(pod);
        let share = |of: f64| move |pod: Pod| busy(pod) * of / 100.0;
        self.gauge("DCGM_FI_DEV_GPU_TEMP", "GPU temperature, C.", |pod| 20.0 + busy(pod) / 2.0);
        self.gauge("DCGM_FI_DEV_POWER_USAGE", "Board power, W.", watts);
        self.gauge("DCGM_FI_DEV_ENFORCED_POWER_LIMIT", "Board power limit, W.", |_| 700.0);
        self.counter("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "Energy since start, mJ.", |pod| {
            watts(pod) * age * 1000.0
        });
        self.gauge("DCGM_FI_DEV_GPU_UTIL", "Busy share of the time, percent.", busy);
        self.gauge("DCGM_FI_DEV_XID_ERRORS", "Last XID.", |_| 0.0);
        self.gauge("DCGM_FI_DEV_FB_FREE", "Free memory, MiB.", |pod| 81_559.0 - used(pod));
        self.gauge("DCGM_FI_DEV_FB_USED", "Used memory, MiB.", used);
        self.gauge("DCGM_FI_PROF_GR_ENGINE_ACTIVE", "Engine active, 0 to 1.", share(1.0));
        self.gauge("DCGM_FI_PROF_SM_ACTIVE", "Multiprocessors active, 0 to 1.", share(0.9));
        self.gauge("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", "Tensor cores active, 0 to 1.", share(0.4));
        self.gauge("DCGM_FI_PROF_DRAM_ACTIVE", "Memory active, 0 to 1.", share(0.6));
    }
}
