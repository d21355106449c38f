use super::*;

const METRIC: Target<'_> = Target::Resource {
    group: "external.metrics.k8s.io",
    resource: "queue",
    subresource: None,
    name: None,
    namespace: Some("ml"),
};

#[test]
fn the_form_is_the_contracts() {
    assert_eq!(
        Status::not_found_metric("queue", "ml").to_json(),
        concat!(
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","#,
            r#""message":"the server could not find the metric queue for namespaces ml","#,
            r#""reason":"NotFound","code":404}"#,
            "\n"
        )
    );
}

#[test]
fn every_case_has_its_code_reason_and_words() {
    let table = [
        (Status::not_found_path(), 404, "NotFound", "the server could not find the requested resource"),
        (Status::bad_request("no \"such\" operator"), 400, "BadRequest", "no \"such\" operator"),
        (
            Status::method_not_allowed(),
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        ),
        (
            Status::verb_not_supported("watch", "queue", "external.metrics.k8s.io"),
            405,
            "MethodNotAllowed",
            r#"watch is not supported on resources of kind "queue.external.metrics.k8s.io""#,
        ),
        (
            Status::not_acceptable(),
            406,
            "NotAcceptable",
            "only the following media types are accepted: application/json, application/yaml",
        ),
        (Status::unauthorized(), 401, "Unauthorized", "Unauthorized"),
        (
            Status::service_unavailable("queue: no series for 31s"),
            503,
            "ServiceUnavailable",
            "queue: no series for 31s",
        ),
        (Status::internal("boom"), 500, "InternalError", "Internal error occurred: boom"),
    ];
    for (status, code, reason, message) in table {
        assert_eq!((status.code().as_u16(), status.reason()), (code, reason), "{message}");
        assert_eq!(status.message(), message);
        assert_eq!(status.to_string(), message);
    }
}

#[test]
fn no_answer_asks_for_a_retry() {
    for status in [Status::service_unavailable("x"), Status::internal("x")] {
        assert!(!std::str::from_utf8(&status.to_json()).unwrap().to_lowercase().contains("retry"));
    }
}

#[test]
fn forbidden_reads_as_kube_apiserver_words_it() {
    let words = |target, reason| Status::forbidden("jane", "list", target, reason).message;
    assert_eq!(
        words(METRIC, ""),
        r#"queue.external.metrics.k8s.io is forbidden: User "jane" cannot list resource "queue" in API group "external.metrics.k8s.io" in the namespace "ml""#
    );
    assert!(words(METRIC, "RBAC: not found").ends_with(r#"in the namespace "ml": RBAC: not found"#));
    assert_eq!(words(Target::Path("/apis"), ""), r#"forbidden: User "jane" cannot list path "/apis""#);
    let pods = Target::Resource {
        group: "custom.metrics.k8s.io",
        resource: "pods",
        subresource: Some("queue"),
        name: Some("p1"),
        namespace: None,
    };
    assert_eq!(
        words(pods, ""),
        r#"pods.custom.metrics.k8s.io "p1" is forbidden: User "jane" cannot list resource "pods/queue" in API group "custom.metrics.k8s.io" at the cluster scope"#
    );
}

#[test]
fn a_user_name_cannot_smuggle_markup() {
    let status = Status::forbidden("<b>&", "get", Target::Path("/<script>"), "");
    assert_eq!(status.message, r#"forbidden: User "&lt;b&gt;&amp;" cannot get path "/&lt;script&gt;""#);
}

#[test]
fn a_status_is_read_back() {
    for status in [Status::unauthorized(), Status::not_acceptable()] {
        let read: Status = serde_json::from_slice(&status.to_json()).unwrap();
        assert_eq!(read, status);
    }
    let wrong = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","code":7}"#;
    assert!(serde_json::from_str::<Status>(wrong).is_err());
}
