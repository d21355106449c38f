//! A cluster to be a citizen of: an API server in memory, the authorities that it trusts, and the
//! aggregator's way to us.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::caller::HPA_CONTROLLER;
use super::objects::{api_service, object};
use super::pki::{Authority, Issued, Subject};
use super::{ApiServer, Caller, Client, EXTERNAL, Grant, Server, replace_file, seconds, until};

/// The name by which the aggregator knows us.
pub(crate) const SERVER_NAME: &str = "inferometer.inferometer.svc";

/// The name that the front proxy bears in its certificate.
pub(crate) const FRONT_PROXY: &str = "front-proxy-client";

/// The registrations that we are to keep up.
pub(crate) const REGISTRATIONS: [(&str, &str); 3] = [
    ("v1beta1", "external.metrics.k8s.io"),
    ("v1beta1", "custom.metrics.k8s.io"),
    ("v1beta2", "custom.metrics.k8s.io"),
];

pub(crate) struct Cluster {
    pub(crate) api: ApiServer,
    /// Of the request headers.
    pub(crate) front_proxies: Authority,
    /// Of the users' certificates.
    pub(crate) clients: Authority,
    directory: TempDir,
}

impl Cluster {
    /// A cluster with namespaces, our registrations, and an HPA controller that may read every metric.
    pub(crate) async fn start() -> Self {
        Self::with(ApiServer::start().await)
    }

    pub(crate) fn with(api: ApiServer) -> Self {
        let cluster = Self {
            api,
            front_proxies: Authority::root("front-proxy-ca"),
            clients: Authority::root("kubernetes-ca"),
            directory: tempfile::tempdir().expect("a temporary directory"),
        };
        for namespace in ["kube-system", "inferometer", "ai", "other"] {
            cluster.api.put(object("v1", "Namespace", "", namespace));
        }
        for (version, group) in REGISTRATIONS {
            cluster.api.put(api_service(version, group));
            cluster.api.grant(Grant::new(HPA_CONTROLLER, "*", group, "*"));
        }
        cluster.trust(&[&cluster.front_proxies], &[&cluster.clients]);
        cluster.api.write_kubeconfig(&cluster.file("kubeconfig"));
        cluster
    }

    pub(crate) fn put(&self, objects: impl IntoIterator<Item = Json>) {
        objects.into_iter().for_each(|object| self.api.put(object));
    }

    /// A file of this cluster, there or not.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Tells aggregated servers whom to believe.
    pub(crate) fn trust(&self, front_proxies: &[&Authority], clients: &[&Authority]) {
        self.trust_names(front_proxies, clients, &[FRONT_PROXY]);
    }

    /// The same, with these allowed names.
    pub(crate) fn trust_names(&self, front_proxies: &[&Authority], clients: &[&Authority], names: &[&str]) {
        let bundle = |of: &[&Authority]| of.iter().map(|authority| authority.pem()).collect::<String>();
        let mut map = object("v1", "ConfigMap", "kube-system", "extension-apiserver-authentication");
        map["data"] = json!({
            "client-ca-file": bundle(clients),
            "requestheader-allowed-names": json!(names).to_string(),
            "requestheader-client-ca-file": bundle(front_proxies),
            "requestheader-extra-headers-prefix": r#"["X-Remote-Extra-"]"#,
            "requestheader-group-headers": r#"["X-Remote-Group"]"#,
            "requestheader-uid-headers": r#"["X-Remote-Uid"]"#,
            "requestheader-username-headers": r#"["X-Remote-User"]"#,
        });
        self.api.put(map);
    }

    /// The certificate with which the aggregator comes.
    pub(crate) fn front_proxy(&self) -> Issued {
        self.front_proxies.issue(&Subject::client(FRONT_PROXY))
    }

    /// Our binary in this cluster, as it comes up.
    pub(crate) async fn launch(&self, args: &[&str]) -> Server {
        let kubeconfig = self.file("kubeconfig");
        let own = [
            "--kubeconfig",
            kubeconfig.to_str().expect("a path in UTF-8"),
            "--namespace",
            "inferometer",
            "--service",
            "inferometer",
            "--bind-address",
            "127.0.0.1",
        ];
        Server::launch(&[&own, args].concat()).await
    }

    /// Our binary in this cluster, and the aggregator connected to it, once it is available: when it
    /// answers discovery on a connection that trusts the registered bundle and nothing else.
    pub(crate) async fn serve(&self, args: &[&str]) -> (Server, Aggregator) {
        let server = self.launch(args).await;
        let aggregator = self.available(&server).await;
        (server, aggregator)
    }

    /// The aggregator's way to this server, once it is open.
    pub(crate) async fn available(&self, server: &Server) -> Aggregator {
        let identity = self.front_proxy();
        until("it is available", seconds(20), async || {
            let bundle = self.bundle(REGISTRATIONS[0]).ok_or("no caBundle is registered")?;
            let aggregator = Aggregator::connect(server, &bundle, Some(&identity));
            let client = aggregator.on_behalf_of(&Caller::aggregator());
            let reply = client.try_send(http::Method::GET, EXTERNAL, &[]).await;
            match reply {
                Ok(reply) if reply.status == 200 => Ok(aggregator),
                Ok(reply) => Err(reply.text()),
                Err(error) => Err(format!("{error:?}")),
            }
        })
        .await
    }

    /// The CA bundle of a registration, in PEM.
    pub(crate) fn bundle(&self, (version, group): (&str, &str)) -> Option<String> {
        let name = format!("{version}.{group}");
        let service = self.api.get("apiregistration.k8s.io/v1", "APIService", "", &name)?;
        let bundle = BASE64.decode(service["spec"]["caBundle"].as_str()?).expect("base64");
        Some(String::from_utf8(bundle).expect("PEM"))
    }

    /// Writes a certificate for our name to files, and gives the flags that name them.
    pub(crate) fn certificate_files(&self, authority: &Authority) -> Vec<String> {
        let (certificate, key) = (self.file("tls.crt"), self.file("tls.key"));
        let issued = authority.issue(&Subject::server(&[SERVER_NAME, "127.0.0.1"]));
        replace_file(&key, &issued.key);
        replace_file(&certificate, &issued.chain);
        let text = |path: PathBuf| path.to_str().expect("a path in UTF-8").to_owned();
        vec!["--tls-cert-file".to_owned(), text(certificate), "--tls-private-key-file".to_owned(), text(key)]
    }
}

/// A connection as the aggregator has one: HTTP/2, by our service's name.
#[derive(Clone)]
pub(crate) struct Aggregator(Client);

impl Aggregator {
    /// Trusts this bundle only, and presents this certificate if it has one.
    pub(crate) fn connect(server: &Server, bundle: &str, identity: Option<&Issued>) -> Self {
        let roots =
            reqwest::Certificate::from_pem_bundle(bundle.as_bytes()).expect("a bundle of certificates");
        Self::over(server, reqwest::Client::builder().tls_certs_only(roots), identity)
    }

    /// Trusts whatever it finds there: for what is about the caller and not about us.
    pub(crate) fn trusting_all(server: &Server, identity: Option<&Issued>) -> Self {
        Self::over(server, reqwest::Client::builder().tls_danger_accept_invalid_certs(true), identity)
    }

    fn over(server: &Server, builder: reqwest::ClientBuilder, identity: Option<&Issued>) -> Self {
        inferometer::server::tls::install_crypto_provider();
        let port = server.client.base().rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        let port: u16 = port.expect("the address has a port");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut builder = builder.resolve(SERVER_NAME, address);
        if let Some(identity) = identity {
            builder = builder.identity(identity.identity());
        }
        Self(Client::with(format!("https://{SERVER_NAME}:{port}"), builder).watched_by(&server.monitor))
    }

    /// By way of this port, which leads to one server or another: a Service's. Trusts whatever it finds,
    /// and asks every so often whether somebody is still there, as kube-apiserver does.
    pub(crate) fn through(port: u16, identity: &Issued, ping: Duration) -> Self {
        inferometer::server::tls::install_crypto_provider();
        let builder = reqwest::Client::builder()
            .tls_danger_accept_invalid_certs(true)
            .identity(identity.identity())
            .resolve(SERVER_NAME, SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
            .http2_keep_alive_interval(ping)
            .http2_keep_alive_timeout(ping)
            .http2_keep_alive_while_idle(true);
        Self(Client::with(format!("https://{SERVER_NAME}:{port}"), builder))
    }

    /// Requests for this caller, on the shared connection.
    pub(crate) fn on_behalf_of(&self, caller: &Caller) -> Client {
        self.0.sending(caller.headers())
    }

    /// Requests without a word about who asks.
    pub(crate) fn bare(&self) -> Client {
        self.0.clone()
    }

    pub(crate) fn hpa_controller(&self) -> Client {
        self.on_behalf_of(&Caller::hpa_controller())
    }
}
