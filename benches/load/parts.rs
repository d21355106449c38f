//! Runs the parts one after the other, and puts together what they tell.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum as _;

use super::drive::{self, Pace};
use super::measure::{self, Paced, Throughput};
use super::nginx::Nginx;
use super::report::Report;
use super::stage::Bench;
use super::world::World;
use super::{Args, Part, lag, plot, process};

/// What throughput is measured with.
const USUAL: World = World { hpas: 1_000, pods: 4_000, signals: 10 };
/// What latency is measured with: as many questions, no two alike.
const MANY: World = World { hpas: 5_000, pods: 10_000, signals: 10 };
/// So many questions a second.
const PER_SECOND: f64 = 1_000.0;
/// Series of one signal.
const SERIES: u32 = 100_000;
/// Rounds in which all are measured in turn.
const ROUNDS: usize = 3;

/// Runs them and prints the report.
pub(crate) async fn run(args: &Args) -> Result<()> {
    ensure!(args.bin.is_file(), "{} is not there", args.bin.display());
    // The first processor for whoever answers, the last for whoever asks and for all else.
    let processors = std::thread::available_parallelism()?.get();
    let is_pinned = !args.no_pinning && processors > 1 && process::pin_ourselves(processors - 1);
    let bench = Bench::new(args.bin.clone(), is_pinned.then_some(0))?;
    let mut report = Report::new(processors, is_pinned);
    let parts = match (args.size.as_slice(), args.only.as_slice()) {
        ([], []) => Part::value_variants(),
        ([], only) => only,
        _ => &[Part::Sizes],
    };
    for part in parts {
        match part {
            Part::Throughput => report.throughput = throughput(args, &bench).await?,
            Part::Latency => report.paced = latency(args, &bench).await?,
            Part::Series => {
                eprintln!("{SERIES} series of one signal");
                report.set = Some(measure::set(&bench, SERIES, Duration::from_secs(30)).await?);
            }
            Part::Sizes => {
                for world in if args.size.is_empty() { sizes(args.full) } else { args.size.clone() } {
                    eprintln!("{} HPAs, {} pods, {} signals", world.hpas, world.pods, world.signals);
                    let load = (args.connections, args.in_flight);
                    let point = measure::point(&bench, world, args.seconds, load).await;
                    report.sizes.push(point.with_context(|| format!("{world:?}"))?);
                }
            }
            Part::Lag => {
                eprintln!("signal lag");
                let jumps = args.jumps.unwrap_or(if args.full { 20 } else { 3 });
                report.lag = lag::measure(&bench, jumps).await?;
            }
        }
    }
    print!("{}", report.markdown());
    if let Some(file) = &args.json {
        std::fs::write(file, serde_json::to_vec_pretty(&report)?)?;
    }
    if let Some(file) = &args.svg {
        plot::draw(file, &report.sizes)?;
    }
    if let Some(file) = &args.lag_svg {
        lag::draw(file, &report.lag)?;
    }
    Ok(())
}

/// One size in the middle, and from there each of the three alone.
fn sizes(full: bool) -> Vec<World> {
    let usual = World { hpas: 1_000, pods: 10_000, signals: 10 };
    let hpas: &[u32] = if full { &[10, 100, 1_000, 10_000] } else { &[10_000] };
    let pods: &[u32] = if full { &[10, 100, 1_000, 10_000, 100_000, 150_000] } else { &[100_000] };
    let signals: &[u32] = if full { &[1, 3, 10, 30, 100] } else { &[100] };
    let mut all = vec![usual];
    all.extend(hpas.iter().map(|hpas| World { hpas: *hpas, ..usual }));
    all.extend(pods.iter().map(|pods| World { pods: *pods, ..usual }));
    all.extend(signals.iter().map(|signals| World { signals: *signals, ..usual }));
    all.push(World { hpas: 10_000, pods: 10_000, signals: 100 });
    let mut seen = HashSet::new();
    all.retain(|world| seen.insert((world.hpas, world.pods, world.signals)));
    all
}

async fn throughput(args: &Args, bench: &Bench) -> Result<Vec<Throughput>> {
    eprintln!("throughput");
    let (stage, questions, _) = measure::warm(bench, USUAL).await?;
    let others = args.compare.others()?;
    let (proxy, token) = (bench.as_front_proxy(stage.port)?, Bench::with_token(stage.port)?);
    let own = Some(stage.id());
    let mut all = vec![
        ("Inferometer, front proxy".to_owned(), proxy.clone(), own, questions.clone()),
        ("Inferometer, bearer token".to_owned(), token, own, questions.clone()),
    ];
    let answers = drive::verify(&proxy, &questions, measure::WARM_WITHIN).await?;
    let nginx = Nginx::start(bench, &questions, &answers).await?;
    if let Some(nginx) = &nginx {
        let target = nginx.target(proxy.headers.clone())?;
        all.push(("nginx, one worker".to_owned(), target, Some(nginx.id()), questions.clone()));
    } else {
        eprintln!("nginx is not here, so it is left out");
    }
    all.extend(others.into_iter().map(|other| (other.name, other.target, other.process, other.questions)));
    let mut rounds: Vec<Vec<Throughput>> = vec![Vec::new(); all.len()];
    for _ in 0..ROUNDS {
        for ((name, target, process, questions), round) in all.iter().zip(&mut rounds) {
            let load = (args.connections, args.in_flight);
            let length = Duration::from_secs(args.seconds);
            let one = measure::throughput(name, (target, *process), questions, load, length).await;
            round.push(one.with_context(|| name.clone())?);
        }
    }
    // The median round of each.
    Ok(rounds
        .into_iter()
        .map(|mut rounds| {
            let of = |one: &Throughput| one.per_core.unwrap_or(one.rate);
            rounds.sort_by(|a, b| of(a).total_cmp(&of(b)));
            rounds.swap_remove(ROUNDS / 2)
        })
        .collect())
}

async fn latency(args: &Args, bench: &Bench) -> Result<Vec<Paced>> {
    eprintln!("latency");
    let (stage, questions, _) = measure::warm(bench, MANY).await?;
    let proxy = bench.as_front_proxy(stage.port)?;
    let answers = drive::verify(&proxy, &questions, measure::WARM_WITHIN).await?;
    let nginx = Nginx::start(bench, &questions, &answers).await?;
    let length = Duration::from_secs(args.seconds * 4);
    let pace = Pace::PerSecond(PER_SECOND);
    let load = (args.connections, pace);
    let own = (&proxy, Some(stage.id()));
    let name = format!("Inferometer, {} metrics", questions.len());
    let mut all = vec![measure::paced(name, own, &questions, load, length).await?];
    if let Some(nginx) = &nginx {
        let target = (&nginx.target(proxy.headers.clone())?, Some(nginx.id()));
        all.push(measure::paced("nginx, one worker".to_owned(), target, &questions, load, length).await?);
    }
    for other in args.compare.others()? {
        let target = (&other.target, other.process);
        all.push(measure::paced(other.name, target, &other.questions, load, length).await?);
    }
    // The controller: one connection, five workers.
    let (limit, name) = if args.rate > 0.0 {
        (Pace::Controller(args.rate), format!("Inferometer, HPA controller of {} requests/s", args.rate))
    } else {
        (Pace::AtOnce(drive::WORKERS), "Inferometer, HPA controller without a limit".to_owned())
    };
    all.push(measure::paced(name, own, &questions, (1, limit), length).await?);
    Ok(all)
}
