//! Answers that are errors, and answers that are none of the query API.

use super::*;

fn refusal(status: u16, body: &[u8]) -> SourceError {
    let status = StatusCode::from_u16(status).expect("a status");
    decode(body, status, &waiting(), asked(), 1000, None).map(|_| ()).expect_err("an error")
}

#[test]
fn errors_are_told_in_the_servers_words() {
    let body =
        |kind: &str, error: &str| json!({ "status": "error", "errorType": kind, "error": error }).to_string();
    for (status, kind, error, sentence) in [
        (
            400,
            "bad_data",
            "1:5: parse error: unexpected end",
            "query refused: bad_data: 1:5: parse error: unexpected end",
        ),
        (
            422,
            "execution",
            "query processing would load too many samples",
            "query refused: execution: query processing would load too many samples",
        ),
        (
            503,
            "timeout",
            "query timed out in expression evaluation",
            "query refused: timeout: query timed out in expression evaluation",
        ),
        (400, "bad_data", "two\nlines\tand \u{7} bell", "query refused: bad_data: two lines and   bell"),
    ] {
        let refusal = refusal(status, body(kind, error).as_bytes());
        assert_eq!((refusal.to_string().as_str(), refusal.kind()), (sentence, "refused"));
    }
    let long = refusal(400, body("bad_data", &"ä".repeat(5000)).as_bytes()).to_string();
    assert_eq!(long.chars().count(), "query refused: ".len() + 301);
    assert_eq!(
        refusal(500, br#"{"status":"error"}"#).to_string(),
        "query refused: HTTP 500 Internal Server Error: "
    );
}

#[test]
fn errors_without_the_apis_json_are_told_by_their_status() {
    for (status, body) in [
        (502, &b"<html>Bad Gateway</html>"[..]),
        (404, b"404 page not found"),
        (503, b""),
        (429, b"slow down"),
        // A success inside a failure is none.
        (500, br#"{"status":"success","data":{"resultType":"vector","result":[]}}"#),
    ] {
        let refusal = refusal(status, body);
        let status = StatusCode::from_u16(status).expect("a status");
        assert_eq!(refusal, SourceError::Refused(format!("HTTP {status}")));
    }
}

#[test]
fn what_is_no_vector_of_numbers_is_unusable() {
    let vector = |result: &str| {
        format!(r#"{{"status":"success","data":{{"resultType":"vector","result":{result}}}}}"#)
    };
    for (name, body) in [
        ("a login page", "<!DOCTYPE html><html><form action=/login>".to_owned()),
        ("nothing", String::new()),
        ("null", "null".to_owned()),
        ("an array", "[]".to_owned()),
        ("no status", "{}".to_owned()),
        ("no data", r#"{"status":"success"}"#.to_owned()),
        ("null data", r#"{"status":"success","data":null}"#.to_owned()),
        ("no result", r#"{"status":"success","data":{"resultType":"vector"}}"#.to_owned()),
        ("null result", vector("null")),
        ("a scalar", r#"{"status":"success","data":{"resultType":"scalar","result":[1700000100.25,"1"]}}"#.to_owned()),
        ("a string", r#"{"status":"success","data":{"resultType":"string","result":[1700000100.25,"x"]}}"#.to_owned()),
        ("a matrix", r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"1"]]}]}}"#.to_owned()),
        ("streams of logs", r#"{"status":"success","data":{"resultType":"streams","result":[]}}"#.to_owned()),
        ("a native histogram", vector(r#"[{"metric":{"_part":"b"},"histogram":[1,{"count":"1","sum":"1","buckets":[]}]}]"#)),
        ("a number as a number", vector(r#"[{"metric":{"_part":"0"},"value":[1,1]}]"#)),
        ("a number in words", vector(r#"[{"metric":{"_part":"0"},"value":[1,"one"]}]"#)),
        ("an empty number", vector(r#"[{"metric":{"_part":"0"},"value":[1,""]}]"#)),
        ("a time in words", vector(r#"[{"metric":{"_part":"0"},"value":["now","1"]}]"#)),
        ("a time beyond all", vector(r#"[{"metric":{"_part":"0"},"value":[1e999,"1"]}]"#)),
        ("half a value", vector(r#"[{"metric":{"_part":"0"},"value":[1]}]"#)),
        ("labels that are numbers", vector(r#"[{"metric":{"_part":0},"value":[1,"1"]}]"#)),
        ("labels that are a list", vector(r#"[{"metric":["_part"],"value":[1,"1"]}]"#)),
        ("no labels", vector(r#"[{"value":[1,"1"]}]"#)),
        ("cut off", vector(r#"[{"metric":{"_part":"0"},"value":[1,"1"]}"#)),
        ("twice", vector("[]").repeat(2)),
        ("a byte order mark", format!("\u{feff}{}", vector("[]"))),
        ("the same key twice", r#"{"status":"success","status":"error","data":{"resultType":"vector","result":[]}}"#.to_owned()),
        ("warnings that are none", r#"{"status":"success","data":{"resultType":"vector","result":[]},"warnings":[1]}"#.to_owned()),
    ] {
        let refusal = refusal(200, body.as_bytes());
        assert_eq!(refusal.kind(), "unusable", "{name}: {refusal}");
        assert!(refusal.to_string().len() < 400, "{name}: {refusal}");
    }
}

#[test]
fn the_kind_of_an_unusable_answer_is_named() {
    let matrix = br#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#;
    assert_eq!(refusal(200, matrix).to_string(), "unusable answer: a matrix where a vector was expected");
    let native =
        br#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"histogram":[1,{}]}]}}"#;
    assert_eq!(
        refusal(200, native).to_string(),
        "unusable answer: a native histogram where a number was expected"
    );
}

#[test]
fn what_a_hostile_server_says_is_shortened() {
    let long = "x".repeat(1 << 20);
    for body in [
        json!({ "status": "success", "data": { "resultType": long, "result": [] } }),
        json!({ "status": "error", "errorType": long, "error": "" }),
        json!({ "status": long }),
        json!({ "status": "success", "data": { "resultType": "vector", "result": long } }),
        json!({ "status": "success", "data": { "resultType": "vector", "result": [{ "metric": {}, "value": [1, long] }] } }),
        json!({ "status": "success", "data": { "resultType": "vector", "result": [] }, "warnings": long }),
    ] {
        assert!(refusal(200, body.to_string().as_bytes()).to_string().len() < 1000);
    }
    let warnings: Vec<_> = (0..50).map(|_| "PromQL info: x").chain([&*long]).collect();
    let body = json!({ "status": "success", "data": { "resultType": "vector", "result": [] }, "warnings": warnings });
    let kept = decoded(&body.to_string(), &waiting()).expect("decodes").warnings;
    assert_eq!((kept.len(), kept[0].chars().count()), (10, 301), "what is missing first, and shortened");
}

#[test]
fn no_part_of_a_body_is_repeated() {
    for body in [
        r#"{"status":"success","data":"hunter2"}"#,
        r#"{"status":"success","data":{"resultType":"vector","result":["hunter2"]}}"#,
        "hunter2",
        "\"hunter2\"",
    ] {
        let refusal = refusal(200, body.as_bytes()).to_string();
        assert!(
            refusal.starts_with("unusable answer: not the query API's JSON at line 1 column "),
            "{refusal}"
        );
    }
}

#[test]
fn deep_nesting_is_refused_without_a_stack() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = open.repeat(10_000);
        for body in [
            deep.clone(),
            format!(r#"{{"status":{deep}"#),
            format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{{"metric":{deep}"#),
            format!(r#"{{"status":"success","unknown":{deep}{}"#, close.repeat(10_000)),
        ] {
            assert_eq!(refusal(200, body.as_bytes()).kind(), "unusable");
        }
    }
}

#[test]
fn invalid_utf8_is_refused() {
    let mut body = answer(&[(json!({ "pod": "X", "_part": "0" }), 1.0)]).into_bytes();
    let at = body.iter().position(|byte| *byte == b'X').expect("the label");
    body[at] = 0xff;
    assert_eq!(refusal(200, &body).kind(), "unusable");
}

#[test]
fn too_many_series_or_buckets_are_refused() {
    let rows = |count: usize| -> Vec<(Value, f64)> {
        (0..count).map(|pod| (json!({ "pod": pod.to_string(), "_part": "0" }), 1.0)).collect()
    };
    let limited =
        |count| decode(answer(&rows(count)).as_bytes(), StatusCode::OK, &waiting(), asked(), 50, None);
    assert!(limited(50).is_ok());
    let refusal = limited(51).map(|_| ()).expect_err("too many");
    assert_eq!(refusal.to_string(), "answer too large: more than 50 series of requests_waiting");
    assert_eq!(refusal.kind(), "too_large");

    let ttft = series_signal(Kind::Buckets, &["ttft"], Some(120), Element::Pod);
    let buckets = |count: usize| -> Vec<(Value, f64)> {
        (0..count).map(|le| (json!({ "pod": "a", "_part": "b", "le": le.to_string() }), 1.0)).collect()
    };
    assert!(decoded(&answer(&buckets(MAX_COLUMNS)), &ttft).is_ok());
    assert_eq!(
        error(&buckets(MAX_COLUMNS + 1), &ttft),
        "answer too large: too many different buckets of ttft"
    );
}

#[test]
fn keys_may_come_in_any_order_but_once() {
    let row = r#"{"value":[1700000100.25,"7"],"metric":{"_part":"0"}}"#;
    let native = r#"{"metric":{},"histogram":[1,{}]}"#;
    let body = |rows: &str, kind: &str, rest: &str| {
        format!(r#"{{"data":{{"result":[{rows}],"resultType":"{kind}"}},{rest}}}"#)
    };
    let success = r#""status":"success""#;
    let failure = r#""error":"late","errorType":"execution","status":"error""#;
    assert!(decoded(&body(row, "vector", success), &waiting()).is_ok());
    for (body, sentence) in [
        (body(row, "matrix", success), "unusable answer: a matrix where a vector was expected"),
        // What the answer says of itself goes before what its rows are like.
        (body(native, "matrix", success), "unusable answer: a matrix where a vector was expected"),
        (body(native, "vector", failure), "query refused: execution: late"),
        (
            body(&format!("{native},{row}"), "vector", success),
            "unusable answer: a native histogram where a number was expected",
        ),
    ] {
        assert_eq!(refusal(200, body.as_bytes()).to_string(), sentence);
    }
    let twice = r#"{"status":"success","data":{"resultType":"vector","result":[],"result":[]}}"#;
    let broken = body(&format!("{native},{{"), "vector", success);
    for body in [twice, &broken] {
        let refusal = refusal(200, body.as_bytes()).to_string();
        assert!(refusal.starts_with("unusable answer: not the query API's JSON"), "{refusal}");
    }
}
