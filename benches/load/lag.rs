//! Signal lag: from a jump in an engine's queue to the first answer of the API that shows it.
//!
//! One engine, and beside it an adapter that scrapes it every second, one that does every two, and one for each of
//! three real Prometheus servers that scrape it every 5, 15 and 30 seconds. At each jump the time until each adapter
//! answers with the new number is taken, by asking every 20 ms. Jumps come at random moments, so that they fall
//! anywhere between two scrapes.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use axum::Router;
use axum::routing::get;
use plotters::prelude::*;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::process::{Process, free_port};
use super::stage::{Bench, which};

/// How often each adapter is asked.
const ASK_EVERY: Duration = Duration::from_millis(20);
/// The rarest scrape, with room for the refresh after it: no jump comes before the last has shown everywhere.
const SETTLED: Duration = Duration::from_secs(50);

/// One way from the engine to the API.
#[derive(Serialize)]
pub(crate) struct Way {
    name: &'static str,
    #[serde(skip)]
    url: String,
    /// Seconds of each jump.
    lags: Vec<f64>,
    #[serde(skip)]
    _processes: Vec<Process>,
}

fn adapter(bench: &Bench, name: &str, sources: &str) -> Result<(Process, u16)> {
    let (port, file) = (free_port()?, bench.file(&format!("{name}.yaml")));
    let text = format!("apiVersion: inferometer.dev/v1alpha1\nkind: Configuration\nsources:\n{sources}");
    std::fs::write(&file, text)?;
    let arguments = format!(
        "serve --standalone --observability-address 127.0.0.1:0 --secure-port {port} --config {}",
        file.display()
    );
    Ok((start(bench, &bench.program, &arguments)?, port))
}

fn start(bench: &Bench, program: &Path, arguments: &str) -> Result<Process> {
    let arguments: Vec<String> = arguments.split(' ').map(str::to_owned).collect();
    Process::start(program, &arguments, bench.folder.path(), bench.servers_on)
}

fn scraping(bench: &Bench, engine: SocketAddr, name: &'static str, every: &str) -> Result<Way> {
    let source = format!(
        "- name: engines\n  scrape:\n    interval: {every}\n    targets:\n    - {{ url: 'http://{engine}/metrics', namespace: ai, labels: {{ pod: vllm-0 }} }}\n"
    );
    let (process, port) = adapter(bench, &format!("scrape-{every}"), &source)?;
    Ok(Way { name, url: url(port), lags: Vec::new(), _processes: vec![process] })
}

fn prometheus(
    bench: &Bench,
    program: &Path,
    engine: SocketAddr,
    name: &'static str,
    every: &str,
) -> Result<Way> {
    let (port, file) = (free_port()?, bench.file(&format!("prometheus-{every}.yml")));
    let text = format!(
        "global: {{ scrape_interval: {every}, scrape_timeout: 4s }}\nscrape_configs:\n- job_name: pods\n  static_configs:\n  - targets: ['{engine}']\n    labels: {{ namespace: ai, pod: vllm-0 }}\n"
    );
    std::fs::write(&file, text)?;
    let arguments = format!(
        "--config.file={} --storage.tsdb.path={} --web.listen-address=127.0.0.1:{port}",
        file.display(),
        bench.file(every).display()
    );
    let server = start(bench, program, &arguments)?;
    let source = format!("- name: main\n  prometheus: {{ url: 'http://127.0.0.1:{port}' }}\n");
    let (process, port) = adapter(bench, &format!("prometheus-{every}"), &source)?;
    Ok(Way { name, url: url(port), lags: Vec::new(), _processes: vec![process, server] })
}

fn url(port: u16) -> String {
    format!(
        "https://127.0.0.1:{port}/apis/external.metrics.k8s.io/v1beta1/namespaces/ai/inference_requests_waiting"
    )
}

async fn answers(client: &reqwest::Client, url: &str, wanted: u64) -> bool {
    let Ok(response) = client.get(url).send().await else { return false };
    let mut body = Vec::new();
    let mut response = response;
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
    }
    let json: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    json["items"][0]["value"] == wanted.to_string().as_str()
}

/// Waits until every path answers with `wanted`; how long that took for each.
async fn shown(client: &reqwest::Client, paths: &[Way], wanted: u64, since: Instant) -> Result<Vec<f64>> {
    let one = async |path: &Way| {
        while !answers(client, &path.url, wanted).await {
            if since.elapsed() > Duration::from_secs(100) {
                bail!("{} does not answer {wanted}", path.name);
            }
            sleep(ASK_EVERY).await;
        }
        Ok(since.elapsed().as_secs_f64())
    };
    futures_util::future::try_join_all(paths.iter().map(one)).await
}

fn quantile(lags: &[f64], q: f64) -> f64 {
    let mut sorted = lags.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * q).round() as usize]
}

/// Every jump as a point.
pub(crate) fn draw(file: &Path, paths: &[Way]) -> Result<()> {
    let most = paths.iter().flat_map(|path| &path.lags).copied().fold(1.0, f64::max);
    let area = SVGBackend::new(file, (820, 60 + 46 * paths.len() as u32)).into_drawing_area();
    let mut chart = ChartBuilder::on(&area)
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(170)
        .build_cartesian_2d(0.0..most * 1.05, -0.5..paths.len() as f64 - 0.5)?;
    let grey = RGBColor(128, 128, 128);
    let text = ("sans-serif", 14, &grey).into_text_style(&area);
    chart
        .configure_mesh()
        .disable_y_mesh()
        .axis_style(grey)
        .light_line_style(grey.mix(0.0))
        .bold_line_style(grey.mix(0.25))
        .y_labels(paths.len())
        .x_desc("seconds from the jump to the first answer that shows it")
        .label_style(text)
        .y_label_formatter(&|at: &f64| {
            let index = (paths.len() - 1) as f64 - at;
            let path = paths.get(index.round().max(0.0) as usize).filter(|_| index.fract().abs() < 0.01);
            path.map(|path| path.name.to_owned()).unwrap_or_default()
        })
        .draw()?;
    for (index, path) in paths.iter().enumerate() {
        let at = (paths.len() - 1 - index) as f64;
        let colour =
            if path.name.starts_with("direct") { RGBColor(0, 130, 200) } else { RGBColor(220, 110, 30) };
        chart
            .draw_series(path.lags.iter().map(|lag| Circle::new((*lag, at), 4, colour.mix(0.55).filled())))?;
        let median = quantile(&path.lags, 0.5);
        chart.draw_series(std::iter::once(PathElement::new(
            vec![(median, at - 0.3), (median, at + 0.3)],
            colour.stroke_width(2),
        )))?;
    }
    area.present()?;
    Ok(())
}

/// Lets the queue jump so often.
pub(crate) async fn measure(bench: &Bench, jumps: u32) -> Result<Vec<Way>> {
    let queue = Arc::new(AtomicU64::new(1));
    let engine = engine(Arc::clone(&queue)).await?;
    let mut paths = vec![
        scraping(bench, engine, "direct, every 1 s", "1s")?,
        scraping(bench, engine, "direct, every 2 s", "2s")?,
    ];
    match which("prometheus") {
        Some(program) => {
            paths.push(prometheus(bench, &program, engine, "Prometheus, every 5 s", "5s")?);
            paths.push(prometheus(bench, &program, engine, "Prometheus, every 15 s", "15s")?);
            paths.push(prometheus(bench, &program, engine, "Prometheus, every 30 s", "30s")?);
        }
        None => eprintln!("prometheus is not here, so it is left out"),
    }
    let client = reqwest::Client::builder()
        .tls_danger_accept_invalid_certs(true)
        .timeout(Duration::from_secs(2))
        .build()?;
    shown(&client, &paths, 1, Instant::now()).await?;
    // Different gaps, so that the jumps fall anywhere between two scrapes of any interval.
    let mut gap = 0.0_f64;
    for _ in 0..jumps {
        gap = (gap + 0.618_033_988_75).fract();
        let began = Instant::now();
        let wanted = queue.fetch_add(1, Ordering::SeqCst) + 1;
        let lags = shown(&client, &paths, wanted, began).await?;
        paths.iter_mut().zip(lags).for_each(|(path, lag)| path.lags.push(lag));
        let rest = SETTLED.saturating_sub(began.elapsed()).min(Duration::from_secs(5));
        sleep(rest + Duration::from_secs_f64(gap * 7.0)).await;
    }
    Ok(paths)
}

/// An engine whose queue is as long as it is told.
async fn engine(queue: Arc<AtomicU64>) -> Result<SocketAddr> {
    let page = move || {
        let waiting = queue.load(Ordering::SeqCst);
        let text = format!(
            "# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running{{model_name=\"m\"}} 1\n# TYPE vllm:num_requests_waiting gauge\nvllm:num_requests_waiting{{model_name=\"m\"}} {waiting}\n"
        );
        async move { ([("content-type", "text/plain; version=0.0.4")], text) }
    };
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(axum::serve(listener, Router::new().route("/metrics", get(page))).into_future());
    Ok(address)
}

/// A line for each way.
pub(crate) fn table(paths: &[Way], page: &mut String) {
    page.push_str(
        "\n| lag of a jump | jumps | median | p90 | longest |\n| --- | ---: | ---: | ---: | ---: |\n",
    );
    for path in paths {
        let at = |q| quantile(&path.lags, q);
        let (jumps, name) = (path.lags.len(), path.name);
        let _ =
            writeln!(page, "| {name} | {jumps} | {:.2} s | {:.2} s | {:.2} s |", at(0.5), at(0.9), at(1.0));
    }
}
