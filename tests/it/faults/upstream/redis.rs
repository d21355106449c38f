//! A Redis that is refused, silent, slow or speaks nonsense: who does not ask for its keys does not notice.

use futures_util::future::join_all;

use super::{HEAD, SIGNAL, WHOLE, answer, lines, prompt, three};
use crate::support::flood::{Body, Flood};
use crate::support::front::Front;
use crate::support::proxy::{Mode, Proxy};
use crate::support::redis::Redis;
use crate::support::{Server, seconds, until};

#[tokio::test(flavor = "multi_thread")]
async fn redis_fails_and_nothing_else() {
    let redis = Redis::start("").await;
    redis.push("jobs", 3);
    let front = Front::start(None, three()).await;
    let modes = [
        ("refused", Mode::Refuse),
        ("silent", Mode::BlackHole),
        ("slow", Mode::Delay(seconds(5))),
        ("trickling", Mode::Throttle(50)),
        ("cut", Mode::ResetAfter(20)),
        ("ended", Mode::HalfClose),
    ];
    let proxies = join_all(modes.iter().map(|_| Proxy::to(redis.port()))).await;
    // Another server at its address.
    let stranger = Flood::of(vec![Body::of("", "", "no Redis at all ", None, "")]).await;
    let mut addresses: Vec<(&str, String)> =
        modes.iter().zip(&proxies).map(|((name, _), proxy)| (*name, proxy.address().to_string())).collect();
    addresses.push(("stranger", stranger.url().replace("http://", "")));
    let sources = lines(addresses.iter().map(|(name, address)| {
        format!("- {{ name: {name}, redis: {{ url: \"redis://{address}\", namespace: ai }} }}\n")
    }));
    let keys = lines(addresses.iter().map(|(name, _)| {
        format!("- {{ name: {name}, source: {name}, redis: {{ list: jobs }}, refresh: 1s }}\n")
    }));
    // It fails from the start: what starts does not depend on it.
    proxies.iter().zip(&modes).for_each(|(proxy, (_, mode))| proxy.set(*mode));
    let server = Server::configured(&format!(
        "{HEAD}sources:\n- {{ name: main, prometheus: {{ url: \"{}\" }} }}\n{sources}metrics:\n\
         - {{ name: main, source: main, preset: \"{SIGNAL}\", refresh: 1s }}\n{keys}",
        front.url()
    ))
    .await;
    let client = &server.client;
    let first = answer(&server, "main").await.unwrap_or_else(|problem| panic!("{problem}"));
    assert_eq!(first.text, WHOLE);
    assert_eq!(client.get_as("/readyz", "*/*").await.text(), "ok");
    for (name, _) in &addresses {
        let problem = answer(&server, name).await.expect_err("nothing is known");
        assert_eq!(problem.code, 503, "{problem}");
    }
    // While they are asked again and again, with what the others say in memory.
    let (before, asked) = (prompt(&server).await, front.forms().len());
    for _ in 0..200 {
        assert_eq!(answer(&server, "main").await.map(|value| value.text).ok().as_deref(), Some(WHOLE));
    }
    let at_once = prompt(&server).await - before;
    assert!(at_once > 190.0, "{at_once} of 200 did not wait");
    until("the other source is asked all the while", seconds(10), async || {
        if front.forms().len() > asked + 2 { Ok(()) } else { Err("not yet") }
    })
    .await;

    for proxy in &proxies {
        proxy.set(Mode::Pass);
    }
    for (name, _) in modes {
        until(&format!("{name} answers"), seconds(30), async || match answer(&server, name).await {
            Ok(value) if value.text == "3" => Ok(()),
            Ok(value) => panic!("{name} is {}", value.text),
            Err(problem) => Err(problem.to_string()),
        })
        .await;
    }
    assert_eq!(answer(&server, "stranger").await.expect_err("no number").code, 503);
}
