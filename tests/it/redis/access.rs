//! Users, passwords and certificates.

use crate::support::pki::{Authority, Subject};
use crate::support::redis::Redis;
use crate::support::{Server, replace_file};

use super::{configuration, is_refused, is_settled, reads};

const JOBS: &[(&str, &str)] = &[("jobs", "{ list: jobs:render }"), ("secret", "{ list: secret }")];

#[tokio::test(flavor = "multi_thread")]
async fn redis_users() {
    let redis = Redis::with_login("requirepass admin-7f3a", &["--no-auth-warning", "-a", "admin-7f3a"]).await;
    redis.push("jobs:render", 2);
    redis.push("secret", 9);
    let allow = |password: &str| {
        let password = format!(">{password}");
        redis.cli(&["ACL", "SETUSER", "reader", "reset", "on", &password, "~jobs:*", "+@read"])
    };
    assert_eq!(allow("first-91c2"), "OK");
    let folder = tempfile::tempdir().expect("a temporary directory");
    let file = folder.path().join("password");
    replace_file(&file, "first-91c2\n");
    let auth = format!("auth: {{ username: reader, passwordFile: \"{}\" }}", file.display());
    let url = format!("url: \"redis://{}\"", redis.address());
    let server = Server::configured(&configuration(&format!("{url}, {auth}"), JOBS)).await;
    reads(&server, "jobs", "2").await;
    is_refused(&server, "secret", "the user of this source has no right to LLEN secret").await;
    is_settled(&server, "jobs").await;

    // The file changes, and the server with it: no restart.
    assert_eq!(allow("second-5d0e"), "OK");
    redis.cli(&["CLIENT", "KILL", "USER", "reader"]);
    is_refused(&server, "jobs", "refuses the user's name or password").await;
    replace_file(&file, "second-5d0e");
    reads(&server, "jobs", "2").await;

    let stranger = Server::configured(&configuration(&url, JOBS)).await;
    is_refused(&stranger, "jobs", "asks for a password: configure `auth`").await;
    for server in [&server, &stranger] {
        let log = server.log().join("\n");
        assert!(!log.contains("first-91c2") && !log.contains("second-5d0e"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_over_tls() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let authority = Authority::root("redis");
    std::fs::write(path("ca.pem"), authority.pem()).expect("writable");
    for (name, subject) in [
        ("server", Subject::server(&["127.0.0.1", "localhost"])),
        ("elsewhere", Subject::server(&["elsewhere.example"])),
        ("client", Subject::client("inferometer")),
    ] {
        let issued = authority.issue(&subject);
        std::fs::write(path(&format!("{name}.pem")), issued.chain).expect("writable");
        std::fs::write(path(&format!("{name}.key")), issued.key).expect("writable");
    }
    let lines = |server: &str| {
        format!(
            "tls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}\ntls-auth-clients yes",
            path(&format!("{server}.pem")),
            path(&format!("{server}.key")),
            path("ca.pem")
        )
    };
    let (ca, certificate, key) = (path("ca.pem"), path("client.pem"), path("client.key"));
    let login = ["--tls", "--cacert", &ca, "--cert", &certificate, "--key", &key];
    let redis = Redis::with_tls(&lines("server"), &login).await;
    redis.push("jobs:render", 6);
    let url = |redis: &Redis| format!("url: \"rediss://{}\"", redis.address());
    let client =
        format!("auth: {{ clientCertificate: {{ certFile: \"{certificate}\", keyFile: \"{key}\" }} }}");
    let trust = format!("caFile: \"{ca}\"");

    let server =
        Server::configured(&configuration(&format!("{}, {trust}, {client}", url(&redis)), JOBS)).await;
    reads(&server, "jobs", "6").await;
    let distrusting = Server::configured(&configuration(&format!("{}, {client}", url(&redis)), JOBS)).await;
    is_refused(&distrusting, "jobs", "invalid peer certificate: UnknownIssuer").await;
    let nameless = Server::configured(&configuration(&format!("{}, {trust}", url(&redis)), JOBS)).await;
    is_refused(&nameless, "jobs", &redis.address()).await;
    let impostor = Redis::with_tls(&lines("elsewhere"), &[&login[..], &["--insecure"]].concat()).await;
    impostor.push("jobs:render", 9);
    let server =
        Server::configured(&configuration(&format!("{}, {trust}, {client}", url(&impostor)), JOBS)).await;
    is_refused(&server, "jobs", "certificate not valid for name").await;
}
