//! The driver of any server that looks for flag files: a server has only what [`Own`] asks of it.

use std::time::Duration;

use super::wish::Wish;
use super::{Server, drain, read};
use crate::balancer::bodies::{body, followed};
use crate::balancer::{
    AnswerError, Capabilities, DrainView, Driver, Seen, Target, Verdict, answer, words,
};
use crate::fleet::{Problem, Traffic};
use crate::host::script::Body;

/// Texts of the verbs, by [`text!`](crate::balancer).
#[derive(Debug, Clone, Copy)]
pub struct Texts {
    /// For `look`.
    pub look: &'static str,
    /// For `prepare`.
    pub prepare: &'static str,
    /// For `commit`.
    pub commit: &'static str,
    /// For `verify`.
    pub verify: &'static str,
    /// For `drain`.
    pub drain: &'static str,
    /// For `remove`.
    pub remove: &'static str,
}

/// What one server of this kind has of its own; whoever has it is a [`Driver`].
pub trait Own: Send + Sync {
    /// The word in the inventory.
    const NAME: &'static str;
    /// Keys of its settings.
    const KEYS: &'static [&'static str];
    /// Its rules look for the flag of a spare.
    const SPARE: bool;
    /// Its scripts.
    const TEXTS: Texts;
    /// Its settings.
    type Settings;

    /// The settings, and what is wrong with them: message and key.
    fn settings(value: &serde_json::Value) -> (Self::Settings, Vec<(String, String)>);
    /// The server as these settings say.
    fn server(settings: &Self::Settings) -> Server<'_>;
    /// What cannot be written for it, one sentence each.
    fn refusals(target: &Target, settings: &Self::Settings, traffic: &Traffic) -> Vec<String>;
    /// What a value means on it.
    fn wish(target: &Target, settings: &Self::Settings, traffic: &Traffic) -> Wish;
    /// Reads a look.
    ///
    /// # Errors
    /// [`AnswerError`] where it broke off.
    fn seen(
        target: &Target,
        settings: &Self::Settings,
        lines: &[String],
    ) -> Result<Seen, AnswerError>;
    /// What a reload on this occasion costs.
    fn ungraceful(occasion: &str) -> Problem;
    /// What a host needs once, as [`Driver::set_up`] says it.
    fn set_up(_settings: &Self::Settings) -> Option<Body> {
        None
    }
}

fn change<T: Own>(
    verb: (&'static str, &'static str),
    target: &Target,
    way: (Option<&Traffic>, &Traffic),
) -> Body {
    let settings = T::settings(&target.settings).0;
    let no = T::refusals(target, &settings, way.1);
    T::server(&settings).change(verb, target, way, no, |t| T::wish(target, &settings, t))
}

impl<T: Own> Driver for T {
    fn name(&self) -> &'static str {
        T::NAME
    }

    fn capabilities(&self, _settings: &serde_json::Value) -> Capabilities {
        Capabilities {
            spare: T::SPARE,
            ..Capabilities::ALL
        }
    }

    fn keys(&self) -> &'static [&'static str] {
        T::KEYS
    }

    fn check(&self, settings: &serde_json::Value) -> Vec<(String, String)> {
        T::settings(settings).1
    }

    fn accepts(&self, target: &Target, after: &Traffic) -> Result<(), Vec<String>> {
        let no = T::refusals(target, &T::settings(&target.settings).0, after);
        if no.is_empty() { Ok(()) } else { Err(no) }
    }

    fn foresee(&self, target: &Target, before: Option<&Traffic>, after: &Traffic) -> Vec<Problem> {
        let settings = T::settings(&target.settings).0;
        let hash = |t| T::wish(target, &settings, t).hash;
        // The first switch is foreseen by the look, which knows the server's settings.
        match before {
            Some(before) if hash(before) != hash(after) => {
                vec![T::ungraceful("this change of members or rules")]
            }
            _ => Vec::new(),
        }
    }

    fn look(&self, target: &Target) -> Body {
        T::server(&T::settings(&target.settings).0).look(T::TEXTS.look, target)
    }

    fn glance(&self, target: &Target) -> Body {
        self.look(target).args(["brief"])
    }

    fn read(&self, target: &Target, lines: &[String]) -> Result<Seen, AnswerError> {
        T::seen(target, &T::settings(&target.settings).0, lines)
    }

    fn prepare(&self, target: &Target, before: Option<&Traffic>, after: &Traffic) -> Body {
        change::<T>(("lb prepare", T::TEXTS.prepare), target, (before, after))
    }

    fn is_prepared(
        &self,
        target: &Target,
        lines: &[String],
        before: Option<&Traffic>,
        after: &Traffic,
    ) -> bool {
        let settings = T::settings(&target.settings).0;
        let wish = |t| T::wish(target, &settings, t);
        T::refusals(target, &settings, after).is_empty()
            && words::gap(before, after).is_none()
            && before.is_some_and(|t| read::is_prepared(lines, &wish(t), &wish(after)))
    }

    fn commit(&self, target: &Target, before: Option<&Traffic>, after: &Traffic) -> Body {
        change::<T>(("lb commit", T::TEXTS.commit), target, (before, after))
    }

    fn verify(&self, target: &Target, wanted: &Traffic) -> Body {
        let settings = T::settings(&target.settings).0;
        let wish = T::wish(target, &settings, wanted);
        T::server(&settings).verify(T::TEXTS.verify, target, wish)
    }

    fn verdict(&self, target: &Target, lines: &[String]) -> Result<Verdict, AnswerError> {
        answer::verdict(target, lines, read::moved)
    }

    fn drain(&self, target: &Target, now: &Traffic, within: Duration) -> Body {
        let settings = T::settings(&target.settings).0;
        let head = T::server(&settings).head;
        let body = drain(T::TEXTS.drain, target, &head, now, within.as_secs());
        followed(body, within)
    }

    fn drained(&self, line: &str) -> Option<DrainView> {
        answer::drained(line)
    }

    fn remove(&self, target: &Target) -> Body {
        let settings = T::settings(&target.settings).0;
        body(
            "lb remove",
            T::TEXTS.remove,
            target,
            &T::server(&settings).head,
        )
    }

    fn set_up(&self, target: &Target) -> Option<Body> {
        T::set_up(&T::settings(&target.settings).0)
    }
}
