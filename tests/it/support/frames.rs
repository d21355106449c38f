//! HTTP/2 as no client speaks it: single frames over TLS, in whatever order and number.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Server, anyone, seconds, until};

/// Types of frames, by their numbers in RFC 9113.
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

/// Flags.
pub(crate) const NONE: u8 = 0;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// What a server says that ends a connection for its peer's doings: ENHANCE_YOUR_CALM.
pub(crate) const CALM: u32 = 11;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How much is written at once.
const BATCH: usize = 32 * 1024;

pub(crate) struct Frames {
    writer: WriteHalf<TlsStream<TcpStream>>,
    unread: Option<ReadHalf<TlsStream<TcpStream>>>,
    seen: Arc<Mutex<Seen>>,
    reader: Option<JoinHandle<()>>,
}

/// What came back.
#[derive(Debug, Default, Clone)]
pub(crate) struct Seen {
    /// The last GOAWAY's code.
    pub(crate) goaway: Option<u32>,
    /// Whether the connection ended.
    pub(crate) closed: bool,
}

impl Frames {
    /// Connects, with the preface and empty settings. Nothing is read before [`Frames::read`].
    pub(crate) async fn connect(server: &Server) -> Self {
        let stream = tls(server, [127, 0, 0, 1], &["h2"]).await.expect("a TLS connection");
        let (reader, mut writer) = tokio::io::split(stream);
        let hello = [PREFACE, &frame(SETTINGS, NONE, 0, &[])].concat();
        writer.write_all(&hello).await.expect("a preface is taken");
        writer.flush().await.expect("a preface is taken");
        Self { writer, unread: Some(reader), seen: Arc::default(), reader: None }
    }

    /// Reads what comes from now on, and gives back the connection.
    pub(crate) fn read(mut self) -> Self {
        if let Some(reader) = self.unread.take() {
            self.reader = Some(tokio::spawn(note(reader, Arc::clone(&self.seen))));
        }
        self
    }

    /// Sends these frames until all are sent, the server hangs up or it takes nothing for two seconds; tells
    /// how many were sent.
    pub(crate) async fn flood(&mut self, frames: impl IntoIterator<Item = Vec<u8>>) -> usize {
        let mut batch = Vec::with_capacity(2 * BATCH);
        let (mut sent, mut batched) = (0, 0);
        for frame in frames {
            batch.extend_from_slice(&frame);
            batched += 1;
            if batch.len() >= BATCH {
                if !self.write(&batch).await {
                    return sent;
                }
                sent += batched;
                batched = 0;
                batch.clear();
            }
        }
        if self.write(&batch).await { sent + batched } else { sent }
    }

    async fn write(&mut self, bytes: &[u8]) -> bool {
        let written = async {
            self.writer.write_all(bytes).await?;
            self.writer.flush().await
        };
        matches!(timeout(seconds(2), written).await, Ok(Ok(())))
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().expect("no panic").clone()
    }

    /// Waits for the server to end the connection.
    pub(crate) async fn ended(&self, what: &str) -> Seen {
        until(what, seconds(20), async || {
            let seen = self.seen();
            if seen.closed || seen.goaway.is_some() { Ok(seen) } else { Err(format!("{seen:?}")) }
        })
        .await
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        if let Some(reader) = &self.reader {
            reader.abort();
        }
    }
}

async fn note(mut reader: ReadHalf<TlsStream<TcpStream>>, seen: Arc<Mutex<Seen>>) {
    let mut head = [0; 9];
    let mut payload = Vec::new();
    while reader.read_exact(&mut head).await.is_ok() {
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        payload.resize(length, 0);
        if reader.read_exact(&mut payload).await.is_err() {
            break;
        }
        let mut seen = seen.lock().expect("no panic");
        if head[3] == GOAWAY {
            seen.goaway = payload.get(4..8).map(|code| u32::from_be_bytes(code.try_into().expect("four")));
        }
    }
    seen.lock().expect("no panic").closed = true;
}

/// A frame as it travels.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// The stream of a connection's request number `index`.
pub(crate) fn stream(index: u32) -> u32 {
    2 * index + 1
}

/// A request for this path, compressed by what needs no table.
pub(crate) fn request(method: &str, path: &str) -> Vec<u8> {
    let mut block = vec![if method == "GET" { 0x82 } else { 0x83 }, 0x87];
    block.extend(literal(0x04, path));
    block.extend(literal(0x01, "localhost"));
    block
}

/// A header whose name is this entry of the static table, not to be remembered.
fn literal(name: u8, value: &str) -> Vec<u8> {
    [&[name], &text(value)[..]].concat()
}

/// A header to be remembered, or not, by the names' and values' own text.
pub(crate) fn header(name: &str, value: &str, remembered: bool) -> Vec<u8> {
    let kind = if remembered { 0x40 } else { 0x00 };
    [&[kind], &text(name)[..], &text(value)[..]].concat()
}

/// Text without compression, its length before it.
fn text(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    if text.len() < 127 {
        bytes.push(u8::try_from(text.len()).expect("short"));
    } else {
        bytes.push(127);
        let mut rest = text.len() - 127;
        while rest >= 128 {
            bytes.push(u8::try_from(rest % 128).expect("seven bits") | 128);
            rest /= 128;
        }
        bytes.push(u8::try_from(rest).expect("seven bits"));
    }
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// A TLS connection from this address, which must be a loopback one, with these protocols offered.
pub(crate) async fn tls(
    server: &Server,
    from: [u8; 4],
    protocols: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from("localhost").expect("a name");
    let connector = TlsConnector::from(Arc::new(client_config(protocols)));
    connector.connect(name, tcp(server, from).await?).await
}

/// A TCP connection from this address.
pub(crate) async fn tcp(server: &Server, from: [u8; 4]) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((from, 0)))?;
    socket.connect(address(server)).await
}

/// Where the server's API is.
pub(crate) fn address(server: &Server) -> SocketAddr {
    let base = server.client.base();
    let port = base.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Believes any server.
pub(crate) fn client_config(protocols: &[&str]) -> ClientConfig {
    let provider = Arc::new(ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .dangerous()
        .with_custom_certificate_verifier(anyone::verifier())
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

/// What a process holds of its own at the most while this lives, in MiB.
pub(crate) struct Memory {
    process: u32,
    before: f64,
    most: Arc<Mutex<f64>>,
    task: JoinHandle<()>,
}

impl Memory {
    pub(crate) fn watch(process: u32) -> Self {
        let before = resident(process);
        let most = Arc::new(Mutex::new(before));
        let noted = Arc::clone(&most);
        let task = tokio::spawn(async move {
            loop {
                let now = resident(process);
                let _: () = noted.lock().map(|mut most| *most = most.max(now)).expect("no panic");
                sleep(std::time::Duration::from_millis(20)).await;
            }
        });
        Self { process, before, most, task }
    }

    /// By how much it grew at the most, so far.
    pub(crate) fn grown(&self) -> f64 {
        let most = *self.most.lock().expect("no panic");
        most.max(resident(self.process)) - self.before
    }

    /// Fails if it grew by more than this many MiB.
    #[track_caller]
    pub(crate) fn assert_within(&self, mebibytes: f64, what: &str) {
        let grown = self.grown();
        assert!(grown < mebibytes, "{what}: {grown:.1} MiB more than the {:.1} before", self.before);
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Memory that no file backs: of a debug build the program's own pages are larger than what is measured.
fn resident(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") / 1024.0
}
