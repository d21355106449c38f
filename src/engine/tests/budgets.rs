//! Budgets at work: what two replicas of ours see, remember and tell.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::core::autoscaler::Autoscaler;
use crate::core::budget::{Account, Budget, Entry, Guarded, Price, Spend, Standing, WhenLost};
use crate::core::metric::{Metric, Scope};
use crate::core::workload::{Inventory, Knowledge, Owner, Pod};
use crate::engine::budgets::{Herald, Notice, Record, Remember};
use crate::engine::fake::{Deed, Fake, catalog, like};
use crate::engine::{Definitions, Engine, Pace};
use crate::source::Source;
use crate::telemetry::Telemetry;

const SECS: fn(u64) -> Duration = Duration::from_secs;

/// A cluster with HPAs and one pod, to which the spend belongs.
struct Cluster {
    hpas: Mutex<Option<Vec<Arc<Autoscaler>>>>,
}

impl Cluster {
    fn scale(&self, hpas: &[(&str, Option<u32>)]) {
        let all = hpas.iter().map(|(name, replicas)| hpa(name, *replicas)).collect();
        *self.hpas.lock().unwrap() = Some(all);
    }
}

fn hpa(name: &str, replicas: Option<u32>) -> Arc<Autoscaler> {
    Arc::new(Autoscaler {
        namespace: "ai".into(),
        name: name.into(),
        scales: Owner { kind: "deployment".into(), name: name.into() },
        min_replicas: 1,
        max_replicas: 100,
        current_replicas: replicas,
        desired_replicas: replicas,
        wants: Box::default(),
    })
}

impl Inventory for Cluster {
    fn pod(&self, namespace: &str, name: &str) -> Option<Arc<Pod>> {
        let pod = crate::core::fixtures::pod(name, "", "");
        Some(Arc::new(Pod { namespace: namespace.into(), ..pod }))
    }

    fn at(&self, _: IpAddr) -> Option<Arc<Pod>> {
        None
    }

    fn pods(&self, _: Option<&str>) -> Vec<Arc<Pod>> {
        self.pod("ai", "a-0").into_iter().collect()
    }

    fn version(&self, _: Option<&str>) -> u64 {
        1
    }

    fn knowledge(&self) -> Knowledge {
        Knowledge::Complete
    }

    fn autoscalers(&self, _: &str, _: &str) -> Vec<Arc<Autoscaler>> {
        Vec::new()
    }

    fn all_autoscalers(&self) -> Option<Vec<Arc<Autoscaler>>> {
        self.hpas.lock().unwrap().clone()
    }
}

/// A memory as the API server keeps it: who comes second takes what is there.
#[derive(Default)]
struct Memory(Mutex<Option<Vec<Record>>>);

impl Remember for Memory {
    fn load(&self) -> Option<Vec<Record>> {
        self.0.lock().unwrap().clone()
    }

    fn store(&self, records: Vec<Record>) {
        let mut kept = self.0.lock().unwrap();
        let kept = kept.as_mut().expect("nothing is stored before it is known what is there");
        for (name, breaker) in records {
            match kept.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = breaker.agree(known),
                None => kept.push((name, breaker)),
            }
        }
    }
}

/// What HPAs were told: once for each name that an Event would have.
#[derive(Default)]
struct Board(Mutex<Vec<(String, Notice)>>);

impl Herald for Board {
    fn tell(&self, autoscaler: &Autoscaler, notice: &Notice) {
        let mut told = self.0.lock().unwrap();
        let is_it = |(name, known): &(String, Notice)| {
            **name == *autoscaler.name && (known.reason, known.since) == (notice.reason, notice.since)
        };
        if !told.iter().any(is_it) {
            told.push((autoscaler.name.to_string(), notice.clone()));
        }
    }
}

impl Board {
    fn told(&self) -> Vec<(String, &'static str)> {
        self.0.lock().unwrap().iter().map(|(name, notice)| (name.clone(), notice.reason)).collect()
    }
}

/// What outlives a replica of ours.
struct World {
    source: Arc<Fake>,
    cluster: Arc<Cluster>,
    memory: Arc<Memory>,
    board: Arc<Board>,
}

/// A replica of ours.
struct Replica {
    engine: Arc<Engine>,
    task: JoinHandle<()>,
}

impl World {
    fn new() -> Self {
        let cluster = Cluster { hpas: Mutex::default() };
        cluster.scale(&[("llama", Some(5)), ("qwen", Some(3))]);
        let memory = Memory(Mutex::new(Some(Vec::new())));
        let world = Self {
            source: Fake::new("main"),
            cluster: Arc::new(cluster),
            memory: Arc::new(memory),
            board: Arc::default(),
        };
        world.spend(500.0);
        world
    }

    fn spend(&self, spend: f64) {
        self.source.script().value = spend;
    }

    fn definitions(&self, budget: Budget) -> Definitions {
        Definitions {
            sources: vec![Arc::clone(&self.source) as Arc<dyn Source>],
            metrics: Vec::new(),
            budgets: vec![Arc::new(budget)],
        }
    }

    fn start(&self, budget: Budget) -> Replica {
        let telemetry = Arc::new(Telemetry::default());
        let engine = Engine::new(catalog(), self.definitions(budget), Pace::default(), telemetry);
        let engine = Arc::new(engine.within(Arc::clone(&self.cluster) as Arc<dyn Inventory>));
        let memory = Arc::clone(&self.memory) as Arc<dyn Remember>;
        let board = Arc::clone(&self.board) as Arc<dyn Herald>;
        let task = tokio::spawn(Arc::clone(&engine).watch_budgets(memory, board));
        Replica { engine, task }
    }
}

impl Replica {
    fn account(&self) -> Account {
        self.engine.ledger().accounts[0].clone()
    }

    fn standing(&self) -> Standing {
        self.account().standing
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// 800 for the whole fleet, open for at least 10 minutes.
fn budget() -> Budget {
    let spend = Metric { scope: Scope::Cluster, ..like("queue", "budget fleet") };
    Budget {
        name: "fleet".into(),
        spend: Spend::Metric(Arc::new(spend)),
        limit: 800.0,
        reset_below: 760.0,
        minimum_open: SECS(600),
        lost_after: SECS(300),
        when_lost: WhenLost::Hold,
        guards: vec![Entry { guarded: Guarded::Namespace("ai".into()), price: None }],
    }
}

fn both(reason: &'static str) -> [(String, &'static str); 2] {
    [("llama".to_owned(), reason), ("qwen".to_owned(), reason)]
}

#[tokio::test(start_paused = true)]
async fn it_trips_holds_and_resets_and_every_hpa_is_told_once() {
    let world = World::new();
    let replica = world.start(budget());
    assert_eq!(replica.standing(), Standing::Unknown, "nobody grows before the first look");
    sleep(SECS(5)).await;
    assert_eq!(replica.standing(), Standing::Closed);
    assert_eq!(world.board.told(), [], "a closed budget is no news");
    world.spend(900.0);
    sleep(SECS(5)).await;
    assert_eq!(replica.standing(), Standing::Open);
    assert_eq!(world.board.told(), both("BudgetExceeded"));
    world.spend(100.0);
    sleep(SECS(580)).await;
    assert_eq!(replica.standing(), Standing::Open);
    sleep(SECS(30)).await;
    assert_eq!(replica.standing(), Standing::Closed);
    assert_eq!(world.board.told()[2..], both("BudgetReset"));
    assert_eq!(world.board.told().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_restart_while_open_forgets_nothing() {
    let world = World::new();
    world.spend(900.0);
    let first = world.start(budget());
    sleep(SECS(200)).await;
    let opened = first.account().breaker.since;
    drop(first);
    world.spend(100.0);
    let second = world.start(budget());
    sleep(SECS(5)).await;
    assert_eq!(second.standing(), Standing::Open, "it has been open for too short a time");
    // Clocks of tests differ a little, as they start anew.
    assert!(second.account().breaker.since == opened);
    assert_eq!(world.board.told(), both("BudgetExceeded"), "told again, and of one name");
}

#[tokio::test(start_paused = true)]
async fn two_replicas_agree_whatever_each_has_seen() {
    let world = World::new();
    let (one, other) = (world.start(budget()), world.start(budget()));
    sleep(SECS(5)).await;
    // A peak that is over before the other looks.
    world.spend(900.0);
    for _ in 0..100 {
        sleep(Duration::from_millis(100)).await;
        if one.standing() == Standing::Open || other.standing() == Standing::Open {
            break;
        }
    }
    world.spend(780.0);
    sleep(SECS(5)).await;
    assert_eq!((one.standing(), other.standing()), (Standing::Open, Standing::Open));
    assert_eq!(one.account().breaker.since, other.account().breaker.since);
    assert_eq!(world.board.told(), both("BudgetExceeded"), "of two replicas one Event");
    world.spend(100.0);
    sleep(SECS(610)).await;
    assert_eq!((one.standing(), other.standing()), (Standing::Closed, Standing::Closed));
    assert_eq!(one.account().breaker.since, other.account().breaker.since);
    assert_eq!(world.board.told()[2..], both("BudgetReset"));
}

#[tokio::test(start_paused = true)]
async fn a_lost_spend_is_told_held_and_comes_back() {
    let world = World::new();
    let replica = world.start(budget());
    sleep(SECS(30)).await;
    assert_eq!(replica.standing(), Standing::Closed);
    world.source.script().deed = Deed::Fail;
    // The last value is held for a minute, and the state for five more.
    sleep(SECS(300)).await;
    assert_eq!(replica.standing(), Standing::Closed);
    assert_eq!(replica.account().spend, None);
    sleep(SECS(120)).await;
    assert_eq!(replica.standing(), Standing::Lost);
    assert!(replica.standing().holds());
    assert_eq!(world.board.told(), both("BudgetSpendUnknown"));
    world.source.script().deed = Deed::Answer;
    sleep(SECS(60)).await;
    assert_eq!(replica.standing(), Standing::Closed);
    assert_eq!(world.board.told()[2..], both("BudgetReset"));
}

#[tokio::test(start_paused = true)]
async fn without_a_memory_it_decides_by_itself_after_a_while() {
    let world = World::new();
    *world.memory.0.lock().unwrap() = None;
    world.spend(780.0);
    let replica = world.start(budget());
    sleep(SECS(5)).await;
    assert_eq!(replica.standing(), Standing::Unknown, "what is remembered may come yet");
    sleep(SECS(10)).await;
    assert_eq!(replica.standing(), Standing::Open, "in the band, open is the safe side");
}

#[tokio::test(start_paused = true)]
async fn a_reload_keeps_what_stays_by_its_name() {
    let world = World::new();
    world.spend(900.0);
    let replica = world.start(budget());
    sleep(SECS(5)).await;
    let before = replica.account().breaker;
    world.spend(100.0);
    replica.engine.install(world.definitions(Budget { limit: 950.0, ..budget() }));
    assert_eq!(replica.standing(), Standing::Open, "not for a moment otherwise");
    sleep(SECS(5)).await;
    assert_eq!((replica.standing(), replica.account().breaker), (Standing::Open, before));
    replica.engine.install(world.definitions(Budget { name: "other".into(), ..budget() }));
    assert_eq!(replica.standing(), Standing::Unknown);
    sleep(SECS(5)).await;
    assert_eq!(replica.standing(), Standing::Closed);
}

#[tokio::test(start_paused = true)]
async fn replicas_are_counted_and_shared_out() {
    let world = World::new();
    let spend = Spend::Replicas(Price::Fixed(100.0));
    let replica = world.start(Budget { spend, limit: 1_000.0, reset_below: 950.0, ..budget() });
    sleep(SECS(3)).await;
    let account = replica.account();
    assert_eq!((account.standing, account.spend), (Standing::Closed, Some(800.0)));
    let shares: Vec<u32> = account.shares.unwrap().into_values().collect();
    assert_eq!(shares, [6, 4], "one more for each");
    let version = replica.engine.ledger().version;
    world.cluster.scale(&[("llama", Some(6)), ("qwen", Some(4))]);
    sleep(SECS(2)).await;
    assert_eq!(replica.standing(), Standing::Open);
    assert!(replica.engine.ledger().version > version);
    // Nobody is known while the API server is away.
    *world.cluster.hpas.lock().unwrap() = None;
    sleep(SECS(2)).await;
    assert!(!replica.engine.ledger().is_complete);
    assert_eq!((replica.standing(), replica.account().spend), (Standing::Open, None));
}
