//! Any bytes, read as what the Secret holds under our keys, a NUL between two of them.

use std::time::{Duration, UNIX_EPOCH};

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;

use super::{Found, KEYS, MANAGED_BY, Step, make, names, plan};

/// The next step can be planned and made whatever is kept, and after at most a few steps all is well.
pub(crate) fn check(bytes: &[u8]) {
    let now = UNIX_EPOCH + Duration::from_secs(1_790_000_000);
    let names = names("inferometer", "inferometer");
    let contents = bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec);
    let mut found = Found::read(Some(&secret(KEYS.into_iter().zip(contents))));
    for _ in 0..4 {
        let (step, why) = plan(&found, &names, Duration::ZERO, Some(UNIX_EPOCH), now);
        let Found::Ours(state) = &found else { panic!("it is labelled as ours") };
        if step == Step::Nothing {
            assert_eq!(state.flaw(&names, now), None, "{why}");
            return;
        }
        let made = make(step, Some(state), None, &names, now).expect("what is planned can be made");
        found = Found::read(Some(&secret(made)));
    }
    panic!("four steps are not enough");
}

fn secret(contents: impl IntoIterator<Item = (&'static str, Vec<u8>)>) -> Secret {
    let (label, ours) = MANAGED_BY;
    let mut secret = Secret::default();
    secret.metadata.labels = Some([(label.to_owned(), ours.to_owned())].into());
    let data = contents.into_iter().map(|(key, bytes)| (key.to_owned(), ByteString(bytes)));
    secret.data = Some(data.collect());
    secret
}
