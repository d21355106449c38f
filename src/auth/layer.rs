//! The layer around the router that lets a request in, or not.

use std::convert::Infallible;
use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::response::Response;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::header::{ACCEPT, CONNECTION, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, Version};
use tokio::time::{Instant, timeout_at};
use tower::Service;

use super::Auth;
use super::access::{self, Decision};
use super::attributes::{Attributes, PathError, Subject};
use super::authenticate::Caller;
use super::flight::Flight;
use super::identity::User;
use super::reviewer::ReviewError;
use super::room::{Place, Waiter};
use super::token::Owner;
use crate::api::status::{Status, Target};
use crate::server::{ConnectionInfo, guard};
use crate::telemetry::identity::Authentication;

/// What anyone may ask: whether we live. These paths exactly.
const OPEN: [&str; 3] = ["/healthz", "/livez", "/readyz"];

/// A service that only those reach who may.
///
/// Its requests carry an `Arc<User>` as an extension, and no headers but those that an answer depends on. Wrap
/// the router in it, and it in a `Guard`, which knows nothing of users and answers if this hangs.
#[derive(Clone, Debug)]
pub struct Authorized<S> {
    inner: S,
    auth: Arc<Auth>,
}

impl<S> Authorized<S> {
    /// Lets into `inner` whom `auth` lets.
    pub fn new(inner: S, auth: Arc<Auth>) -> Self {
        Self { inner, auth }
    }
}

impl<S, B> Service<Request<B>> for Authorized<S>
where
    S: Service<Request<B>, Response = Response, Error = Infallible> + Clone + Unpin,
    S::Future: Unpin,
    B: Unpin,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Judged<S, B, S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let trust = self.auth.trust.load();
        let judgement = if OPEN.contains(&request.uri().path()) {
            Judgement::Open
        } else {
            self.auth.judge(&trust, &request)
        };
        bare(request.headers_mut());
        Judged(match judgement {
            Judgement::Open => State::Inner { inner: self.inner.call(request), admission: Admission::Free },
            Judgement::Pass(user) => {
                let admission = Admission::Due(Arc::clone(&self.auth), Arc::clone(&user));
                request.extensions_mut().insert(user);
                State::Inner { inner: self.inner.call(request), admission }
            }
            Judgement::Fail(status) => State::Known(Some(answer(&status, request.version()))),
            Judgement::Later(verdict, place) => {
                // The service that was made ready is the one to call; its copy takes its place.
                let copy = self.inner.clone();
                let inner = mem::replace(&mut self.inner, copy);
                lighten(&mut request);
                State::Waiting { verdict, waiting: Some((inner, request)), place }
            }
        })
    }
}

/// What is made of a request at once.
enum Judgement {
    /// Anyone's.
    Open,
    /// This user may.
    Pass(Arc<User>),
    /// Refused.
    Fail(Status),
    /// It takes a question to the API server, and this place.
    Later(Verdict, Arc<Place>),
}

type Verdict = BoxFuture<'static, Result<Arc<User>, Status>>;

/// The future of an [`Authorized`].
pub struct Judged<S, B, F>(State<S, B, F>);

enum State<S, B, F> {
    Known(Option<Response>),
    Inner { inner: F, admission: Admission },
    Waiting { verdict: Verdict, waiting: Option<(S, Request<B>)>, place: Arc<Place> },
}

/// A request's right to wait.
enum Admission {
    /// It needs none.
    Free,
    /// This user's, to be asked for once it has to wait: most are answered at once.
    Due(Arc<Auth>, Arc<User>),
    /// It waits in this place.
    Given(#[expect(dead_code, reason = "it is held, not read")] Arc<Place>),
}

impl<S, B, F> fmt::Debug for Judged<S, B, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Judged")
    }
}

impl<S, B, F> Future for Judged<S, B, F>
where
    S: Service<Request<B>, Response = Response, Error = Infallible, Future = F> + Unpin,
    F: Future<Output = Result<Response, Infallible>> + Unpin,
    B: Unpin,
{
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            self.0 = match &mut self.0 {
                State::Inner { inner, admission } => {
                    let answer = Pin::new(inner).poll(context);
                    let (Admission::Due(auth, user), Poll::Pending) = (&*admission, &answer) else {
                        return answer;
                    };
                    match auth.room.enter(Waiter::of(user, &auth.settings)) {
                        Ok(place) => {
                            *admission = Admission::Given(place);
                            return answer;
                        }
                        Err(full) => State::Known(Some(told(&full))),
                    }
                }
                State::Known(answer) => {
                    let lost = || told(&Status::internal("the answer was taken already"));
                    return Poll::Ready(Ok(answer.take().unwrap_or_else(lost)));
                }
                State::Waiting { verdict, waiting, place } => {
                    let verdict = ready!(verdict.as_mut().poll(context));
                    match (waiting.take(), verdict) {
                        (Some((mut inner, mut request)), Ok(user)) => {
                            welcome(&request);
                            request.extensions_mut().insert(user);
                            let admission = Admission::Given(Arc::clone(place));
                            State::Inner { inner: inner.call(request), admission }
                        }
                        (Some((_, request)), Err(status)) => {
                            State::Known(Some(answer(&status, request.version())))
                        }
                        (None, _) => State::Known(None),
                    }
                }
            };
        }
    }
}

/// Takes off all headers but those that an answer depends on: no handler and no log sees who asks, whatever the
/// headers that tell of it are called.
pub(super) fn bare(headers: &mut HeaderMap) {
    let needed = [ACCEPT, IF_NONE_MATCH].map(|name| headers.remove(&name).map(|value| (name, value)));
    headers.clear();
    headers.extend(needed.into_iter().flatten());
}

/// Puts a request that waits into memory of its own: a part as it was received keeps alive all that arrived with it.
fn lighten<B>(request: &mut Request<B>) {
    *request.uri_mut() = copy(request.uri());
    let own = |(name, value): (&HeaderName, &HeaderValue)| {
        Some((name.clone(), HeaderValue::from_bytes(value.as_bytes()).ok()?))
    };
    let own: HeaderMap = request.headers().iter().filter_map(own).collect();
    *request.headers_mut() = own;
}

fn copy(uri: &Uri) -> Uri {
    uri.to_string().parse().unwrap_or_else(|_| uri.clone())
}

/// Who is allowed anything at all may keep the connection.
fn welcome<B>(request: &Request<B>) {
    if let Some(connection) = request.extensions().get::<ConnectionInfo>() {
        connection.is_of_someone_known();
    }
}

impl Auth {
    fn judge<B>(self: &Arc<Self>, trust: &super::trust::Trust, request: &Request<B>) -> Judgement {
        let (method, uri) = (request.method(), request.uri());
        let attributes = match Attributes::read(method, uri) {
            Ok(attributes) => attributes,
            Err(error) => return Judgement::Fail(unreadable(error)),
        };
        match self.caller(trust, request.extensions().get::<ConnectionInfo>(), request.headers()) {
            Caller::Known(user, how) => {
                self.telemetry.identity.authenticated(how);
                let enter = || self.room.enter(Waiter::of(&user, &self.settings));
                match self.access.look_up(&user, how, &attributes, enter) {
                    access::Lookup::Known(decision) => match permit(&decision, &user, &attributes) {
                        Ok(()) => {
                            welcome(request);
                            Judgement::Pass(user)
                        }
                        Err(status) => Judgement::Fail(status),
                    },
                    access::Lookup::Crowded(full) => Judgement::Fail(full),
                    access::Lookup::Asked(question, place) => {
                        let (method, uri) = (method.clone(), copy(uri));
                        let deadline = Instant::now() + self.settings.wait;
                        let auth = Arc::clone(self);
                        let verdict = async move {
                            let decision = auth.access.wait(question, deadline).await;
                            let attributes = Attributes::read(&method, &uri).map_err(unreadable)?;
                            permit(&decision, &user, &attributes).map(|()| user)
                        };
                        Judgement::Later(verdict.boxed(), place)
                    }
                }
            }
            Caller::Asked(flight, place) => {
                let (method, uri) = (method.clone(), copy(uri));
                let verdict = Arc::clone(self).judge_owner(flight, Arc::clone(&place), method, uri);
                Judgement::Later(verdict.boxed(), place)
            }
            Caller::Crowded(full) => Judgement::Fail(full),
            Caller::Unknown(why) => {
                self.telemetry.identity.authenticated(why);
                Judgement::Fail(Status::unauthorized())
            }
        }
    }

    /// Waits for a token's owner, and then for the decision.
    async fn judge_owner(
        self: Arc<Self>,
        flight: Flight<Owner>,
        place: Arc<Place>,
        method: Method,
        uri: Uri,
    ) -> Result<Arc<User>, Status> {
        let deadline = Instant::now() + self.settings.wait;
        let (owner, how) = match timeout_at(deadline, flight).await {
            Ok(Ok(Some(user))) => (Some(user), Authentication::Token),
            Ok(Ok(None)) => (None, Authentication::Refused),
            // As kube-apiserver answers too. Nothing is kept: the next request asks again.
            Ok(Err(_)) | Err(_) => (None, Authentication::Unavailable),
        };
        self.telemetry.identity.authenticated(how);
        let user = owner.ok_or_else(Status::unauthorized)?;
        let attributes = Attributes::read(&method, &uri).map_err(unreadable)?;
        let decision = match self.access.look_up(&user, how, &attributes, || Ok(place)) {
            access::Lookup::Known(decision) => decision,
            access::Lookup::Asked(question, _place) => self.access.wait(question, deadline).await,
            access::Lookup::Crowded(full) => return Err(full),
        };
        permit(&decision, &user, &attributes).map(|()| user)
    }
}

fn permit(decision: &Decision, user: &User, attributes: &Attributes<'_>) -> Result<(), Status> {
    match decision {
        Decision::Allowed => Ok(()),
        Decision::Denied(reason) => {
            let target = match &attributes.subject {
                Subject::Path(path) => Target::Path(path),
                Subject::Resource(it) => Target::Resource {
                    group: &it.group,
                    resource: &it.resource,
                    subresource: it.subresource.as_deref(),
                    name: it.name.as_deref(),
                    namespace: it.namespace.as_deref(),
                },
            };
            Err(Status::forbidden(user.name(), &attributes.verb, target, reason))
        }
        Decision::Unavailable(error) => {
            let hint = match error {
                ReviewError::Unreachable(_) => "",
                ReviewError::Refused(_) => {
                    "; is our service account bound to ClusterRole system:auth-delegator?"
                }
            };
            Err(Status::service_unavailable(format!("access could not be reviewed: {error}{hint}")))
        }
    }
}

fn unreadable(error: PathError) -> Status {
    match error {
        PathError::Ambiguous => Status::bad_request(error.to_string()),
        PathError::Unknown => Status::not_found_path(),
    }
}

fn answer(status: &Status, version: Version) -> Response {
    let mut response = told(status);
    // A peer without credentials keeps no HTTP/2 connection to flood us over, as with Go's servers.
    if status.code() == StatusCode::UNAUTHORIZED && version == Version::HTTP_2 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn told(status: &Status) -> Response {
    guard::status(status.code(), status.reason(), status.message())
}
