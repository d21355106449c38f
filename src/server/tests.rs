//! Over real sockets, since what is tested is what the protocols do. Limits are short, to be fast.
mod connections;
mod guard;
mod shutdown;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::Extension;
use axum::routing::get;
use http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::guard::Guard;
use super::listener::{Drained, serve};
use super::tls::{Tls, install_crypto_provider};
use super::{ConnectionInfo, Limits};

/// Longer than any of these tests should take, on a machine however busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// The HTTP version a client speaks.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Version {
    H1,
    H2,
}

const VERSIONS: [Version; 2] = [Version::H1, Version::H2];

/// A listener on a free port, with handlers that misbehave on demand.
struct Server {
    address: SocketAddr,
    tls: Option<Arc<Tls>>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Drained>,
}

impl Server {
    async fn start(tls: Option<Tls>, limits: Limits) -> Self {
        install_crypto_provider();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let tls = tls.map(Arc::new);
        let service = Guard::new(router(), Duration::from_millis(500));
        let task = tokio::spawn(serve(listener, tls.clone(), service, limits, |_| (), async {
            let _ = stopped.await;
        }));
        Self { address, tls, stop, task }
    }

    async fn plain(limits: Limits) -> Self {
        Self::start(None, limits).await
    }

    async fn encrypted(limits: Limits) -> Self {
        Self::start(Some(self_signed()), limits).await
    }

    fn url(&self, path: &str) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.address)
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn stop(self) -> Drained {
        self.stop.send(()).unwrap();
        timeout(PATIENCE, self.task).await.unwrap().unwrap()
    }
}

fn self_signed() -> Tls {
    Tls::self_signed(&["inferometer.monitoring.svc"], now()).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "there is no clock to ask in this module's tests")]
fn now() -> SystemTime {
    SystemTime::now()
}

fn router() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }).post(|| async { "posted" }))
        .route(
            "/peer",
            get(|Extension(info): Extension<ConnectionInfo>| async move { info.peer.to_string() }),
        )
        .route(
            "/known",
            get(|Extension(info): Extension<ConnectionInfo>| async move {
                info.is_of_someone_known();
                "welcome"
            }),
        )
        .route("/panic", get(panics))
        .route("/hang", get(std::future::pending::<()>))
        .route(
            "/slow",
            get(|| async {
                sleep(Duration::from_millis(300)).await;
                "slow"
            }),
        )
}

async fn panics() -> StatusCode {
    tokio::task::yield_now().await;
    panic!("the secret is 42")
}

/// A client that trusts any certificate. Its connections are not shared with another client's.
fn client(version: Version) -> reqwest::Client {
    install_crypto_provider();
    let builder = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).tls_info(true).no_proxy();
    match version {
        Version::H1 => builder.http1_only(),
        Version::H2 => builder.http2_prior_knowledge(),
    }
    .build()
    .unwrap()
}

async fn body(mut response: reqwest::Response) -> String {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.unwrap() {
        body.extend_from_slice(&chunk);
    }
    String::from_utf8(body).unwrap()
}

/// Asserts that the answer is a Kubernetes `Status` and returns its reason.
async fn reason(response: reqwest::Response) -> String {
    let code = response.status().as_u16();
    assert_eq!(response.headers()["content-type"], "application/json");
    assert!(!response.headers().contains_key("retry-after"));
    let status: serde_json::Value = serde_json::from_str(&body(response).await).unwrap();
    assert_eq!(status["kind"], "Status");
    assert_eq!(status["apiVersion"], "v1");
    assert_eq!(status["status"], "Failure");
    assert_eq!(status["code"], code);
    assert!(!status["message"].as_str().unwrap().contains("secret"));
    status["reason"].as_str().unwrap().to_owned()
}

/// Sends these bytes over HTTP/1 and reads until the server closes.
async fn exchange(stream: &mut TcpStream, request: &[u8]) -> String {
    stream.write_all(request).await.unwrap();
    read_to_close(stream).await
}

/// What arrives until the server closes; a reset counts as a close.
async fn read_to_close(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}
