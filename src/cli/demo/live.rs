//! The live fleet: its pages, the adapter that scrapes them, the HPA that asks the adapter.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::Play;
use super::cluster::Cluster;
use super::controller::{Controller, SELECTOR, path};
use super::pages::{Pods, router};
use super::show::Show;
use super::stage::Stage;
use crate::catalog::{Catalog, STATISTICS};
use crate::cli::adapter::{Adapter, Listeners, bind};
use crate::cli::print;
use crate::core::metric::{Formula, Metric, Weighted};
use crate::core::signal::{Kind, SeriesSignal, Signal};
use crate::demo::policy::SYNC_SECONDS;
use crate::engine::{Clock, Definitions, Engine, Pace};
use crate::server::tls::Tls;
use crate::source::scrape::{Scrape, Settings};
use crate::telemetry::Telemetry;

/// How often the simulated day moves on.
const TICK: Duration = Duration::from_millis(10);

/// How often the terminal is drawn.
const DRAW: Duration = Duration::from_millis(250);

/// Plays the day and returns what came of it.
pub(super) async fn play(play: &Play, address: SocketAddr) -> Result<Arc<Stage>> {
    let stage = Arc::new(Stage::new(play));
    let pages = bind(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)).await?;
    let pods = Pods { stage: Arc::clone(&stage), address: pages.local_addr()? };
    let pages = tokio::spawn(axum::serve(pages, router(Arc::clone(&stage))).into_future());
    let adapter = adapter(play, pods, address).await?;
    let controller = Controller::new(adapter.address, play.metric)?;

    let mut show = Show::new(play, &stage);
    print(&hints(play, adapter.address));
    let mut ticks = every(TICK);
    let mut passes = every(Duration::from_secs_f64(SYNC_SECONDS / play.speed));
    let mut draws = every(DRAW);
    let end = tokio::signal::ctrl_c();
    tokio::pin!(end);
    let began = Instant::now();
    loop {
        tokio::select! {
            _ = &mut end => break,
            _ = ticks.tick() => {
                stage.advance(began.elapsed().as_secs_f64() * play.speed);
                if began.elapsed() >= play.duration {
                    break;
                }
            }
            _ = passes.tick() => stage.sync(controller.observe().await),
            _ = draws.tick() => show.draw(),
        }
    }
    show.draw();
    pages.abort();
    adapter.end().await?;
    Ok(stage)
}

/// Ticks that are not made up for when they are missed.
fn every(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks
}

/// The adapter as `serve` runs it, with the live pods as its targets.
async fn adapter(play: &Play, pods: Pods, address: SocketAddr) -> Result<Adapter> {
    let catalog = Arc::new(Catalog::built_in()?);
    let telemetry = Arc::new(Telemetry::default());
    let settings = Settings { interval: play.scrape_every, ..Settings::new("demo") };
    let cluster = Cluster::new(Arc::clone(&pods.stage), play.metric, play.target, play.replicas)?;
    let source = Arc::new(Scrape::new(settings, Arc::new(pods)));
    let statistics = || [""].into_iter().chain(STATISTICS.map(|(suffix, _)| suffix));
    let names = catalog.names().flat_map(|name| statistics().map(move |suffix| format!("{name}{suffix}")));
    let metrics = names.filter_map(|name| compressed(catalog.resolve(&name)?, play)).collect();
    let definitions = Definitions { sources: vec![source], metrics, ..Definitions::default() };
    let engine = Engine::new(catalog, definitions, Pace::default(), Arc::clone(&telemetry));
    let engine = Arc::new(engine.within(Arc::new(cluster)));
    let tls = Arc::new(Tls::self_signed(&["localhost"], Clock::wall())?);
    let (secure, own) = (bind(address).await?, bind(SocketAddr::new(address.ip(), 0)).await?);
    Adapter::start(&engine, &telemetry, &tls, Listeners { secure, observability: own }, None)
}

/// What has a window, over one that passes as fast as the day does, and rates in simulated seconds: numbers
/// are those of a day that takes a day. What has none stays what the catalog says.
fn compressed(metric: Metric, play: &Play) -> Option<Metric> {
    metric.window()?;
    Some(metric.each_read(&|mut metric| {
        for input in &mut metric.inputs {
            let Signal::Series(signal) = input.signal.as_ref() else { continue };
            let Some(window) = signal.window else { continue };
            match &mut input.formula {
                Formula::Linear(terms) => slow_down(terms, signal, play.speed),
                Formula::Ratio { numerator, denominator } => {
                    slow_down(numerator, signal, play.speed);
                    slow_down(denominator, signal, play.speed);
                }
                Formula::Quantile { .. } | Formula::Share { .. } | Formula::Mean { .. } => {}
            }
            let window = window.div_f64(play.speed).max(10 * play.scrape_every);
            input.signal = Arc::new(Signal::Series(SeriesSignal { window: Some(window), ..signal.clone() }));
        }
        metric
    }))
}

/// Brings what changes in a real second to what changes in a simulated one.
fn slow_down(terms: &mut [Weighted], signal: &SeriesSignal, speed: f64) {
    for weighted in terms {
        if matches!(signal.terms[weighted.term].kind, Kind::Counter | Kind::Slope) {
            weighted.weight /= speed;
        }
    }
}

/// What can be asked while it runs.
fn hints(play: &Play, address: SocketAddr) -> String {
    let path = path(play.metric);
    let selector = SELECTOR.replace('=', "%3D");
    format!(
        "The API is at https://{address} while this runs. Ask it as the HPA does, and ask why:\n\
         \n  kubectl --kubeconfig /dev/null --server https://{address} --insecure-skip-tls-verify --username nobody \\\
         \n    get --raw '{path}?labelSelector={selector}'\
         \n  curl -k 'https://{address}{path}?labelSelector={selector}&explain=true'\
         \n  curl -k 'https://{address}{}'\n\n",
        super::controller::path("inference_time_to_first_token_seconds_p95")
    )
}
