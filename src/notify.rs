//! Messages about a run: what stands in them, how they are rendered and signed, and one POST.
//!
//! - `body` templates of bodies, strict: a name that is not there is an error, not an empty place.
//! - `sign` HMAC with SHA-256, in the forms that receivers want.
//!
//! Who is told, and when, is said under `notify:` (`inventory::notify`); `cli::notify` sends. To add
//! a fact: a field of [`Message`], which every template and every hook then has. Fields are only added.

mod body;
mod sign;

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::{Client, Url};
use serde::Serialize;

use crate::event::jiff_text::Stamp;
use crate::inventory::notify::SignForm;
use crate::text::{Redactor, Secret};

pub use body::{Body, BodyError};

/// Longest time until a connection is there.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// Time between two attempts.
const PAUSE: Duration = Duration::from_millis(500);
/// Attempts at one message.
const ATTEMPTS: u32 = 3;
/// Most that is read of an answer.
const LONGEST_ANSWER: usize = 64 * 1024;

/// A release in a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Version {
    /// Number for people; 0 where there is none yet.
    pub revision: u64,
    /// The version that was asked for.
    pub version: String,
    /// `sha256:…` of the app's image; empty where not known.
    pub digest: String,
}

/// What is told of a run; as JSON it is the body where no template is named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// Version of this form, 1.
    pub v: u8,
    /// `start`, `switched`, `end`.
    pub point: &'static str,
    /// The run.
    pub run: String,
    /// The environment.
    pub env: String,
    /// The app.
    pub app: String,
    /// `deploy`, `rollback`, `restart`, …
    pub what: String,
    /// What served when the run began.
    pub from: Option<Version>,
    /// What the run brings.
    pub to: Option<Version>,
    /// The slot that gets the traffic, or keeps it.
    pub slot: String,
    /// `user@machine`.
    pub by: String,
    /// `-m`; empty where not given.
    pub message: String,
    /// `--ticket`; empty where not given.
    pub ticket: String,
    /// Commit of the configuration; empty where not known.
    pub config: String,
    /// When the run began.
    pub started: Stamp,
    /// The moment of this message.
    pub at: Stamp,
    /// From the beginning to this moment.
    pub seconds: i64,
    /// How it ended, at the end: `succeeded`, `rolled_back`, …; else empty.
    pub outcome: String,
    /// Why it ended like this; may be empty.
    pub why: String,
    /// Hosts that need a person.
    pub hosts: Vec<String>,
    /// One line that says it.
    pub text: String,
    /// The closing block, at the end; else empty.
    pub block: String,
}

/// Where messages go, with everything that is needed to send one.
#[derive(Debug)]
pub struct Post {
    /// The address.
    pub url: Secret<String>,
    /// Further headers.
    pub headers: BTreeMap<String, Secret<String>>,
    /// Form of the signature and its key.
    pub sign: Option<(SignForm, Secret<Vec<u8>>)>,
    /// The template; the message as JSON without.
    pub body: Option<Body>,
    /// The key of the number in the answer that has to be 0.
    pub answer: Option<String>,
}

/// Why a message did not arrive. Never holds the address, a header or a key.
#[derive(Debug, thiserror::Error)]
pub enum NotSent {
    /// The body cannot be made.
    #[error("its body cannot be made")]
    Body(#[from] BodyError),
    /// Address or headers cannot be used.
    #[error("{0}")]
    Settings(String),
    /// No answer.
    #[error("no answer")]
    Silent(#[source] reqwest::Error),
    /// Another answer than hoped for.
    #[error("the receiver answered {0}")]
    Refused(String),
}

impl NotSent {
    /// What did not work a moment ago may work now.
    fn passes(&self) -> bool {
        matches!(self, Self::Silent(_))
    }
}

impl Post {
    /// Sends a message; what gets no answer is tried again. Bounded in attempts; time is bounded by
    /// the caller.
    ///
    /// # Errors
    /// Why it did not arrive, as far as that is known.
    pub async fn send(&self, message: &Message) -> Result<(), NotSent> {
        let ready = self.ready(message)?;
        let client = client().map_err(|e| NotSent::Settings(format!("no client for HTTP: {e}")))?;
        for _ in 1..ATTEMPTS {
            match self.once(&client, &ready).await {
                Err(why) if why.passes() => tokio::time::sleep(PAUSE).await,
                other => return other,
            }
        }
        self.once(&client, &ready).await
    }

    fn ready(&self, message: &Message) -> Result<Ready, NotSent> {
        let mut url = Url::parse(self.url.expose())
            .ok()
            .filter(|u| matches!(u.scheme(), "http" | "https"))
            .ok_or_else(|| NotSent::Settings("its url is no http or https address".into()))?;
        let mut headers = self.headers.clone();
        let mut signed = body::Signed::default();
        if let Some((form @ (SignForm::DingTalk | SignForm::Feishu), key)) = &self.sign {
            signed = match form {
                SignForm::DingTalk => sign::dingtalk(key, message.at.0),
                _ => sign::feishu(key, message.at.0),
            };
            if *form == SignForm::DingTalk {
                url.query_pairs_mut()
                    .append_pair("timestamp", &signed.timestamp)
                    .append_pair("sign", &signed.sign);
            }
        }
        let text = body::render(self.body.as_ref(), message, &signed)?;
        if let Some((SignForm::Header, key)) = &self.sign {
            let (time, sign) = sign::header(key, message.at.0, &text);
            headers.insert("X-Deploy-Timestamp".into(), Secret::new(time));
            headers.insert("X-Deploy-Signature".into(), Secret::new(sign));
        }
        // The same for every attempt: who gets it twice can tell.
        let id = format!(
            "{}-{}-{}",
            message.run,
            message.point,
            message.at.0.as_second()
        );
        headers.insert("X-Deploy-Delivery".into(), Secret::new(id));
        Ok(Ready { url, headers, text })
    }

    async fn once(&self, client: &Client, ready: &Ready) -> Result<(), NotSent> {
        let mut request = client.post(ready.url.clone());
        let own = |name: &str| ready.headers.keys().any(|h| h.eq_ignore_ascii_case(name));
        if !own("content-type") {
            request = request.header("Content-Type", "application/json; charset=utf-8");
        }
        for (name, value) in &ready.headers {
            let mut value = reqwest::header::HeaderValue::from_str(value.expose())
                .map_err(|_| NotSent::Settings(format!("its header {name} cannot be sent")))?;
            value.set_sensitive(true);
            request = request.header(name.as_str(), value);
        }
        let sent = request.body(ready.text.clone()).send().await;
        let mut response = sent.map_err(|e| NotSent::Silent(e.without_url()))?;
        let status = response.status();
        let mut answer = Vec::new();
        loop {
            let part = response.chunk().await;
            let part = part.map_err(|e| NotSent::Silent(e.without_url()))?;
            let Some(part) = part else { break };
            answer.extend_from_slice(&part);
            if answer.len() > LONGEST_ANSWER {
                break;
            }
        }
        if !status.is_success() {
            return Err(NotSent::Refused(format!("{}", status.as_u16())));
        }
        let Some(key) = &self.answer else {
            return Ok(());
        };
        let json: serde_json::Value = serde_json::from_slice(&answer).unwrap_or_default();
        match json.get(key).and_then(serde_json::Value::as_i64) {
            Some(0) => Ok(()),
            Some(n) => Err(NotSent::Refused(self.complaint(key, n, &json))),
            None => Err(NotSent::Refused(format!("without a number `{key}`"))),
        }
    }

    /// What a receiver says beside its number, without anything that we keep secret.
    fn complaint(&self, key: &str, number: i64, json: &serde_json::Value) -> String {
        let said = ["errmsg", "msg", "message"]
            .iter()
            .find_map(|k| json.get(*k)?.as_str());
        let said = self.secrets().clean(said.unwrap_or_default());
        let said: String = said.chars().filter(|c| !c.is_control()).take(200).collect();
        match said.as_str() {
            "" => format!("{key} {number}"),
            said => format!("{key} {number}: {said}"),
        }
    }

    /// Everything in it that is shown to nobody.
    #[must_use]
    pub fn secrets(&self) -> Redactor {
        let mut all = Redactor::default();
        all.add(self.url.expose());
        for value in self.headers.values() {
            all.add(value.expose());
        }
        if let Some((_, key)) = &self.sign {
            all.add(&String::from_utf8_lossy(key.expose()));
        }
        all
    }
}

/// A request that can be repeated.
struct Ready {
    url: Url,
    headers: BTreeMap<String, Secret<String>>,
    text: String,
}

fn client() -> Result<Client, reqwest::Error> {
    // Somebody else may have been first; one is enough.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .user_agent(concat!("deploy/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_LIMIT)
        // Whoever is sent elsewhere would take keys and signatures along.
        .redirect(reqwest::redirect::Policy::none())
        .build()
}

#[cfg(test)]
pub(crate) mod tests;
