//! Too little of everything (R45): of file descriptors, memory, disk and processor.

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::time::sleep;

use super::{Victim, served};
use crate::support::command::{Process, output, text};
use crate::support::frames::{END_HEADERS, END_STREAM, Frames, HEADERS, frame, header, request, stream, tcp};
use crate::support::front::{Answer, Front};
use crate::support::{Client, Server, WAITING, free_port, of_pod, seconds, until, value_path};

/// Limits what the server may have from now on.
fn limit(server: &Server, what: &str) {
    let process = server.process.id().to_string();
    let limited = output(Command::new("prlimit").args(["--pid", &process, what]));
    assert!(limited.status.success(), "prlimit {what}: {}", text(&limited.stderr));
}

/// Seconds of processor that it has used.
fn processor(server: &Server) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", server.process.id())).expect("a process");
    // After the program's name, which may hold anything; in hundredths.
    let fields: Vec<_> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    fields[11..13].iter().map(|ticks| ticks.parse::<f64>().expect("a number")).sum::<f64>() / 100.0
}

#[tokio::test(flavor = "multi_thread")]
async fn without_file_descriptors_who_is_there_is_served_and_nothing_spins() {
    let (_front, server) = served().await;
    let victim = Victim::of(&server);
    let open = fs::read_dir(format!("/proc/{}/fd", server.process.id())).expect("a process").count();
    limit(&server, &format!("--nofile={0}:{0}", open + 4));
    let mut sockets = Vec::new();
    for _ in 0..50 {
        sockets.push(tcp(&server, [127, 0, 0, 2]).await.expect("the kernel takes it"));
    }
    let complaints = || server.log().iter().filter(|line| line.contains("failed to accept")).count();
    until("it runs out", seconds(20), async || if complaints() > 0 { Ok(()) } else { Err("not yet") }).await;
    let before = processor(&server);
    sleep(seconds(1)).await;
    let used = processor(&server) - before;
    assert!(used < 0.8, "{used} s of a second");
    assert_eq!(complaints(), 1, "it is said once");
    drop(sockets);
    let new = Client::unpooled(server.client.base().to_owned());
    until("whoever is new gets in", seconds(20), async || {
        let reply = new.try_send(http::Method::GET, "/livez", &[]).await;
        if matches!(reply, Ok(reply) if reply.status == 200) { Ok(()) } else { Err("not yet") }
    })
    .await;
    victim.was_served().await;
}

/// As a container's limit would: what peers can make it hold fits into little.
#[tokio::test(flavor = "multi_thread")]
async fn abuse_fits_into_little_memory() {
    let (_front, server) = served().await;
    let victim = Victim::of(&server);
    let status = fs::read_to_string(format!("/proc/{}/status", server.process.id())).expect("a process");
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).expect("a line");
    let size: u64 = size.trim().trim_end_matches(" kB").parse().expect("a number");
    let most = (size + 64 * 1024) * 1024;
    limit(&server, &format!("--as={most}:{most}"));
    for _ in 0..5 {
        let mut frames = Frames::connect(&server).await.read();
        let large = |index: u32| {
            let path = value_path("ai", WAITING, &format!("pod!=p{index}"));
            let block = [request("GET", &path), header("x-large", &"x".repeat(16_000), false)].concat();
            frame(HEADERS, END_HEADERS | END_STREAM, stream(index), &block)
        };
        frames.flood((0..90).map(large)).await;
    }
    victim.was_served().await;
}

/// Nothing that is logged reaches anybody, and nobody notices.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_takes_nothing_stops_nothing() {
    let series = vec![(of_pod("ai", "a"), 3.0)];
    let front = Front::start(None, Answer::Series(series)).await;
    for is_full in [true, false] {
        let (port, own) = (free_port().to_string(), format!("127.0.0.1:{}", free_port()));
        let log: Stdio = if is_full {
            File::options().write(true).open("/dev/full").expect("a full disk").into()
        } else {
            Stdio::piped()
        };
        let mut process = Process::start(
            Command::new(env!("CARGO_BIN_EXE_inferometer"))
                .args(["serve", "--standalone", "--secure-port", &port, "--observability-address", &own])
                .args(["--prometheus-url", &front.url()])
                .env("RUST_LOG", "debug")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log),
        );
        // The pipe's other end is gone.
        drop(process.child().stderr.take());
        let client = Client::new(format!("https://127.0.0.1:{port}"));
        let ask = async |path: &str| client.try_send(http::Method::GET, path, &[]).await;
        until("it answers", seconds(20), async || {
            let reply = ask(&value_path("ai", WAITING, "")).await.map_err(|error| format!("{error:?}"))?;
            if reply.status == 200 { Ok(()) } else { Err(reply.text()) }
        })
        .await;
        let strange = value_path("ai", WAITING, "a>1");
        for (path, code) in [("/livez", 200), ("/nothing", 404), (strange.as_str(), 400)] {
            let reply = ask(path).await.expect("an answer");
            assert_eq!(reply.status, code, "{}", reply.text());
        }
        let ended = process.child().try_wait().expect("the child can be waited for");
        assert_eq!(ended, None, "full: {is_full}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_twentieth_of_a_processor_is_enough_to_answer() {
    let (_front, server) = served().await;
    let throttle = async {
        loop {
            server.process.signal("STOP");
            sleep(Duration::from_millis(190)).await;
            server.process.signal("CONT");
            sleep(Duration::from_millis(10)).await;
        }
    };
    let asking = async {
        for _ in 0..6 {
            let reply = server.client.get(&value_path("ai", WAITING, "")).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            assert_eq!(server.client.get_as("/livez", "*/*").await.status, 200);
        }
    };
    tokio::select! {
        _ = throttle => {}
        () = asking => {}
    }
    server.process.signal("CONT");
}
