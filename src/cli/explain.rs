//! `inferometer explain`

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use reqwest::{Client, Url};

use super::definitions::{self, Sources};
use super::serve::http_url;
use super::{Output, colour, print, tree};
use crate::api::explain::Explanation;
use crate::api::status::Status;
use crate::catalog::Catalog;
use crate::config::Configuration;
use crate::core::evaluate::Whom;
use crate::core::selector::Selector;
use crate::engine::{Ask, AskError, Engine, Pace};
use crate::server::tls;
use crate::telemetry::Telemetry;

/// How long a source may take when it is asked directly.
const PATIENCE: Duration = Duration::from_secs(15);

/// Flags of `explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The metric's name, as an HPA writes it.
    metric: String,
    /// The namespace that the HPA is in.
    #[arg(short, long, default_value = "default")]
    namespace: String,
    /// The selector, as in `app=vllm,tier!=test`.
    #[arg(short = 'l', long, default_value = "")]
    selector: String,
    /// A running server.
    #[arg(long, value_name = "URL", value_parser = http_url, default_value = "https://127.0.0.1:6443", conflicts_with = "prometheus_url")]
    server: Url,
    /// Do not verify the server's certificate. Implied for loopback addresses, whose certificate is
    /// usually self-signed.
    #[arg(long)]
    insecure_skip_tls_verify: bool,
    /// Ask no server: read this Prometheus directly. Nothing is known of a cluster then: series of pods that are
    /// gone count, selectors mean the series' own labels, and no autoscalers are shown.
    #[arg(long, value_name = "URL", value_parser = http_url)]
    prometheus_url: Option<Url>,
    /// With --prometheus-url: the configuration that defines the metric.
    #[arg(long, value_name = "FILE", requires = "prometheus_url")]
    config: Option<PathBuf>,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// Prints how a metric's value comes about. Fails when an HPA would get none.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    tls::install_crypto_provider();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let selector = Selector::parse(&args.selector)?;
    let explanation = runtime.block_on(async {
        match &args.prometheus_url {
            Some(url) => directly(args, url, &selector).await,
            None => from_server(args, &selector).await,
        }
    })?;
    match args.output {
        Output::Text => print(&tree::draw(&explanation, colour())),
        Output::Json => print(&(serde_json::to_string_pretty(&explanation)? + "\n")),
    }
    Ok(if explanation.answer.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn directly(args: &Args, url: &Url, selector: &Selector) -> Result<Explanation> {
    let catalog = Arc::new(Catalog::built_in()?);
    let configuration = match &args.config {
        None => Configuration::default(),
        Some(path) => match definitions::read(path, &catalog) {
            Ok((configuration, _)) => configuration,
            Err(report) => {
                eprint!("{}", report.render(colour()));
                bail!("{} cannot be used", path.display());
            }
        },
    };
    let definitions =
        Sources::default().definitions(&definitions::flag_sources(Some(url), Vec::new()), configuration);
    let engine =
        Engine::new(Arc::clone(&catalog), definitions, Pace::default(), Arc::new(Telemetry::default()));
    let ask = Ask {
        metric: &args.metric,
        namespace: &args.namespace,
        selector,
        whom: Whom::All,
        patience: PATIENCE,
    };
    let explained = engine.explain(ask).await.map_err(|error| match error {
        AskError::Unknown => anyhow!("{}", super::catalog::unknown(&catalog, &args.metric)),
        other => other.into(),
    })?;
    Ok(Explanation::new(&explained, &args.namespace, selector))
}

/// How long a running server may take.
const SERVER_PATIENCE: Duration = Duration::from_secs(10);

async fn from_server(args: &Args, selector: &Selector) -> Result<Explanation> {
    let host = args.server.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    let is_local = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    let client = Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(SERVER_PATIENCE)
        .tls_danger_accept_invalid_certs(args.insecure_skip_tls_verify || is_local)
        .build()?;
    let mut url = args.server.clone();
    url.path_segments_mut()
        .map_err(|()| anyhow!("{} is no base for a path", args.server))?
        .pop_if_empty()
        .extend(["apis", "external.metrics.k8s.io", "v1beta1", "namespaces", &args.namespace, &args.metric]);
    url.query_pairs_mut().append_pair("labelSelector", &selector.to_string()).append_pair("explain", "true");
    let response = client.get(url).send().await.with_context(|| {
        format!(
            "cannot reach {}; is `inferometer serve` running there, or do you want --prometheus-url?",
            args.server
        )
    })?;
    let code = response.status();
    let body = crate::source::body::read_limited(response, 8 << 20, SERVER_PATIENCE).await?;
    if code.is_success() {
        return serde_json::from_slice(&body).context("the answer is not an explanation");
    }
    match serde_json::from_slice::<Status>(&body) {
        Ok(status) => bail!("{}", status.message()),
        Err(_) => bail!("the server answers HTTP {code}"),
    }
}
