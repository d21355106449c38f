//! The layer around the router that gives remembered answers again: they need no route.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::response::Response;
use http::{Method, Request};
use tower::Service;

use super::Api;
use super::negotiate::MediaType;
use super::request::question;
use super::respond::{fresh, negotiated};

/// A service that is asked only what is not remembered.
#[derive(Clone)]
pub struct Recalling<S> {
    inner: S,
    api: Arc<Api>,
}

impl<S> Recalling<S> {
    /// Answers from what `api` remembers, else by `inner`.
    pub(super) fn new(inner: S, api: Arc<Api>) -> Self {
        Self { inner, api }
    }
}

impl<S, B> Service<Request<B>> for Recalling<S>
where
    S: Service<Request<B>, Response = Response, Error = Infallible>,
    S::Future: Unpin,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Recalled<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.api.recall(&request) {
            Some(answer) => Recalled::Known(Some(answer)),
            None => Recalled::Asked(self.inner.call(request)),
        }
    }
}

/// The future of a [`Recalling`].
#[derive(Debug)]
pub enum Recalled<F> {
    /// It was remembered.
    Known(Option<Response>),
    /// It was not.
    Asked(F),
}

impl<F> Future for Recalled<F>
where
    F: Future<Output = Result<Response, Infallible>> + Unpin,
{
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Known(answer) => answer.take().map_or(Poll::Pending, |answer| Poll::Ready(Ok(answer))),
            Self::Asked(inner) => Pin::new(inner).poll(context),
        }
    }
}

impl Api {
    fn recall<B>(&self, request: &Request<B>) -> Option<Response> {
        if request.method() != Method::GET {
            return None;
        }
        let body = self.remembered.recall(question(request.uri()), &self.engine)?;
        // Only what is told in JSON is remembered; any other form is for the handler.
        negotiated(request.headers(), false).ok().filter(|form| *form == MediaType::Json)?;
        self.telemetry.served_remembered();
        Some(fresh(body, MediaType::Json))
    }
}
