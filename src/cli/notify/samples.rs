//! What `deploy check` knows of messages: every template rendered with a message of every point.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::template;
use crate::cli::failure::chain;
use crate::event::jiff_text::Stamp;
use crate::inventory::Inventory;
use crate::inventory::hooks::Place;
use crate::name::EnvName;
use crate::notify::{Message, NotSent, Version};
use crate::text::Diagnostic;

/// Every template rendered for every point, as a receiver would get it: what is wrong with it.
#[must_use]
pub fn check(dir: &Path, inventory: &Inventory) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (name, receiver) in &inventory.notify {
        let Some(path) = &receiver.template else {
            continue;
        };
        let wrong = |what: String| Diagnostic::error(what).at(&path.span);
        let body = match template(&dir.join(&path.value)) {
            Ok(body) => body,
            Err(why) => {
                found.push(wrong(format!("`notify.{name}` cannot say anything: {why}")));
                continue;
            }
        };
        let said = samples(&inventory.env).into_iter().find_map(|message| {
            let error = body.sample(&message).err()?;
            let why = chain(&NotSent::Body(error));
            Some(format!(
                "`notify.{name}` cannot say `{}`: {why}",
                message.point
            ))
        });
        found.extend(said.map(wrong));
    }
    found.extend(hooks(dir, inventory));
    found
}

/// Hooks of the configuration that nobody could start here.
fn hooks(dir: &Path, inventory: &Inventory) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (name, hook) in &inventory.hooks {
        let own = hook.run.first().filter(|p| p.contains('/'));
        let (Some(program), Place::Local) = (own, hook.place) else {
            continue;
        };
        let wrong = match std::fs::metadata(dir.join(program)) {
            Err(e) => format!("cannot be started: {program}: {e}"),
            Ok(meta) if meta.permissions().mode() & 0o111 == 0 || !meta.is_file() => {
                format!("cannot be started: {program} is no program (chmod +x)")
            }
            Ok(_) => continue,
        };
        found.push(Diagnostic::error(format!("hook `{name}` {wrong}")).at(&hook.span));
    }
    found
}

/// Messages as they are at each point, the emptiest and the fullest.
fn samples(env: &EnvName) -> [Message; 3] {
    let release = |revision| Version {
        revision,
        version: "1.0.2-30-abc1234".to_owned(),
        digest: "sha256:9f2c".to_owned(),
    };
    let at = Stamp(jiff::Timestamp::default());
    let start = Message {
        v: 1,
        point: "start",
        run: "r-00000000".to_owned(),
        env: env.to_string(),
        app: "app".to_owned(),
        what: "deploy".to_owned(),
        from: None,
        to: None,
        slot: "green".to_owned(),
        by: "ops@bastion".to_owned(),
        message: String::new(),
        ticket: String::new(),
        config: String::new(),
        started: at,
        at,
        seconds: 0,
        outcome: String::new(),
        why: String::new(),
        hosts: Vec::new(),
        text: "a \"line\"\nof text".to_owned(),
        block: String::new(),
    };
    let switched = Message {
        point: "switched",
        from: Some(release(1)),
        to: Some(release(2)),
        ..start.clone()
    };
    let end = Message {
        point: "end",
        outcome: "mixed".to_owned(),
        why: "why".to_owned(),
        hosts: vec!["lb1".to_owned()],
        block: "closing\nblock".to_owned(),
        message: "message".to_owned(),
        ticket: "CHG1".to_owned(),
        ..switched.clone()
    };
    [start, switched, end]
}
