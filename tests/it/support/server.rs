//! Our own binary, serving.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use super::command::Process;
use super::{Client, Monitor, replace_file, seconds, until};

/// The name of the configuration file.
const CONFIGURATION: &str = "config.yaml";

pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) client: Client,
    /// Of our own /metrics and health.
    pub(crate) own: Client,
    /// Sees what these clients and the aggregator's are answered.
    pub(crate) monitor: Arc<Monitor>,
    log: Arc<Mutex<Vec<String>>>,
    /// Where its configuration is, if it has one.
    directory: Option<TempDir>,
}

impl Server {
    /// Serves from this Prometheus.
    pub(crate) async fn of(prometheus_url: &str) -> Self {
        Self::start(&["--prometheus-url", prometheus_url]).await
    }

    /// Serves with this configuration.
    pub(crate) async fn configured(yaml: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join(CONFIGURATION);
        std::fs::write(&path, yaml).expect("a file can be written");
        let mut server = Self::start(&["--config", path.to_str().expect("a path in UTF-8")]).await;
        server.directory = Some(directory);
        server
    }

    /// Replaces the configuration that it was started with.
    pub(crate) fn reconfigure(&self, yaml: &str) {
        let directory = self.directory.as_ref().expect("it was started with a configuration");
        replace_file(&directory.path().join(CONFIGURATION), yaml);
    }

    /// `serve --standalone` with these flags.
    pub(crate) async fn start(args: &[&str]) -> Self {
        Self::launch(&[&["--standalone"], args].concat()).await
    }

    /// `serve` with these flags; ports are chosen unless given, and addresses taken from the log.
    pub(crate) async fn launch(args: &[&str]) -> Self {
        let mut process = Process::start(
            Command::new(env!("CARGO_BIN_EXE_inferometer"))
                .args(["serve", "--log-format", "json"])
                .args(if args.contains(&"--secure-port") { &[][..] } else { &["--secure-port", "0"] })
                .args(["--observability-address", "127.0.0.1:0"])
                .args(args)
                .env("RUST_LOG", "info")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped()),
        );
        let log = Arc::new(Mutex::new(Vec::new()));
        let stderr = process.child().stderr.take().expect("it is piped");
        std::thread::spawn({
            let log = Arc::clone(&log);
            move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    log.lock().expect("no panic").push(line);
                }
            }
        });
        let (api, own) = until("the server logs its addresses", seconds(30), async || {
            if let Ok(Some(status)) = process.child().try_wait() {
                panic!("it ended with {status}: {:#?}", log.lock().expect("no panic"));
            }
            addresses(&log.lock().expect("no panic")).ok_or("no line with addresses")
        })
        .await;
        let monitor = Monitor::start();
        let (client, own) = (Client::new(api).watched_by(&monitor), Client::new(own).watched_by(&monitor));
        Self { process, client, own, monitor, log, directory: None }
    }

    /// The log so far, a line of JSON each.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().expect("no panic").clone()
    }

    /// The share of API requests that cannot have waited for a silent source, which a request has some
    /// 0.8 s of patience with. By our own measure: a client's has its own waits in it.
    pub(crate) async fn share_answered_from_memory(&self) -> f64 {
        let name = "inferometer_api_request_seconds";
        let quick = self.own_metric(&format!("{name}_bucket"), &["le=\"0.5\""]).await;
        quick / self.own_metric(&format!("{name}_count"), &[]).await
    }

    /// The sum of one of our own metrics over the series that hold all of `labels`.
    pub(crate) async fn own_metric(&self, name: &str, labels: &[&str]) -> f64 {
        let page = self.own.get_as("/metrics", "*/*").await.text();
        page.lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])))
            .filter(|line| labels.iter().all(|label| line.contains(label)))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }
}

impl Drop for Server {
    /// What it said last tells why a test failed; one that did not fail has kept every promise.
    fn drop(&mut self) {
        let log = self.log();
        let lives = matches!(self.process.child().try_wait(), Ok(None));
        let is_ending = log.iter().any(|line| line.contains("ending: not ready"));
        let broken = self.monitor.verdict(&log, lives.then_some(self.own.base()), is_ending);
        if broken.is_empty() && !std::thread::panicking() {
            return;
        }
        eprintln!("--- inferometer\n{}", log[log.len().saturating_sub(12)..].join("\n"));
        assert!(broken.is_empty() || std::thread::panicking(), "promises broken: {broken:#?}");
    }
}

fn addresses(log: &[String]) -> Option<(String, String)> {
    log.iter().find_map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        let field = |name: &str| Some(line["fields"].get(name)?.as_str()?.to_owned());
        Some((field("api")?, field("observability")?))
    })
}
