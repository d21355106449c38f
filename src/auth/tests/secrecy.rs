//! A token is seen by the API server and by nobody else.
use std::io;
use std::sync::Mutex;

use super::*;
use fake::Mood;
use tracing_subscriber::fmt::MakeWriter;

/// A log that can be read.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn no_token_is_logged_printed_or_passed_on() {
    let log = Log::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let rig = Rig::new();
    let mut seen = String::new();
    for mood in [Mood::Answers, Mood::Unreachable, Mood::Refuses, Mood::Hangs] {
        rig.fake.set(mood);
        let good = format!("canary-good-{mood:?}");
        rig.fake.token(&good, "builder");
        for token in [good, format!("canary-bad-{mood:?}")] {
            for asking in [
                rig.request(METRIC, None),
                rig.proxied(METRIC, "alice"),
                rig.request("/livez", None),
                rig.request("//", None),
            ] {
                seen += &asking.header("authorization", format!("Bearer {token}")).send().await.1;
            }
        }
    }
    let printed = format!("{:?} {:?}", rig.auth, rig.trust);
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let seen = [seen, printed, logged].concat();
    // The log was written, or its silence would prove nothing.
    assert!(seen.contains("a review failed"), "{seen}");
    assert!(!seen.contains("canary"), "{seen}");
}
