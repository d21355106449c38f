//! An answer that has the rows of the last one is read the same, with less work.

use super::*;
use crate::source::prometheus::decode::shape::Shape;

/// As Prometheus writes it, in its order.
fn answer(samples: &[(Value, f64)]) -> String {
    let mut body: Value = serde_json::from_str(&super::answer(samples)).expect("JSON");
    let result = body["data"]["result"].take();
    format!(r#"{{"status":"success","data":{{"resultType":"vector","result":{result}}}}}"#)
}

fn read(body: &str, signal: &Signal, known: Option<&Shape>) -> Decoded {
    decode(body.as_bytes(), StatusCode::OK, signal, asked(), 1000, known).expect("decodes")
}

/// What a set holds, in words.
fn told(set: &SeriesSet) -> String {
    format!("{:?} {:?} {:?}", set.columns(), set.all(), set.oldest())
}

/// Pods with a number and a time each, some without a number.
fn pods(numbers: &[f64]) -> Vec<(Value, f64)> {
    let labels = |index: usize, part: &str| json!({ "namespace": format!("n{}", index % 3), "pod": format!("p{index}"), "instance": format!("10.0.0.{index}:80"), "_part": part });
    let numbered = numbers.iter().enumerate();
    let values = numbered
        .clone()
        .filter(|(_, value)| **value >= 0.0)
        .map(|(index, value)| (labels(index, "0"), *value));
    let times = numbered.map(|(index, value)| (labels(index, "t"), EVALUATED - value.abs()));
    values.chain(times).collect()
}

#[test]
fn an_answer_with_the_same_rows_is_not_read_anew() {
    let first = read(&answer(&pods(&[1.0, 2.0, -1.0, 4.0])), &waiting(), None);
    let shape = first.shape.expect("a shape");
    let body = answer(&pods(&[5.0, 0.5, -3.0, 7.0]));
    let (short, long) = (read(&body, &waiting(), Some(&shape)), read(&body, &waiting(), None));
    assert!(short.shape.is_none(), "it was read anew");
    assert_eq!(told(&short.set), told(&long.set));
    assert_eq!(short.set.layout(), first.set.layout());
    assert_ne!(long.set.layout(), first.set.layout());

    // With another row, without one, and in another order.
    for other in [&[1.0, 2.0, -1.0, 4.0, 5.0][..], &[1.0, 2.0, -1.0], &[1.0, -2.0, 1.0, 4.0]] {
        let body = answer(&pods(other));
        let (again, long) = (read(&body, &waiting(), Some(&shape)), read(&body, &waiting(), None));
        assert!(again.shape.is_some(), "{other:?}");
        assert_eq!(told(&again.set), told(&long.set));
    }
    let mut turned = pods(&[1.0, 2.0, -1.0, 4.0]);
    turned.reverse();
    assert!(read(&answer(&turned), &waiting(), Some(&shape)).shape.is_some());
}

/// A query's answer: numbers of pods, and a time for each of some namespaces.
fn queried(numbers: &[f64], times: &[(Value, f64)]) -> String {
    let pod = |index: usize| json!({ "namespace": format!("n{}", index % 3), "pod": format!("p{index}"), "_part": "0" });
    let numbers = numbers.iter().enumerate().map(|(index, value)| (pod(index), *value));
    let times = times.iter().map(|(space, age)| {
        let mut labels = space.clone();
        labels["_part"] = "t".into();
        (labels, EVALUATED - age)
    });
    answer(&numbers.chain(times).collect::<Vec<_>>())
}

#[test]
fn an_answer_to_a_query_of_ones_own_is_not_read_anew_either() {
    let signal = query("x");
    let space = |name: &str| json!({ "namespace": name });
    for known in [
        vec![],
        vec![(json!({}), 7.0)],
        vec![(space("n0"), 5.0), (space("n1"), 9.0)],
        vec![(space("n2"), -5.0), (space("elsewhere"), 30.0), (space("n1"), 2.0)],
    ] {
        let first = read(&queried(&[1.0, 2.0, 3.0, 4.0], &known), &signal, None);
        let shape = first.shape.expect("a shape");
        let later: Vec<_> = known.iter().map(|(space, age)| (space.clone(), age / 2.0)).collect();
        let body = queried(&[5.0, 0.5, 3.0, 7.0], &later);
        let (short, long) = (read(&body, &signal, Some(&shape)), read(&body, &signal, None));
        assert!(short.shape.is_none(), "it was read anew: {known:?}");
        assert_eq!(told(&short.set), told(&long.set));
        assert_eq!(short.set.layout(), first.set.layout());
        let mut more = later.clone();
        more.push((space("n9"), 60.0));
        for body in [queried(&[1.0, 2.0, 3.0, 4.0], &more), queried(&[1.0, 2.0, 3.0], &later)] {
            let (again, long) = (read(&body, &signal, Some(&shape)), read(&body, &signal, None));
            assert!(again.shape.is_some(), "{known:?}");
            assert_eq!(told(&again.set), told(&long.set));
        }
    }
}

#[test]
fn what_is_wrong_with_an_answer_is_seen_in_a_known_one_too() {
    let body = answer(&pods(&[1.0, 2.0]));
    let shape = read(&body, &waiting(), None).shape.expect("a shape");
    let again = |body: &str, status| decode(body.as_bytes(), status, &waiting(), asked(), 1000, Some(&shape));
    assert!(again(&body, StatusCode::OK).is_ok());
    assert!(again(&body, StatusCode::BAD_GATEWAY).is_err(), "a gateway that repeats itself");
    for cut in 0..body.len() {
        assert!(again(&body[..cut], StatusCode::OK).is_err(), "cut after {cut}");
    }
    assert!(
        again(&body.replace("\"2.0\"", "\"many\"").replace("\"2\"", "\"many\""), StatusCode::OK).is_err()
    );
    assert!(again(&body.replace("vector", "matrix"), StatusCode::OK).is_err());
    let partial = body.replacen("\"data\"", "\"isPartial\":true,\"data\"", 1);
    assert_eq!(again(&partial, StatusCode::OK).expect("decodes").warnings.len(), 1);
    let warned =
        body.strip_suffix("}").expect("an object").to_owned() + ",\"warnings\":[\"store b is away\"]}";
    assert_eq!(again(&warned, StatusCode::OK).expect("decodes").warnings, ["store b is away"]);
}

#[test]
fn pods_that_are_scraped_twice_are_looked_at_each_time() {
    // Which of the two stays depends on their times.
    let twice = |older: f64, newer: f64| {
        let labels = |job: &str, part: &str| json!({ "namespace": "n", "pod": "p", "instance": "10.0.0.1:80", "job": job, "_part": part });
        answer(&[
            (labels("a", "0"), 1.0),
            (labels("b", "0"), 2.0),
            (labels("a", "t"), EVALUATED - older),
            (labels("b", "t"), EVALUATED - newer),
        ])
    };
    let first = read(&twice(5.0, 1.0), &waiting(), None);
    assert_eq!(first.set.all()[0].cells[0], Some(2.0));
    assert!(first.shape.is_none());
}

proptest! {
    #[test]
    fn any_answer_after_any_other_is_read_the_same(
        first in prop::collection::vec(-3.0_f64..9.0, 0..6),
        second in prop::collection::vec(-3.0_f64..9.0, 0..6),
    ) {
        let shape = read(&answer(&pods(&first)), &waiting(), None).shape;
        let body = answer(&pods(&second));
        let (again, long) = (read(&body, &waiting(), shape.as_ref()), read(&body, &waiting(), None));
        prop_assert_eq!(told(&again.set), told(&long.set));
    }
}
