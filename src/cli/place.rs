//! Which apps of which environment are meant: every command opens an environment here, once, and
//! carries what was read along. To add a command that names an app: [`OneApp`] among its arguments.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::context::Context;
use super::exclude::Without;
use super::failure::Failure;
use super::guard::Allow;
use super::session;
use super::target::{App, Wanted, choose_app};
use crate::inventory::{self, Inventory};
use crate::name::{AppName, Digest, EnvName, HostName, SlotName, Version};
use crate::release::Draft;
use crate::template::TemplateSet;
use crate::text::Findings;

/// The words of a command that is about one app.
#[derive(Debug, Clone, clap::Args)]
pub struct OneApp {
    /// Environment: the name of a file in `inventories/`
    pub env: EnvName,
    /// App; may be left out where there is one
    pub app: Option<App>,
}

impl OneApp {
    /// The app, with its environment's inventory; no load balancer is left out.
    ///
    /// # Errors
    /// What is wrong in the inventory, or an app that is not there.
    pub fn open(&self, ctx: &Context) -> Result<Place, Failure> {
        Opened::named(ctx, &self.env)?.place(self.app.as_ref())
    }
}

/// The words of a command that looks at one app or all.
#[derive(Debug, Clone, clap::Args)]
pub struct SomeApps {
    /// Environment: the name of a file in `inventories/`
    pub env: EnvName,
    /// App; all where none is named
    pub app: Option<App>,
}

impl SomeApps {
    /// The inventory and the apps that are meant.
    ///
    /// # Errors
    /// What is wrong in the inventory, or an app that is not there.
    pub fn open(&self, ctx: &Context) -> Result<Opened, Failure> {
        Opened::named(ctx, &self.env)?.only(self.app.as_ref())
    }
}

/// The words of a command that brings a release.
#[derive(Debug, Clone, clap::Args)]
pub struct OneRelease {
    /// Environment: the name of a file in `inventories/`
    env: EnvName,
    /// Release; APP may be left out where there is one
    #[arg(value_name = "[APP]@VERSION")]
    wanted: Wanted,
    #[command(flatten)]
    without: Without,
    #[command(flatten)]
    allow: Allow,
}

impl OneRelease {
    /// What is wished for.
    ///
    /// # Errors
    /// What is wrong in the inventory, or words that mean nothing there.
    pub fn open(self, ctx: &Context) -> Result<Wish, Failure> {
        let mut wish = Opened::to_render(ctx, &self.env, &[&self.wanted])?.wish(&self.wanted)?;
        wish.place.without = self.without.lbs;
        wish.allow = self.allow;
        Ok(wish)
    }
}

/// An environment that was read: whole, checked, its warnings shown.
#[derive(Debug, Clone)]
pub struct Opened {
    /// What is written.
    pub inventory: Arc<Inventory>,
    /// The apps that are meant; all of them at first.
    pub apps: Vec<AppName>,
}

impl Opened {
    /// Reads an environment that a person has named.
    ///
    /// # Errors
    /// No such environment, with what may have been meant; all that is wrong in the inventory.
    pub fn named(ctx: &Context, env: &EnvName) -> Result<Self, Failure> {
        ctx.environment(env, false)?;
        Self::known(ctx, env)
    }

    /// Reads an environment for releases of it: what is wrong in their templates is shown in the same
    /// run as what is wrong in the inventory.
    ///
    /// # Errors
    /// No such environment, with what may have been meant; all that is wrong in both.
    pub fn to_render(ctx: &Context, env: &EnvName, wanted: &[&Wanted]) -> Result<Self, Failure> {
        ctx.environment(env, false)?;
        let inventory = read_for(ctx, env, |partial| {
            let apps: Vec<AppName> = partial.apps.keys().cloned().collect();
            let meant = wanted.iter();
            meant.filter_map(|w| w.resolve(env, &apps).ok()).collect()
        })?;
        for warning in &inventory.warnings {
            ctx.out.say(&warning.to_string());
        }
        Ok(Self::of(inventory))
    }

    /// Reads an environment that is known to exist.
    ///
    /// # Errors
    /// All that is wrong in the inventory.
    pub fn known(ctx: &Context, env: &EnvName) -> Result<Self, Failure> {
        Ok(Self::of(session::inventory(ctx, env)?))
    }

    /// All apps of an inventory.
    #[must_use]
    pub fn of(inventory: Inventory) -> Self {
        Self {
            apps: inventory.apps.keys().cloned().collect(),
            inventory: Arc::new(inventory),
        }
    }

    /// The environment.
    #[must_use]
    pub fn env(&self) -> &EnvName {
        &self.inventory.env
    }

    /// The app that is meant: the one that was named, or the only one.
    ///
    /// # Errors
    /// A usage failure where there is no such app, or more than one to choose from.
    pub fn place(&self, named: Option<&App>) -> Result<Place, Failure> {
        Ok(self.at(choose_app(self.env(), &self.apps, named.map(|a| &a.0))?))
    }

    /// An app of this environment.
    #[must_use]
    pub fn at(&self, app: AppName) -> Place {
        Place {
            inventory: Arc::clone(&self.inventory),
            app,
            without: Vec::new(),
        }
    }

    /// The named app alone; all where none is named.
    ///
    /// # Errors
    /// A usage failure where there is no such app.
    pub fn only(mut self, named: Option<&App>) -> Result<Self, Failure> {
        if let Some(App(named)) = named {
            self.apps = vec![choose_app(self.env(), &self.apps, Some(named))?];
        }
        Ok(self)
    }

    /// The release that is meant.
    ///
    /// # Errors
    /// A usage failure that names the app or version that is missing.
    pub fn wish(&self, wanted: &Wanted) -> Result<Wish, Failure> {
        let (app, version) = wanted.resolve(self.env(), &self.apps)?;
        Ok(Wish::new(self.at(app), version))
    }
}

/// An app in an environment.
#[derive(Debug, Clone)]
pub struct Place {
    /// Where: the environment as it is written.
    pub inventory: Arc<Inventory>,
    /// What.
    pub app: AppName,
    /// Load-balancer hosts that are left out.
    pub without: Vec<HostName>,
}

impl Place {
    /// The same without these load-balancer hosts.
    #[must_use]
    pub fn without(mut self, left_out: Without) -> Self {
        self.without = left_out.lbs;
        self
    }

    /// The environment.
    #[must_use]
    pub fn env(&self) -> &EnvName {
        &self.inventory.env
    }

    /// Checks that the app has a slot of this name.
    ///
    /// # Errors
    /// A usage failure with what may have been meant.
    pub fn has_slot(&self, slot: &SlotName) -> Result<(), Failure> {
        let app = self.app()?;
        let known: Vec<&str> = app.slots.iter().map(|s| s.name.as_str()).collect();
        if known.contains(&slot.as_str()) {
            return Ok(());
        }
        Err(Failure::usage(format!("{} has no slot {slot}", app.name))
            .did_you_mean(slot.as_str(), known.iter().copied())
            .hint(format!("its slots are {}", known.join(" "))))
    }

    /// The app as it is written.
    ///
    /// # Errors
    /// A usage failure where it is not there.
    pub fn app(&self) -> Result<&inventory::App, Failure> {
        session::app(&self.inventory, &self.app)
    }
}

/// A release of an app in an environment.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Of which app, and where.
    pub place: Place,
    /// Which.
    pub version: Version,
    /// What may be done although a protected environment would refuse it.
    pub allow: Allow,
    /// What its images are, where that was decided already; else the registry is asked.
    pub digests: Option<BTreeMap<String, Digest>>,
}

impl Wish {
    /// A version as the registry has it.
    #[must_use]
    pub fn new(place: Place, version: Version) -> Self {
        Self {
            place,
            version,
            allow: Allow::default(),
            digests: None,
        }
    }
}

/// The inventory for what is to be rendered: where something is wrong in it, what is wrong in the
/// templates of the releases that are meant is found in the same run.
///
/// # Errors
/// All that is wrong in both.
pub(super) fn read_for(
    ctx: &Context,
    env: &EnvName,
    meant: impl Fn(&Inventory) -> Vec<(AppName, Version)>,
) -> Result<Inventory, Findings> {
    let kept = RefCell::new(None);
    let keep = |partial: &Inventory| *kept.borrow_mut() = Some(partial.clone());
    session::read_keeping(ctx, env, &session::sets(ctx), &keep).map_err(|mut found| {
        if let Some(partial) = kept.take() {
            found.extend(of_templates(ctx, &partial, &meant(&partial)));
        }
        found
    })
}

/// What is wrong in the templates of apps whose inventory was not understood whole.
fn of_templates(ctx: &Context, partial: &Inventory, meant: &[(AppName, Version)]) -> Findings {
    let mut found = Findings::default();
    let templates = match TemplateSet::load(&session::config_dir(ctx).join("templates")) {
        Ok(templates) => templates,
        Err(all) => return all,
    };
    for (name, version) in meant {
        let Some(app) = partial.apps.get(name) else {
            continue;
        };
        // A host that was not understood says nothing to a template.
        if app.members().all(|m| partial.hosts.contains_key(&m.host)) {
            let wrong = Draft::render(partial, app, version, &templates).err();
            found.extend(wrong.into_iter().flatten());
        }
    }
    found
}
