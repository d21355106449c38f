//! The way to the API server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

/// A server that takes longer to accept a connection is taken for gone.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// No answer of ours is silent for longer: watches are ended by the server sooner. Without it, a request to
/// a server that is stopped and still connected would wait forever.
const READ_TIMEOUT: Duration = Duration::from_secs(40);

/// Where a pod finds the namespace of its service account.
const OWN_NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// Why there is no way to the API server.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig cannot be read or used.
    #[error("cannot use the kubeconfig {}: {source}", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: kube::config::KubeconfigError,
    },
    /// There is no service account, so this is no pod of a cluster.
    #[error(
        "not in a cluster: give --kubeconfig FILE to serve one from outside, or --standalone to serve without"
    )]
    NotInCluster(#[source] kube::config::InClusterError),
    /// The client cannot be built from what the configuration says.
    #[error("cannot make a client of the cluster's API server: {0}")]
    Client(#[source] kube::Error),
}

/// A client of the API server that `kubeconfig` names in its current context, else of the one in whose
/// cluster we are a pod. Nothing is asked of the server yet.
///
/// Each answer is awaited for at most 40 s of silence; who needs one sooner sets a deadline. A failed request
/// is not repeated: every caller has its own way to go on.
///
/// # Errors
/// [`ConnectError`], which says what to do.
pub async fn connect(kubeconfig: Option<&Path>) -> Result<Client, ConnectError> {
    let mut config = match kubeconfig {
        Some(path) => {
            let wrong = |source| ConnectError::Kubeconfig { path: path.to_owned(), source };
            let file = Kubeconfig::read_from(path).map_err(wrong)?;
            Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.map_err(wrong)?
        }
        None => Config::incluster().map_err(ConnectError::NotInCluster)?,
    };
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(READ_TIMEOUT);
    // Or the time for which a connection lay idle would count.
    config.reset_reader_on_write = true;
    config.default_retry = false;
    let agent = http::HeaderValue::from_static(concat!("inferometer/", env!("CARGO_PKG_VERSION")));
    config.headers.push((http::header::USER_AGENT, agent));
    Ok(ClientBuilder::try_from(config).map_err(ConnectError::Client)?.build())
}

/// The namespace of the service account that we run as; `None` outside of a cluster.
pub fn own_namespace() -> Option<String> {
    namespace_in(Path::new(OWN_NAMESPACE))
}

fn namespace_in(file: &Path) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    Some(text.trim().to_owned()).filter(|namespace| !namespace.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_error_says_what_to_do() {
        let missing = Path::new("/nowhere/kubeconfig");
        let error = connect(Some(missing)).await.err().expect("the file is missing").to_string();
        assert!(error.starts_with("cannot use the kubeconfig /nowhere/kubeconfig: "), "{error}");
        let error = connect(None).await.err().expect("no cluster runs this test").to_string();
        assert!(error.contains("--kubeconfig") && error.contains("--standalone"), "{error}");
    }

    #[tokio::test]
    async fn a_kubeconfig_leads_to_its_server() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        std::fs::write(&file, KUBECONFIG).unwrap();
        crate::server::tls::install_crypto_provider();
        let client = connect(Some(&file)).await.expect("the file is right");
        assert_eq!(client.default_namespace(), "ai");
    }

    #[test]
    fn the_own_namespace_is_a_files_only_word() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("namespace");
        assert_eq!(namespace_in(&file), None);
        std::fs::write(&file, "monitoring\n").unwrap();
        assert_eq!(namespace_in(&file).as_deref(), Some("monitoring"));
        std::fs::write(&file, "\n").unwrap();
        assert_eq!(namespace_in(&file), None);
    }

    const KUBECONFIG: &str = r"
apiVersion: v1
kind: Config
current-context: only
contexts:
- name: only
  context: { cluster: only, user: only, namespace: ai }
clusters:
- name: only
  cluster: { server: 'http://127.0.0.1:1' }
users:
- name: only
  user: {}
";
}
