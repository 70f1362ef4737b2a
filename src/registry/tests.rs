//! A registry played by a small HTTP server in this process.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// What the server was asked: `METHOD PATH`, and the `Authorization` that came along.
type Asked = (String, Option<String>);

struct Server {
    address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// Answers to `METHOD PATH` and `Authorization`: status line and headers, then the body.
type Play = fn(&str, Option<&str>, &str) -> (String, Vec<u8>);

impl Server {
    async fn start(play: Play) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (log, own) = (Arc::clone(&asked), address.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (log, own) = (Arc::clone(&log), own.clone());
                tokio::spawn(async move {
                    let mut seen = Vec::new();
                    let mut buffer = [0; 4096];
                    while let Ok(n @ 1..) = stream.read(&mut buffer).await {
                        seen.extend_from_slice(&buffer[..n]);
                        let Some(end) = seen.windows(4).position(|w| w == b"\r\n\r\n") else {
                            continue;
                        };
                        let head = String::from_utf8_lossy(&seen[..end]).into_owned();
                        seen.clear();
                        let first = head
                            .lines()
                            .next()
                            .unwrap()
                            .rsplit_once(' ')
                            .unwrap()
                            .0
                            .to_owned();
                        let authorization = head.lines().find_map(|l| {
                            let (name, value) = l.split_once(": ")?;
                            name.eq_ignore_ascii_case("authorization")
                                .then(|| value.to_owned())
                        });
                        let (head, body) = play(&first, authorization.as_deref(), &own);
                        log.lock().unwrap().push((first.clone(), authorization));
                        let mut answer =
                            format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n", body.len())
                                .into_bytes();
                        if !first.starts_with("HEAD") {
                            answer.extend(body);
                        }
                        if stream.write_all(&answer).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { address, asked }
    }

    fn registry(&self, credentials: Credentials) -> Registry {
        let settings = RegistrySettings {
            insecure: true,
            address: Some(self.address.clone()),
            ca_pem: None,
        };
        Registry::new(
            BTreeMap::from([("registry:5000".to_owned(), settings)]),
            credentials,
        )
    }

    fn asked(&self) -> Vec<String> {
        self.asked
            .lock()
            .unwrap()
            .iter()
            .map(|(what, _)| what.clone())
            .collect()
    }
}

fn image() -> ImageName {
    ImageName::new("registry:5000/acme/app").unwrap()
}
fn version(word: &str) -> Version {
    Version::new(word).unwrap()
}

const MANIFEST: &[u8] =
    br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"}"#;
const NOT_FOUND: &str = "404 Not Found";

fn sum(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    let hex: String = sha2::Sha256::digest(bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    format!("sha256:{hex}")
}

fn good(body: &[u8], kind: &str) -> (String, Vec<u8>) {
    let head = format!(
        "200 OK\r\nContent-Type: {kind}\r\nDocker-Content-Digest: {}",
        sum(body)
    );
    (head, body.to_vec())
}

fn error(head: &str, code: &str) -> (String, Vec<u8>) {
    (
        head.to_owned(),
        format!(r#"{{"errors":[{{"code":"{code}","message":"x"}}]}}"#).into_bytes(),
    )
}

fn plain(what: &str, _: Option<&str>, _: &str) -> (String, Vec<u8>) {
    match what.split_once(' ').unwrap().1 {
        "/v2/acme/app/manifests/1.0.1-22-7e56158" => good(MANIFEST, MANIFEST_TYPES[0]),
        "/v2/acme/app/tags/list?n=1000" => {
            ("200 OK".to_owned(), br#"{"name":"acme/app","tags":["1.0.1-22-7e56158","1.0.9-1-abc1234","1.0.10-2-abc1234","latest"]}"#.to_vec())
        }
        path if path.contains("/acme/app/") => error(NOT_FOUND, "MANIFEST_UNKNOWN"),
        _ => error(NOT_FOUND, "NAME_UNKNOWN"),
    }
}

#[tokio::test]
async fn a_single_image_takes_one_request_without_a_body() {
    let server = Server::start(plain).await;
    let registry = server.registry(Credentials::default());
    let resolved = registry
        .resolve(&image(), &version("1.0.1-22-7e56158"))
        .await
        .unwrap();
    assert_eq!(resolved.digest.as_str(), sum(MANIFEST));
    assert_eq!(resolved.media_type, MANIFEST_TYPES[0]);
    assert_eq!(resolved.runs_on("linux", "amd64"), None);
    assert_eq!(
        server.asked(),
        ["HEAD /v2/acme/app/manifests/1.0.1-22-7e56158"]
    );
}

#[tokio::test]
async fn an_absent_tag_is_told_from_an_absent_repository() {
    let server = Server::start(plain).await;
    let registry = server.registry(Credentials::default());
    let absent = registry
        .resolve(&image(), &version("1.0.1-22-7e56159"))
        .await
        .unwrap_err();
    assert_eq!(
        absent.to_string(),
        "the registry registry:5000 has no tag 1.0.1-22-7e56159 of acme/app"
    );
    assert_eq!(
        absent.hint().unwrap(),
        "it has 1.0.1-22-7e56158, 1.0.10-2-abc1234, 1.0.9-1-abc1234, latest"
    );
    assert!(!absent.is_unknown());
    let other = ImageName::new("registry:5000/acme/other").unwrap();
    let absent = registry.resolve(&other, &version("1")).await.unwrap_err();
    assert!(
        matches!(absent, RegistryError::RepositoryAbsent { .. }),
        "{absent:?}"
    );
}

fn index(_: &str, _: Option<&str>, _: &str) -> (String, Vec<u8>) {
    let body = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[
            {{"digest":"{d}","platform":{{"os":"linux","architecture":"amd64"}}}},
            {{"digest":"{d}","platform":{{"os":"unknown","architecture":"unknown"}}}}]}}"#,
        INDEX_TYPES[0],
        d = sum(MANIFEST)
    );
    good(body.as_bytes(), INDEX_TYPES[0])
}

#[tokio::test]
async fn an_index_is_read_for_its_platforms() {
    let server = Server::start(index).await;
    let resolved = server
        .registry(Credentials::default())
        .resolve(&image(), &version("1"))
        .await
        .unwrap();
    assert_eq!(resolved.platforms.len(), 1);
    assert_eq!(resolved.platforms[0].digest.as_str(), sum(MANIFEST));
    assert_eq!(resolved.runs_on("linux", "amd64"), Some(true));
    assert_eq!(resolved.runs_on("linux", "arm64"), Some(false));
}

/// An index of two machines and a note of a signature; the second image is the larger.
fn sizes(what: &str, _: Option<&str>, _: &str) -> (String, Vec<u8>) {
    let (one, two) = ("a".repeat(64), "b".repeat(64));
    let body = match what {
        _ if what.ends_with(&one) => r#"{"layers":[{"size":3},{"size":4}]}"#.to_owned(),
        _ if what.ends_with(&two) => r#"{"layers":[{"size":900}]}"#.to_owned(),
        _ if what.ends_with(&"d".repeat(64)) => {
            let own = format!(
                r#"{{"digest":"sha256:{one}","platform":{{"os":"linux","architecture":"x"}}}}"#
            );
            format!(r#"{{"manifests":[{}]}}"#, vec![own; 4].join(","))
        }
        _ => format!(
            r#"{{"manifests":[
            {{"digest":"sha256:{one}","platform":{{"os":"linux","architecture":"amd64"}}}},
            {{"digest":"sha256:{two}","platform":{{"os":"linux","architecture":"arm64"}}}},
            {{"digest":"sha256:{two}","platform":{{"os":"unknown","architecture":"unknown"}}}}]}}"#
        ),
    };
    good(body.as_bytes(), INDEX_TYPES[0])
}

#[tokio::test]
async fn an_image_is_at_most_as_large_as_its_largest() {
    let server = Server::start(sizes).await;
    let registry = server.registry(Credentials::default());
    let ask = async |digit: &str| {
        let digest = Digest::new(format!("sha256:{}", digit.repeat(64))).unwrap();
        registry.at_most(&image(), &digest).await.unwrap()
    };
    assert_eq!((ask("a").await, ask("0").await), (Some(7), Some(900)));
    assert_eq!(ask("d").await, None, "too many to ask for each");
}

fn lying(_: &str, _: Option<&str>, _: &str) -> (String, Vec<u8>) {
    let (head, _) = good(b"other", INDEX_TYPES[0]);
    (head, MANIFEST.to_vec())
}

#[tokio::test]
async fn a_manifest_that_is_not_what_its_digest_says_is_refused() {
    let server = Server::start(lying).await;
    let error = server
        .registry(Credentials::default())
        .resolve(&image(), &version("1"))
        .await
        .unwrap_err();
    assert!(
        matches!(error, RegistryError::Answer { .. }) && error.is_unknown(),
        "{error:?}"
    );
}

fn no_head(what: &str, _: Option<&str>, _: &str) -> (String, Vec<u8>) {
    match what.starts_with("HEAD") {
        true => ("405 Method Not Allowed".to_owned(), Vec::new()),
        false => (
            format!("200 OK\r\nContent-Type: {}", MANIFEST_TYPES[1]),
            MANIFEST.to_vec(),
        ),
    }
}

#[tokio::test]
async fn without_head_and_without_a_digest_the_bytes_are_counted() {
    let server = Server::start(no_head).await;
    let resolved = server
        .registry(Credentials::default())
        .resolve(&image(), &version("1"))
        .await
        .unwrap();
    assert_eq!(resolved.digest.as_str(), sum(MANIFEST));
}

fn bearer(what: &str, authorization: Option<&str>, own: &str) -> (String, Vec<u8>) {
    if what.starts_with("GET /token?") {
        // ops:pw; nobody else gets a token that is good for anything.
        let token = if authorization == Some("Basic b3BzOnB3") {
            "good"
        } else {
            "poor"
        };
        return (
            "200 OK".to_owned(),
            format!(r#"{{"token":"{token}"}}"#).into_bytes(),
        );
    }
    match authorization {
        Some("Bearer good") => good(MANIFEST, MANIFEST_TYPES[0]),
        _ => error(
            &format!(
                "401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"http://{own}/token\",service=\"r\",scope=\"x\""
            ),
            "UNAUTHORIZED",
        ),
    }
}

fn ops() -> Credentials {
    Credentials::parse(r#"{"auths":{"registry:5000":{"auth":"b3BzOnB3"}}}"#).unwrap()
}

#[tokio::test]
async fn a_token_is_fetched_once_and_used_again() {
    let server = Server::start(bearer).await;
    let registry = server.registry(ops());
    for _ in 0..2 {
        registry.resolve(&image(), &version("1")).await.unwrap();
    }
    let path = "HEAD /v2/acme/app/manifests/1";
    let token = "GET /token?scope=repository%3Aacme%2Fapp%3Apull&service=r";
    assert_eq!(server.asked(), [path, token, path, path]);
}

#[tokio::test]
async fn without_or_with_wrong_credentials_it_is_said_what_to_do() {
    let server = Server::start(bearer).await;
    let error = server
        .registry(Credentials::default())
        .resolve(&image(), &version("1"))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            RegistryError::Unauthorized {
                with_credentials: false,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(error.hint().unwrap().contains("docker login registry:5000"));
    let wrong =
        Credentials::parse(r#"{"auths":{"registry:5000":{"auth":"b3BzOndyb25n"}}}"#).unwrap();
    let error = server
        .registry(wrong)
        .resolve(&image(), &version("1"))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            RegistryError::Unauthorized {
                with_credentials: true,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(!format!("{error:?} {error}").contains("wrong"), "{error:?}");
}

fn basic(_: &str, authorization: Option<&str>, _: &str) -> (String, Vec<u8>) {
    match authorization {
        Some("Basic b3BzOnB3") => good(MANIFEST, MANIFEST_TYPES[0]),
        _ => error(
            "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"r\"",
            "UNAUTHORIZED",
        ),
    }
}

#[tokio::test]
async fn name_and_password_are_sent_only_when_asked_for() {
    let server = Server::start(basic).await;
    server
        .registry(ops())
        .resolve(&image(), &version("1"))
        .await
        .unwrap();
    let sent: Vec<bool> = server
        .asked
        .lock()
        .unwrap()
        .iter()
        .map(|(_, a)| a.is_some())
        .collect();
    assert_eq!(sent, [false, true]);
}

#[tokio::test]
async fn http_is_never_tried_where_the_registry_is_not_named_insecure() {
    let server = Server::start(plain).await;
    let settings = RegistrySettings {
        address: Some(server.address.clone()),
        ..RegistrySettings::default()
    };
    let registry = Registry::new(
        BTreeMap::from([("registry:5000".to_owned(), settings)]),
        ops(),
    );
    let error = registry
        .resolve(&image(), &version("1.0.1-22-7e56158"))
        .await
        .unwrap_err();
    assert!(error.is_unknown(), "{error:?}");
    assert!(
        server.asked().iter().all(|a| !a.contains("/v2/")),
        "{:?}",
        server.asked()
    );
}

#[tokio::test]
async fn a_registry_that_is_not_there_or_silent_is_unreachable() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for address in [closed, silent.local_addr().unwrap()] {
        let settings = RegistrySettings {
            insecure: true,
            address: Some(address.to_string()),
            ca_pem: None,
        };
        let registry = Registry::new(
            BTreeMap::from([("registry:5000".to_owned(), settings)]),
            Credentials::default(),
        );
        let clock = crate::time::Clock::system();
        let error = registry.resolve(&image(), &version("1")).await.unwrap_err();
        assert!(
            matches!(error, RegistryError::Unreachable { .. }),
            "{error:?}"
        );
        assert!(clock.elapsed() < LIMIT + Duration::from_secs(1));
        assert_eq!(
            error.to_string(),
            format!("the registry registry:5000 at http://{address} does not answer")
        );
    }
}

#[test]
fn an_answer_from_a_host_is_read() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let found = ["found".to_owned(), "rc=0".to_owned()];
    let digest = sum(b"x");
    let good = format!(
        "HTTP/1.1 307 Moved\nLocation: x\n\n  HTTP/1.1 200 OK\n  Content-Type: a/b\n  docker-content-digest: {digest}"
    );
    let (image, tag) = (image(), version("1"));
    assert_eq!(
        through::read(&image, &tag, &lines(&good), &found)
            .unwrap()
            .digest
            .as_str(),
        digest
    );
    let absent = through::read(&image, &tag, &lines("HTTP/1.1 404 Not Found"), &found);
    assert!(matches!(absent, Err(RegistryError::TagAbsent { .. })));
    let nothing = through::read(&image, &tag, &[], &found);
    assert!(matches!(nothing, Err(RegistryError::Unreachable { .. })));
    let settings = RegistrySettings {
        insecure: true,
        address: Some("10.0.0.1:5000".to_owned()),
        ca_pem: None,
    };
    let [url, types] = through::parameters(&image, &tag, &settings);
    assert_eq!(url, "http://registry:5000/v2/acme/app/manifests/1");
    assert_eq!(types.split(", ").count(), 4);
}
