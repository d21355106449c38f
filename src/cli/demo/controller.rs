//! The HPA controller's side of the wire: it asks the API for a number, and hears why there is none.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use reqwest::{Client, Url};

use crate::api::status::Status;
use crate::api::types::ExternalMetricValueList;
use crate::core::hpa::Observation;
use crate::core::quantity::Quantity;
use crate::demo::exposition::NAMESPACE;
use crate::source::body::read_limited;

/// The controller has no bound of its own; the API answers within a second.
const PATIENCE: Duration = Duration::from_secs(2);

/// The selector of the HPA.
pub(super) const SELECTOR: &str = "engine=vllm";

/// A client of the API.
pub(super) struct Controller {
    client: Client,
    url: Url,
}

impl Controller {
    /// Asks for `metric` at the API that listens on this loopback address.
    pub(super) fn new(address: SocketAddr, metric: &str) -> Result<Self> {
        // The certificate was made by this process a moment ago.
        let client = Client::builder().timeout(PATIENCE).tls_danger_accept_invalid_certs(true).build()?;
        let mut url = Url::parse(&format!("https://{address}{}", path(metric)))?;
        url.query_pairs_mut().append_pair("labelSelector", SELECTOR);
        Ok(Self { client, url })
    }

    /// What the API says.
    pub(super) async fn observe(&self) -> Observation {
        match self.ask().await {
            Ok(observation) => observation,
            Err(error) => Observation::Unknown(error.to_string()),
        }
    }

    async fn ask(&self) -> Result<Observation> {
        let response = self.client.get(self.url.clone()).send().await?;
        let is_value = response.status().is_success();
        let body = read_limited(response, 1 << 20, PATIENCE).await?;
        if !is_value {
            let status: Status = serde_json::from_slice(&body)?;
            return Ok(Observation::Unknown(status.message().to_owned()));
        }
        let list: ExternalMetricValueList<'_> = serde_json::from_slice(&body)?;
        let values = list.items.iter().map(|item| item.value.parse::<Quantity>().map(Quantity::as_f64));
        Ok(Observation::Value(values.sum::<Result<f64, _>>()?))
    }
}

/// The path of a metric of the demo.
pub(super) fn path(metric: &str) -> String {
    format!("/apis/external.metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/{metric}")
}
