use std::collections::HashMap;

use super::*;
use crate::core::fixtures::{labels, text};

fn endpoint(url: &str) -> Endpoint {
    Endpoint { url: url.parse().expect("a URL"), labels: labels("namespace=ai"), engine: Some("vllm".into()) }
}

/// A name server of the test's own.
#[derive(Clone, Default)]
struct Names(Arc<Mutex<HashMap<&'static str, Vec<&'static str>>>>);

impl Names {
    fn set(&self, name: &'static str, addresses: &[&'static str]) {
        self.0.lock().expect("lock").insert(name, addresses.to_vec());
    }

    fn forget(&self, name: &'static str) {
        self.0.lock().expect("lock").remove(name);
    }

    /// Discovery of these URLs by this server. It never answers for `hang`.
    fn addresses(&self, urls: &[&str]) -> Addresses {
        let names = self.clone();
        let look_up = move |name: String, port: u16| -> Looked {
            let known = names.0.lock().expect("lock").get(name.as_str()).cloned();
            Box::pin(async move {
                if name == "hang" {
                    std::future::pending::<()>().await;
                }
                let known = known.ok_or_else(|| io::Error::other("no such name"))?;
                Ok(known.iter().map(|ip| SocketAddr::new(ip.parse().expect("an IP"), port)).collect())
            })
        };
        Addresses::looked_up(urls.iter().map(|url| endpoint(url)).collect(), look_up)
    }
}

fn instances(found: &Found) -> Vec<String> {
    found.places.iter().map(Place::instance).collect()
}

#[tokio::test]
async fn an_address_is_one_target_as_it_stands() {
    for (url, instance) in [
        ("http://10.0.0.1:8000/metrics", "10.0.0.1:8000"),
        ("http://10.0.0.1/metrics", "10.0.0.1:80"),
        ("https://10.0.0.1/metrics", "10.0.0.1:443"),
        ("http://[2001:db8::1]:8000/metrics", "[2001:db8::1]:8000"),
    ] {
        let found = Addresses::new(vec![endpoint(url)]).look().await;
        assert_eq!(instances(&found), [instance]);
        assert!(found.unseen.is_empty());
        let Place { url: asked, address, labels, engine, .. } = &found.places[0];
        assert_eq!((asked.as_str(), *address, engine.as_deref()), (url, None, Some("vllm")));
        assert_eq!(text(labels), "namespace=ai");
    }
}

#[tokio::test]
async fn a_name_is_as_many_targets_as_it_has_addresses() {
    let names = Names::default();
    names.set("vllm", &["10.0.0.2", "2001:db8::1", "10.0.0.1", "10.0.0.2"]);
    let found = names.addresses(&["http://vllm:8000/m?x=1"]).look().await;
    assert_eq!(instances(&found), ["10.0.0.1:8000/m", "10.0.0.2:8000/m"]);
    let urls: Vec<_> = found.places.iter().map(|place| place.url.as_str()).collect();
    assert_eq!(
        urls,
        ["http://10.0.0.1:8000/m?x=1", "http://10.0.0.2:8000/m?x=1"],
        "a pod with an address of each kind is one target"
    );
}

#[tokio::test]
async fn with_tls_the_name_stays_for_the_certificate() {
    let names = Names::default();
    names.set("vllm", &["10.0.0.1", "10.0.0.2"]);
    let found = names.addresses(&["https://vllm/metrics"]).look().await;
    for (place, address) in found.places.iter().zip(["10.0.0.1:443", "10.0.0.2:443"]) {
        assert_eq!(place.url.as_str(), "https://vllm/metrics");
        assert_eq!(place.address.map(|address| address.to_string()).as_deref(), Some(address));
        assert_eq!(place.instance(), address);
    }
    assert_ne!(found.places[0], found.places[1]);
}

#[tokio::test]
async fn this_host_is_found_by_its_name() {
    let found = Addresses::new(vec![endpoint("http://localhost:8000/metrics")]).look().await;
    assert!(found.unseen.is_empty());
    assert!(instances(&found).contains(&"127.0.0.1:8000".to_owned()), "{found:?}");
    let all = tokio::net::lookup_host("localhost:8000").await.expect("addresses");
    let all: std::collections::HashSet<_> = all.collect();
    assert_eq!(found.places.len(), all.len());
}

#[tokio::test]
async fn a_name_that_nobody_knows_may_hide_targets() {
    let names = Names::default();
    names.set("vllm", &["10.0.0.1"]);
    let found = names.addresses(&["http://nowhere/metrics", "http://vllm/metrics"]).look().await;
    assert_eq!(instances(&found), ["10.0.0.1:80"], "the others are seen");
    let [unseen] = &found.unseen[..] else { panic!("{found:?}") };
    assert_eq!(text(&unseen.labels), "instance=nowhere:80,namespace=ai");
    assert_eq!((&*unseen.cause, unseen.known), ("no such name", false));
    assert_eq!(unseen.engine.as_deref(), Some("vllm"));
}

#[tokio::test]
async fn the_hosts_own_words_tell_why_a_name_is_not_known() {
    let found = Addresses::new(vec![endpoint("http://no-such-host.invalid/metrics")]).look().await;
    assert!(found.places.is_empty());
    assert!(!found.unseen[0].cause.is_empty());
}

#[tokio::test]
async fn a_name_server_that_is_away_takes_nobody_away() {
    let names = Names::default();
    names.set("vllm", &["10.0.0.1", "10.0.0.2"]);
    let addresses = names.addresses(&["http://vllm/metrics"]);
    addresses.look().await;
    names.forget("vllm");
    let found = addresses.look().await;
    assert_eq!(instances(&found), ["10.0.0.1:80", "10.0.0.2:80"]);
    assert!(found.unseen.is_empty());
    names.set("vllm", &["10.0.0.2", "10.0.0.3"]);
    assert_eq!(
        instances(&addresses.look().await),
        ["10.0.0.2:80", "10.0.0.3:80"],
        "those that went are gone"
    );
}

#[tokio::test(start_paused = true)]
async fn a_name_server_that_hangs_holds_up_nobody_for_long() {
    let names = Names::default();
    names.set("vllm", &["10.0.0.1"]);
    let urls = ["http://hang/metrics", "http://hang:81/metrics", "http://vllm/metrics"];
    let began = tokio::time::Instant::now();
    let found = names.addresses(&urls).look().await;
    assert_eq!(began.elapsed(), LOOK_UP_WITHIN, "all at once");
    assert_eq!(instances(&found), ["10.0.0.1:80"]);
    let causes: Vec<_> = found.unseen.iter().map(|unseen| &*unseen.cause).collect();
    assert_eq!(causes, ["no answer within 5 s"; 2]);
}

#[test]
fn it_tells_people_what_it_looks_at() {
    let addresses = Addresses::new(vec![endpoint("http://a/metrics"), endpoint("http://b/metrics")]);
    assert_eq!(addresses.describe(), "http://a/metrics, http://b/metrics");
}

#[tokio::test]
async fn a_name_with_addresses_of_one_kind_has_them_all() {
    let names = Names::default();
    names.set("vllm", &["2001:db8::2", "2001:db8::1"]);
    let found = names.addresses(&["http://vllm:8000/metrics"]).look().await;
    assert_eq!(instances(&found), ["[2001:db8::1]:8000", "[2001:db8::2]:8000"]);
}
