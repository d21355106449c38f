//! Connecting: credentials, TLS, Sentinel, Cluster.

use std::pin::Pin;

use futures_util::future::select_ok;
use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClientBuilder;
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _,
    RedisConnectionInfo, TlsCertificates,
};

use super::failure::Failure;
use super::link::{Link, Wire};
use super::{Address, Mode, Settings, decode};
use crate::source::credentials::read;
use crate::source::{Auth, SourceError, Text};

/// A user's name and password.
type Login = Option<(String, String)>;

/// What the files of the credentials hold now.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secrets {
    login: Login,
    sentinel: Login,
    /// Stands for the certificates and the key.
    tls: Vec<u8>,
}

impl Secrets {
    /// Reads them. They are small, so each time: what was rotated takes effect at once.
    ///
    /// # Errors
    /// `Credentials` naming the file that cannot be read.
    pub(super) fn read(settings: &Settings) -> Result<Self, SourceError> {
        let read = |login: &Option<(Text, Text)>| {
            let login = login.as_ref();
            login.map(|(user, password)| Ok((user.read()?, password.read()?))).transpose()
        };
        let sentinel = match &settings.mode {
            Mode::Sentinel { login, .. } => read(login)?,
            _ => None,
        };
        Ok(Self { login: read(&settings.auth.basic)?, sentinel, tls: settings.auth.tls_fingerprint()? })
    }
}

/// Connects to where the settings say; `primary` is what Sentinel named.
///
/// # Errors
/// `Unreachable`, `Credentials`, or what else a server says.
pub(super) async fn connect(
    settings: &Settings,
    secrets: &Secrets,
    primary: Option<&Address>,
) -> Result<Link, SourceError> {
    match (&settings.mode, primary) {
        (Mode::Cluster(addresses), _) => cluster(settings, secrets, addresses).await,
        (Mode::Single(address), _) => {
            let connection = one(settings, address, &secrets.login, settings.database).await?;
            Ok(Link { wire: Wire::One(connection), place: address.to_string() })
        }
        (Mode::Sentinel { .. }, Some(address)) => {
            let mut connection = one(settings, address, &secrets.login, settings.database).await?;
            is_primary(&mut connection, address).await?;
            Ok(Link { wire: Wire::One(connection), place: format!("primary {address}") })
        }
        (Mode::Sentinel { .. }, None) => Err(SourceError::Unreachable("no primary is known".to_owned())),
    }
}

/// Refuses a primary of yesterday, of which a Sentinel has yet to hear.
async fn is_primary(connection: &mut MultiplexedConnection, address: &Address) -> Result<(), SourceError> {
    // Everybody may say it; a server that does not know it (before Redis 6) is believed.
    match redis::cmd("HELLO").query_async::<redis::Value>(connection).await {
        Ok(reply) if decode::role(&reply).is_some_and(|role| role != "master") => {
            Err(SourceError::Unreachable(format!("{address} is no primary any more, and Sentinel names it")))
        }
        Err(error) if error.is_io_error() => Err(Failure::of(&error, &address.to_string(), "HELLO").error),
        _ => Ok(()),
    }
}

async fn one(
    settings: &Settings,
    address: &Address,
    login: &Login,
    database: u16,
) -> Result<MultiplexedConnection, SourceError> {
    let place = address.to_string();
    let failed = |error| Failure::of(&error, &place, "connect").error;
    let info = info(settings, address, login, database)?;
    let client = if settings.tls {
        Client::build_with_tls(info, certificates(&settings.auth)?).map_err(unusable_tls)?
    } else {
        Client::open(info).map_err(failed)?
    };
    // Readings have a limit of their own.
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(settings.timeout))
        .set_response_timeout(None);
    client.get_multiplexed_async_connection_with_config(&config).await.map_err(failed)
}

async fn cluster(settings: &Settings, secrets: &Secrets, addresses: &[Address]) -> Result<Link, SourceError> {
    let place = "the cluster".to_owned();
    let failed = |error| Failure::of(&error, &place, "connect").error;
    let nodes: Result<Vec<_>, _> =
        addresses.iter().map(|address| info(settings, address, &secrets.login, 0)).collect();
    let mut builder = ClusterClientBuilder::new(nodes?)
        .connection_timeout(settings.timeout)
        .response_timeout(settings.timeout)
        .retries(3)
        .min_retry_wait(20)
        .max_retry_wait(200);
    if settings.tls {
        builder = builder.certs(certificates(&settings.auth)?);
    }
    let client =
        builder.build().map_err(|error| if settings.tls { unusable_tls(error) } else { failed(error) })?;
    let connection = client.get_async_connection().await.map_err(failed)?;
    Ok(Link { wire: Wire::Cluster(connection), place })
}

/// The primary called `master`, by the first Sentinel that knows.
///
/// # Errors
/// What the last Sentinel said, if none knows.
pub(super) async fn ask_sentinels(
    settings: &Settings,
    secrets: &Secrets,
    master: &str,
    addresses: &[Address],
) -> Result<(MultiplexedConnection, Address), SourceError> {
    type Asked<'a> =
        Pin<Box<dyn Future<Output = Result<(MultiplexedConnection, Address), SourceError>> + Send + 'a>>;
    let ask = |address| -> Asked<'_> {
        Box::pin(async move {
            let sentinel = one(settings, address, &secrets.sentinel, 0).await?;
            let unknown =
                || SourceError::Refused(format!("Sentinel {address} watches no primary called {master}"));
            match primary_by(sentinel.clone(), master).await {
                Ok(primary) => Ok((sentinel, primary.ok_or_else(unknown)?)),
                Err(failure) => Err(failure.error),
            }
        })
    };
    select_ok(addresses.iter().map(ask)).await.map(|(found, _)| found)
}

/// Asks one Sentinel; `None` if it knows none of this name.
pub(super) async fn primary_by(
    mut sentinel: MultiplexedConnection,
    master: &str,
) -> Result<Option<Address>, Failure> {
    let mut command = redis::cmd("SENTINEL");
    command.arg("GET-MASTER-ADDR-BY-NAME").arg(master);
    let reply = command.query_async::<redis::Value>(&mut sentinel).await;
    let reply = reply.map_err(|error| Failure::of(&error, "Sentinel", "SENTINEL GET-MASTER-ADDR-BY-NAME"))?;
    Ok(decode::address(&reply)?)
}

fn info(
    settings: &Settings,
    Address { host, port }: &Address,
    login: &Login,
    database: u16,
) -> Result<ConnectionInfo, SourceError> {
    let (host, port) = (host.clone(), *port);
    let address = if settings.tls {
        ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
    } else {
        ConnectionAddr::Tcp(host, port)
    };
    let mut redis = RedisConnectionInfo::default()
        .set_db(database.into())
        .set_lib_name("inferometer", env!("CARGO_PKG_VERSION"));
    if let Some((user, password)) = login {
        redis = redis.set_username(user).set_password(password);
    }
    let info = address.into_connection_info();
    let info = info.map_err(|error| Failure::of(&error, "the address", "connect").error)?;
    Ok(info.set_redis_settings(redis))
}

fn certificates(auth: &Auth) -> Result<TlsCertificates, SourceError> {
    // Without a provider TLS would panic; the first one installed stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client_tls = match &auth.client_certificate {
        Some((certificate, key)) => {
            Some(ClientTlsConfig { client_cert: read(certificate)?, client_key: read(key)? })
        }
        None => None,
    };
    let root_cert = auth.ca.as_deref().map(|path| {
        let pem = read(path)?;
        // The driver would trust nobody, and call every server's certificate wrong.
        if memchr::memmem::find(&pem, b"BEGIN CERTIFICATE").is_none() {
            return Err(SourceError::Credentials(format!("{} holds no certificate", path.display())));
        }
        Ok(pem)
    });
    Ok(TlsCertificates { client_tls, root_cert: root_cert.transpose()? })
}

fn unusable_tls(_: redis::RedisError) -> SourceError {
    SourceError::Credentials("the certificates or the key of this source cannot be used".to_owned())
}
