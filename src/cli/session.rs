//! A session: configuration read, machines connected, faces listening. What every command that
//! touches hosts begins with.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::args;
use super::context::Context;
use super::failure::Failure;
use super::logins;
use super::signals::{self, Stop};
use super::source;
use crate::balancer;
use crate::compose::ImageRef;
use crate::engine::site::Site;
use crate::engine::voice::Voice;
use crate::host::{Address, Connector, Ear, Settings, Target, control_base};
use crate::inventory::{App, Asking, Config, HostSelector, Inventory};
use crate::name::{AppName, Digest, EnvName, HostName, ImageName, Version};
use crate::plan::Setup;
use crate::record::Manifest;
use crate::registry::{Credentials, Registry, RegistryError, RegistrySettings};
use crate::release::Draft;
use crate::report::Feed;
use crate::template::TemplateSet;
use crate::text::{Diagnostic, Findings};

/// The inventory of an environment, whole and checked; its warnings are shown.
///
/// # Errors
/// All that is wrong in it.
pub fn inventory(ctx: &Context, env: &EnvName) -> Result<Inventory, Failure> {
    inventory_with(ctx, env, &sets(ctx))
}

/// The values of `--set`, in order.
#[must_use]
pub fn sets(ctx: &Context) -> Vec<String> {
    let all = ctx.options.settings.iter();
    all.map(|(key, value)| format!("{key}={value}")).collect()
}

/// The same with other values than those of `--set`.
///
/// # Errors
/// All that is wrong in it.
pub fn inventory_with(ctx: &Context, env: &EnvName, sets: &[String]) -> Result<Inventory, Failure> {
    let inventory = read_with(ctx, env, sets)?;
    for warning in &inventory.warnings {
        ctx.out.say(&warning.to_string());
    }
    Ok(inventory)
}

/// As [`inventory`], without showing anything.
///
/// # Errors
/// All that is wrong in it.
pub fn read(ctx: &Context, env: &EnvName) -> Result<Inventory, Findings> {
    read_with(ctx, env, &sets(ctx))
}

fn read_with(ctx: &Context, env: &EnvName, sets: &[String]) -> Result<Inventory, Findings> {
    read_keeping(ctx, env, sets, &|_| {})
}

/// The same; `keep` is given what was understood, also where something is wrong.
pub(super) fn read_keeping(
    ctx: &Context,
    env: &EnvName,
    sets: &[String],
    keep: &dyn Fn(&Inventory),
) -> Result<Inventory, Findings> {
    let words = args::all_reserved();
    let config = Config::new(config_dir(ctx), words.iter().map(String::as_str));
    // In one run with all that is wrong in the files themselves.
    let also = |inventory: &Inventory| {
        keep(inventory);
        drivers(inventory).err().unwrap_or_default()
    };
    let asking = Asking {
        command: &|words| source::ask(ctx, words),
        also: &also,
    };
    config.load_asking(env, sets, &asking)
}

/// Where `inventories/` and `templates/` are.
#[must_use]
pub fn config_dir(ctx: &Context) -> std::path::PathBuf {
    let dir = &ctx.options.config_dir;
    dir.strip_prefix(".").map_or_else(
        |_| dir.clone(),
        |d| {
            if d.as_os_str().is_empty() {
                ".".into()
            } else {
                d.to_path_buf()
            }
        },
    )
}

/// Checks what only the drivers know: their names and their own keys.
fn drivers(inventory: &Inventory) -> Result<(), Findings> {
    let mut found = Findings::default();
    for lb in inventory.balancers.values() {
        let name = &lb.driver;
        if name.value.is_empty() {
            // That it has none is said already.
            continue;
        }
        let Some(driver) = balancer::driver(&name.value) else {
            let known = balancer::NAMES;
            found.push(
                Diagnostic::error(format!("there is no load balancer driver `{}`", name.value))
                    .at(&name.span)
                    .did_you_mean(&name.value, known.iter().copied())
                    .hint(format!("drivers: {}", known.join(", "))),
            );
            continue;
        };
        for (what, key) in driver.check(&lb.settings.to_json()) {
            let span = lb.settings.get(&key).map_or(&lb.span, |node| &node.span);
            found.push(Diagnostic::error(what).at(span));
        }
    }
    for app in inventory.apps.values() {
        for (name, balance) in &app.balance {
            let lb = inventory.balancers.get(name);
            let Some(driver) = lb.and_then(|lb| balancer::driver(&lb.driver.value)) else {
                continue;
            };
            let mut settings = balance.settings.to_json();
            if let Some(map) = settings.as_object_mut() {
                map.retain(|key, _| !matches!(key.as_str(), "backend" | "host"));
            }
            for (what, key) in driver.check(&settings) {
                let node = balance.settings.get(&key);
                let span = node.map_or(&balance.span, |node| &node.span);
                found.push(Diagnostic::error(what).at(span));
            }
        }
    }
    if found.has_errors() {
        Err(found)
    } else {
        Ok(())
    }
}

/// The hosts that words of the command line name (names, globs, ranges, groups, `!not`); none where
/// there are no words, which means all.
///
/// # Errors
/// A usage failure where a word names nothing, or nothing is left.
pub fn hosts(inventory: &Inventory, words: &[String]) -> Result<Vec<HostName>, Failure> {
    let selector = HostSelector::new(words.iter().map(String::as_str));
    let hosts = selector.resolve(&inventory.names()).map_err(|error| {
        let failure = Failure::usage(error.to_string());
        match error.near {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure,
        }
    })?;
    if hosts.is_empty() && !words.is_empty() {
        let words = words.join(",");
        return Err(Failure::usage(format!("no host is left of `{words}`")));
    }
    Ok(hosts)
}

/// The app of that name; the name was checked against the inventory before.
///
/// # Errors
/// A usage failure where it is not there.
pub fn app<'a>(inventory: &'a Inventory, name: &AppName) -> Result<&'a App, Failure> {
    let missing = || Failure::usage(format!("{} has no app {name}", inventory.env));
    inventory.app(name.as_str()).ok_or_else(missing)
}

/// Renders an app for every slot and host.
///
/// # Errors
/// All that is wrong in the templates and the rendered documents.
pub fn draft(
    ctx: &Context,
    inventory: &Inventory,
    app: &App,
    version: &Version,
) -> Result<Draft, Failure> {
    let templates = TemplateSet::load(&config_dir(ctx).join("templates"))?;
    let draft = Draft::render(inventory, app, version, &templates)?;
    for warning in draft.warnings.sorted() {
        ctx.out.say(&warning.to_string());
    }
    Ok(draft)
}

/// Asks the registries what every tag means, all at once.
///
/// # Errors
/// A configuration failure where a tag is not there, unreachable where a registry does not answer.
pub async fn digests(
    ctx: &Context,
    inventory: &Inventory,
    images: BTreeSet<ImageRef>,
) -> Result<BTreeMap<ImageRef, Digest>, Failure> {
    let registry = Arc::new(registry(ctx, inventory).await?);
    let mut set = tokio::task::JoinSet::new();
    for image in images {
        let name = ImageName::new(image.repository.as_str())?;
        let tag = Version::new(image.tag.as_deref().unwrap_or("latest"))?;
        let registry = Arc::clone(&registry);
        set.spawn(async move {
            let found = registry.resolve(&name, &tag).await;
            (image, found)
        });
    }
    let mut out = BTreeMap::new();
    let mut failures = Vec::new();
    while let Some(joined) = set.join_next().await {
        match joined {
            Ok((image, Ok(resolved))) => {
                out.insert(image, resolved.digest);
            }
            Ok((image, Err(error))) => failures.push((image, error)),
            Err(error) => return Err(Failure::failed("asking the registry failed").because(error)),
        }
    }
    match failures.into_iter().next() {
        None => Ok(out),
        Some((image, error)) => Err(absent(&image, error)),
    }
}

/// The registries of an environment with their settings and the operator's credentials.
///
/// # Errors
/// Settings or credentials that cannot be used.
#[expect(
    clippy::disallowed_methods,
    reason = "the door to certificates of registries"
)]
pub async fn registry(ctx: &Context, inventory: &Inventory) -> Result<Registry, Failure> {
    let mut settings = BTreeMap::new();
    for (name, written) in &inventory.registries {
        let ca_pem = match &written.ca {
            None => None,
            Some(path) => {
                let file = config_dir(ctx).join(&path.value);
                let read = tokio::fs::read(&file).await.map_err(|e| {
                    Findings::from(
                        Diagnostic::error(format!("{} cannot be read: {e}", file.display()))
                            .at(&path.span),
                    )
                })?;
                Some(read)
            }
        };
        let address = written.address.as_ref().map(|a| a.value.clone());
        let insecure = written.insecure;
        settings.insert(
            name.clone(),
            RegistrySettings {
                insecure,
                address,
                ca_pem,
            },
        );
    }
    let known = match logins::file(ctx) {
        Some(path) => Credentials::read(&path).await.map_err(|why| {
            Failure::configuration(format!("what `docker login` left cannot be used: {why}"))
        })?,
        None => Credentials::default(),
    };
    Ok(Registry::new(settings, known.with_helper(logins::helper())))
}

fn absent(image: &ImageRef, error: RegistryError) -> Failure {
    unanswered(&format!("{image} cannot be deployed"), error)
}

/// A registry's error as a failure: unreachable where nothing is known, else wrong configuration.
#[must_use]
pub fn unanswered(what: &str, error: RegistryError) -> Failure {
    let hint = error.hint();
    let failure = if error.is_unknown() {
        Failure::unreachable(what)
    } else {
        Failure::configuration(what)
    };
    let failure = failure.because(error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Work that goes on by itself.
pub type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Connections and faces of a command.
pub struct Session {
    /// Where a person watches.
    pub feed: Feed,
    /// The engine's voice.
    pub voice: Voice,
    /// Wishes to stop.
    pub stops: mpsc::UnboundedReceiver<Stop>,
    /// The run before was stopped by a person.
    pub stopped: bool,
    connector: Arc<Connector>,
    /// What `docker login` left on this machine.
    docker: Option<PathBuf>,
}

impl Session {
    /// Starts faces and signals; connects to nothing yet.
    ///
    /// # Errors
    /// What keeps signals from being heard or ssh from being used.
    pub fn start(ctx: &Context) -> Result<Self, Failure> {
        Self::within(ctx, None)
    }

    /// The same for what only looks: a host that is not reached in this time, in whole seconds, is
    /// silent.
    ///
    /// # Errors
    /// As [`Session::start`].
    pub fn within(ctx: &Context, connect: Option<Duration>) -> Result<Self, Failure> {
        let feed = ctx.feed();
        let voice = Voice::new(feed.sender(), ctx.clock.clone());
        let stops = signals::listen(feed.notices())?;
        let base = control_base(ctx.outside.runtime_dir().as_deref());
        let mut settings = Settings::new(base);
        settings.ssh_config = ctx.outside.ssh_config();
        if ctx.options.verbose > 0 {
            let notices = feed.notices();
            settings.ear = Some(Ear::new(move |host, script, took, answered| {
                let end = if answered { "" } else { ", no answer" };
                notices.say(&format!(
                    "{host} {script}: {}{end}",
                    crate::text::duration(took)
                ));
            }));
        }
        // What only looks is done again and again; a run has connections of its own.
        settings.keep = connect.is_some();
        settings.connect_timeout = connect.unwrap_or(settings.connect_timeout);
        Ok(Self {
            feed,
            voice,
            stops,
            stopped: false,
            connector: Arc::new(Connector::new(settings)),
            docker: logins::file(ctx),
        })
    }

    /// Does work that changes nothing; Ctrl-C and its like end it at once.
    ///
    /// # Errors
    /// A [`Failure`] with the exit code of the signal where it was stopped.
    pub async fn unless_stopped<T>(
        &mut self,
        work: impl AsyncFnOnce(&Self) -> T,
    ) -> Result<T, Failure> {
        let nobody = mpsc::unbounded_channel().1;
        let mut stops = std::mem::replace(&mut self.stops, nobody);
        let done = signals::unless_stopped(&mut stops, work(self)).await;
        self.stops = stops;
        done
    }

    /// Connects to the machines of an app.
    pub async fn open(&self, inventory: &Inventory, app: &App) -> Site {
        let site = Site::open(inventory, app, &self.connector, &self.voice, false).await;
        self.with_logins(site, Some(inventory))
    }

    /// Logins go along where something is pulled.
    fn with_logins(&self, site: Site, inventory: Option<&Inventory>) -> Site {
        site.with(logins::of(self.docker.clone(), inventory))
    }

    /// The same, where a look comes next: it begins as each connection is there.
    pub async fn open_to_look(&self, inventory: &Inventory, app: &App) -> Site {
        let site = Site::open(inventory, app, &self.connector, &self.voice, true).await;
        self.with_logins(site, Some(inventory))
    }

    /// Connects to the machines of several apps and does something with each site, all at once and
    /// without a word: machines that were not reached are part of their site.
    pub fn each<T: Send + 'static>(
        &self,
        inventory: &Arc<Inventory>,
        apps: &[AppName],
        work: impl Fn(Site) -> Boxed<T> + Clone + Send + 'static,
    ) -> Boxed<Vec<(AppName, T)>> {
        let mut set = tokio::task::JoinSet::new();
        for name in apps.iter().cloned() {
            let (inventory, connector) = (Arc::clone(inventory), Arc::clone(&self.connector));
            let voice = Voice::mute(self.voice.clock().clone());
            let work = work.clone();
            set.spawn(async move {
                let app = inventory.apps.get(&name)?;
                let site = Site::open(&inventory, app, &connector, &voice, false).await;
                let done = work(site).await;
                Some((name, done))
            });
        }
        Box::pin(async move {
            let mut all = Vec::new();
            while let Some(joined) = set.join_next().await {
                all.extend(joined.ok().flatten());
            }
            all.sort_by(|(a, _): &(AppName, T), (b, _)| a.cmp(b));
            all
        })
    }

    /// Connects to every host of an environment, for an app that it does not name.
    pub async fn open_all(&self, inventory: &Inventory, app: &AppName) -> Site {
        Site::open_all(inventory, app, &self.connector, &self.voice).await
    }

    /// Connects to one host by its address alone.
    pub async fn open_at(&self, env: &EnvName, app: &AppName, target: Target) -> Site {
        let name = HostName::new("host").expect("letters are a host name");
        let address = Address { name, target };
        Site::open_at(env, app, address, &self.connector, &self.voice).await
    }

    /// Connects to the machines of a run.
    ///
    /// # Errors
    /// Hosts of which nobody knows any more how they are reached, each with why.
    pub async fn open_recorded(
        &self,
        manifest: &Manifest,
        setup: Setup,
        inventory: Option<&Inventory>,
    ) -> Result<Site, Vec<String>> {
        let (connector, voice) = (&self.connector, &self.voice);
        let site = Site::open_recorded(manifest, setup, inventory, connector, voice).await?;
        Ok(self.with_logins(site, inventory))
    }

    /// Shows what is left to show and closes the connections.
    pub async fn close(self) {
        let Self {
            feed,
            connector,
            voice,
            ..
        } = self;
        drop(voice);
        drop(connector);
        feed.close().await;
    }
}
