//! What goes wrong. Three lanes, each with one fault at a time, so that faults of different kinds overlap.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::scene::{RICHER, Scene};
use crate::support::front::Answer;
use crate::support::proxy::Mode;
use crate::support::service::port;
use crate::support::{Fault, seconds};

/// Numbers by a seed: splitmix64.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    /// The numbers of one lane.
    pub(super) fn new(seed: u64, lane: u64) -> Self {
        Self(seed ^ lane.wrapping_mul(0xD1B5_4A32_D192_ED03))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// One of `0..count`.
    pub(super) fn below(&mut self, count: u64) -> u64 {
        self.next() % count
    }

    /// A time between these many milliseconds.
    fn time(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }
}

/// Faults of this lane until `end`, with pauses in which the others are alone.
async fn lane(scene: &Scene, mut random: Random, end: Instant, mut fault: impl AsyncFnMut(u64, Duration)) {
    while Instant::now() < end {
        sleep(random.time(2_000, 8_000)).await;
        let (which, length) = (random.next(), random.time(1_000, 12_000));
        scene.ledger.fault();
        fault(which, length).await;
    }
}

/// What the adapter reads from.
pub(super) async fn sources(scene: &Scene, random: Random, end: Instant) {
    lane(scene, random, end, async |which, length| {
        let through = async |name: &str, mode| {
            scene.tell(format!("the way to Prometheus: {name} for {length:?}"));
            scene.proxy.set(mode);
            sleep(length).await;
            scene.proxy.set(Mode::Pass);
        };
        let answers = async |name: &str, answer| {
            scene.tell(format!("Prometheus answers {name} for {length:?}"));
            scene.front.set(answer);
            sleep(length).await;
            scene.front.set(Answer::PassAll);
        };
        let says = |code, headers, body: &str| Answer::Fixed(code, headers, body.to_owned());
        match which % 11 {
            0 => through("black hole", Mode::BlackHole).await,
            1 => through("refused", Mode::Refuse).await,
            2 => through("slow", Mode::Delay(Duration::from_millis(500))).await,
            3 => through("very slow", Mode::Delay(seconds(6))).await,
            4 => answers("half", Answer::BrokenOff(r#"{"status":"success","data":{"resultType":"vec"#)).await,
            5 => {
                answers("a page for people", says(200, vec![("content-type", "text/html")], "<html>log in"))
                    .await;
            }
            6 => {
                answers(
                    "nothing",
                    says(200, vec![], r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#),
                )
                .await;
            }
            7 => answers("429", says(429, vec![("retry-after", "30")], "slow down")).await,
            8 => {
                scene.tell(format!("Prometheus is killed for {length:?}"));
                // Held meanwhile: no replica begins before it has scraped everything.
                let mut prometheus = scene.prometheus.lock().await;
                prometheus.kill();
                sleep(length).await;
                prometheus.restart_empty().await;
            }
            9 => {
                let pod = (which >> 8) as usize;
                scene.tell(format!("an engine is gone for {length:?}, and begins anew"));
                scene.hide(pod, true);
                sleep(length).await;
                scene.hide(pod, false);
            }
            _ => {
                scene.tell(format!("engines cannot be read directly for {length:?}"));
                scene.engines.set(if which & 256 == 0 { Mode::BlackHole } else { Mode::Refuse });
                sleep(length).await;
                scene.engines.set(Mode::Pass);
            }
        }
    })
    .await;
}

/// The API server and the configuration.
pub(super) async fn cluster(scene: &Scene, random: Random, end: Instant) {
    lane(scene, random, end, async |which, length| {
        let api = &scene.cluster.api;
        let befalls = async |fault: Fault| {
            scene.tell(format!("the API server: {fault:?} for {length:?}"));
            api.fault(fault);
            sleep(length).await;
            api.fault(None);
        };
        match which % 9 {
            0 => befalls(Fault::Refuse).await,
            1 => befalls(Fault::Hang).await,
            2 => befalls(Fault::Fail(500)).await,
            3 => befalls(Fault::Fail(429)).await,
            4 => befalls(Fault::Slow(seconds(2))).await,
            5 => {
                scene.tell("watches expire");
                api.expire_watches();
            }
            6 => {
                scene.tell(format!("another configuration for {length:?}"));
                scene.configure(RICHER);
                sleep(length).await;
                scene.configure("");
            }
            _ => {
                let nobody_starts = scene.configuration_is_good.write().await;
                scene.tell(format!("a bad configuration for {length:?}"));
                scene.spoil_configuration(which >> 8);
                sleep(length).await;
                scene.configure("");
                drop(nobody_starts);
            }
        }
    })
    .await;
}

/// The replicas and the network before them. The first one lives from the beginning to the end.
pub(super) async fn replicas(scene: &Scene, random: Random, end: Instant) {
    lane(scene, random, end, async |which, length| match which % 7 {
        0 | 1 => {
            let index = (which % 7) as usize;
            scene.tell(format!("replica {index} stands still for {length:?}"));
            scene.disturbed.begin();
            scene.replicas[index].lock().await.process.signal("STOP");
            sleep(length).await;
            scene.replicas[index].lock().await.process.signal("CONT");
            scene.disturbed.end();
        }
        2 => {
            scene.tell("replica 1 is killed");
            scene.disturbed.begin();
            scene.replicas[1].lock().await.process.kill();
            scene.replace().await;
            scene.disturbed.end();
        }
        3 => {
            scene.tell("replica 1 is told to end");
            scene.disturbed.begin();
            {
                let mut server = scene.replicas[1].lock().await;
                server.process.signal("TERM");
                assert_eq!(server.process.exit_code(seconds(30)).await, 0);
            }
            scene.replace().await;
            scene.disturbed.end();
        }
        4 | 5 => {
            scene.tell(format!("connections that never say what they want, for {length:?}"));
            let port = port(&*scene.replicas[(which % 2) as usize].lock().await);
            dawdle(port, length).await;
        }
        _ => {
            let index = (which >> 8) as usize % 2;
            scene.tell(format!("the network to replica {index} swallows everything for {length:?}"));
            scene.disturbed.begin();
            scene.service.silence(&*scene.replicas[index].lock().await, true);
            sleep(length).await;
            scene.service.silence(&*scene.replicas[index].lock().await, false);
            scene.disturbed.end();
        }
    })
    .await;
}

/// A hundred connections, a byte now and then.
async fn dawdle(port: u16, length: Duration) {
    let end = Instant::now() + length;
    let mut open = Vec::new();
    while Instant::now() < end {
        if open.len() < 100 {
            open.extend(TcpStream::connect(("127.0.0.1", port)).await.ok());
        }
        for stream in &mut open {
            let _ = stream.write_all(&[0x16]).await;
        }
        sleep(Duration::from_millis(100)).await;
    }
}
