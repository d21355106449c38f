//! A configuration that is made to be too much for who reads it.

use super::{HEAD, SIGNAL, WHOLE, all_are_whole, three};
use crate::support::front::Front;
use crate::support::{Server, memory, seconds, until};

/// What the process may take more than before, in MiB.
const MORE: f64 = 20.0;

#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_in_the_configuration_changes_nothing() {
    let front = Front::start(None, three()).await;
    let good = format!(
        "{HEAD}sources:\n- {{ name: main, prometheus: {{ url: \"{}\" }} }}\nmetrics:\n- {{ name: main, preset: \"{SIGNAL}\" }}\n",
        front.url()
    );
    let server = Server::configured(&good).await;
    let pid = server.process.id();
    all_are_whole(&server, ["main"].into_iter()).await;
    let laughs: String = (1..=9).fold("a0: &a0 [lol]\n".to_owned(), |text, n| {
        let references = vec![format!("*a{}", n - 1); 9].join(",");
        format!("{text}a{n}: &a{n} [{references}]\n")
    });
    let bombs = [
        ("laughs", format!("{good}{laughs}")),
        ("nesting", format!("{good}deep: {}\n", "[".repeat(10_000))),
        ("a scalar of 10 MB", format!("{good}long: \"{}\"\n", "x".repeat(10_000_000))),
    ];
    let before = memory::resident(pid);
    memory::forget_peak(pid);
    let failures = || server.own_metric("inferometer_configuration_reloads_total", &["result=\"failure\""]);
    for (n, (name, bomb)) in bombs.into_iter().enumerate() {
        server.reconfigure(&bomb);
        until(&format!("{name}: it is refused"), seconds(20), async || {
            let refused = failures().await;
            if refused > n as f64 { Ok(()) } else { Err(format!("{refused} failures")) }
        })
        .await;
        assert_eq!(server.client.quantity("ai", "main", "").await, WHOLE, "{name}");
        println!("{name}: {:.1} MiB, {before:.1} before", memory::peak(pid));
    }
    let peak = memory::peak(pid);
    assert!(peak < before + MORE, "{peak} MiB, {before} before");
    let said: usize = server.log().iter().map(String::len).sum();
    assert!(said < 200_000, "{said} bytes of log");
}
