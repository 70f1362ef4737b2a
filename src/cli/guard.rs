//! What keeps people from reverting each other unawares: a downgrade, uncommitted configuration,
//! a configuration that is older than the one that made what serves.
//!
//! In a protected environment these are refused, elsewhere they are told. To add a check: a function
//! that gives a [`Doubt`], called in [`doubts`].

use std::cmp::Ordering;
use std::path::Path;
use std::time::Duration;

use super::context::Context;
use super::failure::Failure;
use super::session;
use crate::fleet::Fleet;
use crate::host::local;
use crate::inventory::Inventory;
use crate::plan::{Plan, Setup, judge};
use crate::release::Made;

/// Longest time for one question to git.
const LIMIT: Duration = Duration::from_secs(10);

/// What may be done although a protected environment would refuse it.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
pub struct Allow {
    /// Go to an older version also in a protected environment
    #[arg(long = "allow-downgrade")]
    pub downgrade: bool,
    /// Use a configuration older than the one that made what serves; needs -m
    #[arg(long = "allow-older-config")]
    pub older_config: bool,
}

/// A person's word against locks, windows and freezes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::Args)]
pub struct Word {
    /// Also against a lock, a freeze, or while no window is open; needs -m, and is recorded
    #[arg(long = "override")]
    pub given: bool,
}

/// Something that a person should know before a run.
#[derive(Debug, PartialEq, Eq)]
pub struct Doubt {
    /// What.
    pub what: String,
    /// What to do.
    pub hint: String,
    /// It was said on the command line that it may be.
    pub allowed: bool,
}

/// Whether the environment asks before it is changed, or wants a ticket.
#[must_use]
pub fn protected(inventory: &Inventory) -> bool {
    inventory.protection.confirm || inventory.protection.ticket.is_some()
}

/// Whether inventory or templates differ from the commit that is checked out. Where git does not
/// say, they count as different; without a repository there is nothing to differ from.
pub async fn dirty(ctx: &Context, commit: &str) -> bool {
    if commit.is_empty() {
        return false;
    }
    let asked = ["status", "--porcelain", "--", "inventories", "templates"];
    match git(&session::config_dir(ctx), &asked).await {
        Some((0, said)) => !said.trim().is_empty(),
        _ => true,
    }
}

/// Everything that is doubtful about a plan.
pub async fn doubts(
    ctx: &Context,
    allow: &Allow,
    plan: &Plan,
    setup: &Setup,
    fleet: &Fleet,
    made: &Made,
) -> Vec<Doubt> {
    let mut out = Vec::new();
    if plan.is_empty() {
        return out;
    }
    out.extend(downgrade(plan, allow));
    // Without a word why, nobody could tell later.
    let allow = &Allow {
        older_config: allow.older_config && ctx.options.message.is_some(),
        ..allow.clone()
    };
    if made.dirty {
        out.push(Doubt {
            what: "inventory or templates differ from what is committed".to_owned(),
            hint: "commit them first, so that others can see and repeat what is deployed"
                .to_owned(),
            allowed: false,
        });
    }
    if let Some((label, theirs)) = serving(plan, setup, fleet)
        && !made.commit.is_empty()
        && !theirs.commit.is_empty()
    {
        let relation = relation(&session::config_dir(ctx), &made.commit, &theirs.commit).await;
        out.extend(older(relation, &label, &theirs, allow));
    }
    out
}

/// Refuses what a protected environment does not allow.
///
/// # Errors
/// Refused, with all doubts and what to do about each.
pub fn refuse(inventory: &Inventory, doubts: &[Doubt]) -> Result<(), Failure> {
    let left: Vec<&Doubt> = doubts.iter().filter(|d| !d.allowed).collect();
    if left.is_empty() || !protected(inventory) {
        return Ok(());
    }
    let what: Vec<&str> = left.iter().map(|d| d.what.as_str()).collect();
    let text = format!("{} is protected: {}", inventory.env, what.join("; "));
    Err(left
        .iter()
        .fold(Failure::refused(text), |f, d| f.hint(d.hint.clone())))
}

fn downgrade(plan: &Plan, allow: &Allow) -> Option<Doubt> {
    let (from, to) = (plan.from.as_ref()?, plan.to.as_ref()?);
    (to.version.compare(&from.version) == Some(Ordering::Less)).then(|| Doubt {
        what: format!(
            "{} is older than {}, which serves",
            to.version, from.version
        ),
        hint: "--allow-downgrade goes there all the same".to_owned(),
        allowed: allow.downgrade,
    })
}

/// The release that serves, as people call it, and what it was made from.
fn serving(plan: &Plan, setup: &Setup, fleet: &Fleet) -> Option<(String, Made)> {
    let slot = plan.old.as_ref().filter(|_| plan.before.is_some())?;
    let kept = setup
        .hosts(slot)
        .filter_map(|h| judge::recorded(fleet.hosts.get(h)?, slot));
    let newest = kept.max_by_key(|k| k.made.at)?;
    Some((newest.label.to_string(), newest.made.clone()))
}

/// What our commit is to the one that made what serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    /// The same, or it has all of it.
    Includes,
    /// It lacks something of it.
    Older,
    /// Each has what the other lacks.
    Diverged,
    /// This clone does not know it.
    Unknown,
}

async fn relation(dir: &Path, ours: &str, theirs: &str) -> Relation {
    if ours == theirs {
        return Relation::Includes;
    }
    let ask = async |a: &str, b: &str| git(dir, &["merge-base", "--is-ancestor", a, b]).await;
    match ask(theirs, ours).await {
        Some((0, _)) => Relation::Includes,
        Some((1, _)) => match ask(ours, theirs).await {
            Some((0, _)) => Relation::Older,
            _ => Relation::Diverged,
        },
        _ => Relation::Unknown,
    }
}

fn older(relation: Relation, label: &str, theirs: &Made, allow: &Allow) -> Option<Doubt> {
    let when = jiff::Timestamp::from_second(theirs.at).map_or_else(
        |_| "at a time that is not known".to_owned(),
        |t| t.strftime("%Y-%m-%d %H:%M UTC").to_string(),
    );
    let who = theirs.who.split(':').next().unwrap_or_default();
    let commit: String = theirs.commit.chars().take(10).collect();
    let that = format!("the one that made {label} ({who}, {when}, commit {commit})");
    let what = match relation {
        Relation::Includes => return None,
        Relation::Older => format!("your configuration is older than {that}"),
        Relation::Diverged => format!("your configuration lacks changes of {that}"),
        Relation::Unknown => format!("your clone does not know {that}"),
    };
    Some(Doubt {
        what,
        hint: "update your clone; --allow-older-config -m WHY uses it as it is".to_owned(),
        allowed: allow.older_config,
    })
}

/// Exit status and output of git in a directory; `None` where it did not run to its end.
async fn git(dir: &Path, args: &[&str]) -> Option<(i32, String)> {
    let mut words = vec!["--no-optional-locks"];
    words.extend(args);
    let done = local::output_in(Some(dir), "git", &words, b"", LIMIT)
        .await
        .ok()?;
    Some((
        done.status?,
        String::from_utf8_lossy(&done.stdout).into_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn run(dir: &Path, args: &[&str]) -> String {
        let identity = [
            "-c",
            "user.name=x",
            "-c",
            "user.email=x@example.com",
            "-c",
            "commit.gpgsign=false",
        ];
        let words: Vec<&str> = identity.iter().chain(args).copied().collect();
        let (status, said) = git(dir, &words).await.unwrap();
        assert_eq!(status, 0, "{args:?}: {said}");
        said.trim().to_owned()
    }

    #[tokio::test]
    async fn a_commit_is_older_newer_beside_or_unknown() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        run(dir, &["init", "-q", "-b", "main"]).await;
        let mut commits = Vec::new();
        for name in ["a", "b"] {
            run(dir, &["commit", "-q", "--allow-empty", "-m", name]).await;
            commits.push(run(dir, &["rev-parse", "HEAD"]).await);
        }
        let (a, b) = (&commits[0], &commits[1]);
        run(dir, &["checkout", "-q", "-b", "side", a]).await;
        run(dir, &["commit", "-q", "--allow-empty", "-m", "c"]).await;
        let c = run(dir, &["rev-parse", "HEAD"]).await;
        assert_eq!(relation(dir, a, a).await, Relation::Includes);
        assert_eq!(relation(dir, b, a).await, Relation::Includes);
        assert_eq!(relation(dir, a, b).await, Relation::Older);
        assert_eq!(relation(dir, &c, b).await, Relation::Diverged);
        assert_eq!(relation(dir, a, &"0".repeat(40)).await, Relation::Unknown);
        let nowhere = tempfile::tempdir().unwrap();
        assert_eq!(relation(nowhere.path(), a, b).await, Relation::Unknown);
    }

    #[test]
    fn the_words_name_the_release_who_made_it_and_when() {
        let theirs = Made {
            commit: "0123456789abcdef".to_owned(),
            who: "ops@bastion1:17:99".to_owned(),
            at: 1_700_000_000,
            ..Made::default()
        };
        let said = |relation| older(relation, "#42 1.0.1", &theirs, &Allow::default());
        assert_eq!(said(Relation::Includes), None);
        assert_eq!(
            said(Relation::Older).unwrap().what,
            "your configuration is older than the one that made #42 1.0.1 (ops@bastion1, 2023-11-14 22:13 UTC, commit 0123456789)"
        );
        assert!(!said(Relation::Unknown).unwrap().allowed);
    }
}
