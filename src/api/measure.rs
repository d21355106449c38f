//! Counts and times every request, around whatever answers it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::response::Response;
use tower::Service;

use crate::telemetry::Telemetry;

/// A service whose answers are counted by code and time.
#[derive(Clone, Debug)]
pub struct Measured<S> {
    inner: S,
    telemetry: Arc<Telemetry>,
}

impl<S> Measured<S> {
    /// Measures `inner`.
    pub fn new(inner: S, telemetry: Arc<Telemetry>) -> Self {
        Self { inner, telemetry }
    }
}

impl<S, R> Service<R> for Measured<S>
where
    S: Service<R, Response = Response, Error = Infallible>,
    S::Future: Unpin,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Timed<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let began = Instant::now();
        Timed { inner: self.inner.call(request), began, telemetry: Arc::clone(&self.telemetry) }
    }
}

/// The future of a [`Measured`].
#[derive(Debug)]
pub struct Timed<F> {
    inner: F,
    began: Instant,
    telemetry: Arc<Telemetry>,
}

impl<F> Future for Timed<F>
where
    F: Future<Output = Result<Response, Infallible>> + Unpin,
{
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = std::task::ready!(Pin::new(&mut self.inner).poll(context));
        if let Ok(response) = &answer {
            self.telemetry.answered(response.status().as_u16(), self.began.elapsed());
        }
        Poll::Ready(answer)
    }
}
