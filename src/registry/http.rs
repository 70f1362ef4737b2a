//! Requests to a registry: where it is, who we are, and how long it may take.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, LINK, WWW_AUTHENTICATE};
use reqwest::{Client, Method, RequestBuilder, Response, Url};
use serde_json::Value;

use super::credentials::{Credentials, Login};
use super::manifest::{INDEX_TYPES, MANIFEST_TYPES};
use super::{RegistryError, RegistrySettings, Said};
use crate::name::ImageName;
use crate::text::Secret;

const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// Longest answer that is read: registries refuse manifests of more than 4 MiB.
const LONGEST_ANSWER: usize = 8 * 1024 * 1024;

/// Where an image's registry is.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub registry: String,
    pub repository: String,
    /// `https://host[:port]`.
    pub base: String,
    settings: RegistrySettings,
}

impl Place {
    pub(super) fn new(image: &ImageName, settings: RegistrySettings) -> Self {
        let named = match image.is_hub() {
            true => "registry-1.docker.io",
            false => image.registry(),
        };
        let at = settings.address.as_deref().unwrap_or(named);
        let scheme = if settings.insecure { "http" } else { "https" };
        Self {
            registry: image.registry().to_owned(),
            repository: image.repository().to_owned(),
            base: format!("{scheme}://{at}"),
            settings,
        }
    }

    fn unreachable(&self, source: reqwest::Error) -> RegistryError {
        RegistryError::Unreachable {
            registry: self.registry.clone(),
            url: self.base.clone(),
            source: source.without_url().into(),
        }
    }
    fn wrong(&self, why: impl Into<String>) -> RegistryError {
        RegistryError::Answer {
            registry: self.registry.clone(),
            source: Said(why.into()),
        }
    }
    fn bad_settings(
        &self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> RegistryError {
        RegistryError::Settings {
            registry: self.registry.clone(),
            source: source.into(),
        }
    }
    fn unauthorized(&self, why: impl Into<String>, with_credentials: bool) -> RegistryError {
        RegistryError::Unauthorized {
            registry: self.registry.clone(),
            repository: self.repository.clone(),
            source: Said(why.into()),
            with_credentials,
        }
    }
}

/// What is kept of an answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: u16,
    pub content_type: Option<String>,
    /// `Docker-Content-Digest`.
    pub digest: Option<String>,
    pub next_page: bool,
    pub body: Vec<u8>,
}

/// Clients and tokens of a run.
pub(super) struct Http {
    credentials: Credentials,
    clients: Mutex<BTreeMap<String, Client>>,
    /// `Authorization` by registry and repository.
    known: Mutex<BTreeMap<(String, String), Secret<String>>>,
}

impl Http {
    pub(super) fn new(credentials: Credentials) -> Self {
        Self {
            credentials,
            clients: Mutex::default(),
            known: Mutex::default(),
        }
    }

    /// Asks for `path` below the repository; answers a challenge once.
    pub(super) async fn ask(
        &self,
        place: &Place,
        method: Method,
        path: &str,
    ) -> Result<Answer, RegistryError> {
        let url = format!("{}/v2/{}/{path}", place.base, place.repository);
        let client = self.client(place)?;
        let key = (place.registry.clone(), place.repository.clone());
        let known = lock(&self.known).get(&key).cloned();
        let first = send(place, request(&client, &method, &url, known.as_ref())).await?;
        if !matches!(first.status().as_u16(), 401 | 403) {
            return read(place, first).await;
        }
        let authorization = self.authorize(place, &client, &first).await?;
        let again = send(
            place,
            request(&client, &method, &url, Some(&authorization.value)),
        )
        .await?;
        if let status @ (401 | 403) = again.status().as_u16() {
            let why = authorization.why;
            let why = why.unwrap_or_else(|| format!("status {status}"));
            return Err(place.unauthorized(why, authorization.with_credentials));
        }
        lock(&self.known).insert(key, authorization.value);
        read(place, again).await
    }

    async fn authorize(
        &self,
        place: &Place,
        client: &Client,
        refused: &Response,
    ) -> Result<Authorization, RegistryError> {
        let login = self.credentials.login(&place.registry).await;
        // Public images need none: what the helper said counts where the registry refuses.
        let (login, why) = match login {
            Ok(login) => (login, None),
            Err(why) => (None, Some(why)),
        };
        let challenges = challenges(refused.headers());
        if let Some(bearer) = challenges.iter().find(|c| c.scheme == "bearer") {
            let value = token(place, client, bearer, login.as_ref()).await;
            let value = value.map_err(|e| match &why {
                Some(why) => place.unauthorized(why.clone(), false),
                None => e,
            })?;
            return Ok(Authorization {
                value,
                with_credentials: login.is_some(),
                why,
            });
        }
        let basic = challenges.iter().any(|c| c.scheme == "basic");
        match login {
            Some(Login::Basic { user, password }) if basic => Ok(Authorization {
                value: basic_header(&user, &password),
                with_credentials: true,
                why: None,
            }),
            Some(_) => {
                Err(place.unauthorized(format!("status {}", refused.status().as_u16()), true))
            }
            None => {
                let status = || format!("status {}", refused.status().as_u16());
                Err(place.unauthorized(why.unwrap_or_else(status), false))
            }
        }
    }

    fn client(&self, place: &Place) -> Result<Client, RegistryError> {
        let mut clients = lock(&self.clients);
        if let Some(client) = clients.get(&place.registry) {
            return Ok(client.clone());
        }
        let client = build(&place.settings).map_err(|e| place.bad_settings(e))?;
        clients.insert(place.registry.clone(), client.clone());
        Ok(client)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Nothing can be left half-done in these maps.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Certificates are checked against the system's store (so that a company's own authority, once
/// installed on the machine, counts), and the registry's own `ca` beside it.
fn build(settings: &RegistrySettings) -> Result<Client, reqwest::Error> {
    // Somebody else may have been first; one is enough.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .user_agent(concat!("deploy/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_LIMIT)
        .timeout(super::LIMIT)
        .redirect(reqwest::redirect::Policy::limited(4))
        .https_only(!settings.insecure);
    if settings.insecure || settings.address.is_some() {
        // An address of one's own network is not behind a proxy.
        builder = builder.no_proxy();
    }
    if let Some(pem) = &settings.ca_pem {
        builder = builder.tls_certs_merge(reqwest::Certificate::from_pem_bundle(pem)?);
    }
    builder.build()
}

fn request(
    client: &Client,
    method: &Method,
    url: &str,
    authorization: Option<&Secret<String>>,
) -> RequestBuilder {
    let mut request = client.request(method.clone(), url);
    for kind in MANIFEST_TYPES.iter().chain(&INDEX_TYPES) {
        request = request.header(ACCEPT, *kind);
    }
    match authorization {
        Some(value) => request.header(AUTHORIZATION, value.expose()),
        None => request,
    }
}

async fn send(place: &Place, request: RequestBuilder) -> Result<Response, RegistryError> {
    request.send().await.map_err(|e| place.unreachable(e))
}

async fn read(place: &Place, mut response: Response) -> Result<Answer, RegistryError> {
    let text = |name: &str| {
        let value = response.headers().get(name)?.to_str().ok()?;
        Some(value.trim().to_owned())
    };
    let content_type = text(CONTENT_TYPE.as_str())
        .map(|t| t.split(';').next().unwrap_or_default().trim().to_owned());
    let mut answer = Answer {
        status: response.status().as_u16(),
        content_type,
        digest: text("docker-content-digest"),
        next_page: text(LINK.as_str()).is_some_and(|l| l.contains("next")),
        body: Vec::new(),
    };
    while let Some(chunk) = response.chunk().await.map_err(|e| place.unreachable(e))? {
        answer.body.extend_from_slice(&chunk);
        if answer.body.len() > LONGEST_ANSWER {
            return Err(place.wrong("it is longer than 8 MiB"));
        }
    }
    Ok(answer)
}

struct Authorization {
    value: Secret<String>,
    with_credentials: bool,
    /// Why a helper could not be asked.
    why: Option<String>,
}

fn basic_header(user: &str, password: &Secret<String>) -> Secret<String> {
    use base64::Engine as _;
    let both = format!("{user}:{}", password.expose());
    let coded = base64::engine::general_purpose::STANDARD.encode(both);
    Secret::new(format!("Basic {coded}"))
}

/// Fetches a token for pulling from the authority that the registry names.
async fn token(
    place: &Place,
    client: &Client,
    challenge: &Challenge,
    login: Option<&Login>,
) -> Result<Secret<String>, RegistryError> {
    let realm = challenge
        .get("realm")
        .ok_or_else(|| place.wrong("its challenge names no realm"))?;
    let mut url =
        Url::parse(realm).map_err(|e| place.wrong(format!("its realm is no address: {e}")))?;
    // Credentials never travel in the clear, unless the operator said that they may.
    if url.scheme() != "https" && !place.settings.insecure {
        return Err(place.wrong(format!("its realm is not https: {realm}")));
    }
    let scope = format!("repository:{}:pull", place.repository);
    let mut words = vec![("scope", scope.as_str())];
    words.extend(challenge.get("service").map(|s| ("service", s)));
    let request = match login {
        Some(Login::Identity(token)) => {
            words.extend([
                ("grant_type", "refresh_token"),
                ("client_id", "deploy"),
                ("refresh_token", token.expose().as_str()),
            ]);
            let form = Url::parse_with_params("http://form", &words).ok();
            let form = form
                .and_then(|u| u.query().map(str::to_owned))
                .unwrap_or_default();
            client
                .post(url)
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form)
        }
        other => {
            url.query_pairs_mut().extend_pairs(&words);
            match other {
                Some(Login::Basic { user, password }) => client
                    .get(url)
                    .header(AUTHORIZATION, basic_header(user, password).expose()),
                _ => client.get(url),
            }
        }
    };
    let answer = read(place, send(place, request).await?).await?;
    match answer.status {
        200 => {}
        status @ (400 | 401 | 403) => {
            return Err(place.unauthorized(format!("status {status} for a token"), login.is_some()));
        }
        status => return Err(place.wrong(format!("status {status} for a token"))),
    }
    let document: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let token = document["token"]
        .as_str()
        .or(document["access_token"].as_str());
    let token = token.filter(|t| !t.is_empty());
    let token = token.ok_or_else(|| place.wrong("its authority answered without a token"))?;
    Ok(Secret::new(format!("Bearer {token}")))
}

/// One challenge of `WWW-Authenticate` (RFC 9110, section 11.6.1).
#[derive(Debug, Default, PartialEq, Eq)]
struct Challenge {
    /// Lower case.
    scheme: String,
    words: Vec<(String, String)>,
}

impl Challenge {
    fn get(&self, name: &str) -> Option<&str> {
        let found = self.words.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }
}

fn challenges(headers: &HeaderMap) -> Vec<Challenge> {
    let values = headers.get_all(WWW_AUTHENTICATE);
    values
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(parse_challenges)
        .collect()
}

/// `Bearer realm="…",service="…", Basic realm="…"`.
fn parse_challenges(text: &str) -> Vec<Challenge> {
    let mut out: Vec<Challenge> = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', ',', '\t']);
        let end = rest.find(['=', ' ', ',']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.is_empty() && after.is_empty() {
            return out;
        }
        if let Some(value) = after.strip_prefix('=') {
            let (value, after) = quoted(value);
            if let Some(challenge) = out.last_mut() {
                challenge.words.push((word.to_ascii_lowercase(), value));
            }
            rest = after;
        } else {
            out.push(Challenge {
                scheme: word.to_ascii_lowercase(),
                words: Vec::new(),
            });
            rest = after;
        }
    }
}

/// A value, quoted or not, and what follows it.
fn quoted(text: &str) -> (String, &str) {
    let Some(inner) = text.strip_prefix('"') else {
        let end = text.find([',', ' ']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut chars = inner.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &inner[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn challenges_are_read() {
        let all = parse_challenges(
            r#"Basic realm="a, b", Bearer realm="https://x/t",service="r \"1\"",scope="a,b""#,
        );
        assert_eq!(all.len(), 2);
        assert_eq!(
            (all[0].scheme.as_str(), all[0].get("realm")),
            ("basic", Some("a, b"))
        );
        assert_eq!(
            (all[1].scheme.as_str(), all[1].get("realm")),
            ("bearer", Some("https://x/t"))
        );
        assert_eq!(all[1].get("service"), Some("r \"1\""));
        assert_eq!(all[1].get("scope"), Some("a,b"));
        assert_eq!(parse_challenges(""), []);
        assert_eq!(parse_challenges("Negotiate")[0].scheme, "negotiate");
    }

    proptest! {
        #[test]
        fn no_challenge_can_break_it(text in r#"[a-z=", \\é]{0,40}"#) {
            parse_challenges(&text);
        }
    }
}
