//! Right callers who never stop asking.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use http::Method;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::{Client, seconds, until};

/// Asks one path over and over, and keeps what was not a 200.
pub(crate) struct Load {
    task: JoinHandle<()>,
    tally: Arc<Mutex<Tally>>,
}

#[derive(Default)]
struct Tally {
    answered: usize,
    failures: Vec<String>,
}

impl Load {
    pub(crate) fn start(client: Client, path: &str) -> Self {
        let tally = Arc::new(Mutex::new(Tally::default()));
        let (path, counted) = (path.to_owned(), Arc::clone(&tally));
        let task = tokio::spawn(async move {
            loop {
                let outcome = client.try_send(Method::GET, &path, &[]).await;
                {
                    let mut tally = counted.lock().expect("no panic");
                    match outcome {
                        Ok(reply) if reply.status == 200 => tally.answered += 1,
                        Ok(reply) => tally.failures.push(format!("{}: {}", reply.status, reply.text())),
                        Err(error) => tally.failures.push(format!("{error:?}")),
                    }
                }
                sleep(Duration::from_millis(10)).await;
            }
        });
        Self { task, tally }
    }

    fn answered(&self) -> usize {
        self.tally.lock().expect("no panic").answered
    }

    /// Waits for ten more answers, then tells what failed since the beginning.
    pub(crate) async fn end(self) -> Vec<String> {
        let before = self.answered();
        until("it goes on", seconds(20), async || {
            let tally = self.tally.lock().expect("no panic");
            if tally.answered >= before + 10 || !tally.failures.is_empty() {
                Ok(())
            } else {
                Err("no answers")
            }
        })
        .await;
        self.task.abort();
        std::mem::take(&mut self.tally.lock().expect("no panic").failures)
    }
}
