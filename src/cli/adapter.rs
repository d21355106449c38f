//! The running adapter: engine, API and listeners put together, for `serve` and for `demo`.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::routing::get;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::cluster::Joined;
use crate::api::measure::Measured;
use crate::api::{Api, Gate, router};
use crate::auth::Authorized;
use crate::cluster::WatchMetrics;
use crate::engine::budgets::Budgets;
use crate::engine::observe::Signals;
use crate::engine::{Clock, Engine};
use crate::server::Limits;
use crate::server::guard::{DEADLINE, Guard};
use crate::server::listener::{self, Drained};
use crate::server::tls::{self, Tls};
use crate::telemetry::{Telemetry, process};

/// How often the certificate's files are read.
const CERTIFICATE_EVERY: Duration = Duration::from_secs(10);

/// Where an adapter serves: its API, and what concerns ourselves.
pub(super) struct Listeners {
    pub(super) secure: TcpListener,
    pub(super) observability: TcpListener,
}

/// An adapter that serves.
pub(super) struct Adapter {
    /// Where the API is.
    pub(super) address: SocketAddr,
    /// Where our own metrics and health are.
    pub(super) observability: SocketAddr,
    api: Arc<Api>,
    end: watch::Sender<bool>,
    main: JoinHandle<Drained>,
    own: JoinHandle<Drained>,
}

impl Adapter {
    /// Serves `engine`. Without a cluster nobody is asked who they are.
    pub(super) fn start(
        engine: &Arc<Engine>,
        telemetry: &Arc<Telemetry>,
        tls: &Arc<Tls>,
        listeners: Listeners,
        joined: Option<&Joined>,
    ) -> Result<Self> {
        let Listeners { secure, observability } = listeners;
        let api = Arc::new(Api::new(Arc::clone(engine), Arc::clone(telemetry)));
        if joined.is_some() {
            api.close_gates();
        }
        let (end, ending) = watch::channel(false);
        let until_end = |mut ending: watch::Receiver<bool>| async move {
            let _ = ending.wait_for(|ending| *ending).await;
        };
        let address = secure.local_addr()?;
        let own_address = observability.local_addr()?;
        let limits = Limits::default();
        let service = router::service(Arc::clone(&api));
        let (until, telemetry_of) = (until_end(ending.clone()), Arc::clone(telemetry));
        let tls_of = Some(Arc::clone(tls));
        let open = {
            let telemetry = Arc::clone(telemetry);
            move |count| telemetry.connected(count)
        };
        let main: Pin<Box<dyn Future<Output = Drained> + Send>> = if let Some(joined) = joined {
            let judged = Authorized::new(service, Arc::clone(&joined.auth));
            let service = Measured::new(Guard::new(judged, DEADLINE), telemetry_of);
            let limits = Limits { only_known: true, ..limits };
            Box::pin(listener::serve(secure, tls_of, service, limits, open, until))
        } else {
            let service = Measured::new(Guard::new(service, DEADLINE), telemetry_of);
            Box::pin(listener::serve(secure, tls_of, service, limits, open, until))
        };
        let watches = joined.map(|joined| Arc::clone(&joined.metrics));
        let own = Guard::new(observability_router(&api, engine, telemetry, watches.as_deref()), DEADLINE);
        let own = listener::serve(observability, None, own, limits, |_| (), until_end(ending.clone()));
        tokio::spawn(watch_certificate(Arc::clone(tls), until_end(ending), Arc::clone(telemetry)));
        let (main, own) = (tokio::spawn(main), tokio::spawn(own));
        Ok(Self { address, observability: own_address, api, end, main, own })
    }

    /// What opens the gates before which we are not ready.
    pub(super) fn gates(&self) -> impl Fn(Gate) + Clone + Send + 'static {
        let api = Arc::clone(&self.api);
        move |gate| api.open(gate)
    }

    /// Not ready any more, still answering.
    pub(super) fn drain(&self) {
        self.api.drain();
    }

    /// Ends the listeners, once the requests in flight are answered.
    pub(super) async fn end(self) -> Result<Drained> {
        let _ = self.end.send(true);
        let drained = self.main.await.context("the listener failed")?;
        let _ = self.own.await;
        Ok(drained)
    }
}

pub(super) async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

fn tell_expiry(tls: &Tls, telemetry: &Telemetry) {
    if let Some(until) = tls.expires() {
        telemetry.certificate_expires(until);
    }
}

async fn watch_certificate(tls: Arc<Tls>, ending: impl Future<Output = ()>, telemetry: Arc<Telemetry>) {
    let of_watch = Arc::clone(&tls);
    tell_expiry(&tls, &telemetry);
    tls::watch(tls, CERTIFICATE_EVERY, Clock::wall, ending, |outcome| match outcome {
        Ok(tls::Reload::Unchanged) => telemetry.certificate_in_force(),
        Ok(tls::Reload::Replaced) => {
            telemetry.certificate_reloaded(true);
            tell_expiry(&of_watch, &telemetry);
        }
        Err(_) => telemetry.certificate_reloaded(false),
    })
    .await;
}

/// `/metrics` and health, for those who watch over us.
fn observability_router(
    api: &Arc<Api>,
    engine: &Arc<Engine>,
    telemetry: &Arc<Telemetry>,
    watches: Option<&WatchMetrics>,
) -> Router {
    let mut registry = telemetry.registry();
    if let Some(watches) = watches {
        watches.register(&mut registry);
    }
    registry.register_collector(Box::new(Signals(Arc::clone(engine))));
    registry.register_collector(Box::new(Budgets(Arc::clone(engine))));
    let registries = Arc::new([process::registry(), registry]);
    let metrics = move || {
        let registries = Arc::clone(&registries);
        async move {
            let mut text = String::new();
            // Writing to a String cannot fail.
            for registry in &*registries {
                let _ = encode_registry(&mut text, registry);
            }
            let _ = encode_eof(&mut text);
            let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(http::header::CONTENT_TYPE, content_type)], text)
        }
    };
    router::health_routes().with_state(Arc::clone(api)).route("/metrics", get(metrics))
}
