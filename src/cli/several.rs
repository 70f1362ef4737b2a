//! Several apps in one command: all are checked first, then brought one after the other.
//!
//! Each is a run of its own, with its own record and its own way back. What comes first on the line is
//! done first; the first that does not succeed ends the row, and what was not begun is named.

use std::collections::BTreeSet;

use super::context::Context;
use super::failure::Failure;
use super::place::Wish;
use super::session;
use super::work;
use crate::name::{AppName, ExitCode};
use crate::release::Draft;
use crate::report::words::names;
use crate::template::TemplateSet;
use crate::text::Findings;

/// Brings every app to its release.
///
/// # Errors
/// All that is wrong in any of them, before anything is done; what kept one from beginning.
pub async fn deploy(ctx: &Context, mut wishes: Vec<Wish>) -> Result<ExitCode, Failure> {
    if wishes.len() > 1 {
        once_each(&wishes)?;
        decide(ctx, &mut wishes).await?;
    }
    let apps: Vec<AppName> = wishes.iter().map(|w| w.place.app.clone()).collect();
    for (number, wish) in wishes.into_iter().enumerate() {
        let rest = || left(&apps[..number], &apps[number + 1..]);
        match Box::pin(work::deploy(ctx, wish)).await {
            Ok(ExitCode::Success) => {}
            Ok(code) => {
                if let Some(rest) = rest() {
                    ctx.out
                        .say(&format!("{} ended the row: {rest}", apps[number]));
                }
                return Ok(code);
            }
            Err(failure) => {
                return Err(match rest() {
                    Some(rest) => failure.hint(rest),
                    None => failure,
                });
            }
        }
    }
    Ok(ExitCode::Success)
}

/// What is done already and what was not begun; nothing where one app was all.
fn left(done: &[AppName], rest: &[AppName]) -> Option<String> {
    let said = |what: &str, apps: &[AppName]| {
        (!apps.is_empty()).then(|| format!("{what}: {}", names(apps, 20)))
    };
    let parts = [
        said("brought before and stays", done),
        said("not begun", rest),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn once_each(wishes: &[Wish]) -> Result<(), Failure> {
    let mut seen = BTreeSet::new();
    match wishes.iter().find(|w| !seen.insert(&w.place.app)) {
        None => Ok(()),
        Some(twice) => Err(Failure::usage(format!(
            "{} is named twice",
            twice.place.app
        ))),
    }
}

/// Renders all and asks the registries for all, so that a mistake in the last one stops the first.
/// What a tag means is decided here, once.
async fn decide(ctx: &Context, wishes: &mut [Wish]) -> Result<(), Failure> {
    let templates = TemplateSet::load(&session::config_dir(ctx).join("templates"))?;
    let mut found = Findings::default();
    let mut images = BTreeSet::new();
    for wish in wishes.iter() {
        let (inventory, app) = (&wish.place.inventory, wish.place.app()?);
        match Draft::render(inventory, app, &wish.version, &templates) {
            // What runs elsewhere was decided there.
            Ok(draft) if wish.digests.is_none() => images.extend(draft.images()),
            Ok(_) => {}
            Err(errors) => found.extend(errors),
        }
    }
    if found.has_errors() {
        return Err(found.into());
    }
    let Some(first) = wishes.first() else {
        return Ok(());
    };
    let inventory = std::sync::Arc::clone(&first.place.inventory);
    let digests = session::digests(ctx, &inventory, images).await?;
    let decided = digests.into_iter().map(|(image, d)| (image.to_string(), d));
    let decided: std::collections::BTreeMap<_, _> = decided.collect();
    for wish in wishes.iter_mut().filter(|w| w.digests.is_none()) {
        wish.digests = Some(decided.clone());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_and_what_was_not_begun_is_named() {
        let apps: Vec<AppName> = ["db", "api", "web"].map(|a| a.parse().unwrap()).to_vec();
        let said = left(&apps[..1], &apps[2..]).unwrap();
        assert_eq!(said, "brought before and stays: db; not begun: web");
        assert_eq!(left(&[], &apps[1..]).unwrap(), "not begun: api web");
        assert_eq!(left(&[], &[]), None);
    }
}
