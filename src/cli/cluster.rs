//! `serve` in a cluster: who calls, which pods there are, and a certificate that the cluster trusts.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::builder::NonEmptyStringValueParser;
use kube::Client;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::api::Gate;
use crate::auth::reviewer::ApiServer;
use crate::auth::trust::TrustStore;
use crate::auth::{Auth, HPA_CONTROLLERS, Settings};
use crate::cluster::events::Events;
use crate::cluster::memory::Memory;
use crate::cluster::{self, Cluster, WatchMetrics, serving, warm};
use crate::engine::{Clock, Engine};
use crate::server::tls::Tls;
use crate::telemetry::Telemetry;

/// For so long a new replica is not ready while the pods are not known: it would refuse what the one it
/// replaces can answer. Not longer, since an API without a ready server blocks the deletion of namespaces.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// How often it is looked whether we are ready.
const LOOK: Duration = Duration::from_millis(100);

/// What `serve` has to know of its cluster.
#[derive(Debug, clap::Args)]
pub(super) struct InCluster {
    /// How to reach the cluster's API server, when not running as one of its pods.
    #[arg(long, value_name = "FILE", conflicts_with = "standalone")]
    kubeconfig: Option<PathBuf>,
    /// The namespace of our own Service and Secret; by default that of our service account.
    #[arg(long, value_name = "NAME", env = "POD_NAMESPACE")]
    namespace: Option<String>,
    /// The Service that our APIServices point at, which is the name that the certificate is for.
    #[arg(long, value_name = "NAME", default_value = "inferometer")]
    service: String,
    /// The Secret in which the certificate is kept that all replicas share, unless --tls-cert-file gives one.
    #[arg(long, value_name = "NAME", default_value = "inferometer-tls", conflicts_with = "tls_cert_file")]
    tls_secret: String,
    /// An audience that bearer tokens must be meant for; the API server's own by default. May be given
    /// several times.
    #[arg(long, value_name = "AUDIENCE")]
    token_audience: Vec<String>,
    /// The user that the HPA controller calls as, whom neither an outage of the API server nor other callers may
    /// keep from answers. May be given several times, and then is none of the defaults.
    #[arg(long, value_name = "USER", env = "HPA_CONTROLLER", value_delimiter = ',')]
    #[arg(default_values = HPA_CONTROLLERS, value_parser = NonEmptyStringValueParser::new())]
    hpa_controller: Vec<String>,
}

/// What we know of our cluster, and the tasks that keep it so.
pub(super) struct Joined {
    client: Client,
    namespace: String,
    service: String,
    secret: String,
    /// The pods, owners and autoscalers.
    pub(super) cluster: Arc<Cluster>,
    /// Who calls and whether they may.
    pub(super) auth: Arc<Auth>,
    trust: Arc<TrustStore>,
    /// What our own metrics tell of the watches.
    pub(super) metrics: Arc<WatchMetrics>,
    tasks: JoinSet<()>,
    ending: watch::Sender<bool>,
    /// Of the certificate that is served until the shared one is there, if that is ours to keep.
    provisional: Option<String>,
}

impl Joined {
    /// Begins to watch. Nothing is waited for: the API server may be away.
    pub(super) async fn join(args: InCluster, telemetry: &Arc<Telemetry>) -> Result<Self> {
        let InCluster { kubeconfig, namespace, service, tls_secret, token_audience, hpa_controller } = args;
        let client = cluster::client::connect(kubeconfig.as_deref()).await?;
        let namespace = namespace.or_else(cluster::client::own_namespace).context(
            "our own namespace is not known: give --namespace, or POD_NAMESPACE by the downward API",
        )?;
        let metrics = Arc::new(WatchMetrics::default());
        let (cluster, mut tasks) = cluster::watch::start(&client, &metrics);
        let trust = Arc::new(TrustStore::new(Arc::clone(telemetry)));
        let ending = watch::Sender::new(false);
        tasks.spawn(cluster::authentication::watch(client.clone(), Arc::clone(&trust), ended(&ending)));
        let settings =
            Settings { audiences: token_audience, honoured: hpa_controller, ..Settings::new(Clock::wall) };
        let reviewer = Arc::new(ApiServer::new(client.clone()));
        let auth = Arc::new(Auth::new(Arc::clone(&trust), reviewer, settings, Arc::clone(telemetry)));
        Ok(Self {
            client,
            namespace,
            service,
            secret: tls_secret,
            cluster,
            auth,
            trust,
            metrics,
            tasks,
            ending,
            provisional: None,
        })
    }

    /// The names that a certificate of ours is for.
    pub(super) fn names(&self) -> [String; 1] {
        [format!("{}.{}.svc", self.service, self.namespace)]
    }

    /// Keeps the shared certificate in `tls`, and our APIServices trusting it.
    pub(super) fn keep_certificate(&mut self, tls: &Arc<Tls>, telemetry: &Arc<Telemetry>) {
        let settings = serving::Settings {
            namespace: self.namespace.clone(),
            service: self.service.clone(),
            secret: self.secret.clone(),
        };
        // Before it can be replaced, which may happen at once where the shared one is already there.
        self.provisional = Some(tls.fingerprint());
        self.tasks.spawn(serving::keep(
            self.client.clone(),
            settings,
            Arc::clone(tls),
            Clock::wall,
            ended(&self.ending),
            Arc::clone(telemetry),
        ));
    }

    /// Has `engine` read what the autoscalers will ask for.
    pub(super) fn warm(&mut self, engine: &Arc<Engine>) {
        let engine = Arc::clone(engine);
        let warm = move |namespace: &str, metric: &str| engine.warm(namespace, metric);
        self.tasks.spawn(warm::keep(Arc::clone(&self.cluster), warm));
    }

    /// Keeps `engine`'s budgets: what is remembered of them is shared by all replicas, and HPAs are told.
    pub(super) fn keep_budgets(&mut self, engine: &Arc<Engine>) {
        let memory = Arc::new(Memory::default());
        self.tasks.spawn(Arc::clone(&memory).keep(self.client.clone(), self.namespace.clone()));
        let instance = std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty());
        let instance = instance.unwrap_or_else(|| self.service.clone());
        let (events, write) = Events::new(self.client.clone(), instance);
        self.tasks.spawn(write);
        self.tasks.spawn(Arc::clone(engine).watch_budgets(memory, events));
    }

    /// Opens the gates before which we are not ready, each in its time.
    pub(super) fn when_ready(&mut self, tls: &Arc<Tls>, open: impl Fn(Gate) + Clone + Send + 'static) {
        let (cluster, open_pods) = (Arc::clone(&self.cluster), open.clone());
        self.tasks.spawn(async move {
            if tokio::time::timeout(READY_WITHIN, cluster.ready()).await.is_ok() {
                info!("the cluster's pods are known");
            } else {
                warn!("the cluster's pods are not known yet: metrics are refused until they are");
            }
            open_pods(Gate::Pods);
        });
        let (trust, tls, provisional) = (Arc::clone(&self.trust), Arc::clone(tls), self.provisional.clone());
        self.tasks.spawn(async move {
            let mut looks = tokio::time::interval(LOOK);
            let (mut certificate, mut callers) = (false, false);
            while !(certificate && callers) {
                looks.tick().await;
                if !certificate && provisional.as_ref() != Some(&tls.fingerprint()) {
                    certificate = true;
                    open(Gate::Certificate);
                }
                if !callers && trust.generation() > 0 {
                    callers = true;
                    open(Gate::Callers);
                }
            }
        });
    }

    /// Ends the tasks.
    pub(super) async fn leave(mut self) {
        let _ = self.ending.send(true);
        self.tasks.shutdown().await;
    }
}

fn ended(ending: &watch::Sender<bool>) -> impl Future<Output = ()> + use<> {
    let mut ending = ending.subscribe();
    async move {
        let _ = ending.wait_for(|ending| *ending).await;
    }
}
