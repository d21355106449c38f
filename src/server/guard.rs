//! The outermost layer around the router: whatever happens inside, the request gets an answer, in time.
//!
//! kube-apiserver re-sends a request whose connection closes without an answer in a tight loop, and one
//! metric that hangs starves the few workers of the HPA controller. So a panic becomes a 500, a handler
//! past its deadline a 504, and neither carries `Retry-After`, which would make those workers sleep.
use std::any::Any;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, UPGRADE};
use http::{HeaderValue, Method, Request, StatusCode, Version};
use tokio::time::{Sleep, sleep};
use tower::Service;

/// The deadline of a handler unless told otherwise. Below the second that the API promises, by what the
/// network and a busy machine may add.
pub const DEADLINE: Duration = Duration::from_millis(950);

/// The longest URI answered, in bytes (path and query). A selector of 64 requirements fits.
pub const URI_LIMIT: usize = 16 * 1024;

/// The headers accepted, in bytes as HTTP/2 counts them: name and value, and 32 for each header.
pub const HEADER_LIMIT: usize = 128 * 1024;

/// The most headers of one request: a user's groups are one each.
pub const HEADER_COUNT: usize = 2048;

/// Answers for its inner service when that one panics, hangs, or must not be asked at all: a URI too
/// long, an upgrade (CVE-2018-1002105), a tunnel, or more headers on HTTP/1 than HTTP/2 would take.
///
/// The request's body is dropped unread: this API has no use for one.
#[derive(Clone, Debug)]
pub struct Guard<S> {
    inner: S,
    deadline: Duration,
}

impl<S> Guard<S> {
    /// Guards `inner`, whose futures may take until `deadline` ([`DEADLINE`] in production).
    pub fn new(inner: S, deadline: Duration) -> Self {
        Self { inner, deadline }
    }
}

impl<S, B> Service<Request<B>> for Guard<S>
where
    S: Service<Request<Body>, Response = Response, Error = Infallible>,
    // A router's future is `Unpin`, and asking for it saves a box or a projection.
    S::Future: Unpin,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Answer<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if let Some(response) = refuse(&request) {
            return Answer(State::Known(Some(response)));
        }
        let request = request.map(|_unread| Body::empty());
        Answer(match catch_unwind(AssertUnwindSafe(|| self.inner.call(request))) {
            Ok(inner) => State::Running { inner, deadline: self.deadline, timer: None },
            Err(panic) => State::Known(Some(panicked(&*panic))),
        })
    }
}

/// The future of a [`Guard`].
#[derive(Debug)]
pub struct Answer<F>(State<F>);

#[derive(Debug)]
enum State<F> {
    Known(Option<Response>),
    Running { inner: F, deadline: Duration, timer: Option<Pin<Box<Sleep>>> },
}

impl<F> Future for Answer<F>
where
    F: Future<Output = Result<Response, Infallible>> + Unpin,
{
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let response = match &mut self.0 {
            State::Known(response) => response.take().unwrap_or_else(internal_error),
            State::Running { inner, deadline, timer } => {
                // Unwind safety: the future is not looked at again after a panic, and what handlers share
                // must hold up to a panic at any await anyway.
                match catch_unwind(AssertUnwindSafe(|| Pin::new(inner).poll(context))) {
                    Ok(Poll::Ready(answer)) => return Poll::Ready(answer),
                    Ok(Poll::Pending) => {
                        // Armed only now: nearly every answer is ready at the first poll.
                        let timer = timer.get_or_insert_with(|| Box::pin(sleep(*deadline)));
                        if timer.as_mut().poll(context).is_pending() {
                            return Poll::Pending;
                        }
                        tracing::warn!(?deadline, "a handler took too long");
                        timed_out(*deadline)
                    }
                    Err(panic) => panicked(&*panic),
                }
            }
        };
        // Drops the handler's future, if there was one, and with it whatever it holds.
        self.0 = State::Known(None);
        Poll::Ready(Ok(response))
    }
}

/// The answer to a request that must not reach a handler, if it is one.
fn refuse<B>(request: &Request<B>) -> Option<Response> {
    if request.method() == Method::CONNECT {
        let message = "the server does not tunnel connections";
        return Some(status(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message));
    }
    if request.headers().contains_key(UPGRADE) {
        let message = "the server does not upgrade connections";
        return Some(status(StatusCode::BAD_REQUEST, "BadRequest", message));
    }
    let length = request.uri().path_and_query().map_or(0, |uri| uri.as_str().len());
    if length > URI_LIMIT {
        let message = format!("the URI has {length} bytes, more than the {URI_LIMIT} allowed");
        return Some(status(StatusCode::URI_TOO_LONG, "RequestURITooLong", &message));
    }
    // One byte of HTTP/2 may stand for a whole header, and each is kept while its request waits.
    let count = request.headers().len();
    if count > HEADER_COUNT {
        let message = format!("there are {count} headers, more than the {HEADER_COUNT} allowed");
        let code = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Some(status(code, "RequestHeaderFieldsTooLarge", &message));
    }
    // HTTP/2 enforces its limit itself. hyper's for HTTP/1 is the size of a read buffer, which may be
    // overrun by as much again when the bytes arrive fast.
    if request.version() < Version::HTTP_2 {
        let length: usize = request.headers().iter().map(|(k, v)| k.as_str().len() + v.len() + 32).sum();
        if length > HEADER_LIMIT {
            let message = format!("the headers have {length} bytes, more than the {HEADER_LIMIT} allowed");
            let code = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            return Some(status(code, "RequestHeaderFieldsTooLarge", &message));
        }
    }
    None
}

/// A failure as Kubernetes writes it: a `Status` object with this code, a reason for programs to read
/// (`metav1.StatusReason`) and a message for people.
pub fn status(code: StatusCode, reason: &str, message: &str) -> Response {
    let body = serde_json::json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code.as_u16(),
    });
    (code, [(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body.to_string()).into_response()
}

/// The panic's text goes to the log only: it may quote anything.
fn panicked(panic: &(dyn Any + Send)) -> Response {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    tracing::error!(panic = message, "a handler panicked");
    internal_error()
}

fn internal_error() -> Response {
    let message = "internal error: the request could not be answered, see the server's log";
    status(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message)
}

fn timed_out(deadline: Duration) -> Response {
    let message = format!("the request was not answered within {} ms", deadline.as_millis());
    status(StatusCode::GATEWAY_TIMEOUT, "Timeout", &message)
}
