//! Connections over TLS, with certificates that can be replaced.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::pki::{Authority, Issued};

/// A listener that greets each connection with the certificate that it has by then.
pub(crate) struct Secure {
    listener: TcpListener,
    shared: Arc<Shared>,
}

/// What may be replaced while it listens, and what was seen.
#[derive(Clone)]
pub(crate) struct Identity(Arc<Shared>);

struct Shared {
    acceptor: Mutex<TlsAcceptor>,
    visitors: Mutex<Vec<Vec<u8>>>,
}

impl Secure {
    /// With this certificate; of `clients`, if there are any, a visitor must have a certificate.
    pub(crate) async fn listen(own: &Issued, clients: &[&Authority]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let shared = Shared { acceptor: Mutex::new(acceptor(own, clients)), visitors: Mutex::default() };
        Self { listener, shared: Arc::new(shared) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("its address")
    }

    pub(crate) fn identity(&self) -> Identity {
        Identity(Arc::clone(&self.shared))
    }
}

impl Identity {
    /// Greets new connections with this certificate, and asks visitors for one of these authorities.
    pub(crate) fn replace(&self, own: &Issued, clients: &[&Authority]) {
        *self.0.acceptor.lock().expect("no panic") = acceptor(own, clients);
    }

    /// Whether the last visitor came with this certificate.
    pub(crate) fn last_was(&self, visitor: &Issued) -> bool {
        let visitors = self.0.visitors.lock().expect("no panic");
        visitors.last().is_some_and(|last| *last == first(visitor).as_ref())
    }
}

impl axum::serve::Listener for Secure {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok((stream, address)) = self.listener.accept().await else { continue };
            let acceptor = self.shared.acceptor.lock().expect("no panic").clone();
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            if let Some([first, ..]) = stream.get_ref().1.peer_certificates() {
                self.shared.visitors.lock().expect("no panic").push(first.to_vec());
            }
            return (stream, address);
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

fn first(issued: &Issued) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(issued.chain.as_bytes()).expect("a certificate")
}

fn acceptor(own: &Issued, clients: &[&Authority]) -> TlsAcceptor {
    inferometer::server::tls::install_crypto_provider();
    let builder = rustls::ServerConfig::builder();
    let mut roots = rustls::RootCertStore::empty();
    for authority in clients {
        let der = CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("a certificate");
        roots.add(der).expect("a root");
    }
    let builder = if clients.is_empty() {
        builder.with_no_client_auth()
    } else {
        builder.with_client_cert_verifier(
            WebPkiClientVerifier::builder(Arc::new(roots)).build().expect("a verifier"),
        )
    };
    let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).expect("a key");
    let config = builder.with_single_cert(vec![first(own)], key).expect("a usable certificate");
    TlsAcceptor::from(Arc::new(config))
}
