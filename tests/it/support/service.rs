//! A Service before replicas: each new connection goes to one that is ready. Its network can fail, too.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Method;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{Client, Server, seconds, until};

/// Between two looks at whether a replica is ready. Kubelets take seconds, and our replicas give them five.
const EVERY: Duration = Duration::from_millis(200);

pub(crate) struct Service {
    address: SocketAddr,
    replicas: Arc<Mutex<Vec<Replica>>>,
    // Ended with it.
    _tasks: JoinSet<()>,
}

struct Replica {
    port: u16,
    ready: bool,
    /// Whether the network to it swallows everything: what is open stays open, and no byte gets through.
    silent: watch::Sender<bool>,
    /// Connections that were led to it.
    connections: usize,
}

impl Service {
    /// Without a replica yet.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let replicas = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&replicas)));
        tasks.spawn(probe(Arc::clone(&replicas)));
        Self { address, replicas, _tasks: tasks }
    }

    /// Before these, once they are ready.
    pub(crate) async fn of(servers: &[&Server]) -> Self {
        let service = Self::start().await;
        for server in servers {
            service.join(server);
        }
        service.until_ready(servers.len()).await;
        service
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Leads to this one too, as soon as it is ready.
    pub(crate) fn join(&self, server: &Server) {
        let replica =
            Replica { port: port(server), ready: false, silent: watch::Sender::new(false), connections: 0 };
        self.replicas.lock().expect("no panic").push(replica);
    }

    /// Leads to this one no more. Its open connections stay.
    pub(crate) fn leave(&self, server: &Server) {
        self.replicas.lock().expect("no panic").retain(|replica| replica.port != port(server));
    }

    /// Waits until so many replicas are ready.
    pub(crate) async fn until_ready(&self, count: usize) {
        until(&format!("{count} replicas are ready"), seconds(60), async || {
            let ready =
                self.replicas.lock().expect("no panic").iter().filter(|replica| replica.ready).count();
            if ready == count { Ok(()) } else { Err(format!("{ready} are")) }
        })
        .await;
    }

    /// The network to this replica swallows everything from now on, or does not any more.
    pub(crate) fn silence(&self, server: &Server, silent: bool) {
        self.with(server, |replica| replica.silent.send_replace(silent));
    }

    /// How many connections were led to this replica.
    pub(crate) fn connections(&self, server: &Server) -> usize {
        self.with(server, |replica| replica.connections)
    }

    fn with<T>(&self, server: &Server, what: impl FnOnce(&mut Replica) -> T) -> T {
        let mut replicas = self.replicas.lock().expect("no panic");
        what(replicas.iter_mut().find(|replica| replica.port == port(server)).expect("it has joined"))
    }
}

/// The port that a replica answers on.
pub(crate) fn port(server: &Server) -> u16 {
    let port = server.client.base().rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    port.expect("the address has a port")
}

async fn probe(replicas: Arc<Mutex<Vec<Replica>>>) {
    loop {
        let all: Vec<(u16, bool)> = {
            let replicas = replicas.lock().expect("no panic");
            replicas.iter().map(|replica| (replica.port, *replica.silent.borrow())).collect()
        };
        for (port, silent) in all {
            let client = Client::unpooled(format!("https://127.0.0.1:{port}"));
            let answer = timeout(seconds(1), client.try_send(Method::GET, "/readyz", &[])).await;
            let ready = !silent && matches!(answer, Ok(Ok(reply)) if reply.status == 200);
            let mut replicas = replicas.lock().expect("no panic");
            replicas.iter_mut().filter(|replica| replica.port == port).for_each(|one| one.ready = ready);
        }
        sleep(EVERY).await;
    }
}

async fn accept(listener: TcpListener, replicas: Arc<Mutex<Vec<Replica>>>) {
    let mut open = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let mut replicas = replicas.lock().expect("no panic");
        // The one that has had the fewest. Where none is ready the connection is refused.
        let ready = replicas.iter_mut().filter(|replica| replica.ready);
        let Some(replica) = ready.min_by_key(|replica| replica.connections) else { continue };
        replica.connections += 1;
        open.spawn(lead(stream, replica.port, replica.silent.subscribe()));
        while open.try_join_next().is_some() {}
    }
}

async fn lead(mut near: TcpStream, port: u16, silent: watch::Receiver<bool>) {
    let Ok(mut far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let ((near_in, near_out), (far_in, far_out)) = (near.split(), far.split());
    // Either end closes both.
    tokio::select! {
        () = pass(near_in, far_out, silent.clone()) => {}
        () = pass(far_in, near_out, silent) => {}
    }
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut silence: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        // A change that cannot be waited for will not come.
        if silence.wait_for(|silent| !silent).await.is_err() {
            return;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
