//! `deploy check [ENV [APP@VERSION]]`: all that can be checked without change, all findings at once.
//!
//! Files first (inventory, templates), then at the same time machines and registries. To add a
//! check: see `crate::check`; a line here calls it.

use std::collections::BTreeMap;

use tokio::task::JoinSet;

use super::context::Context;
use super::failure::Failure;
use super::place::read_for;
use super::session::{self, Session};
use super::target::{self, Wanted};
use super::{drive, secrets};
use crate::check::{self, Check, Finding, hosts, probe};
use crate::compose::ImageRef;
use crate::engine::site::Site;
use crate::fleet::{Fleet, Severity, view::project};
use crate::host::docker::config;
use crate::inventory::{App, Inventory};
use crate::name::{AppName, Digest, EnvName, ExitCode, HostName, ImageName, ReleaseId, Version};
use crate::plan::{self, PlanKind};
use crate::registry::RegistryError;
use crate::release::{Draft, Given, Release};
use crate::report::check::{self as report, CheckView};
use crate::report::words::names;
use crate::template::TemplateSet;

/// Check all that can be checked without changing anything, and show all findings at once
///
/// Files: inventory, templates, the rendered documents. Hosts: ssh, engine and compose, disk, the
/// record's directory, clocks, load balancers, and compose's own judgement of the files.
/// Registries: whether they answer and have the version. Ends with 0 where nothing is an error, 2
/// where something written is wrong, 4 where a deploy would be refused, 7 where it cannot be told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Environment; all where none is named
    env: Option<EnvName>,
    /// A release, or an app without a version
    #[arg(value_name = "[APP]@VERSION")]
    wanted: Option<Wanted>,
    /// Only what needs no host and no registry
    #[arg(long)]
    offline: bool,
}

/// What a look and the questions beside it tell.
const LOOKED: [Check; 8] = [
    Check::Reach,
    Check::Host,
    Check::LoadBalancer,
    Check::Machine,
    Check::Versions,
    Check::Clock,
    Check::Tools,
    Check::Calendar,
];

/// What templates are rendered with where no version is named; never asked of anybody but for
/// whether the registry answers.
const NO_VERSION: &str = "0.0.0-check";

impl Args {
    /// Understands the words, then checks.
    ///
    /// # Errors
    /// Words that mean nothing here; what is found is the result.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        let envs = ctx.environments_of(self.env.as_ref())?;
        let mut code = ExitCode::Success;
        for env in envs {
            let view = self.environment(ctx, env).await?;
            match ctx.options.json {
                true => report::json(&view)
                    .iter()
                    .for_each(|line| ctx.out.result(line)),
                false => ctx.out.result(&report::text(&view)),
            }
            code = match (code, view.exit_code()) {
                // One environment's mistakes in files outweigh another one's silence.
                (ExitCode::Usage, _) | (_, ExitCode::Usage) => ExitCode::Usage,
                (a, b) => a.worse(b),
            };
        }
        Ok(code)
    }

    /// A check of one release, hosts and registries too.
    pub(super) fn of(env: &EnvName, wanted: &Wanted) -> Self {
        Self {
            env: Some(env.clone()),
            wanted: Some(wanted.clone()),
            offline: false,
        }
    }

    pub(super) async fn environment(
        &self,
        ctx: &Context,
        env: EnvName,
    ) -> Result<CheckView, Failure> {
        let mut view = CheckView::new(env);
        view.checked.push("inventory".to_owned());
        let read = read_for(ctx, &view.env, |partial| self.meant(partial));
        let inventory = match read {
            Ok(inventory) => inventory,
            Err(findings) => {
                view.files = findings;
                view.skipped
                    .push("all else: the inventory comes first".to_owned());
                return Ok(view);
            }
        };
        view.ran.push(Check::Inventory);
        view.files.extend(inventory.warnings.iter().cloned());
        let (only, version) = self.wanted(&view.env, &inventory)?;
        let wanted = |a: &&App| only.as_ref().is_none_or(|o| a.name == *o);
        let apps: Vec<&App> = inventory.apps.values().filter(wanted).collect();
        let drafts = drafts(ctx, &inventory, &apps, version.as_ref(), &mut view);
        for wrong in super::notify::check(&session::config_dir(ctx), &inventory) {
            view.files.push(wrong);
        }
        if self.offline {
            view.skipped.push("hosts, registries: --offline".to_owned());
        } else if !inventory.hosts.is_empty() {
            let about = About {
                ctx,
                inventory: &inventory,
                version: version.as_ref(),
            };
            about.outside(&apps, &drafts, &mut view).await?;
        }
        if !view.seen.is_empty() && !drafts.is_empty() {
            view.ran.push(Check::Memory);
        }
        let all = drafts.values().flat_map(|draft| draft.memory());
        view.findings.extend(hosts::memory(&view.memory(), all));
        view.findings = check::folded(std::mem::take(&mut view.findings));
        Ok(view)
    }

    /// What is rendered of an inventory that was not understood whole.
    fn meant(&self, partial: &Inventory) -> Vec<(AppName, Version)> {
        let Ok((only, version)) = self.wanted(&partial.env, partial) else {
            return Vec::new();
        };
        let none = Version::new(NO_VERSION).expect("a constant that is a version");
        let version = version.unwrap_or(none);
        let apps = partial.apps.keys();
        let apps = apps.filter(|a| only.as_ref().is_none_or(|o| *a == o));
        apps.map(|a| (a.clone(), version.clone())).collect()
    }

    /// The app that is meant where one is, and the version where one is named.
    fn wanted(
        &self,
        env: &EnvName,
        inventory: &Inventory,
    ) -> Result<(Option<AppName>, Option<Version>), Failure> {
        let apps: Vec<AppName> = inventory.apps.keys().cloned().collect();
        match &self.wanted {
            None => Ok((None, None)),
            Some(Wanted::Bare(word)) if inventory.app(word).is_some() => {
                let app = AppName::new(word.as_str())?;
                Ok((Some(target::choose_app(env, &apps, Some(&app))?), None))
            }
            Some(wanted) => {
                let (app, version) = wanted.resolve(env, &apps)?;
                Ok((Some(app), Some(version)))
            }
        }
    }
}

/// Renders every app; what is wrong goes into the view.
fn drafts(
    ctx: &Context,
    inventory: &Inventory,
    apps: &[&App],
    version: Option<&Version>,
    view: &mut CheckView,
) -> BTreeMap<AppName, Draft> {
    let mut out = BTreeMap::new();
    let none = Version::new(NO_VERSION).expect("a constant that is a version");
    if apps.is_empty() {
        return out;
    }
    view.ran.push(Check::Template);
    let templates = match TemplateSet::load(&session::config_dir(ctx).join("templates")) {
        Ok(templates) => templates,
        Err(findings) => {
            view.files.extend(findings);
            return out;
        }
    };
    for app in apps {
        match Draft::render(inventory, app, version.unwrap_or(&none), &templates) {
            Ok(draft) => {
                view.files.extend(draft.warnings.clone());
                out.insert(app.name.clone(), draft);
            }
            Err(findings) => view.files.extend(findings),
        }
    }
    let all: Vec<&AppName> = apps.iter().map(|a| &a.name).collect();
    view.checked
        .push(format!("templates of {}", names(&all, 12)));
    out
}

struct About<'a> {
    ctx: &'a Context,
    inventory: &'a Inventory,
    version: Option<&'a Version>,
}

impl About<'_> {
    /// Hosts and registries.
    async fn outside(
        &self,
        apps: &[&App],
        drafts: &BTreeMap<AppName, Draft>,
        view: &mut CheckView,
    ) -> Result<(), Failure> {
        let mut session = Session::start(self.ctx)?;
        let mut ended = Ok(());
        for app in apps {
            let draft = drafts.get(&app.name);
            let work = session.unless_stopped(async |session: &Session| {
                self.app(session, app, draft, view).await;
            });
            ended = work.await;
            if ended.is_err() {
                break;
            }
        }
        session.feed.pause().await;
        session.close().await;
        ended
    }

    async fn app(&self, session: &Session, app: &App, draft: Option<&Draft>, view: &mut CheckView) {
        let look = async {
            let site = session.open_to_look(self.inventory, app).await;
            let fleet = site.look(&session.voice).await;
            (site, fleet)
        };
        let ((site, fleet), registry) = tokio::join!(look, self.registry(draft));
        let (digests, found) = registry;
        view.findings.extend(found);
        view.findings
            .extend(hosts::all(&site.setup, &fleet, self.version.is_some()));
        view.ran.extend(LOOKED);
        view.ran.extend(draft.map(|_| Check::Registry));
        view.findings.extend(self.probes(&site).await);
        view.saw(&fleet);
        let asked = site.machines.len() + site.silent.len();
        let say = format!("{} of {}", crate::text::count(asked, "machine"), app.name);
        view.checked.push(say);
        let Some(draft) = draft else { return };
        let release = self.release(session, &fleet, draft, &digests, view).await;
        if let Some(release) = &release {
            view.ran.push(Check::Plan);
            let planned = plan::deploy(&site.setup, release, &fleet, PlanKind::Deploy, "check");
            if let Err(refusal) = planned {
                view.findings
                    .extend(hosts::refused(refusal, Severity::Error));
            }
        }
        view.findings.extend(
            self.compose((&site, &fleet), app, draft, release.as_ref())
                .await,
        );
        view.ran.push(Check::Compose);
        view.checked
            .push(format!("compose's own judgement of {}", app.name));
    }

    /// The release with everything in it, where the version and all digests are known.
    async fn release(
        &self,
        session: &Session,
        fleet: &Fleet,
        draft: &Draft,
        digests: &BTreeMap<ImageRef, Digest>,
        view: &mut CheckView,
    ) -> Option<Release> {
        self.version?;
        if draft.images().iter().any(|i| !digests.contains_key(i)) {
            return None;
        }
        view.ran.push(Check::Secrets);
        let wanted = draft.secrets();
        let fetched = secrets::fetch(self.ctx, &session.voice, self.inventory, wanted).await;
        let secrets = match fetched {
            Ok(secrets) => secrets,
            Err(failure) => {
                let hint = failure.hints().join("; ");
                view.findings
                    .push(about(Check::Secrets, &failure.one_line(), hint, false));
                return None;
            }
        };
        let given = Given {
            secrets: &secrets,
            salt: &secrets::salt(fleet, drive::random),
            made: &drive::made(&drive::meta(self.ctx), false),
        };
        match draft.pin(digests, &given, |_: &ReleaseId| 0) {
            Ok(release) => Some(release),
            Err(findings) => {
                view.files.extend(findings);
                None
            }
        }
    }

    /// What registries say of the images. Without a version: whether they answer and let us read.
    async fn registry(&self, draft: Option<&Draft>) -> (BTreeMap<ImageRef, Digest>, Vec<Finding>) {
        let (mut digests, mut found) = (BTreeMap::new(), Vec::new());
        let Some(draft) = draft else {
            return (digests, found);
        };
        let registry = match session::registry(self.ctx, self.inventory).await {
            Ok(registry) => registry,
            Err(failure) => {
                found.push(about(
                    Check::Registry,
                    &failure.one_line(),
                    failure.hints().join("; "),
                    false,
                ));
                return (digests, found);
            }
        };
        for image in draft.images() {
            let name = ImageName::new(image.repository.as_str());
            let tag = Version::new(image.tag.as_deref().unwrap_or("latest"));
            let (Ok(name), Ok(tag)) = (name, tag) else {
                continue;
            };
            match registry.resolve(&name, &tag).await {
                Ok(resolved) => {
                    digests.insert(image, resolved.digest);
                }
                Err(RegistryError::TagAbsent { .. }) if tag.as_str() == NO_VERSION => {}
                Err(error) => {
                    let hint = error.hint().unwrap_or_default();
                    let what = Failure::configuration(format!("{image} cannot be deployed"));
                    let unknown = error.is_unknown();
                    let what = what.because(error).one_line();
                    found.push(about(Check::Registry, &what, hint, unknown));
                }
            }
        }
        (digests, found)
    }

    /// Clocks and commands, on all machines at once.
    async fn probes(&self, site: &Site) -> Vec<Finding> {
        let mut set = JoinSet::new();
        for (name, machine) in &site.machines {
            let (name, host, clock) = (name.clone(), machine.host.clone(), self.ctx.clock.clone());
            set.spawn(async move {
                let sent = clock.wall();
                let reply = host.run(probe::script()).await;
                let come = clock.wall();
                match reply {
                    Ok(reply) => probe::judge(&name, &reply, sent, come),
                    Err(error) => vec![silent(Check::Reach, &name, error)],
                }
            });
        }
        set.join_all().await.into_iter().flatten().collect()
    }

    /// Compose's own judgement on every host, of what it would get.
    async fn compose(
        &self,
        (site, fleet): (&Site, &Fleet),
        app: &App,
        draft: &Draft,
        release: Option<&Release>,
    ) -> Vec<Finding> {
        let mut set = JoinSet::new();
        for (slot, host, rendered) in draft.files() {
            let Some(machine) = site.machines.get(host) else {
                continue;
            };
            let project = project(&self.inventory.env, &app.name, slot);
            let script = match release.and_then(|r| r.on(slot, host)) {
                Some(part) => {
                    let files = part.files.iter();
                    config::script(&project, files.map(|f| (f.path.as_str(), &f.bytes[..])))
                }
                None => {
                    let files = rendered.files.iter();
                    config::script(&project, files.map(|f| (f.path.as_str(), &f.bytes[..])))
                }
            };
            let (host, machine) = (host.clone(), machine.host.clone());
            let version = fleet.hosts.get(&host).and_then(|v| v.compose.get());
            let version = version.cloned().unwrap_or_default();
            set.spawn(async move {
                match machine.run(script).await {
                    Ok(reply) => judged(&host, &config::read(&reply.lines), &version),
                    Err(error) => Some(silent(Check::Compose, &host, error)),
                }
            });
        }
        set.join_all().await.into_iter().flatten().collect()
    }
}

fn about(check: Check, what: &str, hint: String, unknown: bool) -> Finding {
    Finding {
        check,
        severity: Severity::Error,
        whom: Vec::new(),
        what: what.to_owned(),
        hint,
        unknown,
    }
}

fn silent(check: Check, host: &HostName, error: crate::host::script::RunError) -> Finding {
    let what = Failure::unreachable("it could not be asked")
        .because(error)
        .one_line();
    let mut finding = Finding::of(check, Severity::Error, host, what, "");
    finding.unknown = true;
    finding
}

/// What compose said; words without a refusal are worth reading too.
fn judged(host: &HostName, judged: &config::Judged, version: &str) -> Option<Finding> {
    let said = judged.said.join("\n");
    let (severity, what) = match judged.code {
        Some(0) if said.is_empty() => return None,
        Some(0) => (
            Severity::Warning,
            format!("docker compose {version} says of the files:\n{said}"),
        ),
        Some(_) => (
            Severity::Error,
            format!("docker compose {version} refuses the files:\n{said}"),
        ),
        None => (
            Severity::Error,
            "docker compose could not be asked about the files".to_owned(),
        ),
    };
    let hint = if judged.code.is_none() {
        "is there room in /tmp?"
    } else {
        ""
    };
    let mut finding = Finding::of(Check::Compose, severity, host, what, hint);
    finding.unknown = judged.code.is_none();
    Some(finding)
}
