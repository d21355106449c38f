//! What is measured, with everything that it needs around it: the made-up cluster and source, certificates, and a
//! server between them.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use axum::Router;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::apiserver::{self, Cluster};
use super::caller::Caller;
use super::drive::{self, Target};
use super::pki::{Authority, Subject};
use super::process::{Process, cpu, free_port, memory};
use super::source::{self, Source};
use super::tls;
use super::world::{World, metric};

/// How long a start may take, with the largest cluster.
const START_WITHIN: Duration = Duration::from_mins(1);

/// Where a server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the made-up cluster, whose pods and callers it knows.
    Cluster,
    /// Without a cluster: it knows neither pods nor callers.
    Alone,
}

/// What all stages have in common.
pub(crate) struct Bench {
    /// The server to measure.
    pub(crate) program: PathBuf,
    pub(crate) folder: tempfile::TempDir,
    /// On which processor servers run, if they are bound to one.
    pub(crate) servers_on: Option<usize>,
    authority: Authority,
}

impl Bench {
    pub(crate) fn new(program: PathBuf, servers_on: Option<usize>) -> Result<Self> {
        let authority = Authority::root("bench-ca");
        let serving = authority.issue(&Subject::server(&["localhost", "127.0.0.1"]));
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("tls.crt"), &serving.chain)?;
        fs::write(folder.path().join("tls.key"), &serving.key)?;
        Ok(Self { program, folder, servers_on, authority })
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Asks as an aggregator does: by its certificate, with the user in headers.
    pub(crate) fn as_front_proxy(&self, port: u16) -> Result<Target> {
        let issued = self.authority.issue(&Subject::client("front-proxy-client"));
        let mut headers = as_hpa_controller()?;
        headers.insert(http::header::ACCEPT, HeaderValue::from_static("application/json, */*"));
        let identity = Some((issued.chain.as_bytes(), issued.key.as_bytes()));
        Ok(Target { tls: tls::config(identity)?, ..plain(port, headers)? })
    }

    /// Asks with a bearer token.
    pub(crate) fn with_token(port: u16) -> Result<Target> {
        let mut headers = HeaderMap::new();
        // As long as that of a service account.
        let token = format!("Bearer {}", "x".repeat(900));
        headers.insert(http::header::AUTHORIZATION, HeaderValue::try_from(token)?);
        headers.insert(http::header::ACCEPT, HeaderValue::from_static("application/json, */*"));
        plain(port, headers)
    }

    /// A server of a cluster like this.
    pub(crate) async fn stage(&self, world: World, place: Place) -> Result<Stage> {
        let source = Source::new(world);
        let cluster = Cluster { world, authority: self.authority.pem() };
        let query_api = serve(source::router(Arc::clone(&source))).await?;
        let api = serve(apiserver::router(cluster)).await?;
        fs::write(self.file("kubeconfig"), kubeconfig(api).to_string())?;
        fs::write(self.file("config.yaml"), configuration(world, query_api))?;
        let (port, own_port) = (free_port()?, free_port()?);
        let option = |name: &str, value: &str| [format!("--{name}"), value.to_owned()];
        let path = |name: &str| self.file(name).display().to_string();
        let arguments: Vec<String> = [
            vec!["serve".to_owned()],
            match place {
                Place::Cluster => {
                    [option("kubeconfig", &path("kubeconfig")), option("namespace", "inferometer")].concat()
                }
                Place::Alone => vec!["--standalone".to_owned()],
            },
            option("config", &path("config.yaml")).to_vec(),
            option("tls-cert-file", &path("tls.crt")).to_vec(),
            option("tls-private-key-file", &path("tls.key")).to_vec(),
            option("bind-address", "127.0.0.1").to_vec(),
            option("secure-port", &port.to_string()).to_vec(),
            option("observability-address", &format!("127.0.0.1:{own_port}")).to_vec(),
        ]
        .concat();
        let began = Instant::now();
        let process = Process::start(&self.program, &arguments, self.folder.path(), self.servers_on)?;
        let mut stage = Stage { source, process, port, start: Duration::ZERO };
        let health = plain(port, HeaderMap::new())?;
        while !matches!(drive::once(&health, "/readyz").await, Ok((200, _))) {
            stage.process.check()?;
            if began.elapsed() > START_WITHIN {
                bail!("the server is not ready after {START_WITHIN:?}");
            }
            sleep(Duration::from_millis(2)).await;
        }
        stage.start = began.elapsed();
        Ok(stage)
    }
}

/// A running server and what is around it.
pub(crate) struct Stage {
    pub(crate) source: Arc<Source>,
    process: Process,
    pub(crate) port: u16,
    /// From starting the process until it was ready.
    pub(crate) start: Duration,
}

impl Stage {
    /// The server's process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Seconds of processor time so far.
    pub(crate) fn cpu(&self) -> Result<f64> {
        cpu(self.process.id())
    }

    /// Resident memory in MiB.
    pub(crate) fn memory(&self) -> Result<f64> {
        memory(self.process.id())
    }
}

/// What a front proxy says of the HPA controller.
pub(crate) fn as_hpa_controller() -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in Caller::hpa_controller().headers() {
        headers.append(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
    }
    Ok(headers)
}

/// Who asks over TLS with these headers.
pub(crate) fn plain(port: u16, headers: HeaderMap) -> Result<Target> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    Ok(Target { address, host: format!("localhost:{port}"), headers, tls: tls::config(None)? })
}

async fn serve(router: Router) -> Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    // In threads of their own, so that whoever measures does not wait for them.
    let listener = listener.into_std()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || {
        let served = runtime
            .block_on(async { axum::serve(tokio::net::TcpListener::from_std(listener)?, router).await });
        served.expect("a listener on this machine goes on");
    });
    Ok(address)
}

fn kubeconfig(server: SocketAddr) -> serde_json::Value {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "only",
        "contexts": [{"name": "only", "context": {"cluster": "only", "user": "only"}}],
        "clusters": [{"name": "only", "cluster": {"server": format!("http://{server}")}}],
        "users": [{"name": "only", "user": {}}],
    })
}

fn configuration(world: World, source: SocketAddr) -> String {
    let mut text = format!(
        "apiVersion: inferometer.dev/v1alpha1\nkind: Configuration\nsources:\n- name: main\n  prometheus: {{ url: 'http://{source}', maxSeries: 1000000, maxBodyBytes: 512MiB, timeout: 30s }}\nmetrics:\n- {{ name: {}, preset: inference_requests_waiting }}\n",
        metric(0)
    );
    for signal in 1..world.signals {
        let _ = writeln!(
            text,
            "- {{ name: {}, promql: '{}', type: extensive, unit: requests }}",
            metric(signal),
            source::query(signal)
        );
    }
    text
}

/// The path of a program that is there.
pub(crate) fn which(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into()])
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// Reads a file, or says which one cannot be read.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}
