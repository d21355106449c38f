//! Configurations by the thousand, and files that are none.
use std::fs;
use std::sync::Weak;

use super::*;
use crate::engine::{Generation, Pace};

struct Rig {
    reloader: Reloader,
    folder: tempfile::TempDir,
}

/// A source that is another one for each number, and a metric of it.
fn good(number: usize) -> String {
    format!(
        "apiVersion: inferometer.dev/v1alpha1\nkind: Configuration\n\
         sources: [{{ name: main, prometheus: {{ url: \"http://127.0.0.1:{}\" }} }}]\n\
         metrics: [{{ name: queue-{number}, preset: inference_requests_waiting }}]\n",
        1_000 + number
    )
}

impl Rig {
    fn new() -> Self {
        crate::server::tls::install_crypto_provider();
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("config.yaml");
        let catalog = Arc::new(Catalog::built_in().expect("a catalog"));
        let telemetry = Arc::new(Telemetry::default());
        let mut sources = Sources::new(None);
        let definitions = sources.definitions(&[], crate::config::Configuration::default());
        let engine = Engine::new(Arc::clone(&catalog), definitions, Pace::default(), Arc::clone(&telemetry));
        let engine = Arc::new(engine);
        let reloader = Reloader { path, flags: Vec::new(), sources, catalog, engine, telemetry, seen: None };
        Self { reloader, folder }
    }

    /// How many files were taken and refused so far, after a look at what is there now.
    async fn looked(&mut self) -> (u64, u64) {
        self.reloader.look().await;
        let mut page = String::new();
        let registry = self.reloader.telemetry.registry();
        prometheus_client::encoding::text::encode(&mut page, &registry).expect("a page");
        let count = |result: &str| {
            let series = format!("inferometer_configuration_reloads_total{{result=\"{result}\"}} ");
            let line = page.lines().find_map(|line| line.strip_prefix(&series));
            line.map_or(0, |count| count.parse().expect("a count"))
        };
        (count("success"), count("failure"))
    }

    async fn written(&mut self, content: impl AsRef<[u8]>) -> (u64, u64) {
        fs::write(&self.reloader.path, content).expect("a file can be written");
        self.looked().await
    }

    fn generation(&self) -> Arc<Generation> {
        self.reloader.engine.generation()
    }
}

#[tokio::test]
async fn a_thousand_configurations_leave_nothing_behind() {
    let mut rig = Rig::new();
    let mut generations: Vec<Weak<Generation>> = Vec::new();
    for number in 0..1_000 {
        fs::write(&rig.reloader.path, good(number)).expect("a file can be written");
        rig.reloader.look().await;
        generations.push(Arc::downgrade(&rig.generation()));
    }
    assert_eq!(rig.looked().await, (1_000, 0));
    assert_eq!(rig.reloader.sources.names(), ["main"], "one source at a time");
    let alive = generations.iter().filter(|generation| generation.upgrade().is_some()).count();
    assert_eq!(alive, 1, "generations that somebody still holds");
}

#[tokio::test]
async fn what_is_no_configuration_changes_nothing() {
    let mut rig = Rig::new();
    let mut taken = 0;
    let mut refused = 0;
    let laughs = (1..=9).fold("a0: &a0 [lol]\n".to_owned(), |text, n| {
        let references = vec![format!("*a{}", n - 1); 9].join(",");
        format!("{text}a{n}: &a{n} [{references}]\n")
    });
    let unknown = good(0) + "colour: red\n";
    // As a write in place leaves it for a moment.
    let half = &good(0)[..good(0).len() - 12];
    let large = good(0) + &"# a comment\n".repeat(100_000);
    let bad: [(&str, &[u8]); 8] = [
        ("empty", b""),
        ("no YAML", b"{"),
        ("not a configuration", b"- a\n- b\n"),
        ("an unknown field", unknown.as_bytes()),
        ("half of one", half.as_bytes()),
        ("a bomb", laughs.as_bytes()),
        ("too large", large.as_bytes()),
        ("no text", b"\xff\xfe\x00"),
    ];
    for (number, (what, content)) in bad.into_iter().enumerate() {
        taken += 1;
        assert_eq!(rig.written(good(number)).await, (taken, refused), "before {what}");
        let good = rig.generation();
        refused += 1;
        assert_eq!(rig.written(content).await, (taken, refused), "{what}");
        assert_eq!(rig.looked().await, (taken, refused), "{what} is told once");
        assert!(Arc::ptr_eq(&good, &rig.generation()), "{what} has changed something");
    }
    // Gone, and then something that cannot be read.
    taken += 1;
    assert_eq!(rig.written(good(100)).await, (taken, refused));
    let good_one = rig.generation();
    fs::remove_file(&rig.reloader.path).expect("it was there");
    assert_eq!(rig.looked().await, (taken, refused + 1), "gone");
    fs::create_dir(&rig.reloader.path).expect("a folder in its place");
    assert_eq!(rig.looked().await, (taken, refused + 1), "still nothing that can be read");
    assert!(Arc::ptr_eq(&good_one, &rig.generation()));
    fs::remove_dir(&rig.reloader.path).expect("it was there");
    assert_eq!(rig.written(good(101)).await, (taken + 1, refused + 1), "{:?} is back", rig.folder.path());
}
