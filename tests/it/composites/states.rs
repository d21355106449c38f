//! The states in which composites are asked: each a namespace with a Deployment of three vLLM releases.

use super::page::Page;

/// A release of each generation of names, one for each pod.
const RELEASES: [&str; 3] = ["vllm-0.33.0.txt", "vllm-0.10.0.txt", "vllm-0.8.5-v1.txt"];

const WAITING: &str = "vllm:num_requests_waiting";
const RUNNING: &str = "vllm:num_requests_running";
const KV: &str = "vllm:kv_cache_usage_perc";
const OLD_KV: &str = "vllm:gpu_cache_usage_perc";
const FINISHED: &str = "vllm:request_success_total";
const PROMPT: &str = "vllm:prompt_tokens_total";
const PROMPTS: &str = "vllm:request_prompt_tokens";
const TOKENS: &str = "vllm:generation_tokens_total";
const PREEMPTED: &str = "vllm:num_preemptions_total";
const REJECTED: &str = "vllm:admission_rejections_total";
const FIRST: &str = "vllm:time_to_first_token_seconds";
const BETWEEN: &str = "vllm:inter_token_latency_seconds";
const OLD_BETWEEN: &str = "vllm:time_per_output_token_seconds";

const USED: &str = "DCGM_FI_DEV_FB_USED";
const FREE: &str = "DCGM_FI_DEV_FB_FREE";
const RESERVED: &str = "DCGM_FI_DEV_FB_RESERVED";
const POWER: &str = "DCGM_FI_DEV_POWER_USAGE";
const LIMIT: &str = "DCGM_FI_DEV_ENFORCED_POWER_LIMIT";
const TENSOR: &str = "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE";
const BANDWIDTH: &str = "DCGM_FI_PROF_DRAM_ACTIVE";

/// What a pod does.
#[derive(Clone, Copy, Default)]
struct Load {
    waiting: f64,
    running: f64,
    kv: f64,
    /// Requests that finish each second, their prompts and answers in tokens.
    finished: f64,
    prompt: f64,
    answer: f64,
    /// First tokens come within so many seconds, others within so many.
    first: f64,
    between: f64,
    preempted: f64,
    rejected: f64,
}

/// What its device does.
#[derive(Clone, Copy)]
struct Device {
    watts: f64,
    limit: f64,
    tensor: f64,
    bandwidth: f64,
    used: f64,
}

pub(super) struct State {
    pub(super) name: &'static str,
    /// Of each pod, those of engines first.
    pub(super) engines: Vec<Page>,
    pub(super) devices: Vec<Page>,
    /// Of a pod that stands before the others.
    pub(super) gateway: Option<Page>,
    /// Pods that have just been created and show nothing yet.
    pub(super) loading: usize,
}

impl Load {
    fn page(self, release: &str) -> Page {
        let families = [
            WAITING,
            RUNNING,
            KV,
            OLD_KV,
            FINISHED,
            PROMPT,
            PROMPTS,
            TOKENS,
            PREEMPTED,
            REJECTED,
            FIRST,
            BETWEEN,
            OLD_BETWEEN,
        ];
        let tokens = self.finished * self.answer;
        // Where a page has both names, the older one has a number that nobody is to read.
        let old_kv = if release.contains("0.10.0") { 0.99 } else { self.kv };
        Page::read(release, &families)
            .is(WAITING, self.waiting)
            .is(RUNNING, self.running)
            .is(KV, self.kv)
            .is(OLD_KV, old_kv)
            .counts(FINISHED, self.finished)
            .counts(PROMPT, self.finished * self.prompt)
            .observes(PROMPTS, self.finished, 2.0 * self.prompt)
            .counts(TOKENS, tokens)
            .counts(PREEMPTED, self.preempted)
            .counts(REJECTED, self.rejected)
            .observes(FIRST, self.finished, self.first)
            .observes(BETWEEN, tokens, self.between)
            .observes(OLD_BETWEEN, tokens, self.between)
    }
}

impl Device {
    fn page(self, uuid: &str, namespace: &str, pod: &str) -> Page {
        let families = [USED, FREE, RESERVED, POWER, LIMIT, TENSOR, BANDWIDTH];
        Page::read("dcgm-exporter-4.5.3-optional-fields.txt", &families)
            .without("gpu=\"1\"")
            .labelled(&[("UUID", uuid), ("namespace", namespace), ("pod", pod)])
            .is(USED, self.used)
            .is(FREE, 80_000.0 - self.used)
            .is(RESERVED, 527.0)
            .is(POWER, self.watts)
            .is(LIMIT, self.limit)
            .is(TENSOR, self.tensor)
            .is(BANDWIDTH, self.bandwidth)
    }
}

impl State {
    fn new(name: &'static str, loads: [Load; 3], devices: [Device; 3]) -> Self {
        let pages = loads.iter().zip(RELEASES).map(|(load, release)| load.page(release));
        let devices = devices.iter().enumerate().map(|(index, device)| {
            device.page(&format!("GPU-{name}-{index}"), name, &format!("vllm-1-{index}"))
        });
        Self { name, engines: pages.collect(), devices: devices.collect(), gateway: None, loading: 0 }
    }

    fn holding_back(self, queued: f64) -> Self {
        let queue = "inference_extension_flow_control_queue_size";
        Self { gateway: Some(Page::read("gie-epp-1.5.0.txt", &[queue]).is(queue, queued)), ..self }
    }
}

fn device(watts: f64, tensor: f64, bandwidth: f64, used: f64) -> Device {
    Device { watts, limit: 700.0, tensor, bandwidth, used }
}

pub(super) fn states() -> Vec<State> {
    let busy = Load { prompt: 900.0, answer: 200.0, first: 0.4, between: 0.03, ..Load::default() };
    let quiet = [device(70.0, 0.0, 0.0, 72_000.0); 3];
    let at_work = [
        device(600.0, 0.3, 0.6, 72_000.0),
        device(400.0, 0.1, 0.4, 68_000.0),
        device(200.0, 0.0, 0.05, 71_000.0),
    ];
    vec![
        State::new("idle", [Load::default(); 3], quiet),
        State::new(
            "uneven",
            [
                Load { waiting: 10.0, running: 30.0, kv: 0.9, finished: 4.0, first: 2.0, ..busy },
                Load { waiting: 2.0, running: 20.0, kv: 0.5, finished: 1.0, ..busy },
                Load { running: 10.0, kv: 0.2, ..busy },
            ],
            at_work,
        )
        .holding_back(0.0),
        State::new(
            "calm",
            [
                Load { running: 4.0, kv: 0.3, finished: 1.0, first: 0.52, ..busy },
                Load { running: 6.0, kv: 0.4, finished: 2.0, first: 0.2, ..busy },
                Load { running: 2.0, kv: 0.1, finished: 0.5, first: 0.1, ..busy },
            ],
            // The second has a lower limit.
            [at_work[0], Device { limit: 450.0, ..at_work[1] }, at_work[2]],
        ),
        State {
            loading: 1,
            ..State::new(
                "burst",
                [
                    Load { waiting: 60.0, running: 256.0, kv: 0.98, finished: 20.0, preempted: 0.5, ..busy },
                    Load { waiting: 45.0, running: 240.0, kv: 0.93, finished: 18.0, between: 0.08, ..busy },
                    Load { waiting: 80.0, running: 256.0, kv: 0.97, finished: 22.0, ..busy },
                ],
                [device(690.0, 0.7, 0.8, 78_000.0); 3],
            )
            .holding_back(40.0)
        },
        State::new(
            "refusing",
            [
                Load { running: 20.0, kv: 0.55, finished: 2.0, rejected: 0.2, ..busy },
                Load { running: 20.0, kv: 0.5, finished: 2.0, ..busy },
                Load { running: 20.0, kv: 0.6, finished: 2.0, ..busy },
            ],
            at_work,
        ),
    ]
}
