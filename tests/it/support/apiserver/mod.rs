//! An API server in memory, driven by the tests: objects with resource versions, lists, watches,
//! patches, reviews, and whatever may go wrong.

mod discovery;
mod faults;
mod kinds;
mod patch;
mod problem;
mod reviews;
mod scope;
mod store;
mod verbs;
mod watching;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use http::Method;
use http::header::AUTHORIZATION;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use self::faults::Faults;
use self::kinds::{Kind, Target};
use self::problem::{Problem, answer};
use self::reviews::Reviews;
use self::store::{Key, Store};
use super::pki::{Authority, Subject};

pub(crate) use self::faults::Fault;
pub(crate) use self::reviews::Grant;

/// The token of the only client that is let in.
const TOKEN: &str = "token-of-the-service-account-of-inferometer";

pub(crate) struct ApiServer {
    address: SocketAddr,
    /// Who certifies it; `None` over plain HTTP.
    authority: Option<Authority>,
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    reviews: Reviews,
    faults: Faults,
    seen: Mutex<Vec<Seen>>,
}

/// A request that came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) accept: String,
}

impl ApiServer {
    /// Serves over TLS.
    pub(crate) async fn start() -> Self {
        let authority = Authority::root("kubernetes-serving");
        let issued = authority.issue(&Subject::server(&["127.0.0.1", "localhost"]));
        let chain = CertificateDer::pem_slice_iter(issued.chain.as_bytes()).map(|one| one.expect("PEM"));
        let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).expect("a key");
        inferometer::server::tls::install_crypto_provider();
        let mut config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(chain.collect(), key)
            .expect("a usable certificate");
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self::serve(Some((authority, TlsAcceptor::from(Arc::new(config))))).await
    }

    /// Serves over plain HTTP, which costs less where there is much to send.
    pub(crate) async fn plain() -> Self {
        Self::serve(None).await
    }

    async fn serve(tls: Option<(Authority, TlsAcceptor)>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::new(Shared {
            store: Store::new(),
            reviews: Reviews::new(),
            faults: Faults::none(),
            seen: Mutex::default(),
        });
        let (authority, acceptor) = tls.unzip();
        let app = Router::new().fallback(respond).with_state(Arc::clone(&shared));
        tokio::spawn({
            let shared = Arc::clone(&shared);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    if shared.faults.refuses() {
                        continue;
                    }
                    let (shared, app, acceptor) = (Arc::clone(&shared), app.clone(), acceptor.clone());
                    tokio::spawn(async move {
                        let conversation = async {
                            match acceptor {
                                Some(acceptor) => {
                                    if let Ok(stream) = acceptor.accept(stream).await {
                                        converse(stream, app).await;
                                    }
                                }
                                None => converse(stream, app).await,
                            }
                        };
                        tokio::select! {
                            () = conversation => {}
                            () = shared.faults.refusal() => {}
                        }
                    });
                }
            }
        });
        Self { address, authority, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}", if self.authority.is_some() { "https" } else { "http" }, self.address)
    }

    /// A kubeconfig with all that a client needs.
    pub(crate) fn kubeconfig(&self) -> String {
        let mut cluster = json!({ "server": self.url() });
        if let Some(authority) = &self.authority {
            cluster["certificate-authority-data"] = BASE64.encode(authority.pem()).into();
        }
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{ "name": "test", "cluster": cluster }],
            "users": [{ "name": "test", "user": { "token": TOKEN } }],
            "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "test" } }],
        })
        .to_string()
    }

    pub(crate) fn write_kubeconfig(&self, path: &Path) {
        std::fs::write(path, self.kubeconfig()).expect("a kubeconfig can be written");
    }

    // Objects, named by `apiVersion`, `kind` and `metadata`.

    /// Creates the object, or replaces it whatever its version.
    pub(crate) fn put(&self, object: Json) {
        let (kind, key, object) = addressed(object);
        self.shared.store.change(|state| {
            if kind.custom {
                state.installed.insert(kind.full_name());
            }
            let put = if state.objects.contains_key(&key) {
                state.replace(key, object)
            } else {
                state.create(key, object)
            };
            put.expect("no resource version stands in the way");
        });
    }

    /// The object of that name; the namespace is empty for root-scoped ones.
    pub(crate) fn get(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> Option<Json> {
        let key = place(&Kind::of(api_version, kind), namespace, name);
        self.shared.store.read().objects.get(&key).map(|object| (**object).clone())
    }

    /// The objects of a kind in a namespace.
    pub(crate) fn list(&self, api_version: &str, kind: &str, namespace: &str) -> Vec<Json> {
        let kind = Kind::of(api_version, kind).full_name();
        let state = self.shared.store.read();
        state.list(&kind, Some(namespace), None).map(|(_, object)| (**object).clone()).collect()
    }

    /// Merges into an object that is there.
    pub(crate) fn merge(&self, api_version: &str, kind: &str, namespace: &str, name: &str, change: &Json) {
        let mut object = self.get(api_version, kind, namespace, name).expect("it is there");
        patch::merge(&mut object, change);
        self.put(object);
    }

    /// Removes an object that is there.
    pub(crate) fn remove(&self, api_version: &str, kind: &str, namespace: &str, name: &str) {
        let key = place(&Kind::of(api_version, kind), namespace, name);
        self.shared.store.change(|state| state.delete(&key)).expect("it was there");
    }

    /// Serves a custom kind from now on, without an object of it yet.
    pub(crate) fn install(&self, api_version: &str, kind: &str) {
        let name = Kind::of(api_version, kind).full_name();
        self.shared.store.change(|state| state.installed.insert(name));
    }

    // Time and order of events.

    /// Keeps back the lists and the events of a kind (`replicasets.apps`) until it is released.
    pub(crate) fn hold(&self, kind: &str) {
        self.shared.store.change(|state| state.held.insert(kind.to_owned()));
    }

    pub(crate) fn release(&self, kind: &str) {
        self.shared.store.change(|state| state.held.remove(kind));
    }

    /// Tells every open watch that its version is gone, and forgets what happened so far.
    pub(crate) fn expire_watches(&self) {
        self.shared.store.change(|state| {
            state.compact();
            state.expiries += 1;
        });
    }

    // Reviews.

    /// A token that TokenReview knows, for the API server's own audience unless others are given.
    pub(crate) fn token(&self, token: &str, user: &str, groups: &[&str], audiences: &[&str]) {
        self.shared.reviews.know(token, user, groups, audiences);
    }

    /// A token that has run out.
    pub(crate) fn forget_token(&self, token: &str) {
        self.shared.reviews.forget(token);
    }

    pub(crate) fn grant(&self, grant: Grant) {
        self.shared.reviews.grant(grant);
    }

    pub(crate) fn withdraw(&self, grant: &Grant) {
        self.shared.reviews.withdraw(grant);
    }

    /// The `spec` of every TokenReview so far.
    pub(crate) fn token_reviews(&self) -> Vec<Json> {
        self.shared.reviews.token_reviews()
    }

    /// The `spec` of every SubjectAccessReview so far.
    pub(crate) fn access_reviews(&self) -> Vec<Json> {
        self.shared.reviews.access_reviews()
    }

    /// The reviews that were about this user.
    pub(crate) fn reviews_of(&self, user: &str) -> Vec<Json> {
        self.access_reviews().into_iter().filter(|spec| spec["user"] == user).collect()
    }

    // Faults.

    /// What happens to every request from now on.
    pub(crate) fn fault(&self, fault: impl Into<Option<Fault>>) {
        self.shared.faults.everywhere(fault.into());
        self.shared.store.change(|_| ());
    }

    /// What happens to requests with this word in their path.
    pub(crate) fn fault_on(&self, word: &str, fault: impl Into<Option<Fault>>) {
        self.shared.faults.somewhere(word, fault.into());
    }

    /// Takes a verb on a kind away from the one client, or gives it back.
    pub(crate) fn forbid(&self, verb: &str, kind: &str, forbidden: bool) {
        self.shared.faults.forbid(verb, kind, forbidden);
    }

    /// Every request so far, refused ones included.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().expect("no panic").clone()
    }
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, app: Router) {
    let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
    // A client that goes away is its own affair.
    let _ = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app)).await;
}

fn addressed(object: Json) -> (Kind, Key, Json) {
    let text = |field: &str| object[field].as_str().unwrap_or_default();
    let kind = Kind::of(text("apiVersion"), text("kind"));
    let target = Target { kind, namespace: None, name: None, subresource: None };
    let mut object = verbs::accept(&kind, &target, object);
    store::metadata(&mut object).remove("resourceVersion");
    let key = verbs::key_of(&kind, &object);
    assert_eq!(kind.namespaced, !key.namespace.is_empty(), "{object}");
    (kind, key, object)
}

fn place(kind: &Kind, namespace: &str, name: &str) -> Key {
    Key { kind: kind.full_name(), namespace: namespace.to_owned(), name: name.to_owned() }
}

async fn respond(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    respond_or_refuse(&shared, request).await.unwrap_or_else(Problem::into_response)
}

async fn respond_or_refuse(shared: &Arc<Shared>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let header = |name: http::HeaderName| {
        parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    let path = parts.uri.path().to_owned();
    shared.seen.lock().expect("no panic").push(Seen {
        method: parts.method.clone(),
        path: path.clone(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        accept: header(http::header::ACCEPT),
    });
    shared.faults.befall(&path).await?;
    if header(AUTHORIZATION) != format!("Bearer {TOKEN}") {
        return Err(Problem::new(401, "Unauthorized", "Unauthorized"));
    }
    let body = to_bytes(body, 4 << 20).await.map_err(|error| Problem::bad_request(error.to_string()))?;
    let review = || serde_json::from_slice(&body).map_err(|error| Problem::bad_request(error.to_string()));
    match (parts.method.as_str(), path.as_str()) {
        ("POST", "/apis/authentication.k8s.io/v1/tokenreviews") => {
            return Ok(answer(201, &shared.reviews.token(review()?)));
        }
        ("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews") => {
            return Ok(answer(201, &shared.reviews.access(review()?)));
        }
        ("GET", path) => {
            if let Some(document) = discovery::document(&shared.store.read(), path) {
                return Ok(answer(200, &document));
            }
        }
        _ => {}
    }
    let target = Target::parse(&path).ok_or_else(Problem::no_such_path)?;
    verbs::serve(shared, &parts, target, body).await
}
