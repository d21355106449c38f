//! `inferometer serve`

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::ValueEnum;
use reqwest::Url;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};
use tracing_subscriber::EnvFilter;

use super::adapter::{Adapter, Listeners, bind};
use super::cluster::{InCluster, Joined};
use super::definitions::{self, Sources};
use super::reload::{Reloader, content, one_line};
use crate::catalog::Catalog;
use crate::config::Configuration;
use crate::core::workload::Inventory;
use crate::engine::{Clock, Engine, Pace};
use crate::server::tls::{self, Tls};
use crate::source::scrape::discover::Endpoint;
use crate::telemetry::Telemetry;

/// Between the signal to end and the end of accepting: balancers need to see that we are not ready.
const LINGER: Duration = Duration::from_secs(5);

/// Flags of `serve`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Configuration file; read again when it changes. The built-in metrics need none.
    #[arg(long, value_name = "FILE", env = "INFEROMETER_CONFIG")]
    config: Option<PathBuf>,
    /// Address to serve the API on; by default all of them, or with --standalone the loopback address.
    #[arg(long, value_name = "ADDRESS")]
    bind_address: Option<IpAddr>,
    /// Port to serve the API on, with TLS; 0 chooses a free one.
    #[arg(long, value_name = "PORT", default_value_t = 6443)]
    secure_port: u16,
    /// Certificate chain, PEM; otherwise one is kept in --tls-secret, or with --standalone self-signed.
    /// Read again when it changes.
    #[arg(long, value_name = "FILE", requires = "tls_private_key_file")]
    tls_cert_file: Option<PathBuf>,
    /// The certificate's private key, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert_file")]
    tls_private_key_file: Option<PathBuf>,
    /// A server with the Prometheus query API: the default source, before those configured.
    #[arg(long, value_name = "URL", env = "INFEROMETER_PROMETHEUS_URL", value_parser = http_url)]
    prometheus_url: Option<Url>,
    /// A target to read directly, as NAMESPACE=URL; of a host name all addresses are read, and a path
    /// that is missing is /metrics. May be given several times.
    #[arg(long, value_name = "NAMESPACE=URL", value_parser = definitions::target)]
    scrape: Vec<Endpoint>,
    /// Serve local callers without a cluster and without asking who they are, on a loopback address only.
    #[arg(long)]
    standalone: bool,
    #[command(flatten)]
    cluster: InCluster,
    /// Address of our own /metrics and health, plain HTTP; port 0 chooses a free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    observability_address: SocketAddr,
    /// Form of the log. Its level is set by RUST_LOG.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

/// An absolute `http` or `https` URL without credentials, which belong in files.
pub(super) fn http_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("an http or https URL is needed".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("credentials in a URL end up in logs; configure them under `auth` of a source".to_owned());
    }
    Ok(url)
}

/// Serves until told to end.
pub(super) fn run(args: Args) -> Result<ExitCode> {
    start_log(args.log_format);
    if let Some(address) = args.bind_address.filter(|address| args.standalone && !address.is_loopback()) {
        bail!(
            "--standalone serves without authentication, so --bind-address must be a loopback address, not {address}"
        );
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(args))
}

fn start_log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // What the client of the API server cannot decode it logs as a whole, and a TokenReview holds a token.
    // Its failures are told by those who ask, and so are those of the Redis driver.
    let quiet = ["kube_client=off", "kube_runtime=off", "redis=off"]
        .into_iter()
        .filter_map(|quiet| quiet.parse().ok());
    let filter = quiet.fold(filter, EnvFilter::add_directive);
    // A line that cannot be written is dropped: the complaint about it would go the same way, and panic.
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .log_internal_errors(false);
    match format {
        LogFormat::Text => {
            use std::io::IsTerminal as _;
            log.with_ansi(std::io::stderr().is_terminal()).init();
        }
        LogFormat::Json => log.json().init(),
    }
}

async fn serve(args: Args) -> Result<ExitCode> {
    let Args {
        config,
        bind_address,
        secure_port,
        tls_cert_file,
        tls_private_key_file,
        prometheus_url,
        scrape,
        standalone,
        cluster,
        observability_address,
        log_format: _,
    } = args;
    tls::install_crypto_provider();
    let catalog = Arc::new(Catalog::built_in()?);
    let telemetry = Arc::new(Telemetry::default());
    let flags = definitions::flag_sources(prometheus_url.as_ref(), scrape);

    let mut joined = if standalone { None } else { Some(Joined::join(cluster, &telemetry).await?) };
    let inventory = joined.as_ref().map(|joined| Arc::clone(&joined.cluster) as Arc<dyn Inventory>);
    let mut sources = Sources::new(inventory.clone());
    // The content first: a change between the two reads is then seen as a change.
    let seen = config.as_ref().and_then(|path| content(path));
    let configuration = match &config {
        None => Configuration::default(),
        Some(path) => match sources.read(path, &catalog) {
            Ok((configuration, report)) => {
                report.diagnostics.iter().for_each(|diagnostic| warn!("{}", one_line(diagnostic)));
                configuration
            }
            Err(report) => {
                eprint!("{}", report.render(super::colour()));
                bail!("{} cannot be used", path.display());
            }
        },
    };
    let definitions = sources.definitions(&flags, configuration);
    let source_names = sources.names();
    let engine = Engine::new(Arc::clone(&catalog), definitions, Pace::default(), Arc::clone(&telemetry));
    let engine = Arc::new(match inventory {
        Some(inventory) => engine.within(inventory),
        None => engine,
    });

    let own_names = joined.as_ref().map(Joined::names);
    let own_names = own_names.as_ref().map_or(&[][..], |names| names);
    let (tls, is_managed) = match (tls_cert_file, tls_private_key_file) {
        (Some(certificate), Some(key)) => (Tls::from_files(certificate, key)?, false),
        // In a cluster it serves until the shared one is there.
        _ => (Tls::self_signed(own_names, Clock::wall())?, true),
    };
    let tls = Arc::new(tls);
    let any = if standalone { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED };
    let secure = bind(SocketAddr::new(bind_address.unwrap_or(any.into()), secure_port)).await?;
    let observability = bind(observability_address).await?;
    let listeners = Listeners { secure, observability };
    let adapter = Adapter::start(&engine, &telemetry, &tls, listeners, joined.as_ref())?;
    if let Some(joined) = &mut joined {
        if is_managed {
            joined.keep_certificate(&tls, &telemetry);
        }
        joined.warm(&engine);
        joined.keep_budgets(&engine);
        joined.when_ready(&tls, adapter.gates());
    }
    if let Some(path) = config {
        let (engine, telemetry) = (Arc::clone(&engine), Arc::clone(&telemetry));
        let reloader = Reloader { path, flags, sources, catalog, engine, telemetry, seen };
        tokio::spawn(reloader.watch());
    }
    if source_names.is_empty() {
        warn!(
            "no source is configured: every metric will be refused; give --prometheus-url, --scrape or --config"
        );
    }
    info!(
        api = %format_args!("https://{}", adapter.address),
        observability = %format_args!("http://{}", adapter.observability),
        sources = source_names.join(","),
        certificate_sha256 = tls.fingerprint(),
        "{}",
        if standalone { "serving local callers without authentication (--standalone)" } else { "serving" }
    );

    let signal = wait_for_signal().await?;
    info!(signal, "ending: not ready any more, still answering");
    adapter.drain();
    // An impatient second signal ends the wait.
    let _ =
        tokio::time::timeout(if signal == "SIGTERM" { LINGER } else { Duration::ZERO }, wait_for_signal())
            .await;
    let drained = adapter.end().await?;
    if let Some(joined) = joined {
        joined.leave().await;
    }
    info!(open = drained.open, cut = drained.cut, "ended");
    Ok(ExitCode::SUCCESS)
}

/// The first of the signals that end the process.
async fn wait_for_signal() -> Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}
