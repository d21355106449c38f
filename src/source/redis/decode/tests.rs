use proptest::prelude::*;

use super::*;

fn text(text: &str) -> Value {
    Value::BulkString(text.as_bytes().to_vec())
}

fn flat(fields: &[(&str, Value)]) -> Value {
    Value::Array(fields.iter().flat_map(|(name, value)| [text(name), value.clone()]).collect())
}

fn workers(lag: Value) -> Vec<(&'static str, Value)> {
    vec![
        ("name", text("workers")),
        ("consumers", Value::Int(2)),
        ("pending", Value::Int(4)),
        ("last-delivered-id", text("17-3")),
        ("entries-read", Value::Int(9)),
        ("lag", lag),
    ]
}

#[test]
fn lengths_are_whole_and_not_negative() {
    assert_eq!(length(&Value::Int(0)), Ok(0));
    assert_eq!(length(&Value::Int(i64::MAX)), Ok(i64::MAX as u64));
    for wrong in [Value::Int(-1), Value::Nil, text("3"), Value::Okay, Value::Array(vec![Value::Int(3)])] {
        assert!(matches!(length(&wrong), Err(SourceError::Unusable(_))), "{wrong:?}");
    }
}

#[test]
fn groups_are_found_by_name() {
    let other = flat(&[("name", text("other")), ("pending", text("nonsense"))]);
    let found = |lag: Value| {
        let reply = Value::Array(vec![other.clone(), flat(&workers(lag))]);
        group(&reply, "workers").unwrap().unwrap()
    };
    assert_eq!(found(Value::Int(5)), Group { lag: Some(5), pending: 4, delivered: EntryId(17, 3) });
    // Not told, or told wrongly: it is to be counted.
    assert_eq!((found(Value::Nil).lag, found(Value::Int(-2)).lag), (None, None));
    let before_7 = Value::Array(vec![flat(&workers(Value::Nil)[..4])]);
    assert_eq!(group(&before_7, "workers").unwrap().unwrap().lag, None);
    let map = |(name, value): &(&str, Value)| (text(name), value.clone());
    let third = Value::Array(vec![Value::Map(workers(Value::Int(1)).iter().map(map).collect())]);
    assert_eq!(group(&third, "workers").unwrap().unwrap().lag, Some(1));
    assert_eq!(group(&third, "nobody"), Ok(None));
    assert_eq!(group(&Value::Array(Vec::new()), "workers"), Ok(None));
}

#[test]
fn groups_that_lack_something_are_refused() {
    for (lacking, words) in [(2, "without pending"), (3, "without a last entry"), (0, "without a name")] {
        let mut fields = workers(Value::Int(1));
        fields.remove(lacking);
        let error = group(&Value::Array(vec![flat(&fields)]), "workers").unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
    for wrong in [Value::Nil, Value::Int(3), text("workers"), Value::Array(vec![Value::Int(1)])] {
        assert!(group(&wrong, "workers").is_err(), "{wrong:?}");
    }
}

#[test]
fn entries_follow_each_other() {
    let parse = |text: &str| EntryId::parse(text.as_bytes());
    assert_eq!(parse("17-3").unwrap().next().as_deref(), Some("17-4"));
    assert_eq!(EntryId(17, u64::MAX).next().as_deref(), Some("18-0"));
    assert_eq!(EntryId(u64::MAX, u64::MAX).next(), None);
    assert!(EntryId(17, 3) > EntryId(9, 99));
    for wrong in ["", "17", "17-", "-3", "a-b", "17-3-1", "18446744073709551616-0"] {
        assert_eq!(parse(wrong), None, "{wrong}");
    }
}

#[test]
fn pages_are_counted_and_weighed() {
    let entry = |id: &str| Value::Array(vec![text(id), Value::Array(vec![text("job"), text("render")])]);
    let found = page(&Value::Array(vec![entry("1-0"), entry("2-0")])).unwrap();
    assert_eq!((found.entries, found.bytes, found.last), (2, 24, Some(EntryId(2, 0))));
    let empty = page(&Value::Array(Vec::new())).unwrap();
    assert_eq!((empty.entries, empty.last), (0, None));
    assert!(page(&Value::Nil).is_err() && page(&Value::Array(vec![Value::Int(1)])).is_err());
}

#[test]
fn scans_have_a_cursor_and_keys() {
    let reply = |cursor: Value, keys: Value| Value::Array(vec![cursor, keys]);
    let keys = Value::Array(vec![text("a"), Value::BulkString(vec![0xff])]);
    assert_eq!(scanned(reply(text("12"), keys.clone())), Ok((12, vec![b"a".to_vec(), vec![0xff]])));
    for wrong in [
        reply(text("-1"), keys.clone()),
        reply(text("x"), keys),
        reply(text("0"), Value::Array(vec![Value::Int(1)])),
        Value::Array(vec![text("0")]),
        Value::Nil,
    ] {
        assert!(scanned(wrong.clone()).is_err(), "{wrong:?}");
    }
}

#[test]
fn a_cluster_is_whole_or_it_is_not() {
    let node = |id: &str| Value::Array(vec![text("10.0.0.1"), Value::Int(6379), text(id)]);
    let range =
        |first, last, id: &str| Value::Array(vec![Value::Int(first), Value::Int(last), node(id), node("r")]);
    let whole = [range(0, 99, "a"), range(100, 8_000, "b"), range(8_001, 16_383, "a")];
    assert_eq!(primaries(&Value::Array(whole.to_vec())), Ok(Some(2)));
    assert_eq!(primaries(&Value::Array(whole[..2].to_vec())), Ok(None));
    assert_eq!(primaries(&Value::Array(Vec::new())), Ok(None));
    for wrong in [range(5, 4, "a"), range(-1, 4, "a"), range(0, i64::MAX, "a"), Value::Nil] {
        assert!(primaries(&Value::Array(vec![wrong.clone()])).is_err(), "{wrong:?}");
    }
}

#[test]
fn sentinels_name_an_address_or_none() {
    let named = address(&Value::Array(vec![text("::1"), text("6379")])).unwrap().unwrap();
    assert_eq!(named.to_string(), "[::1]:6379");
    assert_eq!(address(&Value::Nil), Ok(None));
    for wrong in [Value::Okay, Value::Array(vec![text("a")]), Value::Array(vec![text("a"), text("66000")])] {
        assert!(address(&wrong).is_err(), "{wrong:?}");
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Nil),
        any::<i64>().prop_map(Value::Int),
        prop::sample::select(vec!["name", "workers", "lag", "pending", "last-delivered-id", "1-1", "0"])
            .prop_map(text),
        prop::collection::vec(any::<u8>(), 0..8).prop_map(Value::BulkString),
        any::<f64>().prop_map(Value::Double),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::Array),
            prop::collection::vec((inner.clone(), inner), 0..4).prop_map(Value::Map),
        ]
    })
}

proptest! {
    #[test]
    fn any_reply_is_a_number_or_an_error(reply in any_value()) {
        let _ = length(&reply);
        let _ = group(&reply, "workers");
        let _ = page(&reply);
        let _ = primaries(&reply);
        let _ = address(&reply);
        let _ = role(&reply);
        let _ = scanned(reply);
    }
}
