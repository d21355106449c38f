//! HTTP/2 floods (R39, S6): a peer that misuses frames harms its own connection and nobody else's.

use std::time::Duration;

use tokio::time::sleep;

use super::{Victim, served};
use crate::support::frames::{
    CALM, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, HEADERS, Memory, NONE, PING, PRIORITY,
    RST_STREAM, SETTINGS, WINDOW_UPDATE, frame, header, request, stream,
};
use crate::support::{WAITING, value_path};

/// What an attack may cost.
const MEBIBYTES: f64 = 10.0;

fn get(index: u32) -> Vec<u8> {
    let block = request("GET", &value_path("ai", WAITING, ""));
    frame(HEADERS, END_HEADERS | END_STREAM, stream(index), &block)
}

/// Each asks for a metric and takes it back: CVE-2023-44487.
fn rapid_reset() -> impl Iterator<Item = Vec<u8>> {
    (0..50_000)
        .map(|index| [get(index), frame(RST_STREAM, NONE, stream(index), &8u32.to_be_bytes())].concat())
}

/// Each opens a window beyond its bound, so that the server itself resets the stream: CVE-2025-8671.
fn made_you_reset() -> impl Iterator<Item = Vec<u8>> {
    (0..50_000).map(|index| {
        let open = frame(HEADERS, END_HEADERS, stream(index), &request("POST", "/"));
        [open, frame(WINDOW_UPDATE, NONE, stream(index), &[0x7f, 0xff, 0xff, 0xff])].concat()
    })
}

/// Headers without end: RUSTSEC-2024-0332.
fn continuations(each: usize) -> impl Iterator<Item = Vec<u8>> {
    let begin = frame(HEADERS, END_STREAM, 1, &request("GET", "/livez"));
    let line = header("x-a", &"a".repeat(each.saturating_sub(8)), false);
    let more = if each == 0 { Vec::new() } else { line };
    std::iter::once(begin).chain((0..10_000).map(move |_| frame(CONTINUATION, NONE, 1, &more)))
}

/// A body that says nothing, for ever: RUSTSEC-2026-0258.
fn empty_data() -> impl Iterator<Item = Vec<u8>> {
    let begin = frame(HEADERS, END_HEADERS, 1, &request("POST", "/livez"));
    std::iter::once(begin).chain((0..1_000_000).map(|_| frame(DATA, NONE, 1, &[])))
}

/// Frames without end.
type Flood = Box<dyn Iterator<Item = Vec<u8>> + Send>;

#[tokio::test(flavor = "multi_thread")]
async fn floods_end_their_own_connection_and_no_other() {
    let (_front, server) = served().await;
    let victim = Victim::of(&server);
    let floods: [(&str, Flood); 5] = [
        ("rapid reset", Box::new(rapid_reset())),
        ("resets that the server makes", Box::new(made_you_reset())),
        ("continuations of a kilobyte", Box::new(continuations(1_000))),
        ("continuations of nothing", Box::new(continuations(0))),
        ("empty data", Box::new(empty_data())),
    ];
    let memory = Memory::watch(server.process.id());
    for (what, flood) in floods {
        let mut frames = Frames::connect(&server).await.read();
        frames.flood(flood).await;
        let seen = frames.ended(what).await;
        assert!(seen.goaway.is_none_or(|code| code == CALM), "{what}: {seen:?}");
        memory.assert_within(MEBIBYTES, what);
    }
    victim.was_served().await;
}

/// What each frame costs is paid by who sends it: it is answered or dropped before the next is read.
#[tokio::test(flavor = "multi_thread")]
async fn frames_that_ask_for_nothing_pile_up_nowhere() {
    let (_front, server) = served().await;
    let victim = Victim::of(&server);
    let memory = Memory::watch(server.process.id());
    for is_read in [true, false] {
        for (what, one) in [
            ("settings", frame(SETTINGS, NONE, 0, &[0, 3, 0, 0, 0, 100])),
            ("pings", frame(PING, NONE, 0, &[7; 8])),
            ("priorities", frame(PRIORITY, NONE, 1, &[0, 0, 0, 0, 16])),
            ("frames of no type", frame(0xbe, NONE, 0, &[7; 64])),
        ] {
            let connection = Frames::connect(&server).await;
            let mut connection = if is_read { connection.read() } else { connection };
            // Who does not read the answers is not read for long.
            connection.flood(std::iter::repeat_n(one, 20_000)).await;
            memory.assert_within(MEBIBYTES, what);
        }
    }
    victim.was_served().await;
}

/// One byte may stand for a header of four kilobytes that the table remembers.
#[tokio::test(flavor = "multi_thread")]
async fn headers_unfold_to_a_bound() {
    let (_front, server) = served().await;
    let victim = Victim::of(&server);
    let memory = Memory::watch(server.process.id());
    let mut frames = Frames::connect(&server).await.read();
    let bomb = |index: u32| {
        let mut block = request("GET", "/livez");
        if index == 0 {
            block.extend(header("x-a", &"a".repeat(4_000), true));
        }
        // The first entry after the static ones: 12,000 times four kilobytes.
        block.extend([0xbe; 12_000]);
        frame(HEADERS, END_HEADERS | END_STREAM, stream(index), &block)
    };
    frames.flood((0..200).map(bomb)).await;
    // One literal of a megabyte, in as many frames as it takes.
    let mut large = Frames::connect(&server).await.read();
    let whole = [request("GET", "/livez"), header("x-b", &"b".repeat(1 << 20), false)].concat();
    let parts: Vec<_> = whole.chunks(16_000).map(<[u8]>::to_vec).collect();
    let last = parts.len() - 1;
    let split = parts.iter().enumerate().map(|(index, part)| {
        let kind = if index == 0 { HEADERS } else { CONTINUATION };
        let end = if index == last { END_HEADERS } else { NONE };
        frame(kind, if index == 0 { end | END_STREAM } else { end }, 1, part)
    });
    large.flood(split).await;
    sleep(Duration::from_millis(200)).await;
    memory.assert_within(MEBIBYTES, "compressed headers");
    victim.was_served().await;
}

/// A window of zero: answers are made, and nobody takes them.
#[tokio::test(flavor = "multi_thread")]
async fn answers_that_nobody_takes_are_bounded() {
    let (_front, server) = served().await;
    let victim = Victim::of(&server);
    let memory = Memory::watch(server.process.id());
    let mut connections = Vec::new();
    for _ in 0..20 {
        let mut frames = Frames::connect(&server).await;
        let closed = frame(SETTINGS, NONE, 0, &[0, 4, 0, 0, 0, 0]);
        frames.flood(std::iter::once(closed).chain((0..500).map(get))).await;
        connections.push(frames);
    }
    sleep(Duration::from_millis(300)).await;
    // Of the connections themselves each costs some 100 KiB over TLS.
    memory.assert_within(2.0 * MEBIBYTES, "answers that nobody takes");
    victim.was_served().await;
    drop(connections);
}
