//! nginx: the group is chosen by flag files that the server looks for on each request, so a switch
//! needs no reload and closes no connection.

use std::time::Duration;

use crate::balancer::{AnswerError, Capabilities, DrainView, Driver, Seen, Target, Verdict};
use crate::fleet::{Known, Traffic};
use crate::host::script::Body;

/// The driver.
#[derive(Debug)]
pub struct Nginx;

const SOON: &str = "printf 'refused not built yet\\n'";

impl Driver for Nginx {
    fn name(&self) -> &'static str {
        "nginx"
    }
    fn capabilities(&self, _settings: &serde_json::Value) -> Capabilities {
        Capabilities {
            reloadless: true,
            weights: false,
            rules: false,
            drain: true,
            sessions: true,
        }
    }
    fn check(&self, _settings: &serde_json::Value) -> Vec<(String, String)> {
        Vec::new()
    }
    fn look(&self, _target: &Target) -> Body {
        Body::new("lb look", SOON)
    }
    fn read(&self, _target: &Target, _lines: &[String]) -> Result<Seen, AnswerError> {
        Ok(Seen {
            persisted: Known::Unknown("not read yet".to_owned()),
            running: Known::Unknown("not read yet".to_owned()),
            version: String::new(),
            instance: String::new(),
            problems: Vec::new(),
        })
    }
    fn accepts(&self, _target: &Target, _after: &Traffic) -> Result<(), Vec<String>> {
        Ok(())
    }
    fn prepare(&self, _target: &Target, _before: Option<&Traffic>, _after: &Traffic) -> Body {
        Body::new("lb prepare", SOON)
    }
    fn commit(&self, _target: &Target, _before: Option<&Traffic>, _after: &Traffic) -> Body {
        Body::new("lb commit", SOON)
    }
    fn verify(&self, _target: &Target, _wanted: &Traffic) -> Body {
        Body::new("lb verify", SOON)
    }
    fn verdict(&self, target: &Target, lines: &[String]) -> Result<Verdict, AnswerError> {
        Err(AnswerError {
            host: target.host.clone(),
            what: lines.join(" "),
        })
    }
    fn drain(&self, _target: &Target, _now: &Traffic, _within: Duration) -> Body {
        Body::new("lb drain", SOON)
    }
    fn drained(&self, _line: &str) -> Option<DrainView> {
        None
    }
    fn remove(&self, _target: &Target) -> Body {
        Body::new("lb remove", SOON)
    }
}
