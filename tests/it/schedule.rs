//! Schedules read through the built binary, which needs no source for them.

use http::Method;
use jiff::{Timestamp, ToSpan};

use crate::support::command::{inferometer, text};
use crate::support::{EXTERNAL, Server};

/// The minute of every day that is so many hours from now, in UTC.
fn daily(offset: i64) -> String {
    (Timestamp::now() + offset.hours()).strftime("%M %H * * *").to_string()
}

fn configuration() -> String {
    let schedule = |name: &str, start: i64, end: i64, replicas: u32| {
        format!(
            "- name: {name}\n  schedule: {{ timezone: UTC, start: \"{}\", end: \"{}\", replicas: {replicas} }}\n",
            daily(start),
            daily(end)
        )
    };
    format!(
        "apiVersion: inferometer.dev/v1alpha1\nkind: Configuration\nmetrics:\n{}{}",
        schedule("floor_now", -3, 3, 4),
        schedule("floor_later", 3, 6, 7),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_floor_is_served_without_any_source_and_explained() {
    let server = Server::configured(&configuration()).await;
    let began = Timestamp::now();
    let value = server.client.value("ai", "floor_now", "").await.expect("a value");
    assert_eq!(value.text, "4");
    assert!(value.timestamp.as_second() >= began.as_second() - 1, "{value:?} is as old as its reading");
    assert_eq!(server.client.quantity("anywhere", "floor_later", "").await, "0");
    // A selector only tells those apart who ask.
    assert_eq!(server.client.quantity("ai", "floor_now", "for=llama").await, "4");

    let path = format!("{EXTERNAL}/namespaces/ai/floor_now?explain=true");
    let explained = server.client.send(Method::GET, &path, &[]).await.json();
    let input = &explained["derivation"]["inputs"][0];
    assert_eq!(explained["source"], "schedule", "{explained}");
    let next = input["next"].as_array().expect("the next transitions");
    assert_eq!(next.len(), 4);
    let changes: Vec<(Timestamp, f64)> = next
        .iter()
        .map(|one| {
            let local = one["local"].as_str().expect("a time").parse::<Timestamp>().expect("RFC 3339");
            assert_eq!(one["at"].as_str(), Some(local.to_string().as_str()));
            (local, one["value"].as_f64().expect("a number"))
        })
        .collect();
    let values: Vec<u32> = changes.iter().map(|(_, value)| *value as u32).collect();
    assert_eq!(values, [0, 4, 0, 4]);
    let minutes = (changes[0].0.as_second() - began.as_second()).div_euclid(60);
    assert!((177..=180).contains(&minutes), "it ends within three hours: {changes:?}");

    let base = server.client.base().to_owned();
    let explain = move || inferometer(&["explain", "floor_later", "-n", "ai", "--server", &base]);
    let output = tokio::task::spawn_blocking(explain).await.expect("no panic");
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{err}");
    for words in ["├─ source schedule", "next     7 from 20", "next     0 from 20", "└─ the HPA sees 0"]
    {
        assert!(out.contains(words), "{words} is not in\n{out}");
    }
    // It is told that nothing else can be read.
    assert!(server.log().iter().any(|line| line.contains("no source is configured")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_schedule_is_served_at_once() {
    let server = Server::configured(&configuration()).await;
    assert_eq!(server.client.quantity("ai", "floor_now", "").await, "4");
    server.reconfigure(&configuration().replace("replicas: 4", "replicas: 5"));
    crate::support::until("the new floor is served", crate::support::seconds(8), async || {
        match server.client.quantity("ai", "floor_now", "").await.as_str() {
            "5" => Ok(()),
            other => Err(other.to_owned()),
        }
    })
    .await;
}
