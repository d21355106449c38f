//! Replicas end, die and disagree, and the reviewer of our callers fails: R24, R25, R28, R37.

use futures_util::future::join_all;
use inferometer::core::hpa::{Behavior, Controller, Observation, Options, Scale, Spec, Target};
use inferometer::core::time::Timestamp;
use tokio::time::Instant;

use crate::support::cluster::Aggregator;
use crate::support::front::{Answer, Front};
use crate::support::{
    Caller, Client, Fault, Load, Server, Service, Site, WAITING, of_pod, seconds, until, value_path,
};

const NOBODY: [String; 0] = [];

/// Waits until there is a number, as long as it takes.
pub(super) async fn read(client: &Client) {
    until("it is read", seconds(20), async || {
        let answer = client.try_send(http::Method::GET, &value_path("ai", WAITING, ""), &[]).await;
        let reply = answer.map_err(|error| format!("{error:?}"))?;
        reply.value(WAITING).map(drop).map_err(|problem| problem.to_string())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_replicas_ends_and_the_next_dies() {
    let mut site = Site::start().await;
    let url = site.front.url();
    let (mut second, _) = site.cluster.serve(&["--prometheus-url", &url]).await;
    let service = Service::of(&[&site.server, &second]).await;
    let identity = site.cluster.front_proxy();
    // Nobody falls silent here: a machine that is busy is none that does not answer.
    let connect = || Aggregator::through(service.port(), &identity, seconds(20)).hpa_controller();
    let path = value_path("ai", WAITING, "");
    // Each connection goes to the replica that has had fewer, so both are in use.
    let loads = [connect(), connect()].map(|client| Load::start(client, &path));
    until("both replicas are asked", seconds(10), async || {
        let asked = [&site.server, &second].map(|server| service.connections(server));
        if asked.iter().all(|count| *count > 0) { Ok(()) } else { Err(format!("{asked:?}")) }
    })
    .await;

    site.server.process.signal("TERM");
    assert_eq!(site.server.process.exit_code(seconds(20)).await, 0);
    for load in loads {
        assert_eq!(load.end().await, NOBODY, "while a replica ended");
    }

    // One that comes in its place, and then the other one dies without a word.
    service.leave(&site.server);
    let (third, _) = site.cluster.serve(&["--prometheus-url", &url]).await;
    service.join(&third);
    service.until_ready(2).await;
    let client = connect();
    read(&client).await;
    let led = [&second, &third].map(|server| service.connections(server));
    let load = Load::start(client.clone(), &path);
    second.process.kill();
    service.leave(&second);
    let died = Instant::now();
    until("the other one serves", seconds(5), async || {
        let reply = client.try_send(http::Method::GET, &path, &[]).await;
        reply.map(drop).map_err(|error| format!("{error:?}"))
    })
    .await;
    println!("{:?} after a death the other replica serves; led were {led:?}", died.elapsed());
    let lost = load.end().await;
    // What was under way, on one connection: asked for one after the other, and once more to find it out.
    assert!(lost.len() <= 3, "{lost:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reviews_are_as_many_as_questions_and_not_as_requests() {
    const QUESTIONS: usize = 6;
    let site = Site::start().await;
    let api = &site.cluster.api;
    let path = value_path("ai", WAITING, "");
    let cases = [
        ("denied", None, 403),
        ("slow", Some(Fault::Slow(seconds(1) / 4)), 403),
        ("broken", Some(Fault::Fail(500)), 503),
    ];
    for (name, fault, code) in cases {
        api.fault_on("subjectaccessreviews", fault);
        let users: Vec<String> = (0..QUESTIONS).map(|number| format!("{name}-{number}")).collect();
        let clients: Vec<_> =
            users.iter().map(|user| site.aggregator.on_behalf_of(&Caller::user(user))).collect();
        let began = Instant::now();
        let mut asked = 0;
        for _ in 0..8 {
            // Several of each at once, on one connection.
            let round = clients.iter().flat_map(|client| [client; 5]);
            let replies = join_all(round.map(|client| client.get(&path))).await;
            for reply in replies {
                assert!(!reply.headers.contains_key("retry-after"), "{reply:?}");
                // On a machine that is busy a question may come to its end before its answer.
                let late = reply.status == 503 && reply.text().contains("did not answer");
                assert!(reply.status == code || late, "{name}: {}: {}", reply.status, reply.text());
                asked += 1;
            }
        }
        let reviews: usize = users.iter().map(|user| api.reviews_of(user).len()).sum();
        // A refusal is remembered for five seconds. What nobody decided is not remembered at all, but asked
        // once for all who wait.
        let lives = 1 + began.elapsed().as_secs() as usize / 5;
        let most = if code == 403 { QUESTIONS * lives } else { QUESTIONS * 8 };
        println!("{name}: {asked} requests, {reviews} reviews, at most {most}");
        assert!(reviews <= most, "{name}: {reviews} reviews of {asked} requests");
    }
}

/// A replica of yesterday and one of today: each with metrics of its own, and one metric of both.
#[tokio::test(flavor = "multi_thread")]
async fn replicas_with_different_configurations_agree_on_what_both_have() {
    let front = Front::start(None, Answer::Series(vec![(of_pod("ai", "a"), 20.0)])).await;
    let configuration = |own: &str| {
        format!(
            "apiVersion: inferometer.dev/v1alpha1\nkind: Configuration\n\
             sources: [{{ name: main, prometheus: {{ url: \"{}\" }} }}]\nmetrics:\n\
             - {{ name: shared, preset: {WAITING}, refresh: 1s }}\n\
             - {{ name: {own}, preset: inference_requests_running, refresh: 1s }}\n",
            front.url()
        )
    };
    let old = Server::configured(&configuration("yesterday")).await;
    let new = Server::configured(&configuration("today")).await;
    for (server, has, has_not) in [(&old, "yesterday", "today"), (&new, "today", "yesterday")] {
        assert_eq!(server.client.quantity("ai", has, "").await, "20");
        let problem = server.client.problem("ai", has_not, "").await;
        assert_eq!(problem.code, 404, "what it does not know is refused, and never 0: {problem}");
    }

    // An HPA is led to one or the other, and wants what both have and what only one has.
    let spec = Spec {
        min_replicas: 1,
        max_replicas: 100,
        metrics: vec![Target::AverageValue(10.0), Target::AverageValue(10.0)],
        behavior: Behavior::default(),
    };
    let mut controller = Controller::new(Options::default());
    let mut now = Timestamp::from_millis(1_700_000_000_000);
    let mut replicas = vec![2];
    for (round, load) in [20.0, 20.0, 60.0, 60.0, 60.0, 90.0].into_iter().enumerate() {
        front.set(Answer::Series(vec![(of_pod("ai", "a"), load)]));
        let expected = format!("{load}");
        until("both know it", seconds(20), async || {
            let (one, other) = (
                old.client.quantity("ai", "shared", "").await,
                new.client.quantity("ai", "shared", "").await,
            );
            if one == expected && other == expected { Ok(()) } else { Err(format!("{one} and {other}")) }
        })
        .await;
        // Each controller's look goes to another replica.
        let server = if round % 2 == 0 { &old } else { &new };
        let mut seen = Vec::new();
        for metric in ["shared", "today"] {
            seen.push(match server.client.value("ai", metric, "").await {
                Ok(value) => Observation::Value(value.number),
                Err(problem) => Observation::Unknown(problem.message),
            });
        }
        let current = replicas[replicas.len() - 1];
        let scale = Scale { spec_replicas: current, status_replicas: current, pods: &[] };
        now = now.plus(seconds(15));
        replicas.push(controller.sync(now, &spec, &scale, &seen).replicas);
    }
    assert_eq!(replicas, [2, 2, 2, 6, 6, 6, 9], "one way only, as the load");
}
