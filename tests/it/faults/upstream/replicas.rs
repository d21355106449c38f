//! Two Prometheus behind one address, that never say quite the same.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{HEAD, SIGNAL, all_are_whole, configuration, input, three};
use crate::support::front::{Answer, Front};
use crate::support::proxy::{Mode, Proxy};
use crate::support::{Server, Value, of_pod, seconds, until};

/// How much older the samples of the second are.
const BEHIND: Duration = Duration::from_secs(3);

/// The same pods, scraped by another at another time: 5 % more wait.
fn other() -> Answer {
    Answer::Aged(BEHIND, vec![(of_pod("ai", "a"), 1.35), (of_pod("ai", "b"), 2.0), (of_pod("ai", "c"), 4.0)])
}

/// What is answered for so long.
async fn watch(server: &Server, metric: &str, within: Duration) -> Vec<Value> {
    let began = Instant::now();
    let mut values = Vec::new();
    while began.elapsed() < within {
        let value = server.client.value("ai", metric, "").await;
        values.push(value.unwrap_or_else(|problem| panic!("{problem}")));
        sleep(Duration::from_millis(50)).await;
    }
    values
}

fn changes(values: &[Value]) -> usize {
    values.windows(2).filter(|pair| pair[0].text != pair[1].text).count()
}

/// A connection is kept, so a balancer of connections leads to one replica for as long as that is there.
#[tokio::test(flavor = "multi_thread")]
async fn one_replica_is_asked_until_it_dies() {
    let (first, second) = (Front::start(None, three()).await, Front::start(None, other()).await);
    let way = Proxy::to(first.port()).await;
    let balancer = Proxy::among(vec![way.address().port(), second.port()]).await;
    let server =
        Server::configured(&configuration(&[("main".to_owned(), format!("url: \"{}\"", balancer.url()))]))
            .await;
    all_are_whole(&server, ["main"].into_iter()).await;
    let values = watch(&server, "main", seconds(2)).await;
    assert_eq!((changes(&values), second.forms().len()), (0, 0), "{values:?}");
    assert!(values.is_sorted_by_key(|value| value.timestamp), "{values:?}");

    // The first is gone: never a refusal, one change, within what two scrapes may differ by.
    way.set(Mode::Refuse);
    let began = Instant::now();
    let mut values = Vec::new();
    while values.last().is_none_or(|last: &Value| last.text != "7350m") {
        values.extend(watch(&server, "main", Duration::from_millis(100)).await);
        assert!(began.elapsed() < seconds(20), "{values:?}");
    }
    values.extend(watch(&server, "main", seconds(2)).await);
    assert_eq!(changes(&values), 1, "{values:?}");
}

/// A balancer of questions leads to each in turn. What is answered is what either said, with its time, and
/// differs by what they differ by; nothing is refused, and what is learnt of the pace stays sane.
#[tokio::test(flavor = "multi_thread")]
async fn replicas_in_turn_differ_by_what_they_said() {
    let front = Front::start(None, Answer::Turns(vec![three(), other()])).await;
    let server = Server::configured(&format!(
        "{HEAD}sources:\n- {{ name: main, prometheus: {{ url: \"{}\" }} }}\nmetrics:\n\
         - {{ name: main, preset: \"{SIGNAL}\", refresh: 1s, hold: 15s }}\n",
        front.url()
    ))
    .await;
    until("both were asked", seconds(10), async || {
        let value = server.client.value("ai", "main", "").await.map_err(|problem| problem.to_string())?;
        if front.forms().len() > 2 { Ok(()) } else { Err(value.text) }
    })
    .await;
    let values = watch(&server, "main", seconds(4)).await;
    for value in &values {
        assert!(["7", "7350m"].contains(&value.text.as_str()), "{value:?}");
    }
    for pair in values.windows(2) {
        let back = pair[0].timestamp.duration_since(pair[1].timestamp).as_secs_f64();
        assert!(back <= BEHIND.as_secs_f64() + 1.0, "{back} s back: {pair:?}");
    }
    let input = input(&server, "main").await;
    let limit = input["limitSeconds"].as_f64().expect("a number");
    println!("{} changes in {}; {input}", changes(&values), values.len());
    assert!((15.0..76.0).contains(&limit), "{limit}");
}
