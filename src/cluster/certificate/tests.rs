//! Every state of the Secret and what is due in it, and the certificates as a client judges them.
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::routing::get;
use k8s_openapi::api::core::v1::Secret;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::fixtures::{NAME, client, days, handshake, hours, secret};
use super::*;
use crate::server::Limits;
use crate::server::listener::serve;
use crate::server::tls::{Tls, install_crypto_provider};

const HOUR: Duration = Duration::from_hours(1);

fn ours() -> BTreeSet<String> {
    names("inferometer", "monitoring")
}

fn read(contents: &Contents) -> State {
    State::read(contents.clone())
}

fn step(step: Step, contents: &Contents, now: SystemTime) -> Contents {
    make(step, Some(&read(contents)), None, &ours(), now).unwrap()
}

fn fresh(now: SystemTime) -> Contents {
    make(Step::Create, None, None, &ours(), now).unwrap()
}

/// `contents` with some keys replaced; an empty value takes the key away.
fn with(contents: &Contents, changes: &[(&'static str, &[u8])]) -> Contents {
    let mut contents = contents.clone();
    contents.extend(changes.iter().map(|(key, bytes)| (*key, bytes.to_vec())));
    contents.retain(|_, bytes| !bytes.is_empty());
    contents
}

fn due(contents: &Contents, held: Option<SystemTime>, now: SystemTime) -> Step {
    plan(&Found::Ours(Box::new(read(contents))), &ours(), Duration::ZERO, held, now).0
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_is_due_follows_from_what_is_kept() {
    let first = fresh(days(0));
    let other = fresh(days(0));
    let renewed = step(Step::Renew, &first, days(480));
    let rotating = step(Step::AddNext, &renewed, days(490));
    let late = step(Step::Renew, &rotating, days(600));
    let switched = step(Step::Switch, &rotating, days(490));
    let later = step(Step::Renew, &switched, days(550));
    let garbage: &[u8] = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let foreign_names = make(Step::Create, None, None, &names("other", "monitoring"), days(0)).unwrap();
    let in_ten_minutes = Some(days(490) - Duration::from_mins(10));
    let lately = Some(days(490) - Duration::from_mins(9));
    let cases: Vec<(&str, Contents, Option<SystemTime>, SystemTime, Step)> = vec![
        ("nothing is kept", Contents::new(), None, days(0), Step::Create),
        ("it is new", first.clone(), None, days(0), Step::Nothing),
        ("two thirds are left", first.clone(), None, days(30), Step::Nothing),
        ("a third is left", first.clone(), None, days(60), Step::Renew),
        ("the certificate has expired", first.clone(), None, days(91), Step::Renew),
        ("the CA has expired", renewed.clone(), None, days(731), Step::Create),
        ("the certificate is gone", with(&first, &[(CERTIFICATE, b"")]), None, days(0), Step::Renew),
        ("the certificate is garbage", with(&first, &[(CERTIFICATE, garbage)]), None, days(0), Step::Renew),
        ("the certificate is no PEM", with(&first, &[(CERTIFICATE, b"\0\xff")]), None, days(0), Step::Renew),
        ("the key is gone", with(&first, &[(KEY, b"")]), None, days(0), Step::Renew),
        ("the key is another's", with(&first, &[(KEY, &other[KEY])]), None, days(0), Step::Renew),
        ("the names are others", foreign_names, None, days(0), Step::Renew),
        (
            "the certificate is of another CA",
            with(&first, &[(CERTIFICATE, &other[CERTIFICATE]), (KEY, &other[KEY])]),
            None,
            days(0),
            Step::Renew,
        ),
        ("the CA's key is gone", with(&first, &[(CA_KEY, b"")]), None, days(0), Step::AddNext),
        (
            "the CA's key is another's",
            with(&first, &[(CA_KEY, &other[CA_KEY])]),
            None,
            days(0),
            Step::AddNext,
        ),
        (
            "the CA's key is gone, and the certificate expired",
            with(&first, &[(CA_KEY, b"")]),
            None,
            days(91),
            Step::Create,
        ),
        ("the bundle is gone", with(&first, &[(BUNDLE, b"")]), None, days(0), Step::Create),
        ("the bundle is garbage", with(&first, &[(BUNDLE, garbage)]), None, days(0), Step::Create),
        (
            "a certificate that is no CA's is the bundle",
            with(&first, &[(BUNDLE, &first[CERTIFICATE])]),
            None,
            days(0),
            Step::Create,
        ),
        ("our clock lags a little", first.clone(), None, days(0) - HOUR / 2, Step::Nothing),
        ("our clock lags much", first.clone(), None, days(0) - 2 * HOUR, Step::Create),
        ("a third of the CA is left", renewed.clone(), None, days(490), Step::AddNext),
        ("the next CA is not known yet", rotating.clone(), None, days(490), Step::Nothing),
        ("the next CA is known lately", rotating.clone(), lately, days(490), Step::Nothing),
        ("the next CA is known", rotating.clone(), in_ten_minutes, days(490), Step::Switch),
        ("the next CA's key is gone", with(&rotating, &[(NEXT_CA_KEY, b"")]), None, days(490), Step::AddNext),
        (
            "the certificate is due, the next CA not known, the CA good",
            rotating.clone(),
            None,
            days(541),
            Step::Renew,
        ),
        (
            "the certificate is due, the next CA not known, the CA at its end",
            late.clone(),
            None,
            days(661),
            Step::Switch,
        ),
        (
            "the CA's key is lost in the middle of a rotation",
            with(&rotating, &[(CA_KEY, b"")]),
            None,
            days(490),
            Step::Nothing,
        ),
        (
            "the CA's key is lost in the middle of a rotation, and the certificate expired",
            with(&rotating, &[(CA_KEY, b"")]),
            None,
            days(571),
            Step::Switch,
        ),
        ("the CA has changed", switched.clone(), None, days(490), Step::Nothing),
        // The last of the old CA is from day 480.
        ("a certificate of the old CA may be served", later.clone(), None, days(570), Step::Nothing),
        ("no certificate of the old CA is valid", later.clone(), None, hours(570 * 24 + 2), Step::DropOld),
        (
            "nobody knows of certificates of the old CA",
            with(&later, &[(PREVIOUS, b"")]),
            None,
            days(580),
            Step::Nothing,
        ),
        ("the old CA has left", step(Step::DropOld, &later, days(571)), None, days(571), Step::Nothing),
    ];
    for (what, contents, held, now, expected) in cases {
        assert_eq!(due(&contents, held, now), expected, "{what}");
    }
}

#[test]
fn what_is_not_urgent_is_spread_among_replicas() {
    let due = |contents: &Contents, spread, now| {
        plan(&Found::Ours(Box::new(read(contents))), &ours(), spread, None, now).0
    };
    let first = fresh(days(0));
    assert_eq!(due(&first, HOUR, days(60)), Step::Nothing);
    assert_eq!(due(&first, HOUR, days(60) + HOUR), Step::Renew);
    assert_eq!(due(&first, HOUR, days(91)), Step::Renew);
}

#[test]
fn what_others_keep_is_left_alone() {
    let contents = fresh(days(0));
    let first_step =
        |secret: Option<&Secret>| plan(&Found::read(secret), &ours(), Duration::ZERO, None, days(0)).0;
    let unrelated = Contents::from([("password", b"1234".to_vec())]);
    let empty = Contents::from([(CERTIFICATE, Vec::new()), (KEY, Vec::new())]);
    let mut helm = secret(true, &contents);
    helm.metadata.labels.as_mut().unwrap().insert(MANAGED_BY.0.to_owned(), "Helm".to_owned());
    let cases = [
        ("none", None, Step::Create),
        ("ours", Some(secret(true, &contents)), Step::Nothing),
        ("ours, empty", Some(secret(true, &Contents::new())), Step::Create),
        ("made for us, empty", Some(secret(false, &empty)), Step::Create),
        ("without data", Some(Secret::default()), Step::Create),
        ("with other data", Some(secret(false, &unrelated)), Step::Create),
        ("without our label", Some(secret(false, &contents)), Step::Refuse),
        ("with another's label", Some(helm), Step::Refuse),
        ("a CA of others", Some(secret(false, &Contents::from([(BUNDLE, b"x".to_vec())]))), Step::Refuse),
    ];
    for (what, secret, expected) in cases {
        assert_eq!(first_step(secret.as_ref()), expected, "{what}");
    }
}

#[test]
fn names_of_two_versions_are_both_served_and_neither_takes_turns() {
    let (old, new) = (names("old", "monitoring"), ours());
    let contents = make(Step::Create, None, None, &old, days(0)).unwrap();
    let state = read(&contents);
    let both = state.all_names(&new, days(0));
    assert!(old.is_subset(&both) && new.is_subset(&both));
    let renewed = read(&make(Step::Renew, Some(&state), None, &both, days(0)).unwrap());
    for names in [&old, &new] {
        assert_eq!(renewed.flaw(names, days(0)), None);
    }
    assert_eq!(state.all_names(&new, days(91)), new, "those of an expired certificate are forgotten");
}

#[test]
fn a_new_beginning_keeps_the_cas_that_are_still_served_but_not_all_for_ever() {
    let mut before = read(&fresh(days(0)));
    let first = before.serving.as_ref().unwrap().chain[0].clone();
    let second = read(&make(Step::Create, None, Some(&before), &ours(), days(1)).unwrap());
    assert!(second.authority_of(&first).is_some());
    assert_eq!(second.previous, before.serving.as_ref().map(|serving| serving.validity));
    for day in 2..9 {
        before = read(&make(Step::Create, None, Some(&before), &ours(), days(day)).unwrap());
        assert!(before.authorities.len() <= 3);
    }
    assert!(before.authority_of(&first).is_none());
    let expired = read(&make(Step::Create, None, Some(&before), &ours(), days(800)).unwrap());
    assert_eq!(expired.authorities.len(), 1);
}

#[test]
fn private_keys_are_not_in_debug_output() {
    let contents = fresh(days(0));
    let state = read(&step(Step::AddNext, &contents, days(1)));
    let shown = format!("{:?}", Found::Ours(Box::new(state)));
    assert!(shown.contains("serving") && shown.contains("next"));
    let der = rcgen::KeyPair::from_pem(str::from_utf8(&contents[KEY]).unwrap()).unwrap().serialize_der();
    for secret in [&contents[KEY], &contents[CA_KEY], &der] {
        let bytes = format!("{secret:?}");
        assert!(!shown.contains(bytes.trim_matches(['[', ']'])), "{shown}");
    }
}

/// Serves what is kept.
fn take(tls: &Tls, contents: &Contents) {
    let serving = read(contents).serving.unwrap();
    tls.replace(serving.chain, serving.key).unwrap();
}

/// Three years, day by day. At each of them every certificate that may still be served must be
/// accepted by whoever has the bundle, and the present one by whoever has had a bundle for ten minutes.
#[tokio::test]
async fn no_client_is_refused_in_three_years() {
    let tls = Tls::self_signed(&["localhost"], days(0)).unwrap();
    let mut contents = fresh(days(0));
    let mut held = (contents[BUNDLE].clone(), days(0));
    let mut served: Vec<Contents> = vec![contents.clone()];
    let mut steps = BTreeMap::new();
    for day in 0..(3 * 365) {
        let now = days(day);
        if held.0 != contents[BUNDLE] {
            held = (contents[BUNDLE].clone(), now);
        }
        let state = read(&contents);
        let serving = state.serving.as_ref().unwrap();
        tls.replace(serving.chain.clone(), serving.key.clone_key()).unwrap();
        handshake(&tls, &held.0, now).await.unwrap();
        let step = due(&contents, Some(held.1), now);
        if step == Step::Nothing {
            continue;
        }
        *steps.entry(format!("{step:?}")).or_insert(0) += 1;
        contents = make(step, Some(&state), None, &ours(), now).unwrap();
        served.push(contents.clone());
        for old in &served {
            if read(old).serving.unwrap().validity.includes(now) {
                take(&tls, old);
                handshake(&tls, &contents[BUNDLE], now).await.unwrap();
            }
        }
        take(&tls, &contents);
        handshake(&tls, &held.0, now).await.unwrap();
    }
    let count = |step: &str| steps.get(step).copied().unwrap_or_default();
    assert_eq!((count("Create"), count("AddNext"), count("Switch"), count("DropOld")), (0, 2, 2, 2));
    assert!((14..=20).contains(&count("Renew")), "{steps:?}");
    assert_eq!(read(&contents).authorities.len(), 1);
}

#[tokio::test]
async fn a_client_refuses_what_is_expired_of_another_ca_or_for_another_name() {
    let tls = Tls::self_signed(&["localhost"], days(0)).unwrap();
    let contents = fresh(days(0));
    assert!(handshake(&tls, &contents[BUNDLE], days(0)).await.is_err(), "self-signed");
    take(&tls, &contents);
    handshake(&tls, &contents[BUNDLE], days(0)).await.unwrap();
    assert!(handshake(&tls, &contents[BUNDLE], days(91)).await.is_err(), "expired");
    assert!(handshake(&tls, &fresh(days(0))[BUNDLE], days(0)).await.is_err(), "another CA");
    take(&tls, &make(Step::Create, None, None, &names("other", "monitoring"), days(0)).unwrap());
    assert!(handshake(&tls, &contents[BUNDLE], days(0)).await.is_err(), "another name");
}

/// One request on this connection.
async fn request(stream: &mut TlsStream<TcpStream>) -> String {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"hello") {
        let mut chunk = [0; 1024];
        let read = stream.read(&mut chunk).await.unwrap();
        assert_ne!(read, 0, "the connection ended early");
        answer.extend_from_slice(&chunk[..read]);
    }
    String::from_utf8(answer).unwrap()
}

async fn connect(connector: &TlsConnector, address: SocketAddr) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(address).await.unwrap();
    connector.connect(ServerName::try_from(NAME).unwrap(), stream).await.unwrap()
}

#[tokio::test]
async fn requests_go_on_before_during_and_after_a_rotation_of_the_ca() {
    install_crypto_provider();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tls = Arc::new(Tls::self_signed(&["localhost"], days(0)).unwrap());
    let router = Router::new().route("/", get(|| async { "hello" }));
    let server = tokio::spawn(serve(
        listener,
        Some(tls.clone()),
        router,
        Limits::default(),
        |_| (),
        std::future::pending(),
    ));

    let mut contents = fresh(days(0));
    take(&tls, &contents);
    let mut open = connect(&client(&contents[BUNDLE], days(0)), address).await;
    let mut prints = BTreeSet::from([tls.fingerprint()]);
    for (number, now) in [
        (Step::Renew, days(420)),
        (Step::Renew, days(480)),
        (Step::AddNext, days(490)),
        (Step::Switch, days(490) + SETTLED),
        (Step::Renew, days(550)),
        (Step::DropOld, days(571)),
    ] {
        // Whoever trusts what was known before the step is served after it, and so is who knows the new.
        let before = client(&contents[BUNDLE], now);
        contents = step(number, &contents, now);
        let after = client(&contents[BUNDLE], now);
        take(&tls, &contents);
        prints.insert(tls.fingerprint());
        for connector in [before, after] {
            let mut stream = connect(&connector, address).await;
            assert!(request(&mut stream).await.starts_with("HTTP/1.1 200"));
        }
        assert!(request(&mut open).await.starts_with("HTTP/1.1 200"), "an open connection goes on");
    }
    assert_eq!(prints.len(), 5, "four times a new certificate");
    server.abort();
}
