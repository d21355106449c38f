//! Between us and a source.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::{HEAD, WHOLE, all_are_whole, answer, configuration, failure, lines, prompt, three};
use crate::support::front::{AT_ONCE, Answer, Front};
use crate::support::proxy::{Mode, Proxy};
use crate::support::{CANARY, Server, seconds, until, value_path};

/// Of these, whole rows come through.
const PARTS: [&str; 3] = ["throttled", "reset-in-its-body", "cut-at-600"];

/// What happens to the answers of a source of this name, and words of what is told of it.
fn modes() -> Vec<(String, Mode, &'static str)> {
    let late = "no answer within 1s";
    let mut all: Vec<(String, Mode, &str)> = [
        ("refused", Mode::Refuse, ""),
        ("black-hole", Mode::BlackHole, late),
        ("delayed", Mode::Delay(seconds(3)), late),
        ("throttled", Mode::Throttle(100), late),
        ("half-closed", Mode::HalfClose, ""),
        ("reset-at-once", Mode::ResetAfter(0), ""),
        ("reset-in-its-head", Mode::ResetAfter(40), ""),
        ("reset-in-its-body", Mode::ResetAfter(400), ""),
    ]
    .map(|(name, mode, words)| (name.to_owned(), mode, words))
    .into();
    // Somewhere in each of its rows.
    let cuts = [0, 1, 60, 130, 230, 330, 430, 530, 600];
    all.extend(cuts.map(|at| (format!("cut-at-{at}"), Mode::CutBody(at), "answer broke off")));
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sum_is_whole_or_unknown() {
    let front = Front::start(None, three()).await;
    let proxies = join_all(modes().iter().map(|_| Proxy::to(front.port()))).await;
    let cases: Vec<_> = modes().into_iter().zip(proxies).collect();
    let names = || cases.iter().map(|((name, ..), _)| name.as_str());
    let folder = tempfile::tempdir().expect("a temporary directory");
    let token = folder.path().join("token");
    std::fs::write(&token, CANARY).expect("writable");
    let auth = format!("auth: {{ bearerTokenFile: \"{}\" }}", token.display());
    let source = |proxy: &Proxy| format!("url: \"{}\", timeout: 1s, {auth}", proxy.url());
    let sources: Vec<_> = cases.iter().map(|((name, ..), proxy)| (name.clone(), source(proxy))).collect();
    let server = Server::configured(&configuration(&sources)).await;
    all_are_whole(&server, names()).await;

    let began = jiff::Timestamp::now();
    for ((_, mode, _), proxy) in &cases {
        proxy.set(*mode);
    }
    for ((name, _, words), _) in &cases {
        let told = failure(&server, name).await;
        assert!(told.contains(words) && !told.is_empty(), "{name}: {told}");
        // What was told before the fault is told on, with its time.
        let value = answer(&server, name).await;
        let value = value.unwrap_or_else(|problem| panic!("{name}: {problem}"));
        assert_eq!(value.text, WHOLE, "{name}");
        assert!(value.timestamp <= began, "{name}: {} is after {began}", value.timestamp);
    }
    let well = server.client.get_as("/readyz", "*/*").await;
    assert_eq!(well.text(), "ok");

    // Nothing is known to one that starts now, and a part of an answer is nothing.
    let cold = Server::configured(&configuration(&sources)).await;
    for name in names().filter(|name| PARTS.contains(name)) {
        let problem = answer(&cold, name).await.expect_err("a part of the sum");
        assert_eq!(problem.code, 503, "{problem}");
    }

    for (_, proxy) in &cases {
        proxy.set(Mode::Pass);
    }
    all_are_whole(&server, names()).await;
    all_are_whole(&cold, PARTS.into_iter()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_source_is_asked_eight_at_a_time() {
    const SIGNALS: usize = 20;
    let front = Front::start(None, Answer::Late(Duration::from_millis(1200), Box::new(three()))).await;
    let metrics =
        lines((0..SIGNALS).map(|n| {
            format!("- {{ name: m{n}, type: extensive, promql: \"waiting + {n}\", refresh: 15s }}\n")
        }));
    let yaml = format!(
        "{HEAD}sources:\n- {{ name: slow, prometheus: {{ url: \"{}\" }} }}\nmetrics:\n{metrics}",
        front.url()
    );
    let server = Server::configured(&yaml).await;
    let asked = Instant::now();
    // Several ask for each at the same time, and are answered before the source is.
    let cold = (0..3 * SIGNALS).map(async |n| {
        let path = value_path("ai", &format!("m{}", n % SIGNALS), "");
        server.client.get(&path).await
    });
    for reply in join_all(cold).await {
        assert_eq!(reply.problem().code, 503, "{}", reply.text());
    }
    until("all are known", seconds(30), async || {
        for n in 0..SIGNALS {
            let value = answer(&server, &format!("m{n}")).await.map_err(|problem| problem.to_string())?;
            assert_eq!(value.text, WHOLE);
        }
        Ok::<_, String>(())
    })
    .await;
    assert_eq!(front.most_at_once(), AT_ONCE, "as many as may be, and no more");
    // One question a signal, however many asked for it; on a slow machine the next may be due.
    let queries = front.queries();
    let twice = (0..SIGNALS)
        .filter(|n| queries.iter().filter(|query| query.contains(&format!("waiting + {n})"))).count() > 1);
    assert!(asked.elapsed() > seconds(12) || twice.count() == 0, "{queries:#?}");
    // In memory, nothing of this is felt.
    let before = prompt(&server).await;
    for n in 0..100 {
        let value = answer(&server, &format!("m{}", n % SIGNALS)).await;
        assert_eq!(value.map(|value| value.text).ok().as_deref(), Some(WHOLE));
    }
    let at_once = prompt(&server).await - before;
    assert!(at_once > 95.0, "{at_once} of 100 did not wait");
}
