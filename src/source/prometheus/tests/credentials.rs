//! Credentials: from files, read anew, sent to one host and told to nobody.

use std::path::PathBuf;

use super::*;
use crate::source::Text;

const SECRET: &str = "hunter2";

fn literal(text: &str) -> Text {
    Text::Literal(text.to_owned())
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn file(folder: &tempfile::TempDir, name: &str, content: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, content).expect("written");
    path
}

#[tokio::test]
async fn basic_authentication_and_headers_are_read_again_for_each_request() {
    let server = Server::answering(EMPTY).await;
    let folder = folder();
    let password = file(&folder, "password", "open sesame\r\n");
    let tenant = file(&folder, "tenant", "one\n");
    let mut settings = server.settings();
    settings.auth = Auth {
        basic: Some((literal("ann"), Text::File(password))),
        headers: vec![
            ("x-scope-orgid".parse().unwrap(), Text::File(tenant)),
            ("x-more".parse().unwrap(), literal("yes")),
        ],
        ..Auth::default()
    };
    let client = Prometheus::new(settings);
    for (password, tenant, authorization) in
        [("open sesame", "one", "Basic YW5uOm9wZW4gc2VzYW1l"), ("new:ü\n", "two", "Basic YW5uOm5ldzrDvA==")]
    {
        file(&folder, "password", password);
        file(&folder, "tenant", tenant);
        fetch_with(&client, &waiting(), 0.0).await.expect("an answer");
        let seen = server.last();
        assert_eq!(seen.header("authorization"), [authorization]);
        assert_eq!((seen.header("x-scope-orgid"), seen.header("x-more")), (vec![tenant], vec!["yes"]));
    }
}

#[tokio::test]
async fn a_rotated_token_is_sent_at_once_and_with_every_question() {
    let server = Server::answering(EMPTY).await;
    let folder = folder();
    let token = file(&folder, "token", "first\n");
    let mut settings = server.settings();
    settings.auth.bearer = Some(Text::File(token));
    let client = Prometheus::new(settings);
    fetch_with(&client, &tokens(), 0.0).await.expect("an answer");
    file(&folder, "token", "second\n\n");
    fetch_with(&client, &tokens(), 60.0).await.expect("an answer");
    let sent: Vec<_> = server.seen().iter().map(|seen| seen.header("authorization").join(",")).collect();
    assert_eq!(sent, ["Bearer first", "Bearer first", "Bearer second", "Bearer second"]);
}

#[tokio::test]
async fn redirects_are_not_followed_and_no_credential_travels_on() {
    let other = Server::answering(EMPTY).await;
    for status in [
        StatusCode::MOVED_PERMANENTLY,
        StatusCode::FOUND,
        StatusCode::TEMPORARY_REDIRECT,
        StatusCode::PERMANENT_REDIRECT,
    ] {
        let target = format!("http://{}/api/v1/query", other.address);
        let server =
            Server::start(move |_| (status, [(header::LOCATION, target.clone())]).into_response()).await;
        let mut settings = server.settings();
        settings.auth.bearer = Some(literal(SECRET));
        let refused = fetch(settings).await.expect_err("refused");
        assert_eq!(
            refused.to_string(),
            format!("query refused: HTTP {status}: redirects are not followed; configure the final URL")
        );
        assert_eq!(server.seen().len(), 1);
    }
    assert!(other.seen().is_empty());
}

#[tokio::test]
async fn refused_credentials_are_named_as_such() {
    for status in [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN] {
        let server = Server::start(move |_| (status, "secret details").into_response()).await;
        let refused = fetch(server.settings()).await.expect_err("refused");
        assert_eq!(
            refused.to_string(),
            format!("query refused: HTTP {status}: check the credentials of this source")
        );
    }
}

#[tokio::test]
async fn unusable_credentials_name_their_file_and_ask_nobody() {
    let server = Server::answering(EMPTY).await;
    let folder = folder();
    let missing = folder.path().join("missing");
    let junk = file(&folder, "junk", "no PEM");
    let binary = folder.path().join("binary");
    std::fs::write(&binary, b"\xff\xfe").expect("written");
    let broken = file(&folder, "broken", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let auth = Auth::default;
    let at = |path: &PathBuf| path.display().to_string();
    for (auth, beginning) in [
        (
            Auth { bearer: Some(Text::File(missing.clone())), ..auth() },
            format!("cannot read {}: ", at(&missing)),
        ),
        (Auth { ca: Some(missing.clone()), ..auth() }, format!("cannot read {}: ", at(&missing))),
        (
            Auth { client_certificate: Some((junk.clone(), missing.clone())), ..auth() },
            format!("cannot read {}: ", at(&missing)),
        ),
        (Auth { bearer: Some(Text::File(binary.clone())), ..auth() }, format!("{} is not text", at(&binary))),
        (Auth { ca: Some(junk.clone()), ..auth() }, format!("{} holds no certificate", at(&junk))),
        (Auth { ca: Some(broken.clone()), ..auth() }, String::new()),
        (
            Auth { client_certificate: Some((junk.clone(), junk.clone())), ..auth() },
            format!("{0} with {0} cannot be used: ", at(&junk)),
        ),
        (
            Auth { bearer: Some(literal("two\nlines")), ..auth() },
            "the value of header authorization has characters that no header may have".to_owned(),
        ),
    ] {
        let refused = fetch(Settings { auth, ..server.settings() }).await.expect_err("refused");
        assert_eq!(refused.kind(), "credentials", "{refused}");
        assert!(refused.to_string().starts_with(&beginning), "{refused}");
        assert!(!refused.to_string().contains("two"), "{refused}");
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn the_client_is_rebuilt_when_a_certificate_file_changes() {
    let server = Server::answering(EMPTY).await;
    let folder = folder();
    let issued = rcgen::generate_simple_self_signed(["prometheus".to_owned()]).expect("a certificate");
    let ca = file(&folder, "ca.crt", &issued.cert.pem());
    let mut settings = server.settings();
    settings.auth.ca = Some(ca);
    let client = Prometheus::new(settings);
    let built = || client.http.client.load_full().map(|known| Arc::as_ptr(&known) as usize);
    fetch_with(&client, &waiting(), 0.0).await.expect("an answer");
    let first = built();
    fetch_with(&client, &waiting(), 0.0).await.expect("an answer");
    assert_eq!(built(), first, "connections are kept");
    file(&folder, "ca.crt", &format!("{0}{0}", issued.cert.pem()));
    fetch_with(&client, &waiting(), 0.0).await.expect("an answer");
    assert_ne!(built(), first);
    file(&folder, "ca.crt", "half wri");
    assert_eq!(fetch_with(&client, &waiting(), 0.0).await.expect_err("unusable").kind(), "credentials");
}

#[tokio::test]
async fn no_failure_tells_a_credential() {
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        listener.local_addr().expect("an address")
    };
    let html = Server::answering("<html>").await;
    let hung = Server::raw("", true).await;
    let cut = Server::raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", false).await;
    let garbage = Server::raw("SSH-2.0-OpenSSH_9.9\r\n", false).await;
    let redirecting = Server::start(|_| StatusCode::FOUND.into_response()).await;
    for address in [closed, html.address, hung.address, cut.address, garbage.address, redirecting.address] {
        let mut settings = Settings::new(
            "main",
            format!("http://ann:{SECRET}@{address}/?token={SECRET}").parse().expect("a URL"),
        );
        settings.timeout = Duration::from_millis(300);
        settings.auth.bearer = Some(literal(SECRET));
        settings.auth.headers = vec![("x-key".parse().unwrap(), literal(SECRET))];
        let debug = format!("{settings:?}");
        let error = fetch(settings).await.expect_err("fails");
        for text in [error.to_string(), format!("{error:?}"), debug] {
            assert!(!text.contains(SECRET) && !text.contains("ann"), "{text}");
        }
    }
}
