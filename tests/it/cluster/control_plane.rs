//! The programs of a control plane, on free ports of the loopback address.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use http::Method;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::Admin;
use crate::support::command::Process;
use crate::support::pki::{Authority, Issued, Subject};
use crate::support::{Client, free_port, replace_file, seconds, until};

/// The variable that names the directory of the programs.
const ASSETS: &str = "KUBEBUILDER_ASSETS";

/// What the API server writes down of requests.
const AUDIT: &str = r#"{"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata", "resources": [{"group": "external.metrics.k8s.io"}]}, {"level": "None"}]}"#;

/// As loaded as a machine may be that runs tests.
const PATIENCE: u64 = 60;

pub(super) struct ControlPlane {
    // Dropped in this order: who asks before who answers.
    controller_manager: Process,
    api_server: Process,
    _etcd: Process,
    api_server_port: u16,
    etcd_port: u16,
    /// Issues the API server's own certificate and those of its users.
    users: Authority,
    /// Issues the aggregator's.
    front_proxies: Authority,
    directory: TempDir,
    options: Options,
}

/// What a test wants to be otherwise. A flag that is given twice has its last value.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Options {
    /// Feature gates of the API server and the controllers, as their flag has them.
    pub(super) gates: &'static str,
    /// Whether the API server writes down who asks for external metrics and when, in `audit.log`.
    pub(super) audit: bool,
    /// More flags of the controllers.
    pub(super) controllers: &'static [&'static str],
}

impl ControlPlane {
    /// Starts all three, and waits until the API server is ready.
    pub(super) async fn start() -> Self {
        Self::with_gates("").await
    }

    /// The same with these feature gates.
    pub(super) async fn with_gates(gates: &'static str) -> Self {
        Self::with(Options { gates, ..Options::default() }).await
    }

    /// The same with these options.
    pub(super) async fn with(options: Options) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let users = Authority::root("kubernetes-ca");
        let front_proxies = Authority::root("front-proxy-ca");
        let (etcd_port, api_server_port) = (free_port(), free_port());
        write_credentials(directory.path(), &users, &front_proxies);
        std::fs::write(directory.path().join("audit.yaml"), AUDIT).expect("a file can be written");

        let mut etcd = etcd(directory.path(), etcd_port);
        wait_for("etcd", &mut etcd, directory.path(), &format!("http://127.0.0.1:{etcd_port}/health")).await;
        let api_server = api_server(directory.path(), api_server_port, etcd_port, options);
        let mut plane = Self {
            // The real one follows when there is somebody to talk to.
            controller_manager: Process::start(&mut Command::new("true")),
            api_server,
            _etcd: etcd,
            api_server_port,
            etcd_port,
            users,
            front_proxies,
            directory,
            options,
        };
        plane.wait_until_ready().await;
        let issued = plane.users.issue(&Subject::client("system:kube-controller-manager"));
        let kubeconfig = plane.kubeconfig("controller-manager", &plane.certificate_user("kcm", &issued));
        plane.controller_manager = controller_manager(plane.directory.path(), &kubeconfig, options);
        plane
    }

    /// The API server's address.
    pub(super) fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.api_server_port)
    }

    /// Somebody who may do everything.
    pub(super) async fn admin(&self) -> Admin {
        Admin::with(&self.admin_kubeconfig()).await
    }

    /// The same, for kubectl.
    pub(super) fn admin_kubeconfig(&self) -> PathBuf {
        let issued = self.users.issue(&Subject::client("admin").group("system:masters"));
        self.kubeconfig("admin", &self.certificate_user("admin", &issued))
    }

    /// Somebody who may do everything, as plain HTTP.
    pub(super) fn administrator(&self) -> Client {
        let subject = Subject::client("admin").group("system:masters");
        presenting(&self.users.issue(&subject), self.url())
    }

    /// A user with a certificate of the cluster, at the API server.
    pub(super) fn user(&self, name: &str) -> Client {
        self.user_at(name, self.url())
    }

    /// The same user at another address.
    pub(super) fn user_at(&self, name: &str, base: String) -> Client {
        presenting(&self.users.issue(&Subject::client(name)), base)
    }

    /// A client at this address with a certificate as the aggregator's, but for the name in it.
    pub(super) fn front_proxy_at(&self, name: &str, base: String) -> Client {
        presenting(&self.front_proxies.issue(&Subject::client(name)), base)
    }

    /// Writes a kubeconfig for a user as kubeconfigs describe them.
    pub(super) fn kubeconfig(&self, name: &str, user: &Json) -> PathBuf {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "clusters": [{ "name": "here", "cluster": {
                "server": self.url(), "certificate-authority": self.file("users-ca.crt"),
            } }],
            "users": [{ "name": "me", "user": user }],
            "contexts": [{ "name": "here", "context": { "cluster": "here", "user": "me" } }],
        });
        let path = self.file(&format!("{name}.kubeconfig"));
        std::fs::write(&path, config.to_string()).expect("a file can be written");
        path
    }

    /// A file of this control plane.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// SIGKILL for the API server; etcd keeps what it knew.
    pub(super) fn kill_api_server(&mut self) {
        self.api_server.kill();
    }

    /// Lets the API server stand still until it is told to go on.
    pub(super) fn stop_api_server(&self, still: bool) {
        self.api_server.signal(if still { "STOP" } else { "CONT" });
    }

    /// Has the API server tell everybody to believe the aggregator's authority and these. It reads its files
    /// anew by itself.
    pub(super) fn trust_front_proxies(&self, others: &[&Authority]) {
        let others: String = others.iter().map(|other| other.pem()).collect();
        replace_file(&self.file("front-proxy-ca.crt"), self.front_proxies.pem() + &others);
    }

    /// Gives the aggregator a certificate of another authority. It reads that anew by itself, too.
    pub(super) fn replace_front_proxy(&mut self, next: Authority) {
        let issued = next.issue(&Subject::client("front-proxy-client"));
        write_pair(self.directory.path(), "front-proxy", &issued);
        self.front_proxies = next;
    }

    /// The API server once more, at its old address.
    pub(super) async fn restart_api_server(&mut self) {
        let ports = (self.api_server_port, self.etcd_port);
        self.api_server = api_server(self.directory.path(), ports.0, ports.1, self.options);
        self.wait_until_ready().await;
    }

    async fn wait_until_ready(&mut self) {
        let url = format!("{}/readyz", self.url());
        wait_for("kube-apiserver", &mut self.api_server, self.directory.path(), &url).await;
    }

    fn certificate_user(&self, name: &str, issued: &Issued) -> Json {
        write_pair(self.directory.path(), name, issued);
        json!({
            "client-certificate": self.file(&format!("{name}.crt")),
            "client-key": self.file(&format!("{name}.key")),
        })
    }
}

impl Drop for ControlPlane {
    /// What they said last tells why a test failed.
    fn drop(&mut self) {
        if std::thread::panicking() {
            for name in ["etcd", "kube-apiserver", "kube-controller-manager"] {
                eprintln!("--- {name}\n{}", last_words(self.directory.path(), name));
            }
        }
    }
}

fn presenting(issued: &Issued, base: String) -> Client {
    let builder = reqwest::Client::builder();
    Client::with(base, builder.identity(issued.identity()).tls_danger_accept_invalid_certs(true))
}

/// All that the API server is told of by file.
fn write_credentials(directory: &Path, users: &Authority, front_proxies: &Authority) {
    let write = |name: &str, text: String| {
        std::fs::write(directory.join(name), text).expect("a file can be written");
    };
    write("users-ca.crt", users.pem());
    write("front-proxy-ca.crt", front_proxies.pem());
    let names = ["127.0.0.1", "10.0.0.1", "localhost", "kubernetes.default.svc"];
    write_pair(directory, "api-server", &users.issue(&Subject::server(&names)));
    write_pair(directory, "front-proxy", &front_proxies.issue(&Subject::client("front-proxy-client")));
    // The certificate stands for the public key.
    write_pair(directory, "service-accounts", &users.issue(&Subject::client("service-accounts")));
}

fn write_pair(directory: &Path, name: &str, issued: &Issued) {
    std::fs::write(directory.join(format!("{name}.crt")), &issued.chain).expect("a file can be written");
    std::fs::write(directory.join(format!("{name}.key")), &issued.key).expect("a file can be written");
}

fn etcd(directory: &Path, port: u16) -> Process {
    let (clients, peers) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{}", free_port()));
    program(
        directory,
        "etcd",
        &[
            "--data-dir=etcd-data".to_owned(),
            format!("--listen-client-urls={clients}"),
            format!("--advertise-client-urls={clients}"),
            format!("--listen-peer-urls={peers}"),
            format!("--initial-advertise-peer-urls={peers}"),
            format!("--initial-cluster=default={peers}"),
            "--unsafe-no-fsync".to_owned(),
        ],
    )
}

fn api_server(directory: &Path, port: u16, etcd_port: u16, options: Options) -> Process {
    let chosen = [
        format!("--etcd-servers=http://127.0.0.1:{etcd_port}"),
        format!("--secure-port={port}"),
        format!("--feature-gates={}", options.gates),
    ];
    let fixed = [
        "--bind-address=127.0.0.1",
        // Its Service would have no endpoint: loopback addresses are none.
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--cert-dir=.",
        "--tls-cert-file=api-server.crt",
        "--tls-private-key-file=api-server.key",
        "--client-ca-file=users-ca.crt",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-account-key-file=service-accounts.crt",
        "--service-account-signing-key-file=service-accounts.key",
        // Nothing runs here that would make service accounts for pods.
        "--disable-admission-plugins=ServiceAccount",
        "--requestheader-client-ca-file=front-proxy-ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--proxy-client-cert-file=front-proxy.crt",
        "--proxy-client-key-file=front-proxy.key",
    ];
    let audit = ["--audit-policy-file=audit.yaml", "--audit-log-path=audit.log"];
    let more = audit.into_iter().filter(|_| options.audit);
    let flags: Vec<String> =
        chosen.into_iter().chain(fixed.into_iter().chain(more).map(str::to_owned)).collect();
    program(directory, "kube-apiserver", &flags)
}

/// The controllers that matter here, each as its own service account, as in a real cluster.
fn controller_manager(directory: &Path, kubeconfig: &Path, options: Options) -> Process {
    let fixed = [
        "--controllers=horizontal-pod-autoscaler-controller,namespace-controller,clusterrole-aggregation-controller",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        "--secure-port=0",
        "--horizontal-pod-autoscaler-sync-period=1s",
        "--horizontal-pod-autoscaler-downscale-stabilization=5s",
    ];
    let mut flags: Vec<String> = fixed.map(str::to_owned).into();
    flags.push(format!("--kubeconfig={}", kubeconfig.display()));
    flags.push(format!("--feature-gates={}", options.gates));
    flags.extend(options.controllers.iter().map(|flag| (*flag).to_owned()));
    program(directory, "kube-controller-manager", &flags)
}

/// Starts one of the programs, its output in a file of its name.
fn program(directory: &Path, name: &str, flags: &[String]) -> Process {
    let assets = std::env::var_os(ASSETS).unwrap_or_else(|| {
        panic!("{ASSETS} must name a directory with etcd, kube-apiserver and kube-controller-manager")
    });
    let log = || {
        let path = directory.join(format!("{name}.log"));
        File::options().create(true).append(true).open(path).expect("a log file can be written")
    };
    let program = Path::new(&assets).canonicalize().expect("the directory is there").join(name);
    assert!(program.exists(), "{ASSETS} has no {name}");
    Process::start(
        Command::new(program)
            .args(flags)
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(log())
            .stderr(log()),
    )
}

async fn wait_for(name: &str, process: &mut Process, directory: &Path, url: &str) {
    let client = Client::unpooled(String::new());
    until(&format!("{name} is ready"), seconds(PATIENCE), async || {
        if let Ok(Some(status)) = process.child().try_wait() {
            panic!("{name} ended with {status}:\n{}", last_words(directory, name));
        }
        match client.try_send(Method::GET, url, &[]).await {
            Ok(reply) if reply.status == 200 => Ok(()),
            Ok(reply) => Err(format!("{} {}", reply.status, reply.text())),
            Err(error) => Err(format!("{error:?}")),
        }
    })
    .await;
}

/// The end of a program's log.
fn last_words(directory: &Path, name: &str) -> String {
    let log = std::fs::read(directory.join(format!("{name}.log"))).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}
