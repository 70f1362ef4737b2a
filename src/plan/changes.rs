//! What a plan changes, for the person who reads it: images, files, containers, traffic, bytes.
//!
//! Files are compared with those of the release that serves, on the same host and for the same slot:
//! so only what is new in the release shows, and nothing that slots or hosts differ in anyway. Hosts
//! with the same change are named together. To add something: a field of [`Changes`], a function
//! that fills it, a section of its text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::{Action, Plan, Setup, judge};
use crate::fleet::{Fleet, Held, Holdings, ImageSize};
use crate::name::{HostName, SlotName};
use crate::release::{Part, Release};
use crate::text;

/// Sizes of images as `repository:tag@digest`, by architecture.
pub type Sizes = BTreeMap<(String, String), ImageSize>;

/// Lines around a changed line that are shown.
const CONTEXT: usize = 2;

/// Unpacked, an image takes about this many times what was fetched.
const UNPACKED: u64 = 3;

/// What a plan changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// What the files are compared with, e.g. `blue, which serves #42 1.0.1`; none where nothing does.
    pub against: Option<String>,
    /// Images by service.
    pub images: Vec<ImageChange>,
    /// Files, hosts with the same change together.
    pub files: Vec<FileChange>,
    /// Containers that end or begin, and why.
    pub containers: Vec<OnHosts>,
    /// What load balancers do.
    pub balancers: Vec<OnHosts>,
    /// What hosts fetch.
    pub fetch: Vec<Fetch>,
    /// What is as it should be already.
    pub as_wanted: Vec<OnHosts>,
    /// What could not be compared.
    pub unknown: Vec<OnHosts>,
}

/// The image of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageChange {
    /// Service.
    pub service: String,
    /// What serves, with its digest; none where the service is new.
    pub from: Option<String>,
    /// What is to serve; none where the service goes.
    pub to: Option<String>,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileChange {
    /// Hosts of the slot that serves.
    pub hosts: Vec<HostName>,
    /// Path within the release.
    pub path: String,
    /// `new`, `removed`, `mode 644 → 755`, or a unified diff.
    pub what: String,
}

/// The same thing on several hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OnHosts {
    /// Hosts.
    pub hosts: Vec<HostName>,
    /// What.
    pub what: String,
}

/// What a host fetches from the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fetch {
    /// Host.
    pub host: HostName,
    /// Bytes; none where that is not known.
    pub bytes: Option<u64>,
    /// Free bytes where the engine keeps its data.
    pub free: u64,
}

/// Bytes on the disk of a host that fetches so many, until all of it is unpacked.
#[must_use]
pub fn room_for(bytes: u64) -> u64 {
    bytes.saturating_mul(1 + UNPACKED)
}

impl Fetch {
    /// Why it would fail, where it would.
    #[must_use]
    pub fn too_much(&self) -> Option<String> {
        let bytes = self.bytes?;
        let needed = room_for(bytes);
        (bytes > 0 && needed > self.free).then(|| {
            format!(
                "{}: {} to fetch need about {} on its disk, and {} are free",
                self.host,
                text::bytes(bytes),
                text::bytes(needed),
                text::bytes(self.free)
            )
        })
    }
}

/// Files of the part that a host holds otherwise, holds not, or holds beside them, each in a line.
#[must_use]
pub fn different_files(
    held: &BTreeMap<String, crate::fleet::HeldFile>,
    part: &Part,
) -> Vec<String> {
    let mut changes = Changes::default();
    changes.compare(&part.host, held, part);
    let files = changes.files.into_iter();
    files
        .map(|f| {
            let mut lines = f.what.lines().filter(|l| !l.starts_with("@@"));
            let changed = |l: &&str| l.starts_with(['+', '-']) && !l.starts_with("---");
            let first = if f.what.lines().count() > 1 {
                lines.find(|l| changed(l) && !l.starts_with("+++"))
            } else {
                lines.next()
            };
            format!("{}: {}", f.path, first.unwrap_or("differs"))
        })
        .collect()
}

impl Changes {
    /// What the plan for this release changes.
    #[must_use]
    pub fn of(
        plan: &Plan,
        setup: &Setup,
        release: &Release,
        fleet: &Fleet,
        holdings: &Holdings,
        sizes: &Sizes,
    ) -> Self {
        let mut changes = Self::default();
        let active = plan.old.as_ref().filter(|_| plan.before.is_some());
        if let Some(slot) = active {
            let label = plan.from.as_ref().map(ToString::to_string);
            let label = label.unwrap_or_else(|| "no one release".to_owned());
            changes.against = Some(format!("{slot}, which serves {label}"));
            changes.images(slot, setup, release, fleet);
            changes.files(slot, setup, release, holdings);
        } else {
            changes.first(&plan.target, setup, release);
        }
        changes.containers(plan, setup, fleet);
        changes.balancers(plan);
        changes.fetches(plan, release, fleet, holdings, sizes);
        changes
    }

    /// Nothing served yet: everything is new.
    fn first(&mut self, slot: &SlotName, setup: &Setup, release: &Release) {
        let mut seen = BTreeSet::new();
        for part in setup.hosts(slot).filter_map(|h| release.on(slot, h)) {
            for (service, spec) in &part.spec.services {
                if seen.insert(service) {
                    self.images.push(ImageChange {
                        service: service.to_string(),
                        from: None,
                        to: Some(spec.image.clone()),
                    });
                }
            }
            for file in &part.files {
                self.file(&part.host, &file.path, "new".to_owned());
            }
        }
    }

    fn images(&mut self, slot: &SlotName, setup: &Setup, release: &Release, fleet: &Fleet) {
        for host in setup.hosts(slot) {
            let was = fleet.hosts.get(host).and_then(|v| judge::recorded(v, slot));
            let (Some(was), Some(new)) = (was, release.on(slot, host)) else {
                continue;
            };
            let names: BTreeSet<_> = was
                .services
                .keys()
                .chain(new.spec.services.keys())
                .collect();
            for name in names {
                let image = |s: &crate::release::ServiceSpec| s.image.clone();
                let change = ImageChange {
                    service: name.to_string(),
                    from: was.services.get(name).map(image),
                    to: new.spec.services.get(name).map(image),
                };
                if change.from != change.to && !self.images.contains(&change) {
                    self.images.push(change);
                }
            }
        }
    }

    fn files(&mut self, slot: &SlotName, setup: &Setup, release: &Release, holdings: &Holdings) {
        for host in setup.hosts(slot) {
            let held = holdings.get(host).and_then(|h| h.files.get(slot));
            let (Some(held), Some(part)) = (held, release.on(slot, host)) else {
                fold(
                    &mut self.unknown,
                    host,
                    format!("the files of {slot} could not be read"),
                );
                continue;
            };
            let before = self.files.len();
            let touched = self.compare(host, held, part);
            if !touched && self.files.len() == before {
                fold(&mut self.as_wanted, host, format!("the files of {slot}"));
            }
        }
    }

    /// True where something is different.
    fn compare(
        &mut self,
        host: &HostName,
        held: &BTreeMap<String, crate::fleet::HeldFile>,
        part: &Part,
    ) -> bool {
        let mut any = false;
        let mut say = |this: &mut Self, path: &str, what: String| {
            any = true;
            this.file(host, path, what);
        };
        for file in &part.files {
            let Some(was) = held.get(&file.path) else {
                say(self, &file.path, "new".to_owned());
                continue;
            };
            let executable = |mode: u32| mode & 0o100 != 0;
            if executable(was.mode) != executable(file.mode) {
                let what = format!("mode {:o} → {:o}", was.mode, file.mode);
                say(self, &file.path, what);
            }
            match &was.bytes {
                Some(bytes) if *bytes == file.bytes => {}
                Some(bytes) => {
                    if let Some(what) = difference(&file.path, bytes, &file.bytes) {
                        say(self, &file.path, what);
                    }
                }
                None => say(self, &file.path, "too large to be compared".to_owned()),
            }
        }
        for path in held.keys() {
            if !part.files.iter().any(|f| f.path == *path) {
                say(self, path, "removed".to_owned());
            }
        }
        any
    }

    fn file(&mut self, host: &HostName, path: &str, what: String) {
        let same = |c: &&mut FileChange| c.path == path && c.what == what;
        match self.files.iter_mut().find(same) {
            Some(known) => known.hosts.push(host.clone()),
            None => self.files.push(FileChange {
                hosts: vec![host.clone()],
                path: path.to_owned(),
                what,
            }),
        }
    }

    fn containers(&mut self, plan: &Plan, setup: &Setup, fleet: &Fleet) {
        let mut replaced = BTreeSet::new();
        for step in &plan.steps {
            let (host, slot) = match &step.action {
                Action::Replace { host, slot, .. } | Action::Restart { host, slot, .. } => {
                    (host, slot)
                }
                _ => continue,
            };
            replaced.insert((host.clone(), slot.clone()));
            let view = fleet.hosts.get(host);
            let there = view.map(|v| judge::containers(v, &setup.env, &setup.app, slot));
            let there: Vec<&str> = there
                .into_iter()
                .flatten()
                .map(|c| c.name.as_str())
                .collect();
            let what = if there.is_empty() {
                format!("{slot}: new containers ({})", step.cause.0)
            } else {
                format!("{slot}: {} replaced ({})", there.join(" "), step.cause.0)
            };
            fold(&mut self.containers, host, what);
        }
        for slot in &setup.slots {
            for host in setup.hosts(slot) {
                let Some(view) = fleet.hosts.get(host) else {
                    continue;
                };
                let there = judge::containers(view, &setup.env, &setup.app, slot).count();
                if there > 0 && !replaced.contains(&(host.clone(), slot.clone())) {
                    let shown = judge::running(view, &setup.env, &setup.app, slot);
                    let shown = shown.map(|r| format!(" of {r}")).unwrap_or_default();
                    let what = format!("{slot}: {}{shown}", text::count(there, "container"));
                    fold(&mut self.as_wanted, host, what);
                }
            }
        }
    }

    fn balancers(&mut self, plan: &Plan) {
        let mut moved = false;
        for step in &plan.steps {
            let Action::Shift { moves } = &step.action else {
                continue;
            };
            moved = true;
            for change in moves {
                let (from, to) = (
                    judge::says(change.before.as_ref()),
                    judge::says(change.after.as_ref()),
                );
                let what = if from == to {
                    format!("{to}: members change")
                } else {
                    format!("{from} → {to}")
                };
                fold(&mut self.balancers, &change.host, what);
            }
        }
        if !moved && let Some(before) = &plan.before {
            let what = format!("load balancers send to {}", judge::says(Some(before)));
            self.as_wanted.push(OnHosts {
                hosts: Vec::new(),
                what,
            });
        }
    }

    fn fetches(
        &mut self,
        plan: &Plan,
        release: &Release,
        fleet: &Fleet,
        holdings: &Holdings,
        sizes: &Sizes,
    ) {
        for step in &plan.steps {
            let Action::Pull { host, slot, .. } = &step.action else {
                continue;
            };
            let part = release.on(slot, host);
            let held = holdings.get(host);
            let bytes = part.zip(held).and_then(|(p, h)| to_fetch(p, h, sizes));
            let free = fleet.hosts.get(host).map_or(0, |v| v.disk_free);
            if bytes == Some(0) {
                fold(&mut self.as_wanted, host, "the images are there".to_owned());
            } else {
                self.fetch.push(Fetch {
                    host: host.clone(),
                    bytes,
                    free,
                });
            }
        }
    }
}

/// Bytes that a host lacks of all images of its part; none where one is not known.
fn to_fetch(part: &Part, held: &Held, sizes: &Sizes) -> Option<u64> {
    let images: BTreeSet<&String> = part.spec.services.values().map(|s| &s.image).collect();
    let size = |image: &String| {
        let size = sizes.get(&(image.clone(), held.architecture.clone()))?;
        Some(held.to_fetch(size))
    };
    images.into_iter().map(size).sum()
}

fn fold(list: &mut Vec<OnHosts>, host: &HostName, what: String) {
    match list.iter_mut().find(|o| o.what == what) {
        Some(known) => known.hosts.push(host.clone()),
        None => list.push(OnHosts {
            hosts: vec![host.clone()],
            what,
        }),
    }
}

/// A unified diff without its head; `None` where only the names of the release differ.
fn difference(path: &str, old: &[u8], new: &[u8]) -> Option<String> {
    let (Ok(old_text), Ok(new_text)) = (std::str::from_utf8(old), std::str::from_utf8(new)) else {
        let size = |b: &[u8]| text::bytes(u64::try_from(b.len()).unwrap_or(u64::MAX));
        return Some(format!("no text: {} → {}", size(old), size(new)));
    };
    let (old, new) = (unnamed(path, old_text), unnamed(path, new_text));
    if old == new {
        return None;
    }
    let diff = similar::TextDiff::from_lines(&old, &new);
    let lines = diff.unified_diff().context_radius(CONTEXT).to_string();
    Some(lines.trim_end().to_owned())
}

/// The overriding file without what always differs and is told elsewhere: the labels that name the
/// release, and the images.
fn unnamed(path: &str, text: &str) -> String {
    if path != crate::compose::OVERRIDE_FILE {
        return text.to_owned();
    }
    let names = [
        "deploy.release",
        "deploy.revision",
        "deploy.digest",
        "deploy.version",
        "image",
    ];
    let ours = |line: &&str| {
        let key = line.split(':').next().unwrap_or_default();
        !names.contains(&key.trim().trim_matches('"'))
    };
    text.split_inclusive('\n').filter(ours).collect()
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.against {
            Some(against) => writeln!(f, "changes against {against}")?,
            None => writeln!(f, "changes: nothing serves yet, all is new")?,
        }
        for image in &self.images {
            let none = || "none".to_owned();
            let from = image.from.clone().unwrap_or_else(none);
            let to = image.to.clone().unwrap_or_else(none);
            writeln!(f, "  image of {}: {from}", image.service)?;
            writeln!(f, "    → {to}")?;
        }
        for file in &self.files {
            write!(f, "  {}: {}", names(&file.hosts), file.path)?;
            if file.what.contains('\n') {
                writeln!(f)?;
                for line in file.what.lines() {
                    writeln!(f, "    {line}")?;
                }
            } else {
                writeln!(f, " ({})", file.what)?;
            }
        }
        section(f, "containers", &self.containers)?;
        section(f, "load balancers", &self.balancers)?;
        let fetch: Vec<OnHosts> = self.fetch.iter().fold(Vec::new(), |mut all, one| {
            let what = one.bytes.map_or("not known".to_owned(), text::bytes);
            fold(&mut all, &one.host, what);
            all
        });
        section(f, "to fetch", &fetch)?;
        section(f, "as wanted already", &self.as_wanted)?;
        section(f, "could not be compared", &self.unknown)
    }
}

fn section(f: &mut fmt::Formatter<'_>, title: &str, list: &[OnHosts]) -> fmt::Result {
    if list.is_empty() {
        return Ok(());
    }
    writeln!(f, "{title}")?;
    for one in list {
        if one.hosts.is_empty() {
            writeln!(f, "  {}", one.what)?;
        } else {
            writeln!(f, "  {}: {}", names(&one.hosts), one.what)?;
        }
    }
    Ok(())
}

/// All names where they are few, else the first ones and how many more.
fn names(hosts: &[HostName]) -> String {
    const MOST: usize = 12;
    let shown: Vec<&str> = hosts.iter().take(MOST).map(|h| h.as_str()).collect();
    match hosts.len().saturating_sub(MOST) {
        0 => shown.join(" "),
        more => format!("{} and {more} more", shown.join(" ")),
    }
}
