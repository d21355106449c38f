//! Any bytes, read as the data of the ConfigMap that says whom the cluster trusts.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Change, TrustStore};
use crate::telemetry::Telemetry;

/// It is refused and changes nothing, or taken: with no prefix that every header has, and with no front proxy
/// that any user could be.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(data) = serde_json::from_slice::<BTreeMap<String, String>>(bytes) else { return };
    let store = TrustStore::new(Arc::new(Telemetry::default()));
    let taken = store.update(&data);
    let trust = store.load();
    let Ok(change) = taken else {
        assert!(store.generation() == 0 && trust.clients.is_none() && trust.front_proxy.is_none());
        return;
    };
    assert!(change != Change::None && store.generation() == 1);
    let Some(proxy) = &trust.front_proxy else { return };
    assert!(change == Change::Taken && proxy.extra.iter().all(|prefix| !prefix.is_empty()));
    let shared = trust.clients.as_ref().is_some_and(|clients| clients.share_a_key(&proxy.authorities));
    assert!(!(shared && proxy.names.is_empty()));
    assert_eq!(store.update(&data).ok(), Some(Change::None));
}
