//! Reading and writing objects at the API server.

use std::path::Path;

use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::GroupVersionKind;
use serde_json::{Value as Json, json};

use crate::support::{seconds, until};

/// What our changes are filed under.
const MANAGER: &str = "platform-team";

/// Somebody at the API server. An object is given as JSON; where only its kind, namespace and name
/// matter, the rest may be missing.
#[derive(Clone)]
pub(super) struct Admin(kube::Client);

impl Admin {
    /// Whoever this file says.
    pub(super) async fn with(kubeconfig: &Path) -> Self {
        inferometer::server::tls::install_crypto_provider();
        let file = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
        let options = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(file, &options).await.expect("a usable one");
        Self(kube::Client::try_from(config).expect("a client"))
    }

    /// Applies an object as `kubectl apply --server-side` does, strictly.
    pub(super) async fn apply(&self, object: &Json) -> Json {
        let applied = self.try_apply(object, false).await;
        applied.unwrap_or_else(|error| panic!("{}: {error}", called(object)))
    }

    /// The same, and what is against it; for trial only if `dry_run`.
    pub(super) async fn try_apply(&self, object: &Json, dry_run: bool) -> Result<Json, kube::Error> {
        let mut params = PatchParams::apply(MANAGER).force().validation_strict();
        params.dry_run = dry_run;
        self.api(object)
            .patch(text(object, "/metadata/name"), &params, &Patch::Apply(object))
            .await
            .map(encoded)
    }

    /// Makes an object that must not be there yet.
    pub(super) async fn create(&self, object: &Json) -> Json {
        self.try_create(object, false).await.unwrap_or_else(|error| panic!("{}: {error}", called(object)))
    }

    /// The same, and what is against it; for trial only if `dry_run`.
    pub(super) async fn try_create(&self, object: &Json, dry_run: bool) -> Result<Json, kube::Error> {
        let params = PostParams { dry_run, ..PostParams::default() };
        let object: DynamicObject = serde_json::from_value(object.clone()).expect("an object");
        self.api(&encoded(object.clone())).create(&params, &object).await.map(encoded)
    }

    /// Changes these fields of an object's status, as its controller or kubelet would.
    pub(super) async fn merge_status(&self, object: &Json) -> Json {
        let name = text(object, "/metadata/name");
        let patched =
            self.api(object).patch_status(name, &PatchParams::default(), &Patch::Merge(object)).await;
        patched.map_or_else(|error| panic!("{}: {error}", called(object)), encoded)
    }

    /// The object as it is, if it is there.
    pub(super) async fn find(&self, object: &Json) -> Option<Json> {
        let found = self.api(object).get_opt(text(object, "/metadata/name")).await;
        found.unwrap_or_else(|error| panic!("{}: {error}", called(object))).map(encoded)
    }

    /// The object as it is.
    pub(super) async fn get(&self, object: &Json) -> Json {
        self.find(object).await.unwrap_or_else(|| panic!("{} is not there", called(object)))
    }

    /// All objects of the kind.
    pub(super) async fn list(&self, of: &Json) -> Vec<Json> {
        let found = self.api(of).list(&ListParams::default()).await.expect("a list");
        found.items.into_iter().map(encoded).collect()
    }

    /// Deletes it at once, as far as that is ours to say.
    pub(super) async fn delete(&self, object: &Json) {
        let params = DeleteParams::default().grace_period(0);
        let deleted = self.api(object).delete(text(object, "/metadata/name"), &params).await;
        if let Err(error) = deleted {
            panic!("{}: {error}", called(object));
        }
    }

    /// Waits until it is not there any more.
    pub(super) async fn wait_until_gone(&self, object: &Json, within: u64) {
        until(&format!("{} is gone", called(object)), seconds(within), async || {
            self.find(object).await.map_or(Ok(()), |found| Err(found["status"].to_string()))
        })
        .await;
    }

    /// A token of a service account, as a pod gets one.
    pub(super) async fn token(&self, namespace: &str, name: &str) -> String {
        self.token_for(namespace, name, &[]).await
    }

    /// The same for these audiences, and not for the API server.
    pub(super) async fn token_for(&self, namespace: &str, name: &str, audiences: &[&str]) -> String {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.0.clone(), namespace);
        let mut request = TokenRequest::default();
        request.spec.audiences = audiences.iter().map(|audience| (*audience).to_owned()).collect();
        let answer = accounts.create_token_request(name, &PostParams::default(), &request).await;
        answer.expect("a token").status.expect("it was granted").token
    }

    /// Whether the API server has this kind.
    pub(super) async fn knows(&self, object: &Json) -> bool {
        kube::discovery::pinned_kind(&self.0, &kind(object)).await.is_ok()
    }

    fn api(&self, object: &Json) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&kind(object));
        match text(object, "/metadata/namespace") {
            "" => Api::all_with(self.0.clone(), &resource),
            namespace => Api::namespaced_with(self.0.clone(), namespace, &resource),
        }
    }
}

/// The text at a JSON pointer, or none.
pub(super) fn text<'a>(object: &'a Json, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Json::as_str).unwrap_or_default()
}

/// Whom or what, in rules of access: a user may use a verb on a resource of a namespace.
pub(super) fn grant(user: &Json, namespace: &str, group: &str, resource: &str, verb: &str) -> [Json; 2] {
    let name = format!("{}-{}", text(user, "/name"), resource.replace(['/', '_', '*'], "-"));
    let metadata = json!({ "namespace": namespace, "name": name });
    let rbac = "rbac.authorization.k8s.io";
    [
        json!({
            "apiVersion": format!("{rbac}/v1"), "kind": "Role", "metadata": metadata,
            "rules": [{ "apiGroups": [group], "resources": [resource], "verbs": [verb] }],
        }),
        json!({
            "apiVersion": format!("{rbac}/v1"), "kind": "RoleBinding", "metadata": metadata,
            "roleRef": { "apiGroup": rbac, "kind": "Role", "name": name }, "subjects": [user],
        }),
    ]
}

fn kind(object: &Json) -> GroupVersionKind {
    let (group, version) =
        text(object, "/apiVersion").split_once('/').unwrap_or(("", text(object, "/apiVersion")));
    GroupVersionKind::gvk(group, version, text(object, "/kind"))
}

fn called(object: &Json) -> String {
    let part = |pointer| text(object, pointer);
    format!("{} {}/{}", part("/kind"), part("/metadata/namespace"), part("/metadata/name"))
}

fn encoded(object: DynamicObject) -> Json {
    serde_json::to_value(object).expect("it can be encoded")
}
