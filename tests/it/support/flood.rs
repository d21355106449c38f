//! Servers that answer every request with more than anybody should read.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A body: its beginning, and what is said again and again after it.
#[derive(Clone)]
pub(crate) struct Body {
    pub(crate) headers: &'static str,
    pub(crate) head: Vec<u8>,
    pub(crate) again: Vec<u8>,
    /// How often; for ever if there is none.
    pub(crate) times: Option<usize>,
    pub(crate) tail: Vec<u8>,
    pub(crate) chunked: bool,
}

impl Body {
    /// This text and no more.
    pub(crate) fn whole(headers: &'static str, text: impl Into<Vec<u8>>) -> Self {
        Self::of(headers, text, "", Some(0), "")
    }

    pub(crate) fn of(
        headers: &'static str,
        head: impl Into<Vec<u8>>,
        again: &str,
        times: Option<usize>,
        tail: &str,
    ) -> Self {
        // Said in pieces of some size, or most of the time goes into saying it.
        let batch = if times.is_none() { (64 << 10) / again.len().max(1) } else { 1 };
        Self {
            headers,
            head: head.into(),
            again: again.repeat(batch.max(1)).into(),
            times,
            tail: tail.into(),
            chunked: headers.contains("chunked"),
        }
    }

    /// Spaces without end, compressed to a thousandth.
    pub(crate) fn bomb() -> Self {
        // All the Huffman codes, after which each zero bit says the longest repetition.
        let head = BASE64.decode("H4sIAAAAAAACA+3BMQEAAADCoCrrn9IM/kAB").expect("base64");
        let again = "\0".repeat(16 << 10);
        Self { head, ..Self::of("Content-Encoding: gzip\r\n", "", &again, None, "") }
    }
}

/// How much it could say.
pub(crate) struct Flood {
    address: SocketAddr,
    said: Arc<AtomicU64>,
}

impl Flood {
    /// Answers with these in turn, one a request.
    pub(crate) async fn of(bodies: Vec<Body>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let said = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&said);
        tokio::spawn(async move {
            let mut turns = bodies.into_iter().cycle();
            while let Ok((stream, _)) = listener.accept().await {
                let body = turns.next().expect("at least one");
                let count = Arc::clone(&count);
                tokio::spawn(async move {
                    let _ = say(stream, &body, &count).await;
                });
            }
        });
        Self { address, said }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Bytes that went out.
    pub(crate) fn said(&self) -> u64 {
        self.said.load(Ordering::Relaxed)
    }
}

async fn say(mut stream: TcpStream, body: &Body, said: &AtomicU64) -> std::io::Result<()> {
    let mut request = [0; 8192];
    if stream.read(&mut request).await? == 0 {
        return Ok(());
    }
    let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{}\r\n", body.headers);
    stream.write_all(head.as_bytes()).await?;
    let times = body.times.unwrap_or(usize::MAX);
    let pieces =
        std::iter::once(&body.head).chain(std::iter::repeat_n(&body.again, times)).chain([&body.tail]);
    for piece in pieces.filter(|piece| !piece.is_empty()) {
        if body.chunked {
            stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await?;
        }
        stream.write_all(piece).await?;
        if body.chunked {
            stream.write_all(b"\r\n").await?;
        }
        said.fetch_add(piece.len() as u64, Ordering::Relaxed);
    }
    if body.chunked {
        stream.write_all(b"0\r\n\r\n").await?;
    }
    Ok(())
}
