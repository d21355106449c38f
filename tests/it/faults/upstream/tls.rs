//! Certificates of a source and ours for it, wrong and replaced.

use futures_util::future::join_all;

use super::{HEAD, SIGNAL, all_are_whole, configuration, failure, lines, three};
use crate::support::command::{inferometer, text};
use crate::support::front::Front;
use crate::support::pki::{Authority, Issued, Subject};
use crate::support::secure::Secure;
use crate::support::{CANARY, Load, Server, replace_file, seconds, until, value_path};

const HERE: &[&str] = &["127.0.0.1", "localhost"];

async fn serve(own: &Issued, clients: &[&Authority]) -> (Front, crate::support::secure::Identity) {
    let listener = Secure::listen(own, clients).await;
    let identity = listener.identity();
    (Front::secure(listener, three()), identity)
}

fn https(front: &Front) -> String {
    front.url().replace("http://", "https://")
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_prove_who_it_is_is_not_asked() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (authority, stranger) = (Authority::root("site"), Authority::root("stranger"));
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).expect("writable");
    let cases = [
        ("good", authority.issue(&Subject::server(HERE)), ""),
        ("expired", authority.issue(&Subject::server(HERE).expired()), "certificate expired"),
        ("elsewhere", authority.issue(&Subject::server(&["elsewhere.example"])), "not valid for name"),
        ("unknown", stranger.issue(&Subject::server(HERE)), "UnknownIssuer"),
        ("no-server", authority.issue(&Subject::client("127.0.0.1")), "certificate"),
    ];
    let fronts = join_all(cases.iter().map(|(_, own, _)| serve(own, &[]))).await;
    let sources: Vec<_> = cases
        .iter()
        .zip(&fronts)
        .map(|((name, ..), (front, _))| {
            let auth = "auth: { basic: { username: ann, passwordFile: PASSWORD } }";
            let auth = auth.replace("PASSWORD", &folder.path().join("password").display().to_string());
            ((*name).to_owned(), format!("url: \"{}\", caFile: \"{}\", {auth}", https(front), ca.display()))
        })
        .collect();
    std::fs::write(folder.path().join("password"), CANARY).expect("writable");
    let server = Server::configured(&configuration(&sources)).await;
    all_are_whole(&server, ["good"].into_iter()).await;
    for ((name, _, words), (front, _)) in cases.iter().zip(&fronts).skip(1) {
        let problem = server.client.problem("ai", name, "").await;
        assert_eq!(problem.code, 503, "{problem}");
        let told = failure(&server, name).await;
        assert!(told.contains(words), "{name}: {told}");
        assert_eq!(front.forms().len(), 0, "{name}: nothing was asked, and no password sent");
    }
}

/// A pair of files, each replaced at once, with a moment between the two.
fn replace_pair(folder: &std::path::Path, issued: &Issued) {
    replace_file(&folder.join("client.pem"), &issued.chain);
    replace_file(&folder.join("client.key"), &issued.key);
}

#[tokio::test(flavor = "multi_thread")]
async fn authorities_and_client_certificates_are_replaced_on_disk() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| folder.path().join(name);
    let [old, new] = ["site-1", "site-2"].map(Authority::root);
    let [old_users, new_users] = ["users-1", "users-2"].map(Authority::root);
    let [first, second] = [&old_users, &new_users].map(|users| users.issue(&Subject::client("inferometer")));
    replace_file(&path("ca.pem"), old.pem());
    replace_pair(folder.path(), &first);
    let (front, identity) = serve(&old.issue(&Subject::server(HERE)), &[&old_users]).await;
    // Refused soon where a query fails for good.
    let server = Server::configured(&format!(
        "{HEAD}sources:\n- name: main\n  prometheus:\n    url: \"{}\"\n    caFile: \"{}\"\n    auth: {{ clientCertificate: \
         {{ certFile: \"{}\", keyFile: \"{}\" }} }}\nmetrics:\n- {{ name: main, preset: \"{SIGNAL}\", refresh: 1s, hold: 4s }}\n",
        https(&front),
        path("ca.pem").display(),
        path("client.pem").display(),
        path("client.key").display()
    ))
    .await;
    all_are_whole(&server, ["main"].into_iter()).await;
    assert!(identity.last_was(&first));
    let load = Load::start(server.client.clone(), &value_path("ai", "main", ""));

    // Both sides believe in both, then each shows its new one, then the old ones are nobody's.
    replace_file(&path("ca.pem"), old.pem() + &new.pem());
    let fresh = new.issue(&Subject::server(HERE));
    identity.replace(&fresh, &[&old_users, &new_users]);
    replace_pair(folder.path(), &second);
    until("our new certificate is shown", seconds(60), async || {
        if identity.last_was(&second) { Ok(()) } else { Err("not yet") }
    })
    .await;
    identity.replace(&fresh, &[&new_users]);
    replace_file(&path("ca.pem"), new.pem());
    let asked = front.forms().len();
    until("it is asked and answers", seconds(20), async || {
        if front.forms().len() > asked + 2 { Ok(()) } else { Err("not yet") }
    })
    .await;
    assert_eq!(load.end().await, [""; 0], "{:#?}", server.log());

    // Half a pair is no pair: the numbers stay for a while, and the reason is told.
    replace_file(&path("client.pem"), &first.chain);
    let told = failure(&server, "main").await;
    assert!(told.contains("TLS settings cannot be used") && told.contains("KeyMismatch"), "{told}");
    replace_pair(folder.path(), &second);
    all_are_whole(&server, ["main"].into_iter()).await;
    // An authority that has not signed the server's certificate ends it at the next question.
    replace_file(&path("ca.pem"), old.pem());
    assert!(failure(&server, "main").await.contains("UnknownIssuer"));
}

#[test]
fn nothing_turns_verification_off() {
    let kinds = [
        "prometheus: { url: \"https://h\", WORD }",
        "prometheus: { url: \"https://h\", auth: { bearerTokenFile: /t, WORD } }",
        "redis: { url: \"rediss://h\", namespace: a, WORD }",
        "scrape: { targets: [{ url: \"https://h\", namespace: a }], WORD }",
        "scrape: { targets: [{ url: \"https://h\", namespace: a, WORD }] }",
        "scrape: { pods: { selector: a=b, scheme: https, WORD } }",
    ];
    let words = [
        "insecure",
        "insecureSkipVerify",
        "insecureSkipTLSVerify",
        "skipVerify",
        "unsafeSsl",
        "verify",
        "tlsVerify",
    ];
    let all: Vec<_> = words
        .iter()
        .flat_map(|word| kinds.map(|kind| kind.replace("WORD", &format!("{word}: true"))))
        .collect();
    let sources = lines(all.iter().enumerate().map(|(n, source)| format!("- {{ name: s{n}, {source} }}\n")));
    let folder = tempfile::tempdir().expect("a temporary directory");
    let file = folder.path().join("config.yaml");
    std::fs::write(&file, format!("{HEAD}sources:\n{sources}")).expect("writable");
    let ran = inferometer(&["check", "-o", "json", file.to_str().expect("UTF-8")]);
    let outcome: serde_json::Value = serde_json::from_slice(&ran.stdout).expect("JSON");
    let found = outcome["diagnostics"].as_array().expect("a list");
    for (n, source) in all.iter().enumerate() {
        let line = n + 4;
        let is_refused = found.iter().any(|one| {
            one["line"] == line
                && one["message"].as_str().is_some_and(|words| words.contains("unknown field"))
        });
        assert!(is_refused, "{source} is accepted: {:#}", outcome["diagnostics"]);
    }
    let flags = text(&inferometer(&["serve", "--help"]).stdout).to_lowercase();
    assert!(flags.contains("--prometheus-url"));
    for word in ["insecure", "skip", "unsafe", "verify"] {
        assert!(!flags.contains(word), "a flag speaks of {word}");
    }
}
