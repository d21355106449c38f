//! The measurements, each of a server that was started for it.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::drive::{self, Figures, Pace, Target};
use super::stage::{Bench, Place, Stage};
use super::world::{Question, World};

/// An HPA is looked at so often.
pub(crate) const PERIOD: f64 = 15.0;
/// How long the first answers may take.
pub(crate) const WARM_WITHIN: Duration = Duration::from_secs(90);

/// The latency of answers, in microseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) p999: u64,
    pub(crate) answers: u64,
}

impl Latency {
    pub(crate) fn of(figures: &Figures) -> Self {
        let at = |quantile| figures.latency.value_at_quantile(quantile);
        Self { p50: at(0.5), p99: at(0.99), p999: at(0.999), answers: figures.answers }
    }
}

/// What came of asking, and the processor time of the process that was asked, in seconds.
async fn asked(
    (target, process): (&Target, Option<u32>),
    questions: &[Question],
    (connections, pace): (usize, Pace),
    length: Duration,
) -> Result<(Figures, Option<f64>)> {
    let spent = || process.map(super::process::cpu).transpose();
    let before = spent()?;
    let figures = drive::run(target, questions, connections, pace, length).await?;
    Ok((figures, spent()?.zip(before).map(|(after, before)| after - before)))
}

/// Who was asked as fast as it can answer.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Throughput {
    pub(crate) name: String,
    /// Answers a second.
    pub(crate) rate: f64,
    /// Answers for each second of processor time, where that is known.
    pub(crate) per_core: Option<f64>,
    pub(crate) latency: Latency,
}

/// Asks `target`, whose processor time `cpu` tells, as fast as it can answer.
pub(crate) async fn throughput(
    name: &str,
    (target, cpu): (&Target, Option<u32>),
    questions: &[Question],
    (connections, in_flight): (usize, usize),
    length: Duration,
) -> Result<Throughput> {
    let load = (connections, Pace::AtOnce(in_flight));
    let (figures, spent) = asked((target, cpu), questions, load, length).await?;
    Ok(Throughput {
        name: name.to_owned(),
        rate: figures.rate(),
        per_core: spent.filter(|spent| *spent > 0.0).map(|spent| figures.answers as f64 / spent),
        latency: Latency::of(&figures),
    })
}

/// Who was asked at a certain pace.
#[derive(Debug, Serialize)]
pub(crate) struct Paced {
    pub(crate) name: String,
    /// Answers a second.
    pub(crate) rate: f64,
    /// What that took of one core, in percent, where it is known.
    pub(crate) share: Option<f64>,
    pub(crate) latency: Latency,
    /// The latest that a request was sent after its time, in seconds.
    pub(crate) late: f64,
}

/// Asks `target`, whose processor time `cpu` tells, at this pace.
pub(crate) async fn paced(
    name: String,
    (target, cpu): (&Target, Option<u32>),
    questions: &[Question],
    (connections, pace): (usize, Pace),
    length: Duration,
) -> Result<Paced> {
    let (figures, spent) = asked((target, cpu), questions, (connections, pace), length).await?;
    Ok(Paced {
        name,
        rate: figures.rate(),
        share: spent.map(|spent| 100.0 * spent / figures.seconds),
        latency: Latency::of(&figures),
        late: figures.late,
    })
}

/// What a server of one size does.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Point {
    #[serde(flatten)]
    pub(crate) world: World,
    /// Seconds from its start until it is ready, and from then until everything was answered once.
    pub(crate) ready: f64,
    pub(crate) warm: f64,
    /// Answers for each second of processor time.
    pub(crate) per_core: f64,
    /// While it is asked as fast as it can answer.
    pub(crate) busy: Latency,
    /// Each autoscaler asks once in its period: share of one core, in percent, and the latency.
    pub(crate) share: f64,
    pub(crate) calm: Latency,
    /// Queries a minute at the source meanwhile.
    pub(crate) queries: f64,
    /// Resident memory at the end, MiB.
    pub(crate) memory: f64,
}

/// Measures a server of this size.
pub(crate) async fn point(bench: &Bench, world: World, seconds: u64, load: (usize, usize)) -> Result<Point> {
    let (stage, questions, warm) = warm(bench, world).await?;
    let target = bench.as_front_proxy(stage.port)?;
    let length = Duration::from_secs(seconds);
    let busy = throughput("", (&target, Some(stage.id())), &questions, load, length).await?;
    let queries = stage.source.queries();
    // Long enough for every signal to be refreshed, and for the smallest set to be asked.
    let length = length.max(Duration::from_secs_f64(PERIOD));
    let pace = Pace::PerSecond(f64::from(world.hpas) / PERIOD);
    let (began, asked) = (Instant::now(), (&target, Some(stage.id())));
    let calm = paced(String::new(), asked, &questions, (load.0, pace), length).await?;
    let queries = (stage.source.queries() - queries) as f64 / began.elapsed().as_secs_f64();
    Ok(Point {
        world,
        ready: stage.start.as_secs_f64(),
        warm,
        per_core: busy.per_core.unwrap_or_default(),
        busy: busy.latency,
        share: calm.share.unwrap_or_default(),
        calm: calm.latency,
        queries: 60.0 * queries,
        memory: stage.memory()?,
    })
}

/// A server that has answered everything once, rightly; and how long that took it.
pub(crate) async fn warm(bench: &Bench, world: World) -> Result<(Stage, Vec<Question>, f64)> {
    let stage = bench.stage(world, Place::Cluster).await?;
    let questions = world.questions();
    let began = Instant::now();
    drive::verify(&bench.as_front_proxy(stage.port)?, &questions, WARM_WITHIN).await?;
    Ok((stage, questions, began.elapsed().as_secs_f64()))
}

/// What one set of many series costs.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Set {
    pub(crate) series: u32,
    /// Seconds of processor time that a refresh takes, all that is done meanwhile included.
    pub(crate) refresh: f64,
    /// Resident memory, MiB.
    pub(crate) memory: f64,
    /// Resident memory of the same server before anybody asked, MiB.
    pub(crate) rest: f64,
}

/// A server with one signal of so many series, for so long. It knows no pods, so that they do not count.
pub(crate) async fn set(bench: &Bench, series: u32, length: Duration) -> Result<Set> {
    // Of the answer little is to be seen: one namespace of many is asked for.
    let world = World { hpas: 1_000, pods: series, signals: 1 };
    let stage = bench.stage(world, Place::Alone).await?;
    sleep(SETTLED).await;
    let rest = stage.memory()?;
    let target = bench.as_front_proxy(stage.port)?;
    let questions = &world.questions()[..1];
    drive::verify(&target, questions, WARM_WITHIN).await?;
    let (cpu, refreshes) = (stage.cpu()?, stage.source.refreshes());
    let began = Instant::now();
    while began.elapsed() < length {
        sleep(Duration::from_secs(1)).await;
        drive::verify(&target, questions, WARM_WITHIN).await?;
    }
    let refreshes = stage.source.refreshes() - refreshes;
    ensure!(refreshes > 0, "nothing was refreshed within {length:?}");
    Ok(Set { series, refresh: (stage.cpu()? - cpu) / refreshes as f64, memory: stage.memory()?, rest })
}

/// How long after its start a server is at rest.
const SETTLED: Duration = Duration::from_secs(5);
