//! `notify:`: who is told of a run, at which points, in which form.
//!
//! Only words are read here; secrets are fetched, templates read and messages sent elsewhere. To add
//! a key: a field of [`Receiver`], its line in [`one`], its line in `schema.json` and docs/around.md.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::document::Document;
use super::fields::{self, Fields};
use super::layer::Origins;
use super::model::{Located, SecretSource};
use super::sections::merged;
use crate::name::OutcomeKind;
use crate::text::yaml::Node;
use crate::text::{Diagnostic, Findings, Span};

/// Longest time for one message where nothing is said, and the most that may be said.
const WITHIN: Duration = Duration::from_secs(5);
const MOST: Duration = Duration::from_secs(30);

/// Who is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receiver {
    /// Where messages are posted to: http or https.
    pub url: Text,
    /// A template of the body, relative to the configuration's directory; without one the run as JSON.
    pub template: Option<Located<PathBuf>>,
    /// At which points.
    pub on: Vec<Point>,
    /// Further headers.
    pub headers: BTreeMap<String, Text>,
    /// How messages are signed.
    pub sign: Option<Sign>,
    /// The key of the number in a JSON answer that has to be 0, for receivers that answer 200 to all.
    pub answer: Option<String>,
    /// Longest time for one message with all its attempts.
    pub within: Duration,
    /// Where it is named.
    pub span: Span,
}

impl Receiver {
    /// Names of the secrets that it needs.
    #[must_use]
    pub fn secrets(&self) -> Vec<&String> {
        let texts = self.headers.values().chain([&self.url]);
        let named = texts.filter_map(|t| match t {
            Text::Secret(name) => Some(name),
            Text::Plain(_) => None,
        });
        named.chain(self.sign.iter().map(|s| &s.secret)).collect()
    }
}

/// A text as it is, or the name of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Text {
    /// As it is.
    Plain(String),
    /// The value of this secret.
    Secret(String),
}

/// A point of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// Before the first change.
    Start,
    /// All load balancers send to the new release.
    Switched,
    /// The end, unless nothing was to do or the run was refused.
    End,
    /// The end with this outcome.
    Ended(OutcomeKind),
}

impl Point {
    /// Whether what was asked for takes in what happens.
    #[must_use]
    pub fn covers(self, happens: Self) -> bool {
        let quiet = [OutcomeKind::NoChange, OutcomeKind::Refused];
        match (self, happens) {
            (Self::End, Self::Ended(kind)) => !quiet.contains(&kind),
            (wanted, happens) => wanted == happens,
        }
    }
    /// The word in messages: `start`, `switched`, `end`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Switched => "switched",
            Self::End | Self::Ended(_) => "end",
        }
    }
    fn parse(word: &str) -> Option<Self> {
        match word {
            "start" => Some(Self::Start),
            "switched" => Some(Self::Switched),
            "end" => Some(Self::End),
            other => {
                let of = |kind: &&OutcomeKind| kind.word() == other;
                OUTCOMES.iter().find(of).map(|kind| Self::Ended(*kind))
            }
        }
    }
}

/// The outcomes that a message may be asked for.
const OUTCOMES: [OutcomeKind; 12] = [
    OutcomeKind::Succeeded,
    OutcomeKind::NoChange,
    OutcomeKind::Staged,
    OutcomeKind::Parked,
    OutcomeKind::Failed,
    OutcomeKind::RolledBack,
    OutcomeKind::Aborted,
    OutcomeKind::Cancelled,
    OutcomeKind::Mixed,
    OutcomeKind::Unfinished,
    OutcomeKind::Superseded,
    OutcomeKind::Refused,
];

/// How a message is signed, always by HMAC with SHA-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sign {
    /// The secret that is the key.
    pub secret: String,
    /// Of what, and where the signature stands.
    pub form: SignForm,
}

/// Of what a signature is, and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignForm {
    /// Of time and body, in headers.
    Header,
    /// Of the time, in the URL, as DingTalk wants it.
    DingTalk,
    /// Of the time, in the body, as Feishu wants it: the template prints it.
    Feishu,
}

/// Reads `notify:`.
pub(super) fn read(
    docs: &[Document],
    secrets: &BTreeMap<String, Located<SecretSource>>,
    origins: &mut Origins,
    findings: &mut Findings,
) -> BTreeMap<String, Receiver> {
    let mut out = BTreeMap::new();
    for (name, span, node) in merged(docs, "notify", origins, findings) {
        let path = format!("notify.{name}");
        let reader = Reader { secrets, span };
        if let Some(receiver) = reader.one(&node, &path, findings) {
            out.insert(name, receiver);
        }
    }
    out
}

struct Reader<'a> {
    secrets: &'a BTreeMap<String, Located<SecretSource>>,
    span: Span,
}

const KEYS: [&str; 7] = [
    "url", "template", "on", "headers", "sign", "answer", "within",
];

impl Reader<'_> {
    fn one(&self, node: &Node, path: &str, findings: &mut Findings) -> Option<Receiver> {
        let f = Fields::of(node, path, &KEYS, findings)?;
        if f.get("url").is_none() {
            let finding = Diagnostic::error(format!("`{path}` has no `url`")).at(&self.span);
            findings.push(finding.expected("url: { secret: NAME }, or an address without secrets"));
        }
        let url = f.read("url", findings, |n, p, e| self.url(n, p, e));
        let template = f.read("template", findings, |n, p, e| {
            let value = fields::relative_path(n, p, e)?;
            let span = n.span.clone();
            Some(Located { value, span })
        });
        let on = f.read("on", findings, points);
        let headers = f.read("headers", findings, |n, p, e| self.headers(n, p, e));
        let sign = f.read("sign", findings, |n, p, e| self.sign(n, p, e));
        let answer = f.read("answer", findings, fields::text);
        let within = f.read("within", findings, within);
        if let (Some(node), None, Some(SignForm::Feishu)) =
            (f.get("sign"), &template, sign.as_ref().map(|s| s.form))
        {
            let message = format!("`{path}` signs in its body, but has no template to print it");
            let finding = Diagnostic::error(message).at(&node.span);
            findings.push(finding.hint("see docs/notify/feishu.json.j2"));
        }
        Some(Receiver {
            url: url?,
            template,
            on: on.unwrap_or_else(|| vec![Point::Start, Point::Switched, Point::End]),
            headers: headers.unwrap_or_default(),
            sign,
            answer,
            within: within.unwrap_or(WITHIN),
            span: self.span.clone(),
        })
    }

    fn url(&self, node: &Node, path: &str, findings: &mut Findings) -> Option<Text> {
        let text = self.text(node, path, findings)?;
        if let Text::Plain(plain) = &text {
            let rest = plain.strip_prefix("http://");
            let rest = rest.or_else(|| plain.strip_prefix("https://"));
            let host = rest.map(|r| r.split(['/', '?']).next().unwrap_or(""));
            if !host.is_some_and(|h| !h.is_empty() && !h.contains('@')) {
                findings.push(fields::wrong(
                    node,
                    path,
                    "an address such as https://chat.example.com/hook",
                ));
                return None;
            }
        }
        Some(text)
    }

    /// A text, or `{ secret: NAME }`.
    fn text(&self, node: &Node, path: &str, findings: &mut Findings) -> Option<Text> {
        if node.map().is_none() {
            return fields::text(node, path, findings).map(Text::Plain);
        }
        let f = Fields::of(node, path, &["secret"], findings)?;
        self.secret(&f, path, node, findings).map(Text::Secret)
    }

    /// The name of a secret that is there.
    fn secret(
        &self,
        f: &Fields<'_>,
        path: &str,
        node: &Node,
        findings: &mut Findings,
    ) -> Option<String> {
        let Some(at) = f.get("secret") else {
            let finding = Diagnostic::error(format!("`{path}` names no secret")).at(&node.span);
            findings.push(finding.expected("secret: NAME, a name under `secrets:`"));
            return None;
        };
        let name = fields::text(at, &fields::join(path, "secret"), findings)?;
        if !self.secrets.contains_key(&name) {
            let finding = Diagnostic::error(format!("there is no secret `{name}`")).at(&at.span);
            let known = self.secrets.keys().map(String::as_str);
            findings.push(
                finding
                    .did_you_mean(&name, known)
                    .hint("say where it comes from under `secrets:`"),
            );
            return None;
        }
        Some(name)
    }

    fn headers(
        &self,
        node: &Node,
        path: &str,
        findings: &mut Findings,
    ) -> Option<BTreeMap<String, Text>> {
        let word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        let mut out = BTreeMap::new();
        for entry in fields::entries(node, path, findings)? {
            let name = &entry.key.text;
            if name.is_empty() || !name.bytes().all(word) {
                let message = format!("`{name}` is no name of a header");
                findings.push(Diagnostic::error(message).at(&entry.key.span));
            } else if let Some(text) = self.text(&entry.value, &fields::join(path, name), findings)
            {
                out.insert(name.clone(), text);
            }
        }
        Some(out)
    }

    fn sign(&self, node: &Node, path: &str, findings: &mut Findings) -> Option<Sign> {
        let f = Fields::of(node, path, &["secret", "form"], findings)?;
        let secret = self.secret(&f, path, node, findings);
        let form = match f.get("form") {
            None => Some(SignForm::Header),
            Some(node) => {
                let found = match node.text() {
                    Some("header") => Some(SignForm::Header),
                    Some("dingtalk") => Some(SignForm::DingTalk),
                    Some("feishu") => Some(SignForm::Feishu),
                    _ => None,
                };
                if found.is_none() {
                    let path = fields::join(path, "form");
                    findings.push(fields::wrong(node, &path, "header, dingtalk or feishu"));
                }
                found
            }
        };
        Some(Sign {
            secret: secret?,
            form: form?,
        })
    }
}

fn points(node: &Node, path: &str, findings: &mut Findings) -> Option<Vec<Point>> {
    let mut out = Vec::new();
    for (word, span) in fields::words(node, path, findings)? {
        out.extend(point(word, span, (path, "start"), findings));
    }
    Some(out)
}

/// One point; `first` is what the first one is called there.
pub(super) fn point(
    word: &str,
    span: &Span,
    (path, first): (&str, &str),
    findings: &mut Findings,
) -> Option<Point> {
    let found = Point::parse(word).filter(|p| *p != Point::Start || first == "start");
    if found.is_none() {
        let message = format!("`{path}` holds `{word}`, which is no point of a run");
        let known = [first, "switched", "end"].into_iter();
        let known = known.chain(OUTCOMES.iter().map(|o| o.word()));
        let expected = format!("{first}, switched, end, or an outcome such as rolled_back");
        let finding = Diagnostic::error(message).at(span);
        findings.push(finding.did_you_mean(word, known).expected(expected));
    }
    found
}

fn within(node: &Node, path: &str, findings: &mut Findings) -> Option<Duration> {
    let found = fields::duration(node, path, findings)?;
    if found.is_zero() || found > MOST {
        findings.push(fields::wrong(node, path, "a time from 1ms to 30s"));
        return None;
    }
    Some(found)
}

#[cfg(test)]
mod tests;
