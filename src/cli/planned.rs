//! A plan in a file: `deploy plan --out FILE` writes it, `deploy apply FILE` performs it, and
//! nothing else than what was shown.
//!
//! It holds what was decided (version, digests, values of `--set`), the fingerprint of every file
//! that it would bring, and what was seen of the fleet; never a secret. To bind a plan to something
//! else that is seen: a line in [`observed`].

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;

use super::failure::Failure;
use crate::compose::ImageRef;
use crate::fleet::view::project;
use crate::fleet::{Fleet, Known, Traffic};
use crate::name::{AppName, Digest, EnvName, HostName, ReleaseId, Version};
use crate::plan::{Plan, Refusal, Setup, judge};
use crate::release::Release;

/// Form of the file; another one is refused.
const FORM: u32 = 1;

/// A plan as it lies in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    v: u32,
    /// Version of the program that made it.
    tool: String,
    /// When it was made, RFC 3339.
    made: String,
    /// Who made it.
    who: String,
    /// Environment.
    pub env: EnvName,
    /// App.
    pub app: AppName,
    /// Version.
    pub version: Version,
    /// Values of `--set`, in order.
    pub sets: Vec<String>,
    /// Load balancers that are left out.
    pub without: Vec<HostName>,
    /// What every tag meant.
    digests: BTreeMap<String, Digest>,
    /// Salt of the fingerprints of secrets.
    pub salt: String,
    release: ReleaseId,
    /// Sum of each file that it brings, by `host slot path`.
    files: BTreeMap<String, String>,
    /// Salted fingerprints of its secrets.
    secrets: BTreeMap<String, String>,
    /// The plan as it was shown.
    plan: String,
    /// What was seen.
    observed: Vec<String>,
}

/// Who made a plan, when, and of what.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Version of the program.
    pub tool: String,
    /// RFC 3339.
    pub made: String,
    /// Who.
    pub who: String,
    /// Values of `--set`, in order.
    pub sets: Vec<String>,
    /// Load balancers that are left out.
    pub without: Vec<HostName>,
    /// What every tag meant.
    pub digests: BTreeMap<ImageRef, Digest>,
}

impl Planned {
    /// Puts a plan together.
    #[must_use]
    pub fn new(
        origin: Origin,
        plan: &Plan,
        setup: &Setup,
        release: &Release,
        fleet: &Fleet,
    ) -> Self {
        let first = release.parts.first();
        Self {
            v: FORM,
            tool: origin.tool,
            made: origin.made,
            who: origin.who,
            env: plan.env.clone(),
            app: plan.app.clone(),
            version: release.label.version.clone(),
            sets: origin.sets,
            without: origin.without,
            digests: origin
                .digests
                .into_iter()
                .map(|(i, d)| (i.to_string(), d))
                .collect(),
            salt: first
                .map(|p| p.spec.secrets.salt.clone())
                .unwrap_or_default(),
            release: release.label.id.clone(),
            files: sums(release),
            secrets: prints(release),
            plan: plan.to_string(),
            observed: observed(setup, fleet),
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// A usage failure where it is no plan that this version understands.
    #[expect(clippy::disallowed_methods, reason = "the door to plans in files")]
    pub async fn read(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let bytes = tokio::fs::read(path)
            .await
            .map_err(|e| Failure::usage(format!("{shown} cannot be read")).because(e))?;
        let no_plan = || {
            Failure::usage(format!("{shown} is no plan of this version of deploy"))
                .hint("`deploy plan ENV APP@VERSION --out FILE` writes one")
        };
        let planned: Self = serde_json::from_slice(&bytes).map_err(|e| no_plan().because(e))?;
        if planned.v == FORM {
            Ok(planned)
        } else {
            Err(no_plan())
        }
    }

    /// Writes the file, for its owner only, whole or not at all.
    ///
    /// # Errors
    /// A failure where it cannot be written.
    pub async fn write(&self, path: &Path) -> Result<(), Failure> {
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(|e| Failure::failed("the plan has no JSON form").because(e))?;
        text.push(b'\n');
        replace(path, &text).await.map_err(|e| {
            Failure::failed(format!("{} cannot be written", path.display())).because(e)
        })
    }

    /// The digests that were decided on, for these images.
    ///
    /// # Errors
    /// Refused where the configuration asks for an image that the plan does not know.
    pub fn digests<'a>(
        &self,
        images: impl IntoIterator<Item = &'a ImageRef>,
    ) -> Result<BTreeMap<ImageRef, Digest>, Failure> {
        let pair = |image: &ImageRef| match self.digests.get(&image.to_string()) {
            Some(digest) => Ok((image.clone(), digest.clone())),
            None => {
                let what = format!("the configuration asks for {image}, which is not in the plan");
                Err(self.again(&what, &[]))
            }
        };
        images.into_iter().map(pair).collect()
    }

    /// Checks that what would be done now is what was shown.
    ///
    /// # Errors
    /// Refused, with everything that moved: configuration, secrets, or the fleet.
    pub fn check(
        &self,
        plan: &Plan,
        setup: &Setup,
        release: &Release,
        fleet: &Fleet,
    ) -> Result<(), Failure> {
        let mut moved = difference(&self.files, &sums(release), "file");
        moved.extend(difference(&self.secrets, &prints(release), "secret"));
        if moved.is_empty() && self.release != release.label.id {
            moved.push("the release would be another one".to_owned());
        }
        if !moved.is_empty() {
            return Err(self.again("the configuration changed since the plan was made", &moved));
        }
        let now = observed(setup, fleet);
        let gone = self.observed.iter().filter(|l| !now.contains(l));
        let came = now.iter().filter(|l| !self.observed.contains(l));
        moved.extend(gone.map(|l| format!("- {l}")));
        moved.extend(came.map(|l| format!("+ {l}")));
        if moved.is_empty() && self.plan != plan.to_string() {
            let again = plan.to_string();
            let diff = similar::TextDiff::from_lines(&self.plan, &again);
            let lines = diff.unified_diff().context_radius(0).to_string();
            moved.extend(
                lines
                    .lines()
                    .filter(|l| !l.starts_with("@@"))
                    .map(str::to_owned),
            );
        }
        if moved.is_empty() {
            return Ok(());
        }
        Err(self.again("the fleet changed since the plan was made", &moved))
    }

    /// Says what moved where no plan can be made any more.
    ///
    /// # Errors
    /// Refused, where something moved.
    pub fn check_refused(
        &self,
        refusal: &Refusal,
        setup: &Setup,
        release: &Release,
        fleet: &Fleet,
    ) -> Result<(), Failure> {
        let now = observed(setup, fleet);
        let gone = self.observed.iter().filter(|l| !now.contains(l));
        let mut moved: Vec<String> = gone.map(|l| format!("- {l}")).collect();
        let came = now.iter().filter(|l| !self.observed.contains(l));
        moved.extend(came.map(|l| format!("+ {l}")));
        if moved.is_empty() || self.release != release.label.id || refusal.unknown {
            return Ok(());
        }
        moved.extend(refusal.reasons.iter().map(|(what, _)| what.clone()));
        Err(self.again("the fleet changed since the plan was made", &moved))
    }

    fn again(&self, what: &str, moved: &[String]) -> Failure {
        const MOST: usize = 40;
        let mut text = format!("the plan of {} is not applied: {what}", self.made);
        for line in moved.iter().take(MOST) {
            text.push_str("\n  ");
            text.push_str(line);
        }
        if moved.len() > MOST {
            text.push_str(&format!("\n  and {} more", moved.len() - MOST));
        }
        Failure::refused(text).hint(format!(
            "look at what it would be now: `deploy plan {} {}@{} --out FILE`",
            self.env, self.app, self.version
        ))
    }
}

/// Temp, sync, rename: whoever reads it finds a whole plan.
#[expect(clippy::disallowed_methods, reason = "the door to plans in files")]
async fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let mut file = tokio::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)
        .await?;
    file.write_all(text).await?;
    file.sync_all().await?;
    tokio::fs::rename(&new, path).await
}

fn sums(release: &Release) -> BTreeMap<String, String> {
    let files = release.parts.iter().flat_map(|part| {
        part.files.iter().map(move |file| {
            let sum = Sha256::digest(&file.bytes);
            let hex: String = sum.iter().take(8).map(|b| format!("{b:02x}")).collect();
            let name = format!("{} {} {}", part.host, part.spec.slot, file.path);
            (name, format!("{hex} {:o}", file.mode))
        })
    });
    files.collect()
}

fn prints(release: &Release) -> BTreeMap<String, String> {
    let all = release.parts.iter().flat_map(|p| &p.spec.secrets.of);
    all.map(|(n, p)| (n.clone(), p.clone())).collect()
}

/// `file web1 blue docker-compose.yml: changed`.
fn difference(
    old: &BTreeMap<String, String>,
    new: &BTreeMap<String, String>,
    what: &str,
) -> Vec<String> {
    let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let line = |name: &String| {
        let how = match (old.get(name), new.get(name)) {
            (Some(a), Some(b)) if a == b => return None,
            (Some(_), Some(_)) if what == "secret" => "changed (hidden)",
            (Some(_), Some(_)) => "changed",
            (None, _) => "new",
            (_, None) => "not there any more",
        };
        Some(format!("{what} {name}: {how}"))
    };
    names.into_iter().filter_map(line).collect()
}

/// What a plan is bound to, a line each: containers of the app (not those of a `run`), what its slots hold, what its load
/// balancers do, who holds the hosts.
#[must_use]
pub fn observed(setup: &Setup, fleet: &Fleet) -> Vec<String> {
    let mut out = Vec::new();
    for (host, view) in &fleet.hosts {
        for slot in &setup.slots {
            let own = project(&setup.env, &setup.app, slot);
            for c in view
                .containers
                .iter()
                .filter(|c| c.project() == Some(own.as_str()) && !c.is_one_off())
            {
                let id: String = c.id.chars().take(12).collect();
                out.push(format!(
                    "{host}: container {} {id} is {}, image {}, restart {}, memory {}, cpus {}",
                    c.name, c.state, c.image, c.restart, c.memory, c.nano_cpus
                ));
            }
            if let Some(held) = view.record.slots.get(slot) {
                out.push(format!("{host}: {slot} holds release {}", held.release));
            }
        }
        if let Some(claim) = &view.record.claim {
            out.push(format!(
                "{host}: held by run {} of {}",
                claim.run, claim.who
            ));
        }
    }
    for (host, view) in &fleet.balancers {
        let says = |known: &Known<Option<Traffic>>| match known {
            Known::Is(traffic) => {
                let generation = traffic.as_ref().map_or("none", |t| t.generation.as_str());
                format!(
                    "{} (generation {generation})",
                    judge::says(traffic.as_ref())
                )
            }
            Known::Unknown(_) => "what is not known".to_owned(),
        };
        out.push(format!("{host}: sends to {}", says(&view.running)));
        out.push(format!("{host}: its files say {}", says(&view.persisted)));
    }
    out.extend(fleet.silent.keys().map(|h| format!("{h}: does not answer")));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::World;

    #[test]
    fn a_plan_is_bound_to_the_containers_of_its_slots_and_to_no_command_in_a_new_one() {
        let mut world = World::serving();
        let before = observed(&world.setup, &world.fleet);
        let mut one = world.host("web1").containers[0].clone();
        one.id = "0a1b".to_owned();
        world.host("web1").containers.push(one.clone());
        assert_ne!(observed(&world.setup, &world.fleet), before);
        let label = "com.docker.compose.oneoff".to_owned();
        one.labels.insert(label, "True".to_owned());
        *world.host("web1").containers.last_mut().unwrap() = one;
        assert_eq!(observed(&world.setup, &world.fleet), before);
    }
}
