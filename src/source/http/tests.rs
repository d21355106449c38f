//! A source whose name comes, goes and moves.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::Mutex;

use axum::Router;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;

/// A name server that knows one name, or does not.
#[derive(Default)]
struct Names {
    address: Mutex<Option<IpAddr>>,
    asked: Mutex<VecDeque<String>>,
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        self.asked.lock().expect("lock").push_back(name.as_str().to_owned());
        let known = *self.address.lock().expect("lock");
        Box::pin(async move {
            let address = known.ok_or_else(|| io::Error::other("no such name"))?;
            // With the port 0, the URL's is used.
            Ok(Box::new(std::iter::once(SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

/// A client as sources have it, but for who resolves names.
fn client(names: &Arc<Names>) -> (Http, Client) {
    let http = Http::new(Auth::default(), Duration::from_secs(5), Reach::Plain);
    let client = http.builder().expect("settings").dns_resolver(Arc::clone(names)).build().expect("a client");
    (http, client)
}

/// Says its own name at this address until it is stopped; its connections end with it.
async fn server(ip: &str, port: u16, says: &'static str) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind((ip, port)).await.expect("a port");
    let port = listener.local_addr().expect("its address").port();
    let serve = async move {
        let mut conversations = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let app = Router::new().fallback(move || async move { says });
            let service = hyper_util::service::TowerToHyperService::new(app);
            let stream = hyper_util::rt::TokioIo::new(stream);
            conversations.spawn(async move {
                let _ = hyper::server::conn::http1::Builder::new().serve_connection(stream, service).await;
            });
        }
    };
    (port, tokio::spawn(serve))
}

async fn said(http: &Http, client: &Client, port: u16) -> Result<String, String> {
    let request = client.get(format!("http://prometheus.example:{port}/"));
    let mut response = http.send(request, "prometheus.example").await.map_err(|error| error.to_string())?;
    let body = response.chunk().await.map_err(|error| error.to_string())?;
    Ok(String::from_utf8(body.unwrap_or_default().to_vec()).expect("text"))
}

#[tokio::test]
async fn a_name_is_looked_up_for_each_connection() {
    let names = Arc::new(Names::default());
    let (http, client) = client(&names);
    let point_to = |ip: Option<&str>| {
        *names.address.lock().expect("lock") = ip.map(|ip| ip.parse().expect("an address"));
    };
    let looked_up = || names.asked.lock().expect("lock").len();
    let (port, old) = server("127.0.0.1", 0, "old").await;

    // Not there yet: that nobody knew the name is not remembered.
    for _ in 0..2 {
        let unknown = said(&http, &client, port).await.expect_err("no such name");
        assert_eq!(unknown, "prometheus.example: no such name");
    }
    point_to(Some("127.0.0.1"));
    assert_eq!(said(&http, &client, port).await.as_deref(), Ok("old"));
    assert_eq!(looked_up(), 3);
    // A connection that is there needs no name.
    point_to(None);
    assert_eq!(said(&http, &client, port).await.as_deref(), Ok("old"));
    assert_eq!(looked_up(), 3);

    // It moves to another address: the very next question finds it.
    let (_, new) = server("127.0.0.2", port, "new").await;
    old.abort();
    let _ = old.await;
    let gone = said(&http, &client, port).await.expect_err("nobody is there");
    assert!(gone.starts_with("prometheus.example: "), "{gone}");
    point_to(Some("127.0.0.2"));
    assert_eq!(said(&http, &client, port).await.as_deref(), Ok("new"));
    new.abort();
}
