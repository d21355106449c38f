use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::core::fixtures::labels;
use crate::core::series::Silent;

/// A way that finds nothing but its own name, as something unseen.
struct Named(&'static str, Duration, AtomicUsize);

impl Named {
    fn new(name: &'static str, every: u64) -> Arc<Self> {
        Arc::new(Self(name, Duration::from_secs(every), AtomicUsize::new(0)))
    }

    fn looks(&self) -> usize {
        self.2.load(Ordering::Relaxed)
    }
}

impl Discover for Named {
    fn look(&self) -> Look<'_> {
        self.2.fetch_add(1, Ordering::Relaxed);
        let silent = Silent {
            labels: labels(""),
            engine: None,
            speaks_for_others: true,
            cause: self.0.into(),
            known: false,
        };
        Box::pin(async { Found { unseen: vec![silent], ..Found::default() } })
    }

    fn every(&self) -> Duration {
        self.1
    }

    fn describe(&self) -> String {
        self.0.to_owned()
    }
}

#[tokio::test(start_paused = true)]
async fn each_is_looked_at_at_its_own_beat_and_all_are_told() {
    let (slow, quick) = (Named::new("slow", 5), Named::new("quick", 1));
    let joined = Joined::new([Arc::clone(&slow) as Arc<dyn Discover>, Arc::clone(&quick) as _]);
    assert_eq!((joined.every(), joined.describe()), (Duration::from_secs(1), "slow, quick".to_owned()));
    for _ in 0..10 {
        let causes: Vec<_> = joined.look().await.unseen.into_iter().map(|one| one.cause).collect();
        assert_eq!(causes, ["slow", "quick"].map(Arc::<str>::from));
        tokio::time::sleep(joined.every()).await;
    }
    assert_eq!((slow.looks(), quick.looks()), (2, 10));
}
