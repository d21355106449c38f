//! Certificates: what is served, what replaces it, and what is refused.
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use sha2::{Digest as _, Sha256};

use super::super::tls::{Reload, TlsError, watch};
use super::*;

/// A directory with a pair that can be rewritten.
struct Pair {
    directory: tempfile::TempDir,
}

impl Pair {
    fn new() -> Self {
        let pair = Self { directory: tempfile::tempdir().unwrap() };
        pair.rotate();
        pair
    }

    fn cert(&self) -> PathBuf {
        self.directory.path().join("tls.crt")
    }

    fn key(&self) -> PathBuf {
        self.directory.path().join("tls.key")
    }

    /// Writes a new pair and returns its certificate.
    fn rotate(&self) -> String {
        let (cert, key) = generate();
        write(&self.key(), &key);
        write(&self.cert(), &cert);
        cert
    }

    fn load(&self) -> Result<Tls, TlsError> {
        Tls::from_files(self.cert(), self.key())
    }
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

/// A certificate and its key in PEM.
fn generate() -> (String, String) {
    let generated =
        rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    (generated.cert.pem(), generated.signing_key.serialize_pem())
}

/// The fingerprint of the certificate that a new connection gets.
async fn presented(server: &Server) -> String {
    let response = client(Version::H2).get(server.url("/")).send().await.unwrap();
    let info = response.extensions().get::<reqwest::tls::TlsInfo>().unwrap();
    let digest = Sha256::digest(info.peer_certificate().unwrap());
    digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

#[tokio::test]
async fn a_self_signed_certificate_is_served() {
    let server = Server::encrypted(Limits::default()).await;
    let tls = server.tls.clone().unwrap();
    assert_eq!(presented(&server).await, tls.fingerprint());
    assert_eq!(tls.reload_if_changed(now()).unwrap(), Reload::Unchanged);
}

#[tokio::test]
async fn a_client_that_trusts_the_file_is_served() {
    let pair = Pair::new();
    let cert = pair.rotate();
    let server = Server::start(Some(pair.load().unwrap()), Limits::default()).await;
    let trusted = reqwest::Certificate::from_pem(cert.as_bytes()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([trusted]).no_proxy().build().unwrap();
    assert_eq!(body(client.get(server.url("/")).send().await.unwrap()).await, "hello");
}

#[tokio::test]
async fn rotation_under_traffic_loses_no_request_and_refuses_bad_pairs() {
    let pair = Pair::new();
    let server = Server::start(Some(pair.load().unwrap()), Limits::default()).await;
    let tls = server.tls.clone().unwrap();
    let url = server.url("/");
    let traffic = tokio::spawn(async move {
        let open = client(Version::H2);
        for _ in 0..60 {
            assert_eq!(body(open.get(&url).send().await.unwrap()).await, "hello");
            assert_eq!(body(client(Version::H1).get(&url).send().await.unwrap()).await, "hello");
        }
    });
    for _ in 0..10 {
        let before = presented(&server).await;
        // Half-way through a rotation: the new key with the old certificate.
        write(&pair.key(), &generate().1);
        assert!(matches!(tls.reload_if_changed(now()), Err(TlsError::Mismatch { .. })));
        assert_eq!(presented(&server).await, before);
        pair.rotate();
        assert_eq!(tls.reload_if_changed(now()).unwrap(), Reload::Replaced);
        assert_eq!(tls.reload_if_changed(now()).unwrap(), Reload::Unchanged);
        assert_eq!(presented(&server).await, tls.fingerprint());
        assert_ne!(tls.fingerprint(), before);
    }
    traffic.await.unwrap();
}

#[test]
fn an_expired_certificate_succeeds_none_that_is_good() {
    let pair = Pair::new();
    let tls = pair.load().unwrap();
    let before = tls.fingerprint();
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_after = (now() - Duration::from_hours(1)).into();
    let key = rcgen::KeyPair::generate().unwrap();
    let expired = params.self_signed(&key).unwrap();
    write(&pair.key(), &key.serialize_pem());
    write(&pair.cert(), &expired.pem());
    assert!(matches!(tls.reload_if_changed(now()), Err(TlsError::Expired { path }) if path == pair.cert()));
    assert_eq!(tls.fingerprint(), before);
    // At the start there is no better one, and to another that has expired it is an equal.
    let late = pair.load().unwrap();
    assert_eq!(late.reload_if_changed(now()).unwrap(), Reload::Unchanged);
    pair.rotate();
    assert_eq!(late.reload_if_changed(now()).unwrap(), Reload::Replaced);
}

#[test]
fn errors_say_which_file_is_wrong_and_how() {
    let pair = Pair::new();
    let tls = pair.load().unwrap();
    let (cert, key) = generate();
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let cases = [
        (cert.as_str(), "", "tls.key holds no private key"),
        ("", key.as_str(), "tls.crt holds no certificate"),
        (&key, &key, "tls.crt holds no certificate"),
        (&cert, &cert, "tls.key holds no private key"),
        (&cert[..cert.len() / 2], &key, "tls.crt is not valid PEM"),
        (&cert, &key[..key.len() / 2], "tls.key is not valid PEM"),
        (&cert, &generate().1, "tls.key does not belong to the certificate in"),
        (garbage, &key, "failed to use the certificate in"),
    ];
    for (cert, key, expected) in cases {
        write(&pair.cert(), cert);
        write(&pair.key(), key);
        for error in [tls.reload_if_changed(now()).unwrap_err(), pair.load().unwrap_err()] {
            assert!(error.to_string().contains(expected), "{expected:?} is not in {error}");
        }
    }
    std::fs::remove_file(pair.cert()).unwrap();
    assert!(
        matches!(tls.reload_if_changed(now()), Err(TlsError::Unreadable { path, .. }) if path == pair.cert())
    );
}

#[tokio::test]
async fn the_watch_replaces_refuses_and_stops() {
    let pair = Pair::new();
    let tls = Arc::new(pair.load().unwrap());
    let before = tls.fingerprint();
    let (stop, stopped) = oneshot::channel::<()>();
    let counts = Arc::new([const { AtomicUsize::new(0) }; 2]);
    let observed = counts.clone();
    let watching = tokio::spawn({
        let tls = tls.clone();
        async move {
            let observe = |outcome: &Result<Reload, TlsError>| match outcome {
                Ok(Reload::Replaced) => _ = observed[0].fetch_add(1, Ordering::SeqCst),
                Err(_) => _ = observed[1].fetch_add(1, Ordering::SeqCst),
                Ok(Reload::Unchanged) => {}
            };
            watch(tls, Duration::from_millis(5), now, async { _ = stopped.await }, observe).await;
        }
    });
    let reached = |index: usize, count: usize| {
        let counts = counts.clone();
        timeout(PATIENCE, async move {
            while counts[index].load(Ordering::SeqCst) < count {
                sleep(Duration::from_millis(5)).await;
            }
        })
    };
    write(&pair.cert(), "half a certi");
    reached(1, 3).await.unwrap();
    assert_eq!(tls.fingerprint(), before);
    pair.rotate();
    reached(0, 1).await.unwrap();
    assert_ne!(tls.fingerprint(), before);
    stop.send(()).unwrap();
    timeout(PATIENCE, watching).await.unwrap().unwrap();
}
