//! Inferometer as it is shipped, in a true cluster.
//!
//! What differs: no kubelet runs its pods, so the test starts the replicas, as the ServiceAccount and
//! with the flags that the Deployment names; and the Service leads to `localhost` by a name instead of to
//! pods by their addresses, on the port that the replica happens to have.

use std::time::Duration;

use http::Method;
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::{Admin, ControlPlane, text};
use crate::manifests::render::kustomize;
use crate::support::{Client, Server, seconds, until};

/// Where it lives, and the name by which the aggregator knows it.
pub(super) const NAMESPACE: &str = "inferometer";
pub(super) const SERVER_NAME: &str = "inferometer.inferometer.svc";

/// The registrations.
pub(super) const REGISTRATIONS: [&str; 3] =
    ["v1beta1.external.metrics.k8s.io", "v1beta1.custom.metrics.k8s.io", "v1beta2.custom.metrics.k8s.io"];

pub(super) struct Installation {
    pub(super) admin: Admin,
    kubeconfig: String,
    registrations: Vec<Json>,
    service: Json,
}

impl Installation {
    /// Applies all that the default overlay has, but its registrations.
    pub(super) async fn prepare(plane: &ControlPlane) -> Self {
        let admin = plane.admin().await;
        let mut registrations = Vec::new();
        let mut service = Json::Null;
        for object in kustomize("manifests/overlays/default") {
            match (text(&object, "/kind"), text(&object, "/metadata/name")) {
                ("APIService", _) => registrations.push(object),
                ("Service", "inferometer") => service = object,
                _ => drop(admin.apply(&object).await),
            }
        }
        assert_eq!(registrations.len(), REGISTRATIONS.len());
        assert!(service.is_object(), "its Service is in the overlay");
        let token = plane.file("inferometer.token");
        std::fs::write(&token, admin.token(NAMESPACE, "inferometer").await).expect("a file can be written");
        let kubeconfig = plane.kubeconfig("inferometer", &json!({ "tokenFile": token }));
        let kubeconfig = kubeconfig.to_str().expect("a path in UTF-8").to_owned();
        Self { admin, kubeconfig, registrations, service }
    }

    /// Starts a replica.
    pub(super) async fn replica(&self, args: &[&str]) -> Server {
        let own = [
            "--kubeconfig",
            &self.kubeconfig,
            "--namespace",
            NAMESPACE,
            "--service",
            "inferometer",
            "--tls-secret",
            "inferometer-tls",
            "--bind-address",
            "127.0.0.1",
        ];
        Server::launch(&[&own, args].concat()).await
    }

    /// Leads the Service to this replica and applies the registrations. Gives the time that went by until
    /// the aggregator took us for available.
    pub(super) async fn register(&self, replica: &Server) -> Duration {
        self.register_at(port(replica)).await
    }

    /// The same for whatever answers on this port of ours.
    pub(super) async fn register_at(&self, port: u16) -> Duration {
        let mut service = self.service.clone();
        service["spec"] = json!({ "type": "ExternalName", "externalName": "localhost" });
        self.admin.apply(&service).await;
        for registration in &self.registrations {
            let mut registration = registration.clone();
            registration["spec"]["service"]["port"] = port.into();
            self.admin.apply(&registration).await;
        }
        let applied = Instant::now();
        self.until_available().await;
        applied.elapsed()
    }

    /// Waits until the aggregator takes us for available.
    pub(super) async fn until_available(&self) {
        until("the APIServices are available", seconds(40), async || {
            self.unavailable().await.map_or(Ok(()), Err)
        })
        .await;
    }

    /// What keeps the first of our APIServices from being available.
    pub(super) async fn unavailable(&self) -> Option<String> {
        for name in REGISTRATIONS {
            let service = self.admin.get(&registration(name)).await;
            let conditions = service.pointer("/status/conditions").and_then(Json::as_array);
            let available =
                conditions.into_iter().flatten().find(|condition| condition["type"] == "Available");
            if available.is_none_or(|condition| condition["status"] != "True") {
                return Some(format!("{name}: {available:?}"));
            }
        }
        None
    }

    /// The CA bundle that is registered, in PEM.
    pub(super) async fn bundle(&self) -> String {
        use base64::Engine as _;
        let service = self.admin.get(&registration(REGISTRATIONS[0])).await;
        let bundle =
            base64::prelude::BASE64_STANDARD.decode(text(&service, "/spec/caBundle")).expect("base64");
        String::from_utf8(bundle).expect("PEM")
    }

    /// The Secret of the serving certificate.
    pub(super) fn secret() -> Json {
        let metadata = json!({ "namespace": NAMESPACE, "name": "inferometer-tls" });
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata })
    }
}

/// A registration by its name.
pub(super) fn registration(name: &str) -> Json {
    let version = "apiregistration.k8s.io/v1";
    json!({ "apiVersion": version, "kind": "APIService", "metadata": { "name": name } })
}

pub(super) fn namespace(name: &str) -> Json {
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } })
}

/// The port that a replica answers on.
pub(super) fn port(replica: &Server) -> u16 {
    let port = replica.client.base().rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    port.expect("the address has a port")
}

/// A replica's own answer to a caller who trusts this bundle and nothing else, under the name that the
/// aggregator calls. The answer is one of an unknown caller: what matters is whether there is one.
pub(super) async fn trusts(replica: &Server, bundle: &str) -> Result<(), String> {
    let roots = reqwest::Certificate::from_pem_bundle(bundle.as_bytes()).expect("a bundle of certificates");
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port(replica)));
    let builder = reqwest::Client::builder().tls_certs_only(roots).resolve(SERVER_NAME, address);
    let client = Client::with(format!("https://{SERVER_NAME}:{}", address.port()), builder);
    client.try_send(Method::GET, "/livez", &[]).await.map(drop).map_err(|error| format!("{error:?}"))
}
