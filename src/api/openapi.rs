//! The OpenAPI descriptions, versions 2 and 3, as JSON.
//!
//! Who reads them: kube-aggregator fetches `/openapi/v2` with `Accept: application/json` and the index at
//! `/openapi/v3` with no `Accept` at all, about once a minute as `system:aggregator`. The documents that the index
//! names are fetched by clients through the proxy, with the clients' own `Accept`. kubectl's protobuf form
//! (`application/com.github.proto-openapi.spec.v2@v1.0+protobuf`) is asked of kube-apiserver, which encodes the
//! merged description itself: asked for it alone, we answer 406.
//!
//! What is described is data, in `described`; the other files turn it into either version.
use serde_json::{Map, Value, json};

use self::described::DESCRIBED;
use super::document::Document;

mod described;
mod paths;
mod schema;

/// All OpenAPI documents. They describe the API, not the metrics, and never change while we run.
#[derive(Clone, Debug)]
pub struct OpenApi {
    v2: Document,
    v3_index: Document,
    v3: Vec<(String, Document)>,
}

impl OpenApi {
    /// Builds the documents.
    pub fn new() -> Self {
        let v3: Vec<(String, Document)> =
            DESCRIBED.iter().map(|one| (one.name(), Document::json(&paths::v3(one)))).collect();
        let paths: Map<String, Value> = v3
            .iter()
            .map(|(name, document)| {
                let url = format!("/openapi/v3/{name}?hash={}", document.hash());
                (name.clone(), json!({ "serverRelativeURL": url }))
            })
            .collect();
        Self {
            v2: Document::json(&paths::v2(&DESCRIBED)),
            v3_index: Document::json(&json!({ "paths": paths })),
            v3,
        }
    }

    /// `/openapi/v2`.
    pub fn v2(&self) -> &Document {
        &self.v2
    }

    /// `/openapi/v3`: where the description of each group version is.
    pub fn v3_index(&self) -> &Document {
        &self.v3_index
    }

    /// `/openapi/v3/{name}`, with a name such as `apis/external.metrics.k8s.io/v1beta1`.
    ///
    /// kube-apiserver redirects a request whose `hash` is out of date; we must not, since the aggregator turns any
    /// redirect into a 502. Such a request gets the present document. `Cache-Control: immutable` is right only
    /// when `hash` equals [`Document::hash`].
    pub fn v3(&self, name: &str) -> Option<&Document> {
        self.v3.iter().find(|(known, _)| known == name).map(|(_, document)| document)
    }
}

impl Default for OpenApi {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
