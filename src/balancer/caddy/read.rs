//! What the driver's scripts answer, and what it means.
//!
//! Scripts print facts, one a line; every sentence for people is made here. To add a problem: a
//! line `problem CODE …` in `look.sh`, its sentence in [`problem`].

use super::settings::Settings;
use super::{CALLED, render, server};
use crate::balancer::answer::Facts;
use crate::balancer::{AnswerError, Seen, Target, flags, words};
use crate::fleet::{Known, Problem};

/// Reads a look.
///
/// # Errors
/// [`AnswerError`] where the script did not come to its end.
pub fn seen(target: &Target, settings: &Settings, lines: &[String]) -> Result<Seen, AnswerError> {
    let facts = Facts::look(target, CALLED, lines)?;
    let found = facts.problems.iter();
    let mut problems: Vec<Problem> = found
        .map(|text| problem(target, settings, &facts, text))
        .collect();
    let persisted = flags::read::persisted(&facts);
    let running = flags::read::running(CALLED, &facts, &persisted);
    match &persisted {
        _ if facts.has("absent") => {}
        Known::Is(Some(wanted)) => {
            let wish = render::wish(target, settings, wanted);
            let lines = lines_to_write(target, settings);
            let drift = flags::read::drift(
                target,
                &server(settings),
                &facts,
                &wish,
                "`systemctl reload caddy`",
                &lines,
            );
            problems.extend(drift);
            if facts.get("live") != Some(&wish.hash) {
                let what = "the next switch (its members or settings changed)";
                problems.push(ungraceful(what));
            }
        }
        Known::Is(None) => problems.push(ungraceful("the first switch")),
        Known::Unknown(_) => {}
    }
    Ok(facts.seen(CALLED, persisted, running, problems))
}

/// A reload of Caddy listens anew: what waits to be accepted just then is lost.
#[must_use]
pub fn ungraceful(occasion: &str) -> Problem {
    Problem::note(
        format!(
            "{occasion} reloads Caddy, which closes idle client connections and breaks some that are just being opened: a few requests can be lost under load"
        ),
        "a switch between the same members needs no reload",
    )
}

/// What an operator with a site of his own writes into it.
fn lines_to_write(target: &Target, settings: &Settings) -> String {
    let (dir, entry) = (&settings.dir, words::entry(target));
    if settings.own_server {
        format!("write into the app's site: `import {dir}/{entry}/*.inc`")
    } else {
        format!(
            "is {dir}/*.conf not imported, or has this host other addresses than {dir}/{entry}/here.addresses says? Then write them there and reload Caddy"
        )
    }
}

fn problem(target: &Target, settings: &Settings, facts: &Facts<'_>, text: &str) -> Problem {
    let (code, rest) = text.split_once(' ').unwrap_or((text, ""));
    let dir = &settings.dir;
    match code {
        "absent" => Problem::error(
            format!("Caddy is not installed (`{rest}` is not found)"),
            "install it, or set `binary`",
        ),
        "broken" => Problem::error(
            format!("Caddy's configuration is broken: {}", facts.why.join("; ")),
            "repair it until `caddy validate` passes; what runs now is an older state",
        ),
        "include" => Problem::error(
            "Caddy's configuration does not import the files of deploy",
            format!("write into {rest}, outside of any site: `import {dir}/*.conf`"),
        ),
        "route" => Problem::error(
            format!(
                "no site of Caddy imports the rules of {} in {}",
                target.app, target.env
            ),
            lines_to_write(target, settings),
        ),
        "stopped" => Problem::error(
            format!(
                "Caddy does not run, or is not administered at {}",
                settings.spoken.rsplit('@').next().unwrap_or_default()
            ),
            "start it, or set `admin`; `admin off` in its configuration leaves no way to load members",
        ),
        "client" => Problem::error(
            "neither curl nor wget is there: what Caddy does cannot be read back",
            "install curl",
        ),
        "edited" => Problem::warning(
            format!("{rest} was edited by hand"),
            "a change of members writes it anew",
        ),
        other => Problem::error(format!("Caddy: {other} {rest}"), ""),
    }
}

#[cfg(test)]
mod tests;
