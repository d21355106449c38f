//! Replicas are killed, told to end and cut off while somebody asks through the API server: R24, R25, R47.

use std::time::Duration;

use http::Method;
use tokio::time::{Instant, sleep, timeout};

use super::super::installation::namespace;
use super::{ControlPlane, Installation, METRIC, engines};
use crate::support::front::{Answer, Front};
use crate::support::{Client, Load, Server, Service, seconds, until, value_path};

/// Which of two replicas the API server asks: it keeps to one connection.
async fn in_use(replicas: &[Server]) -> usize {
    let counts = async || {
        let mut all = Vec::new();
        for replica in replicas {
            all.push(replica.own_metric("inferometer_api_requests_total", &[]).await);
        }
        all
    };
    let before = counts().await;
    until("a replica is asked", seconds(20), async || {
        let now = counts().await;
        let more = |index: &usize| now[*index] >= before[*index] + 10.0;
        (0..replicas.len()).find(more).ok_or("none yet")
    })
    .await
}

/// How long it takes until five requests in a row are answered, and what was said in between.
async fn until_served(client: &Client, path: &str, within: u64) -> (Duration, Vec<String>) {
    let began = Instant::now();
    let mut said: Vec<String> = Vec::new();
    let mut good = 0;
    while good < 5 {
        assert!(began.elapsed() < seconds(within), "still not served: {said:?}");
        let answer = timeout(seconds(3), client.try_send(Method::GET, path, &[])).await;
        let words = match answer {
            Ok(Ok(reply)) if reply.status == 200 => {
                good += 1;
                continue;
            }
            Ok(Ok(reply)) => format!("{} after {:?}: {}", reply.status, reply.took, reply.text()),
            Ok(Err(error)) => format!("{error:?}"),
            Err(_) => "nothing for 3 s".to_owned(),
        };
        good = 0;
        said.push(words);
        sleep(Duration::from_millis(50)).await;
    }
    (began.elapsed(), said)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs KUBEBUILDER_ASSETS"]
async fn cluster_replicas_killed_ended_and_cut_off() {
    let plane = ControlPlane::start().await;
    let inferometer = Installation::prepare(&plane).await;
    inferometer.admin.apply(&namespace("ai")).await;
    let front = Front::start(None, Answer::Series(Vec::new())).await;
    engines(&inferometer.admin, &front, &["vllm-0"]).await;
    let url = front.url();
    let begin = async || inferometer.replica(&["--prometheus-url", &url]).await;
    let mut replicas = vec![begin().await, begin().await];
    let service = Service::of(&[&replicas[0], &replicas[1]]).await;
    inferometer.register_at(service.port()).await;
    let client = plane.administrator();
    let path = value_path("ai", METRIC, "");
    until_served(&client, &path, 60).await;

    // Killed: the connection breaks, and the next one leads to the other replica.
    let load = Load::start(client.clone(), &path);
    let used = in_use(&replicas).await;
    replicas[used].process.kill();
    let (took, said) = until_served(&client, &path, 60).await;
    let lost = load.end().await;
    println!("killed: served again after {took:?}, {} requests were lost: {said:?} {lost:?}", lost.len());
    assert!(took < seconds(15), "{took:?}: {said:?}");
    assert!(lost.iter().all(|one| one.starts_with("503")), "the API server answers for us: {lost:?}");
    service.leave(&replicas.remove(used));

    // Told to end: nobody notices.
    replicas.push(begin().await);
    service.join(&replicas[1]);
    service.until_ready(2).await;
    let load = Load::start(client.clone(), &path);
    let used = in_use(&replicas).await;
    replicas[used].process.signal("TERM");
    assert_eq!(replicas[used].process.exit_code(seconds(30)).await, 0);
    let lost = load.end().await;
    assert!(lost.is_empty(), "{} requests were lost: {lost:?}", lost.len());
    println!("told to end: no request was lost");
    service.leave(&replicas.remove(used));

    // Cut off: the API server finds out by itself, within the 45 s that its transport takes.
    replicas.push(begin().await);
    service.join(&replicas[1]);
    service.until_ready(2).await;
    let load = Load::start(client.clone(), &path);
    let used = in_use(&replicas).await;
    drop(load);
    service.silence(&replicas[used], true);
    let (took, said) = until_served(&client, &path, 120).await;
    println!("cut off: served again after {took:?}, meanwhile: {:?}", said.first());
    assert!(took < seconds(75), "{took:?}: {said:?}");
    service.silence(&replicas[used], false);
    inferometer.until_available().await;
}
