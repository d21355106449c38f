use std::time::Duration;

use super::*;
use crate::core::quantity::Quantity;
use crate::core::time::Timestamp;

/// A rate of 1.5, sampled within the second that the contract shows.
fn reading(window: Option<u64>) -> Reading {
    let at = Timestamp::from_millis(1_795_306_552_999);
    Reading {
        value: 1.5,
        quantity: Quantity::from_f64(1.5).unwrap(),
        at,
        sampled_at: at,
        window: window.map(Duration::from_secs),
        held: false,
        expires: Timestamp::MAX,
        elements: 1,
    }
}

fn body(
    version: Version,
    object: &Object,
    namespace: Option<&str>,
    names: &[&str],
    selector: &str,
) -> String {
    let reading = reading(Some(60));
    let items = names.iter().map(|name| Item { object, name, reading: &reading });
    let selector = Selector::parse(selector).unwrap();
    let body = metric_value_list(version, namespace, "m", &selector, items);
    String::from_utf8(body.to_vec()).unwrap()
}

/// The answer for one pod, as far as its selector goes.
fn selector_of(version: Version, selector: &str) -> String {
    let body = body(version, &Object::Pod, Some("ns"), &["p1"], selector);
    let (_, rest) = body.split_once(r#""selector":"#).unwrap();
    let end = match version {
        Version::V1Beta1 => "}]}\n",
        Version::V1Beta2 => "},\"timestamp\"",
    };
    rest.split_once(end).unwrap().0.to_owned()
}

#[test]
fn the_answers_are_what_the_contract_shows() {
    for (version, shown) in [
        (Version::V1Beta1, include_str!("../../../../tests/fixtures/contract/value-custom-v1beta1.json")),
        (Version::V1Beta2, include_str!("../../../../tests/fixtures/contract/value-custom-v1beta2.json")),
    ] {
        assert_eq!(body(version, &Object::Pod, Some("ns"), &["p1"], ""), shown);
    }
}

#[test]
fn the_window_is_left_out_when_there_is_none() {
    let reading = reading(None);
    for version in [Version::V1Beta1, Version::V1Beta2] {
        let items = [Item { object: &Object::Pod, name: "p1", reading: &reading }].into_iter();
        let body = metric_value_list(version, Some("ns"), "m", &Selector::everything(), items);
        let body = std::str::from_utf8(&body).unwrap();
        assert!(body.contains(r#""timestamp":"2026-11-22T00:15:52Z","value":"1500m""#), "{body}");
    }
}

#[test]
fn the_selector_comes_in_the_form_that_objects_carry() {
    for (selector, expected) in [
        ("", "null"),
        ("b=2,a=1", r#"{"matchLabels":{"a":"1","b":"2"}}"#),
        (
            "model in (y,x),engine=vllm,!canary,tier!=test,pod",
            concat!(
                r#"{"matchExpressions":[{"key":"canary","operator":"DoesNotExist"},"#,
                r#"{"key":"model","operator":"In","values":["x","y"]},{"key":"pod","operator":"Exists"},"#,
                r#"{"key":"tier","operator":"NotIn","values":["test"]}],"matchLabels":{"engine":"vllm"}}"#,
            ),
        ),
        ("zone notin (a)", r#"{"matchExpressions":[{"key":"zone","operator":"NotIn","values":["a"]}]}"#),
        // No label has two values, and so says the answer.
        (
            "a=1,a=2",
            r#"{"matchExpressions":[{"key":"a","operator":"In","values":["2"]}],"matchLabels":{"a":"1"}}"#,
        ),
    ] {
        for version in [Version::V1Beta1, Version::V1Beta2] {
            assert_eq!(selector_of(version, selector), expected, "{version:?} {selector}");
        }
    }
}

#[test]
fn each_object_has_an_item_and_only_what_is_known_of_it() {
    let object = |resource: &str, key: &str| Object::Other { resource: resource.into(), key: key.into() };
    for (object, namespace, described) in [
        (
            object("deployments.apps", "deployment"),
            Some("ns"),
            r#"{"kind":"Deployment","namespace":"ns","name":"a","apiVersion":"apps/v1"}"#,
        ),
        (object("gadgets.example.com", "gadget"), Some("ns"), r#"{"namespace":"ns","name":"a"}"#),
        (object("nodes", "node"), None, r#"{"kind":"Node","name":"a","apiVersion":"v1"}"#),
        (Object::Namespace, None, r#"{"kind":"Namespace","name":"a","apiVersion":"v1"}"#),
    ] {
        let body = body(Version::V1Beta2, &object, namespace, &["a", "b"], "");
        assert!(body.contains(&format!(r#""items":[{{"describedObject":{described},"#)), "{body}");
        assert_eq!(body.matches("describedObject").count(), 2, "{body}");
    }
}
