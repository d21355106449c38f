//! Ending: balancers are told first, and nobody loses an answer.

use http::Method;
use serde_json::json;
use tokio::time::Instant;

use crate::support::front::{Answer, Front};
use crate::support::{Client, Server, seconds, until, value_path};

const METRIC: &str = "inference_requests_waiting";

async fn server() -> (Front, Server) {
    let labels = json!({ "namespace": "ai", "pod": "vllm-0", "model_name": "m" });
    let front = Front::start(None, Answer::Series(vec![(labels, 5.0)])).await;
    let server = Server::of(&front.url()).await;
    assert_eq!(server.client.quantity("ai", METRIC, "").await, "5");
    (front, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_drains() {
    let (_front, mut server) = server().await;
    server.process.signal("TERM");
    let began = Instant::now();
    let ready = until("it is not ready any more", seconds(1), async || {
        let reply = server.client.get_as("/readyz", "*/*").await;
        if reply.status == 503 { Ok(reply) } else { Err(reply.text()) }
    })
    .await;
    assert_eq!(
        ready.text(),
        "[+]ping ok\n[+]configuration ok\n[+]pods ok\n[+]certificate ok\n[+]callers ok\n[-]shutdown failed\nreadyz check failed\n"
    );
    assert_eq!(server.own.get_as("/readyz", "*/*").await.status, 503, "where operators look, too");
    assert_eq!(
        server.client.get_as("/livez", "*/*").await.status,
        200,
        "it is alive: killing it would lose answers"
    );

    // Old connections and new ones are answered until it is time.
    let fresh = Client::unpooled(server.client.base().to_owned());
    let mut answers = 0;
    while began.elapsed() < seconds(4) {
        for client in [&server.client, &fresh] {
            assert_eq!(client.quantity("ai", METRIC, "").await, "5");
            answers += 1;
        }
        tokio::time::sleep(seconds(1) / 50).await;
    }
    assert!(answers > 50, "{answers}");

    // Then no request that was taken is lost: each is answered, or its connection refused.
    let loose = tokio::spawn(async move {
        let mut lost = Vec::new();
        loop {
            match fresh.try_send(Method::GET, &value_path("ai", METRIC, ""), &[]).await {
                Ok(reply) => assert_eq!(reply.status, 200),
                Err(error) if error.is_connect() => return lost,
                Err(error) => lost.push(format!("{error:?}")),
            }
        }
    });
    assert_eq!(server.process.exit_code(seconds(12)).await, 0);
    println!("it ended {:?} after SIGTERM", began.elapsed());
    let lost = loose.await.expect("no wrong answer");
    assert!(lost.len() <= 1, "{lost:?}");
    assert!(server.log().last().is_some_and(|line| line.contains("ended")), "{:?}", server.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn sigint_ends_quickly() {
    let (_front, mut server) = server().await;
    let began = Instant::now();
    server.process.signal("INT");
    assert_eq!(server.process.exit_code(seconds(3)).await, 0);
    println!("it ended {:?} after SIGINT", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_the_wait() {
    let (_front, mut server) = server().await;
    server.process.signal("TERM");
    until("it is not ready any more", seconds(1), async || {
        let reply = server.client.get_as("/readyz", "*/*").await;
        if reply.status == 503 { Ok(()) } else { Err(reply.text()) }
    })
    .await;
    server.process.signal("INT");
    assert_eq!(server.process.exit_code(seconds(3)).await, 0);
}
