//! The recipes that read a Prometheus, each in the states that matter, with the trap that the usual recipe
//! falls into where it has one.

use super::pages::Page;
use super::stage::{Case, Recipe, Served};
use super::usual::Usual;

const RUNNING: &str = "vllm:num_requests_running";
const WAITING: &str = "vllm:num_requests_waiting";
const KV: &str = "vllm:kv_cache_usage_perc";
const FINISHED: &str = "vllm:request_success_total";
const TOKENS: &str = "vllm:generation_tokens_total";
const FIRST: &str = "vllm:time_to_first_token_seconds";
const BETWEEN: &str = "vllm:inter_token_latency_seconds";

pub(crate) fn recipes() -> Vec<Recipe> {
    vec![
        queue_depth(),
        kv_cache(),
        ttft(),
        time_per_output_token(),
        token_throughput(),
        kserve(),
        gpu(),
        production(),
        business_hours(),
        night_batch(),
        scale_to_zero(),
        triton(),
        requests_per_second(),
    ]
}

fn case(name: &'static str, replicas: u32, pages: Vec<Page>) -> Case {
    Case {
        name,
        replicas,
        pages,
        beside: None,
        is_lost: false,
        served: Vec::new(),
        desired: replicas,
        replicas_then: replicas,
        usual: None,
    }
}

impl Case {
    fn serves(mut self, numbers: &[f64]) -> Self {
        self.served = numbers.iter().map(|number| Served::Number(*number)).collect();
        self
    }

    /// What the metrics ask for, and what is done at once.
    fn wants(mut self, desired: u32, replicas_then: u32) -> Self {
        (self.desired, self.replicas_then) = (desired, replicas_then);
        self
    }

    /// The usual recipe wants another number.
    fn not(mut self, usual: u32) -> Self {
        self.usual = Some(Usual::Wants(usual));
        self
    }

    /// The usual recipe has no number.
    fn fails_usually(mut self) -> Self {
        self.usual = Some(Usual::Fails);
        self
    }

    fn beside(mut self, page: Page) -> Self {
        self.beside = Some(page);
        self
    }

    /// Nothing was scraped for a while: all are refused, and the replicas stay.
    fn lost(mut self, metrics: usize) -> Self {
        self.is_lost = true;
        self.served = vec![Served::Refused("old"); metrics];
        self
    }
}

fn engine(waiting: f64, running: f64) -> Page {
    Page::vllm().is(WAITING, waiting).is(RUNNING, running)
}

fn queue_depth() -> Recipe {
    let queues = |queues: &[f64]| queues.iter().map(|queue| Page::vllm().is(WAITING, *queue)).collect();
    let cases = vec![
        case("idle", 2, queues(&[0.0, 0.0])).serves(&[0.0]).wants(0, 2),
        case("loaded", 2, queues(&[12.0, 28.0])).serves(&[40.0]).wants(8, 6),
        case("lost", 3, queues(&[12.0, 28.0, 9.0])).lost(1),
    ];
    Recipe { slug: "queue-depth", cases }
}

fn kv_cache() -> Recipe {
    let caches = |caches: &[f64]| caches.iter().map(|cache| Page::vllm().is(KV, *cache)).collect();
    let preempting = || Page::vllm().is(KV, 0.6).counts("vllm:num_preemptions_total", 0.5);
    let cases = vec![
        case("idle", 3, caches(&[0.0, 0.0, 0.0])).serves(&[0.0]).wants(0, 3),
        case("loaded", 3, caches(&[0.9, 0.95, 0.85])).serves(&[0.9 / 0.7]).wants(4, 4).not(0),
        // The fullest replica keeps a fleet whose mean would let it shrink.
        case("hot-spot", 3, caches(&[0.95, 0.3, 0.3])).serves(&[0.95 / 0.9]).wants(3, 3),
        case("preempting", 2, vec![preempting(), preempting()]).serves(&[1.2]).wants(3, 3),
        case("lost", 3, caches(&[0.9, 0.95, 0.85])).lost(1),
    ];
    Recipe { slug: "kv-cache", cases }
}

fn ttft() -> Recipe {
    let asked = |rate: f64, longest: f64| engine(1.0, 9.0).observes(FIRST, rate, longest);
    let cases = vec![
        // The recorded histogram stands still: nobody was asked anything for as long as the window.
        case("idle", 2, vec![engine(0.0, 0.0), engine(0.0, 0.0)]).serves(&[0.0, 0.0]).wants(0, 2),
        case("kept", 2, vec![asked(4.0, 1.0), asked(4.0, 1.0)]).serves(&[20.0, 0.95]).wants(2, 2),
        // 9.5 s, of which the clamp leaves twice the promise.
        case("broken", 2, vec![asked(4.0, 10.0), asked(4.0, 10.0)])
            .serves(&[20.0, 4.0])
            .wants(4, 4)
            .fails_usually(),
        // Each by itself they are at 0.475 s and 2.375 s, which add up to more than the promise.
        case("uneven", 2, vec![asked(9.0, 0.5), asked(1.0, 2.5)]).serves(&[20.0, 1.25]).wants(2, 2),
        case("lost", 4, vec![asked(4.0, 1.0); 4]).lost(2),
    ];
    Recipe { slug: "ttft-p95", cases }
}

fn time_per_output_token() -> Recipe {
    let paced = |longest: f64| engine(0.0, 20.0).observes(BETWEEN, 400.0, longest);
    let cases = vec![
        case("idle", 2, vec![engine(0.0, 0.0), engine(0.0, 0.0)]).serves(&[0.0, 0.0]).wants(0, 2),
        case("kept", 2, vec![paced(0.05), paced(0.05)]).serves(&[40.0, 0.0475]).wants(2, 2),
        case("broken", 2, vec![paced(0.1), paced(0.1)]).serves(&[40.0, 0.095]).wants(4, 4).not(0),
        case("lost", 2, vec![paced(0.1), paced(0.1)]).lost(2),
    ];
    Recipe { slug: "time-per-output-token", cases }
}

fn token_throughput() -> Recipe {
    let replica = |waiting: f64, running: f64, tokens: f64| engine(waiting, running).counts(TOKENS, tokens);
    let cases = vec![
        // Nothing is generated because nothing is asked: that is no shortfall.
        case("idle", 3, vec![replica(0.0, 0.0, 0.0); 3]).serves(&[0.0, 0.0]).wants(0, 3),
        case("fast", 3, vec![replica(0.0, 24.0, 2400.0); 3]).serves(&[72.0, 0.0]).wants(3, 3).not(4),
        // 2,700 tokens a second: with a target of 1,800 the usual recipe gives a replica up.
        case("slow", 3, vec![replica(5.0, 10.0, 900.0); 3]).serves(&[45.0, 2.0]).wants(6, 6).not(2),
        case("lost", 3, vec![replica(5.0, 10.0, 900.0); 3]).lost(2),
    ];
    Recipe { slug: "token-throughput", cases }
}

fn kserve() -> Recipe {
    let running = |of: &[f64]| of.iter().map(|running| engine(0.0, *running)).collect();
    let cases = vec![
        case("idle", 2, running(&[0.0, 0.0])).serves(&[0.0]).wants(0, 2),
        case("loaded", 2, running(&[28.0, 30.0])).serves(&[58.0]).wants(4, 4),
        // Batches are full: however many wait, no more run.
        case("full", 2, vec![engine(200.0, 32.0), engine(200.0, 32.0)]).serves(&[64.0]).wants(4, 4),
        case("lost", 2, running(&[28.0, 30.0])).lost(1),
    ];
    Recipe { slug: "kserve-running", cases }
}

fn gpu() -> Recipe {
    /// Percent busy, share of memory used, memory bandwidth, watts of 700.
    fn device(index: usize, busy: f64, used: f64, bandwidth: f64, watts: f64) -> Page {
        Page::device(index)
            .is("DCGM_FI_DEV_GPU_UTIL", busy)
            .is("DCGM_FI_DEV_FB_USED", 80_000.0 * used)
            .is("DCGM_FI_DEV_FB_FREE", 80_000.0 * (1.0 - used))
            .is("DCGM_FI_PROF_DRAM_ACTIVE", bandwidth)
            .is("DCGM_FI_DEV_POWER_USAGE", watts)
    }
    let two = |busy: f64, used: f64, bandwidth: f64, watts: f64| {
        (0..2).map(|index| device(index, busy, used, bandwidth, watts)).collect::<Vec<_>>()
    };
    let cases = vec![
        case("idle", 2, two(0.0, 0.3, 0.0, 70.0)).serves(&[0.0, 0.0, 0.1, 0.0]).wants(1, 2),
        case("busy", 2, two(97.0, 0.6, 0.4, 420.0)).serves(&[0.97, 0.4, 0.6, 0.0]).wants(3, 3),
        case("bandwidth", 2, two(60.0, 0.6, 0.9, 420.0)).serves(&[0.6, 0.9, 0.6, 0.0]).wants(3, 3),
        case("hot", 2, two(60.0, 0.6, 0.4, 693.0)).serves(&[0.6, 0.4, 0.99, 0.0]).wants(3, 3),
        case("memory", 2, two(60.0, 0.96, 0.4, 420.0)).serves(&[0.6, 0.4, 0.6, 1.2]).wants(3, 3),
        case("lost", 2, two(97.0, 0.6, 0.4, 420.0)).lost(4),
    ];
    Recipe { slug: "gpu-dcgm", cases }
}

fn production() -> Recipe {
    let replica = |waiting: f64, longest: f64, bandwidth: f64| {
        move |index: usize| {
            let engine = engine(waiting, 8.0).observes(FIRST, 4.0, longest);
            let device = Page::device(index)
                .is("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", 0.2)
                .is("DCGM_FI_PROF_DRAM_ACTIVE", bandwidth);
            engine.and(device)
        }
    };
    let six = |waiting, longest, bandwidth| (0..6).map(replica(waiting, longest, bandwidth)).collect();
    let (idle, by_clock) = ((0.2 / 0.6), Served::Clock("working_hours"));
    let of = |numbers: [f64; 3]| {
        let numbers = numbers.map(Served::Number);
        [&numbers[..], &[by_clock]].concat()
    };
    let cases = vec![
        // The devices alone would do with three; the schedule may want six.
        Case { served: of([0.0, 0.95, idle]), ..case("quiet", 6, six(0.0, 1.0, 0.1)) }.wants(3, 6),
        Case { served: of([60.0, 0.95, idle]), ..case("queue", 6, six(10.0, 1.0, 0.1)) }
            .wants(12, 12)
            .fails_usually(),
        Case { served: of([0.0, 4.0, idle]), ..case("latency", 6, six(0.0, 10.0, 0.1)) }.wants(12, 12),
        Case { served: of([0.0, 0.95, 1.0]), ..case("devices", 6, six(0.0, 1.0, 0.85)) }.wants(9, 9),
        Case {
            is_lost: true,
            served: [&[Served::Refused("old"); 3][..], &[by_clock]].concat(),
            ..case("lost", 6, six(0.0, 1.0, 0.1))
        }
        .wants(0, 6),
    ];
    Recipe { slug: "production", cases }
}

fn business_hours() -> Recipe {
    let of = |load: f64| vec![Served::Clock("business_hours"), Served::Number(load)];
    let cases = vec![
        Case { served: of(0.0), ..case("idle", 3, vec![engine(0.0, 0.0); 3]) }.wants(0, 3),
        Case { served: of(96.0), ..case("loaded", 3, vec![engine(4.0, 28.0); 3]) }.wants(6, 6),
    ];
    Recipe { slug: "business-hours", cases }
}

fn night_batch() -> Recipe {
    let of = || vec![Served::Clock("night_shift")];
    let cases = vec![Case { served: of(), ..case("now", 8, Vec::new()) }.wants(0, 8)];
    Recipe { slug: "night-batch", cases }
}

fn scale_to_zero() -> Recipe {
    let cases = vec![
        case("asleep", 0, Vec::new()).beside(Page::gateway(0.0)).serves(&[0.0, 0.0]),
        case("woken", 0, Vec::new()).beside(Page::gateway(3.0)).serves(&[1.0, 0.0]).wants(1, 1).not(0),
        case("serving", 1, vec![engine(2.0, 8.0)])
            .beside(Page::gateway(0.0))
            .serves(&[0.0, 10.0])
            .wants(2, 2),
        case("idle", 1, vec![engine(0.0, 0.0)]).beside(Page::gateway(0.0)).serves(&[0.0, 0.0]).wants(0, 1),
    ];
    Recipe { slug: "scale-to-zero", cases }
}

fn triton() -> Recipe {
    let pod = |queue: f64, input: f64| {
        Page::triton()
            .counts("nv_inference_request_success", 50.0)
            .counts("nv_inference_queue_duration_us", queue)
            .counts("nv_inference_compute_input_duration_us", input)
    };
    let busy = || pod(4_000_000.0, 100_000.0);
    let cases = vec![
        case("idle", 3, vec![Page::triton(); 3]).serves(&[0.0]).wants(0, 3),
        case("loaded", 2, vec![busy(), busy()]).serves(&[82_000.0]).wants(4, 4).not(2),
        // The third shows nothing yet; it counts as 0, so that nobody wants a fourth.
        case("starting", 3, vec![busy(), busy()]).serves(&[82_000.0]),
        case("lost", 2, vec![busy(), busy()]).lost(1),
    ];
    Recipe { slug: "triton-queue-time", cases }
}

fn requests_per_second() -> Recipe {
    let replica = |finished: f64, waiting: f64, growth: f64| {
        engine(waiting, 0.0).moves(RUNNING, 2_000.0, growth).counts(FINISHED, finished)
    };
    let cases = vec![
        case("idle", 2, vec![engine(0.0, 0.0), engine(0.0, 0.0)]).serves(&[0.0]).wants(0, 2),
        case("keeping-up", 4, vec![replica(3.6, 0.0, 0.0); 4]).serves(&[14.4]),
        // 12 finish in a second and 16 arrive: the usual recipe sees the former.
        case("falling-behind", 2, vec![replica(6.0, 0.0, 2.0); 2]).serves(&[16.0]).wants(4, 4).not(3),
        case("backlog", 2, vec![replica(6.0, 120.0, 0.0); 2]).serves(&[16.0]).wants(4, 4),
        case("lost", 3, vec![replica(6.0, 0.0, 0.0); 3]).lost(1),
    ];
    Recipe { slug: "requests-per-second", cases }
}
