//! Servers that fail, hang, lie and flood.

use super::*;

pub(super) fn base64(text: &str) -> Vec<u8> {
    use ::base64::Engine as _;
    ::base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
}

#[tokio::test]
async fn nobody_listens() {
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        listener.local_addr().expect("an address")
    };
    let refused = fetch(Settings::new("main", format!("http://{address}").parse().expect("a URL"))).await;
    let refused = refused.expect_err("unreachable");
    assert_eq!(refused.kind(), "unreachable");
    assert_eq!(refused.to_string(), format!("{address}: Connection refused (os error 111)"));
}

#[tokio::test]
async fn nobody_has_that_name() {
    let failed =
        fetch(Settings::new("main", "http://no-such-host.invalid:9090".parse().expect("a URL"))).await;
    let failed = failed.expect_err("unreachable");
    assert_eq!(failed.kind(), "unreachable");
    assert!(failed.to_string().starts_with("no-such-host.invalid:9090: "), "{failed}");
}

#[tokio::test]
async fn a_server_that_hangs_is_left_after_the_timeout() {
    for beginning in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"] {
        let server = Server::raw(beginning, true).await;
        let began = std::time::Instant::now();
        let late = fetch(Settings { timeout: Duration::from_millis(250), ..server.settings() }).await;
        let late = late.expect_err("too late");
        assert_eq!(
            (late.to_string().as_str(), late.kind()),
            ("no answer within 250ms", "timeout"),
            "{beginning:?}"
        );
        assert!(began.elapsed() < Duration::from_secs(10));
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_no_answer() {
    for (name, beginning) in [
        ("in its body", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"status\":"),
        ("between chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"sta\r\n"),
        ("before anything", ""),
        ("in its head", "HTTP/1.1 200 O"),
        ("for another protocol", "SSH-2.0-OpenSSH_9.9\r\n\r\n"),
    ] {
        let server = Server::raw(beginning, false).await;
        let broken = fetch(server.settings()).await.expect_err("broken");
        assert_eq!(broken.kind(), "unreachable", "{name}: {broken}");
    }
}

#[tokio::test]
async fn too_large_a_body_is_left_as_soon_as_that_is_known() {
    let limited = |server: &Server| Settings { max_body: 100_000, ..server.settings() };
    let announced = Server::raw("HTTP/1.1 200 OK\r\nContent-Length: 2000000000\r\n\r\n", true).await;
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let streamed = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}{chunk}");
    let streamed = Server::raw(streamed, true).await;
    // 200 kB of spaces in 230 bytes.
    let bomb = Server::start(|_| {
        let body = format!("H4sIAAAAAAACA+3BMQEAAADCoCrrn9IM/kAB{}AK8BMWFiEEANAwA=", "A".repeat(256));
        ([(header::CONTENT_ENCODING, "gzip")], base64(&body)).into_response()
    })
    .await;
    for server in [&announced, &streamed, &bomb] {
        let refused = fetch(limited(server)).await.expect_err("too large");
        assert_eq!(
            (refused.to_string().as_str(), refused.kind()),
            ("answer too large: more than 1 MiB", "too_large")
        );
    }
    let fits = Server::answering(EMPTY).await;
    let exactly = |max_body| Settings { max_body, ..fits.settings() };
    assert!(fetch(exactly(EMPTY.len())).await.is_ok());
    assert_eq!(fetch(exactly(EMPTY.len() - 1)).await.expect_err("too large").kind(), "too_large");
}

#[tokio::test]
async fn a_compressed_body_that_is_none_is_no_answer() {
    let server = Server::start(|_| ([(header::CONTENT_ENCODING, "gzip")], EMPTY).into_response()).await;
    assert_eq!(fetch(server.settings()).await.expect_err("broken").kind(), "unreachable");
}

#[tokio::test]
async fn the_servers_own_words_reach_the_reader() {
    let server = Server::start(|_| {
        let body = r#"{"status":"error","errorType":"bad_data","error":"1:2: parse error"}"#;
        (StatusCode::BAD_REQUEST, JSON, body).into_response()
    })
    .await;
    let refused = fetch(server.settings()).await.expect_err("refused");
    assert_eq!(refused, SourceError::Refused("bad_data: 1:2: parse error".to_owned()));
    let server = Server::start(|_| (StatusCode::SERVICE_UNAVAILABLE, "<html>").into_response()).await;
    let refused = fetch(server.settings()).await.expect_err("refused");
    assert_eq!(refused.to_string(), "query refused: HTTP 503 Service Unavailable");
}
