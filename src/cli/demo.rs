//! `inferometer demo`

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;

use self::stage::Stage;
use super::print;
use crate::config::units::parse_duration;
use crate::demo::fleet::Setup;
use crate::demo::outcome::{Outcome, table};
use crate::demo::parameters::parameters;
use crate::demo::policy::{Demand, Policy, Signal};
use crate::demo::profile;
use crate::demo::replica::Engine;
use crate::demo::report::Report;
use crate::demo::scrape::Scraping;
use crate::demo::simulation::Simulation;
use crate::demo::trace::{Day, Trace};
use crate::demo::verdict;
use crate::server::tls;

mod cluster;
mod controller;
mod live;
mod pages;
mod show;
mod stage;

/// The share of first tokens in time by which a replica's capacity is told.
const WITHIN: f64 = 0.99;

/// Pages are not made more often than this, in real time.
const FASTEST_SCRAPE: Duration = Duration::from_millis(20);

/// Flags of `demo`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How long it runs. The simulated day passes in this time.
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "60s")]
    duration: Duration,
    /// What the HPA of the live fleet follows.
    #[arg(long, value_enum, default_value_t = Live::InSystem)]
    policy: Live,
    /// Writes a page with the plots of the day.
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// Port of the API, with TLS; 0 chooses a free one.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    secure_port: u16,

    /// Which day of all that look alike.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, help_heading = "The day")]
    seed: u64,
    /// Simulated time from midnight to midnight.
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "4h", help_heading = "The day")]
    day: Duration,
    /// Requests per second at night.
    #[arg(long, value_name = "RATE", value_parser = positive, default_value = "1.5", help_heading = "The day")]
    night: f64,
    /// Requests per second in the working hours.
    #[arg(long, value_name = "RATE", value_parser = positive, default_value = "12", help_heading = "The day")]
    plateau: f64,
    /// Bursts in the working hours.
    #[arg(long, value_name = "NUMBER", default_value_t = 4, help_heading = "The day")]
    bursts: u32,
    /// How long a burst lasts.
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "3m", help_heading = "The day")]
    burst_length: Duration,
    /// A burst multiplies the arrivals by up to this.
    #[arg(long, value_name = "FACTOR", value_parser = positive, default_value = "3", help_heading = "The day")]
    burst_height: f64,

    /// The shortest time from a pod's creation until it serves; the longest is 1.6 times that.
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "75s", help_heading = "The fleet")]
    model_load: Duration,
    /// Sequences in a replica's batch at most (`--max-num-seqs` of vLLM).
    #[arg(long, value_name = "NUMBER", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..), help_heading = "The fleet")]
    max_num_seqs: u32,
    /// A first token within this time is soon enough.
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "2s", help_heading = "The fleet")]
    target: Duration,
    /// Dollars for one replica and hour.
    #[arg(long, value_name = "PRICE", value_parser = positive, default_value = "4", help_heading = "The fleet")]
    price: f64,

    /// The least replicas of every policy that scales.
    #[arg(long, value_name = "NUMBER", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..), help_heading = "The policies")]
    min_replicas: u32,
    /// The most.
    #[arg(long, value_name = "NUMBER", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..), help_heading = "The policies")]
    max_replicas: u32,
    /// A fixed fleet of so many; by default one that carries the peak, and one that carries the plateau.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..), help_heading = "The policies")]
    fixed: Option<u32>,
    /// Requests waiting for each replica.
    #[arg(long, value_name = "NUMBER", value_parser = positive, default_value = "5", help_heading = "The policies")]
    waiting: f64,
    /// Requests in the system for each replica.
    #[arg(long, value_name = "NUMBER", value_parser = positive, default_value = "16", help_heading = "The policies")]
    in_system: f64,
    /// Requests per second for each replica, as a share of what one serves in time: the rest is for bursts
    /// while replicas load.
    #[arg(long, value_name = "SHARE", value_parser = positive, default_value = "0.5", help_heading = "The policies")]
    demand: f64,
    /// CPU in percent of the request.
    #[arg(long, value_name = "PERCENT", value_parser = positive, default_value = "50", help_heading = "The policies")]
    cpu: f64,
    /// Simulated time between two samples of a metric, which policies then see one interval later.
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "5s", help_heading = "The policies")]
    scrape_interval: Duration,
}

/// What the live HPA names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Live {
    /// `inference_requests_in_system`
    InSystem,
    /// `inference_requests_waiting`
    Waiting,
    /// `inference_demand_requests_per_second`
    Demand,
}

impl Live {
    fn metric(self) -> &'static str {
        match self {
            Self::InSystem => "inference_requests_in_system",
            Self::Waiting => "inference_requests_waiting",
            Self::Demand => "inference_demand_requests_per_second",
        }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|refusal| refusal.to_string())
}

fn positive(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "a number is needed".to_owned())?;
    if number.is_finite() && number > 0.0 { Ok(number) } else { Err("it must be above zero".to_owned()) }
}

/// What is played: worked out from the flags once.
pub(super) struct Play {
    setup: Setup,
    trace: Arc<Trace>,
    scraping: Scraping,
    /// The first is played live; the rest are simulated beside it.
    policies: Vec<Policy>,
    /// Those that are recommended, as indices.
    recommended: Vec<usize>,
    metric: &'static str,
    /// What the live HPA compares it with, and between how many replicas.
    target: f64,
    replicas: (u32, u32),
    /// How long the day takes, in real time.
    duration: Duration,
    /// Simulated seconds in a real one.
    speed: f64,
    /// Real time between two scrapes of the live fleet.
    scrape_every: Duration,
}

impl Play {
    fn new(args: &Args) -> Result<Self> {
        if args.min_replicas > args.max_replicas {
            bail!("--min-replicas is above --max-replicas");
        }
        let day = Day {
            seconds: args.day.as_secs_f64(),
            night: args.night,
            plateau: args.plateau,
            bursts: args.bursts,
            burst_height: (1.5_f64.min(args.burst_height), args.burst_height),
            burst_seconds: args.burst_length.as_secs_f64(),
            seed: args.seed,
            ..Day::default()
        };
        let load = args.model_load.as_secs_f64();
        let engine = Engine::default();
        let setup = Setup {
            engine: Engine {
                max_num_seqs: args.max_num_seqs as usize,
                target: args.target.as_secs_f64(),
                patience: engine.patience.max(args.target.as_secs_f64()),
                ..engine
            },
            load_seconds: (load, load * 1.6),
            dollars_per_hour: args.price,
            seed: args.seed,
            ..Setup::default()
        };
        let speed = day.seconds / args.duration.as_secs_f64();
        // What the live fleet cannot be asked as often, nobody is shown as often.
        let scrape_every = args.scrape_interval.div_f64(speed).max(FASTEST_SCRAPE);
        let interval = (scrape_every.as_secs_f64() * speed * 100.0).round() / 100.0;
        let capacity = profile::capacity(&setup, &day, WITHIN);
        let trace = Arc::new(day.trace());
        let demand = Demand {
            capacity: capacity * args.demand,
            window_seconds: 60.0,
            drain_seconds: 60.0,
            recounts: false,
        };
        let scaled = |signal| Policy::new(signal, args.min_replicas, args.max_replicas);
        let in_system = scaled(Signal::InSystem { per_replica: args.in_system });
        let waiting = scaled(Signal::Waiting { per_replica: args.waiting });
        let (followed, target) = match args.policy {
            Live::InSystem => (in_system.clone(), args.in_system),
            Live::Waiting => (waiting.clone(), args.waiting),
            Live::Demand => (scaled(Signal::Demand(demand)), demand.capacity),
        };
        let carrying = |rate: f64| ((rate / capacity).ceil() as u32).clamp(1, args.max_replicas);
        let fixed = match args.fixed {
            Some(replicas) => vec![replicas],
            None => vec![carrying(trace.peak_rate()), carrying(args.plateau)],
        };
        let mut policies = vec![Policy { name: format!("{}, live", followed.name), ..followed }];
        policies.extend(fixed.into_iter().map(Policy::fixed));
        policies.extend([scaled(Signal::Cpu { percent: args.cpu }), waiting, in_system]);
        policies.extend([false, true].map(|recounts| scaled(Signal::Demand(Demand { recounts, ..demand }))));
        let recommended = vec![policies.len() - 3, policies.len() - 2];
        Ok(Self {
            setup,
            trace,
            scraping: Scraping { interval, lag: interval },
            policies,
            recommended,
            metric: args.policy.metric(),
            target,
            replicas: (args.min_replicas, args.max_replicas),
            duration: args.duration,
            speed,
            scrape_every,
        })
    }

    fn simulations(&self) -> Vec<Simulation> {
        let of = |index: usize, policy: &Policy| {
            let make = if index == 0 { Simulation::led } else { Simulation::new };
            make(policy.clone(), self.setup, self.scraping, Arc::clone(&self.trace))
        };
        self.policies.iter().enumerate().map(|(index, policy)| of(index, policy)).collect()
    }

    fn parameters(&self) -> Vec<(String, String)> {
        let Self { setup, trace, scraping, speed, .. } = self;
        let mut told = parameters(&trace.day, setup, scraping);
        told.push(("requests".to_owned(), trace.arrivals.len().to_string()));
        told.push(("speed".to_owned(), format!("{speed:.0} simulated seconds in one real second")));
        told.extend(self.policies.iter().map(|policy| (policy.name.clone(), policy.to_string())));
        told
    }
}

/// Plays the day.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    tls::install_crypto_provider();
    // Written first, so that a wrong path is known before the day and not after it.
    if let Some(path) = &args.report {
        std::fs::write(path, "").with_context(|| format!("cannot write {}", path.display()))?;
    }
    let play = Play::new(args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), args.secure_port);
    let stage = runtime.block_on(live::play(&play, address))?;
    let outcomes = stage.outcomes();
    print(&summary(&play, &stage, &outcomes));
    if let Some(path) = &args.report {
        let parameters = play.parameters();
        let report = Report {
            outcomes: &outcomes,
            recommended: &play.recommended,
            parameters: &parameters,
            day_seconds: play.trace.day.seconds,
            target: play.setup.engine.target,
            patience: play.setup.engine.patience,
        };
        let page = report.html().context("the plots cannot be drawn")?;
        std::fs::write(path, page).with_context(|| format!("cannot write {}", path.display()))?;
        print(&format!("\nThe plots are in {}.\n", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}

fn summary(play: &Play, stage: &Stage, outcomes: &[Outcome]) -> String {
    let mut text = String::from("\n");
    if let Some(passed) = stage.ended_early() {
        let _ = write!(text, "Ended early: these are the first {passed} of the day.\n\n");
    }
    for (name, value) in play.parameters() {
        let _ = writeln!(text, "{name}: {value}");
    }
    text += "\n";
    text += &table(outcomes);
    text += "\n";
    // The live one is the same policy as another.
    let recommended: Vec<usize> = play.recommended.iter().map(|index| index - 1).collect();
    for sentence in verdict::sentences(&outcomes[1..], &recommended) {
        let _ = writeln!(text, "- {sentence}");
    }
    let _ = write!(text, "\n{}\n", stage.remarks());
    text
}

/// Whether lines may be drawn over.
fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}
