//! What there is in the cluster, and what happens in it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::render::{self, Kind};

/// So many events are remembered; who asks for older ones must list anew.
const REMEMBERED: usize = 100_000;

/// How often things happen, many at once.
const BEAT: Duration = Duration::from_millis(20);

/// A pod: its place, how often it was replaced, and how often its status has changed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pod {
    pub(crate) place: u32,
    pub(crate) life: u32,
    pub(crate) changes: u32,
    pub(crate) version: u64,
}

/// Something that happened to a pod, which is then as it is told here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event {
    what: &'static str,
    pod: Pod,
}

impl Event {
    /// Appends it as a watch tells it.
    pub(crate) fn line(&self, world: &World, line: &mut Vec<u8>) {
        line.extend_from_slice(format!("{{\"type\":\"{}\",\"object\":", self.what).as_bytes());
        render::pod(&self.pod, world.namespaces, line);
        line.extend_from_slice(b"}\n");
    }
}

/// The cluster.
pub(crate) struct World {
    state: Mutex<Happened>,
    /// The version of the last event.
    news: watch::Sender<u64>,
    autoscalers: u32,
    pub(crate) namespaces: u32,
    revisions: u32,
}

struct Happened {
    pods: Vec<Pod>,
    events: VecDeque<Event>,
    version: u64,
}

impl World {
    pub(crate) fn new(pods: u32, autoscalers: u32, namespaces: u32, revisions: u32) -> Self {
        let pods = (0..pods).map(|place| Pod { place, life: 0, changes: 0, version: 1 }).collect();
        let state = Mutex::new(Happened { pods, events: VecDeque::new(), version: 1 });
        Self { state, news: watch::Sender::new(1), autoscalers, namespaces, revisions }
    }

    /// Lets so many things happen each second, forever.
    pub(crate) async fn change(self: Arc<Self>, per_second: u32) {
        let mut beat = tokio::time::interval(BEAT);
        let mut owed = 0.0;
        let mut turn = 0_u64;
        loop {
            beat.tick().await;
            owed += f64::from(per_second) * BEAT.as_secs_f64();
            let mut state = self.state();
            while owed >= 1.0 && !state.pods.is_empty() {
                turn += 1;
                owed -= f64::from(state.change(turn));
            }
            self.news.send_replace(state.version);
        }
    }

    pub(crate) fn version(&self) -> u64 {
        self.state().version
    }

    /// How many objects of this kind there are.
    pub(crate) fn count(&self, kind: Kind) -> usize {
        let pods = self.state().pods.len();
        kind.count(pods as u32 / 5, pods, self.autoscalers, self.revisions)
    }

    /// Appends the object of this number.
    pub(crate) fn render(&self, kind: Kind, number: usize, to: &mut Vec<u8>) {
        match kind {
            Kind::Pod => {
                let pod = self.state().pods[number];
                render::pod(&pod, self.namespaces, to);
            }
            Kind::Autoscaler => render::autoscaler(number as u32, self.namespaces, to),
            _ => kind.render(number as u32, self.namespaces, self.revisions, to),
        }
    }

    /// What happens after `version`; `None` if that is not remembered.
    pub(crate) fn since(&self, version: u64) -> Option<Watch> {
        let state = self.state();
        let first = state.events.front().map_or(state.version + 1, |event| event.pod.version);
        (version + 1 >= first).then(|| Watch { told: version, news: self.news.subscribe() })
    }

    fn state(&self) -> MutexGuard<'_, Happened> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Happened {
    /// Changes a pod; how many events that is.
    fn change(&mut self, turn: u64) -> u32 {
        // Steps through all places in no visible order.
        let place = (turn.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20) as usize % self.pods.len();
        let mut pod = self.pods[place];
        if turn.is_multiple_of(20) {
            pod = self.tell("DELETED", pod);
            pod = self.tell("ADDED", Pod { life: pod.life + 1, changes: 0, ..pod });
            self.pods[place] = pod;
            return 2;
        }
        self.pods[place] = self.tell("MODIFIED", Pod { changes: pod.changes + 1, ..pod });
        1
    }

    fn tell(&mut self, what: &'static str, pod: Pod) -> Pod {
        self.version += 1;
        let pod = Pod { version: self.version, ..pod };
        if self.events.len() == REMEMBERED {
            self.events.pop_front();
        }
        self.events.push_back(Event { what, pod });
        pod
    }
}

/// Someone who watches.
pub(crate) struct Watch {
    told: u64,
    news: watch::Receiver<u64>,
}

impl Watch {
    /// Waits for the next events.
    pub(crate) async fn next(&mut self, world: &World) -> Vec<Event> {
        loop {
            let some: Vec<Event> = {
                let state = world.state();
                let from = state.events.partition_point(|event| event.pod.version <= self.told);
                state.events.range(from..).take(500).copied().collect()
            };
            if let Some(last) = some.last() {
                self.told = last.pod.version;
                return some;
            }
            if self.news.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}
