//! Other adapters beside ours, of which only their address is known.

use std::net::ToSocketAddrs as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use http::{HeaderMap, HeaderValue, Uri};

use super::drive::Target;
use super::stage::{as_hpa_controller, read};
use super::tls;
use super::world::{Question, Wanted};

/// Which others to measure too.
#[derive(Debug, clap::Args)]
pub(crate) struct Others {
    /// Another adapter, by a name and where it serves, as keda=https://127.0.0.1:6443. May be given several times; what
    /// follows holds for all of them.
    #[arg(long, value_name = "NAME=URL", value_parser = named)]
    compare: Vec<(String, Uri)>,
    /// What to ask it, with its query.
    #[arg(long, value_name = "PATH", requires = "compare")]
    compare_path: Option<String>,
    /// The bearer token to ask with.
    #[arg(long, value_name = "FILE", requires = "compare")]
    compare_token_file: Option<PathBuf>,
    /// The client certificate to ask with, PEM. The HPA controller's name is then sent as a front proxy sends it.
    #[arg(long, value_name = "FILE", requires = "compare_key_file")]
    compare_cert_file: Option<PathBuf>,
    /// Its key, PEM.
    #[arg(long, value_name = "FILE", requires = "compare_cert_file")]
    compare_key_file: Option<PathBuf>,
    /// The process that serves, if it is on this machine: then its processor time is known.
    #[arg(long, value_name = "PID", requires = "compare")]
    compare_pid: Option<u32>,
}

fn named(text: &str) -> Result<(String, Uri), String> {
    let (name, url) = text.split_once('=').ok_or("NAME=URL is needed")?;
    let url: Uri = url.parse().map_err(|error| format!("{error}"))?;
    match url.scheme_str() {
        Some("https") if url.host().is_some() => Ok((name.to_owned(), url)),
        _ => Err("an https URL is needed".to_owned()),
    }
}

/// Another adapter.
pub(crate) struct Other {
    pub(crate) name: String,
    pub(crate) target: Target,
    pub(crate) process: Option<u32>,
    pub(crate) questions: Vec<Question>,
}

impl Others {
    /// The others, ready to be asked.
    pub(crate) fn others(&self) -> Result<Vec<Other>> {
        let path = self.compare_path.clone();
        ensure!(path.is_some() || self.compare.is_empty(), "--compare needs --compare-path");
        self.compare
            .iter()
            .map(|(name, url)| self.other(name, url, path.clone().unwrap_or_default()))
            .collect()
    }

    fn other(&self, name: &str, url: &Uri, path: String) -> Result<Other> {
        let host = url.authority().context("no host")?.to_string();
        let with_port = if url.port().is_some() { host.clone() } else { format!("{host}:443") };
        let address =
            with_port.to_socket_addrs()?.next().with_context(|| format!("{host} has no address"))?;
        let mut headers = HeaderMap::new();
        headers.insert(http::header::ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(file) = &self.compare_token_file {
            let token = String::from_utf8(read(file)?)?;
            headers.insert(http::header::AUTHORIZATION, format!("Bearer {}", token.trim()).try_into()?);
        }
        let identity = match (&self.compare_cert_file, &self.compare_key_file) {
            (Some(chain), Some(key)) => {
                headers.extend(as_hpa_controller()?);
                Some((read(chain)?, read(key)?))
            }
            _ => None,
        };
        let tls = tls::config(identity.as_ref().map(|(chain, key)| (&**chain, &**key)))?;
        let questions = vec![Question { path, wanted: Wanted::Any }];
        let target = Target { address, host: with_port, headers, tls };
        Ok(Other { name: name.to_owned(), target, process: self.compare_pid, questions })
    }
}
