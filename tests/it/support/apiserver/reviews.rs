//! TokenReviews and SubjectAccessReviews: who is known, what they may, and what was asked.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::{Value as Json, json};

/// The audience of tokens that name none.
const AUDIENCE: &str = "https://kubernetes.default.svc";

/// Whose token it is.
#[derive(Debug, Clone)]
struct Owner {
    user: Json,
    audiences: Vec<String>,
}

/// Something that somebody may do. `*` stands for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    /// A user or a group.
    pub(crate) to: String,
    pub(crate) verb: String,
    pub(crate) group: String,
    /// With its subresource: `pods/queue_depth`. Or a path that begins with `/`; a `*` may end it.
    pub(crate) resource: String,
    pub(crate) namespace: String,
}

impl Grant {
    /// Of a resource, in every namespace.
    pub(crate) fn new(to: &str, verb: &str, group: &str, resource: &str) -> Self {
        let [to, verb, group, resource] = [to, verb, group, resource].map(str::to_owned);
        Self { to, verb, group, resource, namespace: "*".to_owned() }
    }

    /// Of one metric of the external API in one namespace.
    pub(crate) fn external(to: &str, namespace: &str, metric: &str) -> Self {
        Self::new(to, "list", "external.metrics.k8s.io", metric).within(namespace)
    }

    /// Of one metric of the custom API in one namespace: `pods/METRIC`.
    pub(crate) fn custom(to: &str, namespace: &str, resource: &str) -> Self {
        Self::new(to, "get", "custom.metrics.k8s.io", resource).within(namespace)
    }

    pub(crate) fn within(self, namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), ..self }
    }

    fn covers(&self, spec: &Json) -> bool {
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        let is = |pattern: &str, value: &str| pattern == "*" || pattern == value;
        let groups = spec["groups"].as_array().into_iter().flatten();
        if spec["user"] != *self.to && !groups.into_iter().any(|group| *group == *self.to) {
            return false;
        }
        if let Some(attributes) = spec.get("nonResourceAttributes").filter(|some| !some.is_null()) {
            let path = text(&attributes["path"]);
            let covered = match self.resource.strip_suffix('*') {
                Some(prefix) if prefix.starts_with('/') => path.starts_with(prefix),
                _ => self.resource == path || self.resource == "*",
            };
            return covered && is(&self.verb, &text(&attributes["verb"]));
        }
        let attributes = &spec["resourceAttributes"];
        let mut resource = text(&attributes["resource"]);
        if let Some(subresource) = attributes["subresource"].as_str().filter(|text| !text.is_empty()) {
            resource = format!("{resource}/{subresource}");
        }
        attributes.is_object()
            && is(&self.verb, &text(&attributes["verb"]))
            && is(&self.group, &text(&attributes["group"]))
            && is(&self.resource, &resource)
            && is(&self.namespace, &text(&attributes["namespace"]))
    }
}

#[derive(Default)]
struct Book {
    tokens: BTreeMap<String, Owner>,
    grants: Vec<Grant>,
    /// The `spec` of each TokenReview.
    token_reviews: Vec<Json>,
    /// The `spec` of each SubjectAccessReview.
    access_reviews: Vec<Json>,
}

/// As kube-apiserver sets its roles up: masters may all, who is authenticated may look around.
pub(super) struct Reviews(Mutex<Book>);

impl Reviews {
    pub(super) fn new() -> Self {
        let mut grants = vec![Grant::new("system:masters", "*", "*", "*")];
        for path in ["/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", "/version", "/version/"]
        {
            grants.push(Grant::new("system:authenticated", "get", "", path));
        }
        Self(Mutex::new(Book { grants, ..Book::default() }))
    }

    pub(super) fn know(&self, token: &str, user: &str, groups: &[&str], audiences: &[&str]) {
        let user = json!({ "username": user, "uid": format!("uid-of-{user}"), "groups": groups });
        let audiences = if audiences.is_empty() { &[AUDIENCE] } else { audiences };
        let audiences = audiences.iter().map(|audience| (*audience).to_owned()).collect();
        self.0.lock().expect("no panic").tokens.insert(token.to_owned(), Owner { user, audiences });
    }

    pub(super) fn forget(&self, token: &str) {
        self.0.lock().expect("no panic").tokens.remove(token);
    }

    pub(super) fn grant(&self, grant: Grant) {
        self.0.lock().expect("no panic").grants.push(grant);
    }

    pub(super) fn withdraw(&self, grant: &Grant) {
        self.0.lock().expect("no panic").grants.retain(|known| known != grant);
    }

    pub(super) fn token_reviews(&self) -> Vec<Json> {
        self.0.lock().expect("no panic").token_reviews.clone()
    }

    pub(super) fn access_reviews(&self) -> Vec<Json> {
        self.0.lock().expect("no panic").access_reviews.clone()
    }

    /// Fills in the status of a TokenReview.
    pub(super) fn token(&self, mut review: Json) -> Json {
        let mut book = self.0.lock().expect("no panic");
        book.token_reviews.push(review["spec"].clone());
        let asked: Vec<String> = review["spec"]["audiences"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|audience| audience.as_str().map(str::to_owned))
            .collect();
        let asked = if asked.is_empty() { vec![AUDIENCE.to_owned()] } else { asked };
        let owner = review["spec"]["token"].as_str().and_then(|token| book.tokens.get(token));
        let audiences: Vec<&String> =
            owner.into_iter().flat_map(|owner| &owner.audiences).filter(|one| asked.contains(one)).collect();
        review["status"] = match owner.filter(|_| !audiences.is_empty()) {
            Some(owner) => json!({ "authenticated": true, "user": owner.user, "audiences": audiences }),
            None => json!({ "user": {}, "error": "[invalid bearer token, token lookup failed]" }),
        };
        // What was asked about is not repeated.
        review["spec"] = json!({});
        review
    }

    /// Fills in the status of a SubjectAccessReview.
    pub(super) fn access(&self, mut review: Json) -> Json {
        let mut book = self.0.lock().expect("no panic");
        book.access_reviews.push(review["spec"].clone());
        let allowed = book.grants.iter().any(|grant| grant.covers(&review["spec"]));
        review["status"] = if allowed {
            json!({ "allowed": true, "reason": "RBAC: allowed by a grant of the test" })
        } else {
            json!({ "allowed": false })
        };
        review
    }
}
