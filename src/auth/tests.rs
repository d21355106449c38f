//! Who gets in: by real TLS where certificates matter, by calls of the layer where time does.
mod access;
mod fake;
mod headers;
mod impostors;
mod outage;
mod pki;
mod room;
mod rotation;
mod secrecy;
mod sessions;
mod tokens;
mod trust;
mod wide;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::extract::Extension;
use http::{HeaderMap, Request, StatusCode};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

use self::fake::Fake;
use self::pki::{Authority, Credential};
use super::identity::User;
use super::trust::TrustStore;
use super::{Auth, Authorized, Settings};
use crate::server::guard::{DEADLINE, Guard};
use crate::server::tls::{Tls, install_crypto_provider};
use crate::server::{ConnectionInfo, Limits, Presented, listener};
use crate::telemetry::Telemetry;

/// A metric that everyone here asks for.
const METRIC: &str = "/apis/external.metrics.k8s.io/v1beta1/namespaces/team/waiting";

/// The HPA controller.
const CONTROLLER: &str = "system:serviceaccount:kube-system:horizontal-pod-autoscaler";

/// The wall clock's reading at the start of each test, in seconds.
const BEGIN: u64 = 1_800_000_000;

/// Everything a request meets, over a fake API server and a cluster's two authorities.
struct Rig {
    clients: Authority,
    proxies: Authority,
    trust: Arc<TrustStore>,
    fake: Arc<Fake>,
    telemetry: Arc<Telemetry>,
    auth: Arc<Auth>,
    seconds: Arc<AtomicU64>,
}

impl Rig {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Settings)) -> Self {
        install_crypto_provider();
        let (clients, proxies) = (Authority::new("clients"), Authority::new("proxies"));
        let telemetry = Arc::new(Telemetry::default());
        let trust = Arc::new(TrustStore::new(Arc::clone(&telemetry)));
        trust.update(&config_map(&clients.pem, &proxies.pem)).unwrap();
        let fake = Arc::new(Fake::default());
        let seconds = Arc::new(AtomicU64::new(BEGIN));
        let clock = Arc::clone(&seconds);
        let mut settings =
            Settings::new(move || UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::Relaxed)));
        change(&mut settings);
        let auth = Auth::new(Arc::clone(&trust), fake.clone(), settings, Arc::clone(&telemetry));
        Self { clients, proxies, trust, fake, telemetry, auth: Arc::new(auth), seconds }
    }

    fn proxy(&self) -> Credential {
        self.proxies.issue("front-proxy-client", &[])
    }

    /// A request without TLS, as if it had come over a connection with this certificate.
    fn request(&self, path: &str, credential: Option<&Credential>) -> Asking<'_> {
        let presented = credential.and_then(|it| Presented::new(&it.chain)).map(Arc::new);
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut request = Request::get(path).body(Body::empty()).unwrap();
        request.extensions_mut().insert(ConnectionInfo::presenting(peer, presented));
        Asking { rig: self, request }
    }

    /// A request that the front proxy passes on for this user.
    fn proxied(&self, path: &str, user: &str) -> Asking<'_> {
        self.request(path, Some(&self.proxy())).header("x-remote-user", user)
    }

    async fn serve(&self) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tls = Arc::new(Tls::self_signed(&["localhost"], now()).unwrap());
        let service = Guard::new(Authorized::new(router(), Arc::clone(&self.auth)), DEADLINE);
        let task = tokio::spawn(listener::serve(
            listener,
            Some(tls),
            service,
            Limits::default(),
            |_| (),
            std::future::pending(),
        ));
        Server { address, task }
    }
}

/// A request to be sent.
struct Asking<'r> {
    rig: &'r Rig,
    request: Request<Body>,
}

impl Asking<'_> {
    fn header(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        let value = http::HeaderValue::from_bytes(value.as_ref()).unwrap();
        self.request.headers_mut().append(name, value);
        self
    }

    async fn send(self) -> (StatusCode, String) {
        let service = Authorized::new(router(), Arc::clone(&self.rig.auth));
        let response = service.oneshot(self.request).await.unwrap();
        let code = response.status();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (code, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn code(self) -> u16 {
        self.send().await.0.as_u16()
    }
}

/// A listener with TLS on a free port.
struct Server {
    address: SocketAddr,
    task: JoinHandle<listener::Drained>,
}

impl Server {
    fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Tells what a handler sees: the peer, the user, and headers that it should not.
fn router() -> Router {
    async fn tell(
        Extension(info): Extension<ConnectionInfo>,
        user: Option<Extension<Arc<User>>>,
        headers: HeaderMap,
    ) -> String {
        let seen: Vec<&str> = headers
            .keys()
            .map(http::HeaderName::as_str)
            .filter(|name| name.contains("remote") || *name == "authorization")
            .collect();
        let user = user.map_or("nobody".to_owned(), |Extension(user)| {
            format!("{} {:?} {:?} {}", user.name(), user.groups(), user.extra(), user.uid().unwrap_or("-"))
        });
        format!("{}|{user}|{}", info.peer, seen.join(","))
    }
    Router::new().fallback(tell)
}

/// The user's name in what a handler told.
fn user(told: &str) -> &str {
    told.split('|').nth(1).and_then(|user| user.split(' ').next()).unwrap_or(told)
}

fn peer(told: &str) -> &str {
    told.split('|').next().unwrap()
}

/// The ConfigMap as kube-apiserver writes it.
fn config_map(clients: &str, proxies: &str) -> BTreeMap<String, String> {
    [
        ("client-ca-file", clients),
        ("requestheader-client-ca-file", proxies),
        ("requestheader-allowed-names", r#"["front-proxy-client"]"#),
        ("requestheader-username-headers", r#"["X-Remote-User"]"#),
        ("requestheader-uid-headers", r#"["X-Remote-Uid"]"#),
        ("requestheader-group-headers", r#"["X-Remote-Group"]"#),
        ("requestheader-extra-headers-prefix", r#"["X-Remote-Extra-"]"#),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

#[expect(clippy::disallowed_methods, reason = "there is no clock to ask in this module's tests")]
fn now() -> SystemTime {
    SystemTime::now()
}

/// A client that trusts any server. Its connections are not shared with another client's.
fn client(credential: Option<&Credential>, h2: bool) -> reqwest::Client {
    let mut builder = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy();
    builder = if h2 { builder.http2_prior_knowledge() } else { builder.http1_only() };
    if let Some(credential) = credential {
        builder = builder.identity(reqwest::Identity::from_pem(credential.pem().as_bytes()).unwrap());
    }
    builder.build().unwrap()
}

async fn get(client: &reqwest::Client, url: String, headers: &[(&str, &str)]) -> (u16, String) {
    let mut request = client.get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut response = request.send().await.unwrap();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.unwrap() {
        body.extend_from_slice(&chunk);
    }
    (response.status().as_u16(), String::from_utf8(body).unwrap())
}
