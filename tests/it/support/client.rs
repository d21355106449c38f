//! An HTTPS client that behaves like the HPA controller's and keeps what it saw.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, Method, StatusCode, Version};
use serde_json::Value as Json;
use tokio::time::Instant;

use super::Monitor;

/// What the HPA controller sends.
pub(crate) const HPA_ACCEPT: &str = "application/vnd.kubernetes.protobuf, */*";

/// The group and version under test.
pub(crate) const EXTERNAL: &str = "/apis/external.metrics.k8s.io/v1beta1";

/// The group of metrics of objects, whose versions differ.
pub(crate) const CUSTOM: &str = "/apis/custom.metrics.k8s.io";

#[derive(Clone)]
pub(crate) struct Client {
    base: String,
    http: reqwest::Client,
    /// Sent with every request, before those of the request.
    headers: Vec<(String, String)>,
    /// Who is shown every answer.
    monitor: Option<Arc<Monitor>>,
}

/// An answer as it came.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) took: Duration,
}

/// One number as the HPA reads it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Value {
    pub(crate) text: String,
    pub(crate) number: f64,
    pub(crate) timestamp: jiff::Timestamp,
    pub(crate) window: Option<u64>,
}

/// A `Status` with the time it took.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) code: u16,
    pub(crate) reason: String,
    pub(crate) message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.code, self.reason, self.message)
    }
}

impl Client {
    pub(crate) fn new(base: String) -> Self {
        Self::build(base, reqwest::Client::builder())
    }

    pub(crate) fn http1(base: String) -> Self {
        Self::build(base, reqwest::Client::builder().http1_only())
    }

    /// One connection a request.
    pub(crate) fn unpooled(base: String) -> Self {
        Self::build(base, reqwest::Client::builder().pool_max_idle_per_host(0).http1_only())
    }

    /// Believes in this certificate and no other.
    pub(crate) fn trusting(base: String, pem: &str) -> Self {
        let certificate = reqwest::Certificate::from_pem(pem.as_bytes()).expect("a certificate");
        let builder = reqwest::Client::builder().pool_max_idle_per_host(0).tls_certs_only([certificate]);
        Self::with(base, builder)
    }

    fn build(base: String, builder: reqwest::ClientBuilder) -> Self {
        Self::with(base, builder.tls_danger_accept_invalid_certs(true))
    }

    /// Connects as this builder says.
    pub(crate) fn with(base: String, builder: reqwest::ClientBuilder) -> Self {
        inferometer::server::tls::install_crypto_provider();
        let http = builder
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(Duration::from_secs(20))
            .build()
            .expect("a client");
        Self { base, http, headers: Vec::new(), monitor: None }
    }

    /// The same client on the same connections, with these headers in every request.
    pub(crate) fn sending(&self, headers: Vec<(String, String)>) -> Self {
        Self { headers, ..self.clone() }
    }

    /// The same client, whose answers are held against what our binary promises.
    pub(crate) fn watched_by(&self, monitor: &Arc<Monitor>) -> Self {
        Self { monitor: Some(Arc::clone(monitor)), ..self.clone() }
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.get_as(path, HPA_ACCEPT).await
    }

    pub(crate) async fn get_as(&self, path: &str, accept: &str) -> Reply {
        self.send(Method::GET, path, &[(ACCEPT.as_str(), accept)]).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.try_send(method, path, headers).await.unwrap_or_else(|error| panic!("{path}: {error:?}"))
    }

    pub(crate) async fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Reply, reqwest::Error> {
        let outcome = self.fetch(method, path, headers).await;
        self.monitor.iter().for_each(|monitor| monitor.saw(path, &outcome));
        outcome
    }

    async fn fetch(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Reply, reqwest::Error> {
        let began = Instant::now();
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        let own = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in own.chain(headers.iter().copied()) {
            request = request.header(name, value);
        }
        let mut response = request.send().await?;
        let (status, version, headers) = (response.status(), response.version(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status, version, headers, body, took: began.elapsed() })
    }

    /// What an HPA would see.
    pub(crate) async fn value(
        &self,
        namespace: &str,
        metric: &str,
        selector: &str,
    ) -> Result<Value, Problem> {
        let reply = self.get(&value_path(namespace, metric, selector)).await;
        reply.assert_prompt();
        reply.value(metric)
    }

    /// The number of an answer that must be one.
    pub(crate) async fn number(&self, namespace: &str, metric: &str, selector: &str) -> f64 {
        match self.value(namespace, metric, selector).await {
            Ok(value) => value.number,
            Err(problem) => panic!("{metric} in {namespace} with {selector:?}: {problem}"),
        }
    }

    /// The same as it is written.
    pub(crate) async fn quantity(&self, namespace: &str, metric: &str, selector: &str) -> String {
        match self.value(namespace, metric, selector).await {
            Ok(value) => value.text,
            Err(problem) => panic!("{metric} in {namespace} with {selector:?}: {problem}"),
        }
    }

    /// The refusal of an answer that must be one.
    pub(crate) async fn problem(&self, namespace: &str, metric: &str, selector: &str) -> Problem {
        match self.value(namespace, metric, selector).await {
            Ok(value) => panic!("{metric} in {namespace} with {selector:?} is {}", value.text),
            Err(problem) => problem,
        }
    }
}

impl Reply {
    pub(crate) fn json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a header in ASCII"))
    }

    /// The promises that hold for every answer.
    pub(crate) fn assert_prompt(&self) {
        assert!(self.took < Duration::from_secs(1), "answered after {:?}: {}", self.took, self.text());
        assert!(!self.headers.contains_key("retry-after"), "Retry-After makes HPA workers sleep");
        assert!(
            !self.status.is_redirection() || self.status == 304,
            "a redirect to {}",
            self.header("location")
        );
    }

    pub(crate) fn problem(&self) -> Problem {
        let json = self.json();
        assert_eq!(json["kind"], "Status", "{json}");
        assert_eq!(json["status"], "Failure", "{json}");
        assert_eq!(json["code"], self.status.as_u16(), "{json}");
        assert_eq!(self.header(CONTENT_TYPE.as_str()), "application/json");
        assert!(json.pointer("/details/retryAfterSeconds").is_none(), "{json}");
        Problem {
            code: self.status.as_u16(),
            reason: json["reason"].as_str().unwrap_or_default().to_owned(),
            message: json["message"].as_str().unwrap_or_default().to_owned(),
        }
    }

    pub(crate) fn value(&self, metric: &str) -> Result<Value, Problem> {
        if self.status != 200 {
            return Err(self.problem());
        }
        let json = self.json();
        assert_eq!(json["kind"], "ExternalMetricValueList", "{json}");
        let items = json["items"].as_array().expect("items");
        assert_eq!(items.len(), 1, "exactly one item: {json}");
        assert_eq!(items[0]["metricName"].as_str(), Some(metric.replace("%3A", ":").as_str()));
        assert_eq!(items[0]["metricLabels"], serde_json::json!({}));
        let text = items[0]["value"].as_str().expect("a quantity in a string").to_owned();
        let number = match text.strip_suffix('m') {
            Some(milli) => milli.parse::<f64>().expect("milli-units") / 1000.0,
            None => text.parse().expect("an integer"),
        };
        let timestamp = items[0]["timestamp"].as_str().expect("a timestamp");
        Ok(Value {
            number,
            text,
            timestamp: timestamp.parse().expect("RFC 3339"),
            window: items[0].get("window").map(|window| window.as_u64().expect("whole seconds")),
        })
    }
}

/// The path of a value, its selector encoded as client-go does.
pub(crate) fn value_path(namespace: &str, metric: &str, selector: &str) -> String {
    let query = if selector.is_empty() {
        String::new()
    } else {
        let query =
            form_urlencoded::Serializer::new(String::new()).append_pair("labelSelector", selector).finish();
        format!("?{query}")
    };
    format!("{EXTERNAL}/namespaces/{namespace}/{metric}{query}")
}
