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
    // A brief look has not asked for it, and is at the end of a run.
    let graceful = facts.get("grace").is_some() || facts.get("brief").is_some();
    match &persisted {
        _ if facts.has("absent") => {}
        Known::Is(Some(wanted)) => {
            let wish = render::wish(target, settings, wanted);
            let (server, lines) = (server(settings), lines_to_write(target, settings));
            let reload = "`nginx -s reload`";
            problems.extend(flags::read::drift(
                target, &server, &facts, &wish, reload, &lines,
            ));
            if facts.get("live") != Some(&wish.hash) && !graceful {
                problems.push(ungraceful(
                    "the next switch (its members or settings changed)",
                ));
            }
        }
        Known::Is(None) if !graceful => {
            problems.push(ungraceful("the first switch"));
        }
        _ => {}
    }
    Ok(Seen {
        spare: flags::read::spare(&facts),
        ..facts.seen(CALLED, persisted, running, problems)
    })
}

/// A reload closes idle connections of clients, and some of them send a request just then.
#[must_use]
pub fn ungraceful(occasion: &str) -> Problem {
    Problem::note(
        format!(
            "{occasion} reloads nginx, which closes idle client connections: a request that a client sends just then on one of them can be lost"
        ),
        "from nginx 1.27.4 on, `keepalive_min_timeout 5s;` in http {} prevents that; a switch between the same members needs no reload",
    )
}

/// What an operator with a server block of his own writes into it.
fn lines_to_write(target: &Target, settings: &Settings) -> String {
    let (dir, entry) = (&settings.dir, words::entry(target));
    if settings.own_server {
        let v = target.backend.replace('-', "_");
        format!(
            "write into the app's server {{}}: `set ${v}_upstream \"\"; include {dir}/{entry}/*.inc;` and into its location: `proxy_pass http://${v}_upstream;`"
        )
    } else {
        format!("is another server {{}} for that name, or is {dir}/*.conf not included?")
    }
}

fn problem(target: &Target, settings: &Settings, facts: &Facts<'_>, text: &str) -> Problem {
    let (code, rest) = text.split_once(' ').unwrap_or((text, ""));
    let dir = &settings.dir;
    let error = |what: String, hint: String| Problem::error(what, hint);
    match code {
        "absent" => error(
            format!("nginx is not installed (`{rest}` is not found)"),
            "install it, or set `binary`".to_owned(),
        ),
        "broken" => error(
            format!("nginx's configuration is broken: {}", facts.why.join("; ")),
            "repair it until `nginx -t` passes; what runs now is an older state".to_owned(),
        ),
        "include" => error(
            "nginx's configuration does not include the files of deploy".to_owned(),
            format!("write into http {{}} of {rest}: `include {dir}/*.conf;`"),
        ),
        "route" => error(
            format!(
                "no server {{}} of nginx includes the rules of {} in {}",
                target.app, target.env
            ),
            lines_to_write(target, settings),
        ),
        "stopped" => error("nginx does not run".to_owned(), "start it".to_owned()),
        "client" => error(
            "neither curl nor wget is there: what nginx does cannot be read back".to_owned(),
            "install curl".to_owned(),
        ),
        "other" => error(
            format!(
                "at {} answers another nginx than the one of its pid file",
                target.probe
            ),
            "see which nginx listens there".to_owned(),
        ),
        "edited" => Problem::warning(
            format!("{rest} was edited by hand"),
            "a change of members writes it anew",
        ),
        other => error(format!("nginx: {other} {rest}"), String::new()),
    }
}

#[cfg(test)]
mod tests;
