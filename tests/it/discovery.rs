//! Discovery and OpenAPI, as the aggregator and kubectl read them.

use http::Method;
use serde_json::{Value as Json, json};

use crate::support::client::CUSTOM;
use crate::support::{Client, EXTERNAL, Reply, Server, command};

const GROUP: &str = "external.metrics.k8s.io";
const CUSTOM_GROUP: &str = "custom.metrics.k8s.io";

/// What the aggregator of this version of aggregated discovery sends.
fn aggregated(version: &str) -> String {
    format!("application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList")
}

/// The names that discovery must list: those of the catalog, by the catalog's own command.
fn catalog() -> Vec<String> {
    let output = command::inferometer(&["catalog", "--output", "json"]);
    let entries: Json = serde_json::from_slice(&output.stdout).expect("JSON");
    let entries = entries.as_array().expect("a list");
    entries.iter().map(|entry| entry["name"].as_str().expect("a name").to_owned()).collect()
}

fn names(list: &Json, key: &str) -> Vec<String> {
    list.as_array().expect("a list").iter().map(|one| one[key].as_str().expect("a name").to_owned()).collect()
}

/// Asks again with the tag of the first answer, in the ways that caches have.
async fn assert_cacheable(client: &Client, path: &str, accept: &str, first: &Reply) {
    let tag = first.header("etag").to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 10, "{path}: {tag}");
    assert_eq!(first.header("vary"), "Accept", "{path}");
    for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}")] {
        let again = client.send(Method::GET, path, &[("accept", accept), ("if-none-match", &known)]).await;
        assert_eq!((again.status.as_u16(), again.body.len()), (304, 0), "{path} with {known}");
        assert_eq!(again.header("etag"), tag, "{path}");
    }
    let other = client.send(Method::GET, path, &[("accept", accept), ("if-none-match", "\"other\"")]).await;
    assert_eq!((other.status.as_u16(), &other.body), (200, &first.body), "{path}");
}

/// A group with these versions, the preferred one first.
fn group(name: &str, versions: &[&str]) -> Json {
    let version = |version: &&str| json!({ "groupVersion": format!("{name}/{version}"), "version": version });
    let versions: Vec<Json> = versions.iter().map(version).collect();
    let preferred = &versions[0];
    json!({
        "kind": "APIGroup", "apiVersion": "v1", "name": name, "versions": versions, "preferredVersion": preferred,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_versions_and_resources() {
    let server = Server::start(&[]).await;
    let groups = [group(GROUP, &["v1beta1"]), group(CUSTOM_GROUP, &["v1beta2", "v1beta1"])];
    // client-go's legacy discovery, kubectl's, and a browser's.
    for accept in [
        "application/json",
        "*/*",
        "application/vnd.kubernetes.protobuf, */*",
        "application/json;q=0.9,*/*;q=0.8",
    ] {
        let list = server.client.get_as("/apis", accept).await;
        assert_eq!(list.json(), json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups }));
        assert_eq!(list.header("content-type"), "application/json");
        assert_cacheable(&server.client, "/apis", accept, &list).await;
    }
    for (name, group) in [GROUP, CUSTOM_GROUP].iter().zip(&groups) {
        let reply = server.client.get(&format!("/apis/{name}")).await;
        assert_eq!(reply.json(), *group);
        assert_cacheable(&server.client, &format!("/apis/{name}"), "*/*", &reply).await;
    }

    let reply = server.client.get(EXTERNAL).await;
    let list = reply.json();
    assert_eq!((&list["kind"], &list["apiVersion"]), (&json!("APIResourceList"), &json!("v1")));
    assert_eq!(list["groupVersion"], format!("{GROUP}/v1beta1"));
    assert_eq!(names(&list["resources"], "name"), catalog());
    let first = &list["resources"][0];
    let expected = json!({
        "name": first["name"], "singularName": "", "namespaced": true, "kind": "ExternalMetricValueList", "verbs": ["get"],
    });
    assert_eq!(first, &expected);
    assert_cacheable(&server.client, EXTERNAL, "*/*", &reply).await;

    for version in ["v1beta2", "v1beta1"] {
        let path = format!("{CUSTOM}/{version}");
        let reply = server.client.get(&path).await;
        let list = reply.json();
        assert_eq!(list["groupVersion"], format!("{CUSTOM_GROUP}/{version}"));
        // A metric can be asked of namespaces and of pods; other objects are too many to be listed.
        let of = |resource: &str| -> Vec<String> {
            catalog().iter().map(|metric| format!("{resource}/{metric}")).collect()
        };
        assert_eq!(names(&list["resources"], "name"), [of("namespaces"), of("pods")].concat());
        for resource in list["resources"].as_array().expect("a list") {
            let name = resource["name"].as_str().expect("a name");
            let expected = json!({
                "name": name, "singularName": "", "namespaced": name.starts_with("pods/"),
                "kind": "MetricValueList", "verbs": ["get"],
            });
            assert_eq!(*resource, expected);
        }
        assert_cacheable(&server.client, &path, "*/*", &reply).await;
    }

    let root = server.client.get("/").await.json();
    for path in root["paths"].as_array().expect("paths") {
        let path = path.as_str().expect("a path");
        assert_eq!(server.client.get_as(path, "*/*").await.status, 200, "{path} is listed");
    }
    let version = server.client.get("/version").await.json();
    assert_eq!(version["gitVersion"], concat!("v", env!("CARGO_PKG_VERSION")));
    for field in
        ["major", "minor", "gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform"]
    {
        assert!(version[field].is_string(), "{field}: {version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn aggregated_discovery() {
    let server = Server::start(&[]).await;
    let mut tags = Vec::new();
    for version in ["v2", "v2beta1"] {
        let accept = aggregated(version);
        let reply = server.client.get_as("/apis", &accept).await;
        // Otherwise the aggregator falls back to a request for each version.
        assert_eq!(reply.header("content-type"), accept);
        let list = reply.json();
        assert_eq!(
            (&list["kind"], &list["apiVersion"]),
            (&json!("APIGroupDiscoveryList"), &json!(format!("apidiscovery.k8s.io/{version}")))
        );
        assert_eq!(list["items"][0]["metadata"], json!({ "name": GROUP }));
        let found = &list["items"][0]["versions"][0];
        assert_eq!((&found["version"], &found["freshness"]), (&json!("v1beta1"), &json!("Current")));
        assert_eq!(names(&found["resources"], "resource"), catalog());
        let resource = &found["resources"][0];
        let kind = json!({ "group": GROUP, "version": "v1beta1", "kind": "ExternalMetricValueList" });
        assert_eq!(
            (&resource["responseKind"], &resource["scope"], &resource["verbs"]),
            (&kind, &json!("Namespaced"), &json!(["get"]))
        );
        let custom = &list["items"][1];
        assert_eq!(custom["metadata"], json!({ "name": CUSTOM_GROUP }));
        assert_eq!(names(&custom["versions"], "version"), ["v1beta2", "v1beta1"]);
        for found in custom["versions"].as_array().expect("versions") {
            let kind =
                json!({ "group": CUSTOM_GROUP, "version": found["version"], "kind": "MetricValueList" });
            assert_eq!(names(&found["resources"], "resource"), ["namespaces", "pods"]);
            for (resource, scope) in
                found["resources"].as_array().expect("resources").iter().zip(["Cluster", "Namespaced"])
            {
                // The objects are others' to serve, their metrics are ours.
                let nothing = json!({ "group": "", "version": "", "kind": "" });
                assert_eq!((&resource["responseKind"], &resource["scope"]), (&nothing, &json!(scope)));
                assert_eq!(resource["verbs"], json!([]));
                assert_eq!(names(&resource["subresources"], "subresource"), catalog());
                let metric = &resource["subresources"][0];
                assert_eq!((&metric["responseKind"], &metric["verbs"]), (&kind, &json!(["get"])));
            }
        }
        assert_cacheable(&server.client, "/apis", &accept, &reply).await;
        tags.push(reply.header("etag").to_owned());
    }
    assert_ne!(tags[0], tags[1], "a tag names one document");
    // The aggregator of Kubernetes 1.36, kubectl 1.32, and clients that know only the older version.
    for (accept, chosen) in [
        (format!("{},{},application/json", aggregated("v2"), aggregated("v2beta1")), aggregated("v2")),
        (format!("{},application/json", aggregated("v2beta1")), aggregated("v2beta1")),
        (format!("{},application/json", aggregated("v3")), "application/json".to_owned()),
        (format!("application/json;q=0.1,{}", aggregated("v2beta1")), aggregated("v2beta1")),
    ] {
        let reply = server.client.get_as("/apis", &accept).await;
        assert_eq!(reply.header("content-type"), chosen, "{accept}");
    }
    // The aggregated form is that of /apis alone.
    let below = server.client.get_as(EXTERNAL, &format!("{},application/json", aggregated("v2"))).await;
    assert_eq!(
        (below.header("content-type"), &below.json()["kind"]),
        ("application/json", &json!("APIResourceList"))
    );
    let yaml = server.client.get_as("/apis", "application/yaml").await;
    assert!(yaml.text().contains("kind: APIGroupList"), "{}", yaml.text());
    assert_cacheable(&server.client, "/apis", "application/yaml", &yaml).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openapi() {
    let server = Server::start(&[]).await;
    let described = [
        (format!("{GROUP}/v1beta1"), "ExternalMetricValueList", 1),
        (format!("{CUSTOM_GROUP}/v1beta2"), "MetricValueList", 3),
        (format!("{CUSTOM_GROUP}/v1beta1"), "MetricValueList", 3),
    ];
    let v2 = server.client.get_as("/openapi/v2", "application/json, */*").await;
    let document = v2.json();
    assert_eq!(document["swagger"], "2.0");
    assert_cacheable(&server.client, "/openapi/v2", "*/*", &v2).await;
    // What the aggregator sends for it; JSON must be what it gets.
    let proto = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf, application/json;q=0.5";
    assert_eq!(server.client.get_as("/openapi/v2", proto).await.header("content-type"), "application/json");

    let index = server.client.get("/openapi/v3").await;
    assert_cacheable(&server.client, "/openapi/v3", "*/*", &index).await;
    let index = index.json();
    assert_eq!(index["paths"].as_object().expect("paths").len(), described.len(), "{index}");
    for (name, kind, paths) in described {
        let url = index["paths"][format!("apis/{name}")]["serverRelativeURL"].as_str().expect("a URL");
        assert!(url.starts_with(&format!("/openapi/v3/apis/{name}?hash=")), "{url}");
        let v3 = server.client.get(url).await;
        assert_eq!(v3.header("etag").trim_matches('"'), url.split_once("hash=").expect("a hash").1);
        assert_cacheable(&server.client, url, "*/*", &v3).await;
        let description = v3.json();
        assert!(description["openapi"].as_str().expect("a version").starts_with("3."), "{url}");
        // As kubectl explains: from the kind that discovery names to its schema, and on by reference.
        for (document, schemas) in [(&document, "/definitions"), (&description, "/components/schemas")] {
            let prefix = format!("/apis/{name}/");
            let known = document["paths"].as_object().expect("paths").keys();
            assert_eq!(known.filter(|path| path.starts_with(&prefix)).count(), paths, "{name}");
            let (group, version) = name.split_once('/').expect("a group and a version");
            let wanted = json!([{ "group": group, "version": version, "kind": kind }]);
            let mut schemas = document.pointer(schemas).and_then(Json::as_object).expect("schemas").values();
            let list = schemas.find(|schema| schema["x-kubernetes-group-version-kind"] == wanted);
            let list = list.unwrap_or_else(|| panic!("{kind} of {name} is not described"));
            assert!(list["description"].is_string());
            let item = list["properties"]["items"]["items"]["$ref"].as_str().expect("a reference");
            let item = document.pointer(item.trim_start_matches('#')).expect("what it refers to");
            assert_eq!(item["properties"]["timestamp"]["format"], "date-time");
        }
        // An old hash gets what there is: a redirect would be a 502 through the aggregator.
        let old = server.client.get(&format!("/openapi/v3/apis/{name}?hash=00")).await;
        assert_eq!((old.status.as_u16(), &old.body), (200, &v3.body));
    }
}
