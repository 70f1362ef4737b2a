//! Bodies of messages: templates that are read once and rendered for each message.
//!
//! In scope is every field of `Message`, and `timestamp` and `sign` where the form of the signature
//! gives them. In a file `*.json.j2` a value prints as JSON, quotes included, and what comes out has
//! to be JSON.

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};

use super::Message;

/// Steps that one template may take, and the largest body.
const FUEL: u64 = 200_000;
const LARGEST: usize = 256 * 1024;
const NAME: &str = "body";

/// A template that was understood.
#[derive(Debug)]
pub struct Body {
    env: Environment<'static>,
    json: bool,
}

/// Why there is no body.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The template is wrong, or names what is not there.
    #[error("line {line}: {what}")]
    Template {
        /// Line of the template, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// What comes out is no JSON.
    #[error("what the template makes is no JSON")]
    Json(#[source] serde_json::Error),
    /// More than 256 KiB.
    #[error("it is larger than 256 KiB")]
    Large,
}

/// What a signature gives to a body; empty where there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Signed {
    pub timestamp: String,
    pub sign: String,
}

impl Body {
    /// Understands a template; `name` says by its ending whether it makes JSON.
    ///
    /// # Errors
    /// Where it is wrong.
    pub fn new(name: &str, text: String) -> Result<Self, BodyError> {
        let json = name.ends_with(".json") || name.ends_with(".json.j2");
        let mut env = Environment::new();
        env.set_undefined_behavior(UndefinedBehavior::Strict);
        env.set_fuel(Some(FUEL));
        env.set_auto_escape_callback(move |_| match json {
            true => AutoEscape::Json,
            false => AutoEscape::None,
        });
        env.add_template_owned(NAME, text).map_err(wrong)?;
        Ok(Self { env, json })
    }

    /// Renders a message as it would be sent, with a signature that means nothing.
    ///
    /// # Errors
    /// What keeps it from being made.
    pub fn sample(&self, message: &Message) -> Result<String, BodyError> {
        let signed = Signed {
            timestamp: "0".to_owned(),
            sign: "sample".to_owned(),
        };
        render(Some(self), message, &signed)
    }
}

fn wrong(error: minijinja::Error) -> BodyError {
    let what = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    BodyError::Template {
        line: error.line().unwrap_or(1),
        what,
    }
}

/// The body of a message: by its template, else as JSON.
pub(super) fn render(
    body: Option<&Body>,
    message: &Message,
    signed: &Signed,
) -> Result<String, BodyError> {
    let Some(body) = body else {
        return serde_json::to_string(message).map_err(BodyError::Json);
    };
    let mut scope = serde_json::to_value(message).map_err(BodyError::Json)?;
    if let Some(map) = scope.as_object_mut() {
        map.insert("timestamp".to_owned(), signed.timestamp.clone().into());
        map.insert("sign".to_owned(), signed.sign.clone().into());
    }
    let template = body.env.get_template(NAME).map_err(wrong)?;
    let text = template.render(Serde(scope)).map_err(wrong)?;
    if text.len() > LARGEST {
        return Err(BodyError::Large);
    }
    if body.json {
        serde_json::from_str::<serde_json::Value>(&text).map_err(BodyError::Json)?;
    }
    Ok(text)
}
