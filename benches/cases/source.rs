//! What a source does with an answer, over a connection on this machine.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use inferometer::catalog::Catalog;
use inferometer::core::freshness::Coverage;
use inferometer::source::Source as _;
use inferometer::source::prometheus::{Prometheus, Settings};

use super::{Case, NOW, Run, labels, run};

pub(super) static CASES: [Case; 1] = [Case { name: "prometheus-10000-series", times: 2, make: decode }];

/// Series of the answer, each with its number and its time.
const SERIES: usize = 10_000;

fn decode() -> Run {
    let address = serve(answer());
    // A source needs a provider of TLS, also where it speaks none.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let url = format!("http://{address}").parse().expect("a URL");
    let source = Prometheus::new(Settings::new("main", url));
    let catalog = Catalog::built_in().expect("the built-in catalog loads");
    let metric = catalog.resolve("vllm:num_requests_waiting").expect("it is in the catalog");
    let signal = Arc::clone(&metric.inputs[0].signal);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    run(move || {
        let answer = runtime.block_on(source.fetch(&signal, &Coverage::Cluster, NOW)).expect("an answer");
        assert_eq!(answer.set.all().len(), SERIES);
        answer
    })
}

fn answer() -> String {
    let seconds = NOW.as_millis() / 1000;
    let rows = (0..SERIES).map(|index| {
        let labels = labels(index / 100, index % 100).map(|(name, value)| format!(r#""{name}":"{value}""#)).join(",");
        format!(
            r#"{{"metric":{{"_part":"0",{labels}}},"value":[{seconds},"{index}"]}},{{"metric":{{"_part":"t",{labels}}},"value":[{seconds},"{seconds}"]}}"#
        )
    });
    let rows = rows.collect::<Vec<_>>().join(",");
    format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{rows}]}}}}"#)
}

/// Answers every query with the same, and whatever else is asked with nothing.
fn serve(body: String) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = listener.local_addr().expect("its address");
    let body: Arc<str> = body.into();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let body = Arc::clone(&body);
            thread::spawn(move || answer_all(&stream, &body));
        }
    });
    address
}

fn answer_all(stream: &TcpStream, body: &str) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    loop {
        let (mut line, mut length, mut is_query) = (String::new(), 0, None);
        while reader.read_line(&mut line).ok()? > 2 {
            is_query.get_or_insert(line.starts_with("POST /api/v1/query "));
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            line.clear();
        }
        std::io::copy(&mut (&mut reader).take(length), &mut std::io::sink()).ok()?;
        let (code, body) = if is_query? { ("200 OK", body) } else { ("404 Not Found", "") };
        write!(writer, "HTTP/1.1 {code}\r\ncontent-length: {}\r\n\r\n", body.len()).ok()?;
        writer.write_all(body.as_bytes()).ok()?;
    }
}
