//! Any bytes, read as what the ConfigMap remembers of budgets.

use k8s_openapi::api::core::v1::ConfigMap;

use super::{Book, KEY, Written, read};

/// What can be read survives being written, and what others remember is agreed on.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let book = read(Some(&config_map(text)));
    let written = serde_json::to_string(&book).expect("names and numbers have a form in JSON");
    assert_eq!(read(Some(&config_map(&written))), book);
    for (one, other) in book.values().zip(book.values().skip(1)) {
        let agreed = one.breaker().agree(&other.breaker());
        assert!([one, other].contains(&&Written::of(&agreed)));
    }
    assert!(serde_json::from_str::<Book>(text).is_ok() || book.is_empty());
}

fn config_map(text: &str) -> ConfigMap {
    ConfigMap { data: Some([(KEY.to_owned(), text.to_owned())].into()), ..ConfigMap::default() }
}
