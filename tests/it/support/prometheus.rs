//! A real Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use http::Method;
use tempfile::TempDir;
use tokio::time::sleep;

use super::command::{Process, output, text};
use super::{Client, Target, free_port, seconds, until};

/// How long after the start of its process it takes the time of its own start, at most.
const MARGIN: Duration = Duration::from_millis(700);

pub(crate) struct Prometheus {
    process: Process,
    directory: TempDir,
    port: u16,
    client: Client,
    targets: usize,
}

/// One series of an instant query's answer.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

impl Prometheus {
    /// Starts one and waits until it has scraped every target, and is old enough to be believed: one without
    /// memory of before may have targets that it has yet to find.
    pub(crate) async fn start(targets: &[Target]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(directory.path().join("prometheus.yml"), configuration(targets)).expect("writable");
        let port = free_port();
        let mut prometheus = Self {
            process: launch(&directory, port),
            client: Client::new(format!("http://127.0.0.1:{port}")),
            directory,
            port,
            targets: targets.len(),
        };
        let slowest = targets.iter().map(|target| target.interval).max().unwrap_or(1);
        let old_enough = sleep(seconds(5 + slowest) + MARGIN);
        tokio::join!(prometheus.wait_until_scraped(), old_enough);
        prometheus
    }

    /// Starts one that scrapes nothing and remembers these samples: lines of OpenMetrics, each with its
    /// time, which may be yet to come.
    pub(crate) async fn remembering(samples: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(directory.path().join("prometheus.yml"), configuration(&[])).expect("writable");
        std::fs::write(directory.path().join("history"), format!("{samples}# EOF\n")).expect("writable");
        let made = output(Command::new("promtool").current_dir(directory.path()).args([
            "tsdb",
            "create-blocks-from",
            "openmetrics",
            "history",
            "data",
        ]));
        assert!(made.status.success(), "{}{}", text(&made.stdout), text(&made.stderr));
        let port = free_port();
        let mut prometheus = Self {
            process: launch(&directory, port),
            client: Client::new(format!("http://127.0.0.1:{port}")),
            directory,
            port,
            targets: 0,
        };
        tokio::join!(prometheus.wait_until_scraped(), sleep(seconds(6) + MARGIN));
        prometheus
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// A new process at the old address, with an empty database.
    pub(crate) async fn restart_empty(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(self.directory.path().join("data"));
        self.process = launch(&self.directory, self.port);
        self.wait_until_scraped().await;
    }

    pub(crate) fn url(&self) -> &str {
        self.client.base()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    async fn wait_until_scraped(&mut self) {
        until("Prometheus scrapes every target", seconds(20), async || {
            if let Ok(Some(status)) = self.process.child().try_wait() {
                let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
                panic!("prometheus ended with {status}:\n{log}");
            }
            let up = self.try_query("sum(up)").await?.first().map_or(0.0, |sample| sample.value);
            if up < self.targets as f64 { Err(format!("{up} of {} are up", self.targets)) } else { Ok(()) }
        })
        .await;
    }

    async fn try_query(&self, promql: &str) -> Result<Vec<Sample>, String> {
        self.try_query_at(promql, None).await
    }

    async fn try_query_at(&self, promql: &str, time: Option<f64>) -> Result<Vec<Sample>, String> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("query", promql);
        if let Some(time) = time {
            query.append_pair("time", &format!("{time:.3}"));
        }
        let path = format!("/api/v1/query?{}", query.finish());
        let reply =
            self.client.try_send(Method::GET, &path, &[]).await.map_err(|error| format!("{error:?}"))?;
        if reply.status != 200 {
            return Err(format!("{promql}: {}", reply.text()));
        }
        let json = reply.json();
        let result = json["data"]["result"].as_array().ok_or("no result")?;
        let sample = |one: &serde_json::Value| {
            let labels = one["metric"].as_object().into_iter().flatten();
            Sample {
                labels: labels
                    .map(|(name, value)| (name.clone(), value.as_str().unwrap_or("").to_owned()))
                    .collect(),
                value: one["value"][1].as_str().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN),
            }
        };
        Ok(result.iter().map(sample).collect())
    }

    /// An instant query that must work.
    pub(crate) async fn query(&self, promql: &str) -> Vec<Sample> {
        self.try_query(promql).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// The one number of a query.
    pub(crate) async fn scalar(&self, promql: &str) -> f64 {
        self.single(promql, None).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// The one number that a query had at this time, in Unix seconds, if it had one.
    pub(crate) async fn scalar_at(&self, promql: &str, time: f64) -> Result<f64, String> {
        self.single(promql, Some(time)).await
    }

    async fn single(&self, promql: &str, time: Option<f64>) -> Result<f64, String> {
        let samples = self.try_query_at(promql, time).await?;
        let [sample] = &samples[..] else { return Err(format!("{promql}: {samples:?}")) };
        Ok(sample.value)
    }

    /// How many instant queries it has received.
    pub(crate) async fn queries_received(&self) -> f64 {
        let page = self.client.get_as("/metrics", "text/plain").await.text();
        page.lines()
            .filter(|line| line.starts_with("prometheus_http_requests_total{"))
            .filter(|line| line.contains("handler=\"/api/v1/query\""))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }
}

fn launch(directory: &TempDir, port: u16) -> Process {
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(directory.path().join("log"))
        .expect("a log file can be written");
    Process::start(
        Command::new("prometheus")
            .current_dir(directory.path())
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=warn"])
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(log),
    )
}

/// One job for each target: nothing that one of them sets is another's.
fn configuration(targets: &[Target]) -> String {
    let mut yaml = "global: { scrape_interval: 1s, evaluation_interval: 1h }\nscrape_configs:\n".to_owned();
    for (index, target) in targets.iter().enumerate() {
        // JSON is YAML.
        let mut labels = target.labels.clone();
        labels.insert("job".to_owned(), target.job.clone());
        let labels = serde_json::to_string(&labels).expect("strings");
        let _ = writeln!(
            yaml,
            "- {{ job_name: job-{index}, honor_labels: {}, scrape_interval: {}s, scrape_timeout: {}s, \
             static_configs: [{{ targets: [\"{}\"], labels: {labels} }}] }}",
            target.honor_labels, target.interval, target.interval, target.address
        );
    }
    yaml
}
