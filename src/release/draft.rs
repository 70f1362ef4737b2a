//! From inventory and templates to a release: rendered once, pinned once the digests are known.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    HostRelease, Made, Part, Prints, Release, ReleaseFile, ReleaseLabel, SecretFile, Secrets,
    ServiceSpec, identity,
};
use crate::compose::{self, Document, ImageRef, OVERRIDE_FILE, Policy, ServicePolicy, Wanted};
use crate::inventory::{App, HostApp, Inventory, Level, Logs};
use crate::name::{Digest, HostName, ServiceName, SlotName, Version};
use crate::template::{HostScope, Images, Rendered, Scope, TemplateSet};
use crate::text::{Findings, Span};

/// A release whose images are not pinned yet.
#[derive(Debug, Clone)]
pub struct Draft {
    env: crate::name::EnvName,
    app: crate::name::AppName,
    version: Version,
    /// The app's own images, with tag.
    images: BTreeSet<String>,
    parts: Vec<DraftPart>,
    /// What is worth knowing though it is no error.
    pub warnings: Findings,
}

/// What a release is given beside what was rendered.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// Values of the secrets that it asks for.
    pub secrets: &'a Secrets,
    /// Salt of their fingerprints.
    pub salt: &'a str,
    /// What it is made from.
    pub made: &'a Made,
}

#[derive(Debug, Clone)]
struct DraftPart {
    host: HostName,
    slot: SlotName,
    rendered: Rendered,
    document: Document,
    policy: Policy,
}

impl Draft {
    /// Renders the app for every slot and host, and checks every document.
    ///
    /// # Errors
    /// All findings of all hosts at once; equal ones once.
    pub fn render(
        inventory: &Inventory,
        app: &App,
        version: &Version,
        templates: &TemplateSet,
    ) -> Result<Self, Findings> {
        let mut found = Findings::default();
        let mut parts = Vec::new();
        for member in app.members() {
            match render_part(inventory, app, version, templates, member) {
                Ok((part, warnings)) => {
                    parts.push(part);
                    found.extend(warnings);
                }
                Err(errors) => found.extend(errors),
            }
        }
        let images = app
            .images
            .values()
            .map(|i| format!("{}:{version}", i.value))
            .collect();
        if found.has_errors() {
            return Err(found);
        }
        Ok(Self {
            env: inventory.env.clone(),
            app: app.name.clone(),
            version: version.clone(),
            images,
            parts,
            warnings: found,
        })
    }

    /// Images that need a digest, as `repository:tag`.
    #[must_use]
    pub fn images(&self) -> BTreeSet<ImageRef> {
        let all = self.parts.iter().flat_map(|p| p.document.images());
        all.map(|i| i.image)
            .filter(|i| i.digest.is_none())
            .collect()
    }

    /// The images of each host, of all its slots, by digest where `digests` knows it.
    #[must_use]
    pub fn images_by_host(
        &self,
        digests: &BTreeMap<ImageRef, Digest>,
    ) -> BTreeMap<HostName, BTreeSet<String>> {
        let mut all: BTreeMap<HostName, BTreeSet<String>> = BTreeMap::new();
        for part in &self.parts {
            let of_host = all.entry(part.host.clone()).or_default();
            for service in part.document.images() {
                let mut image = service.image;
                if image.digest.is_none() {
                    image.digest = digests.get(&image).cloned();
                }
                of_host.insert(image.to_string());
            }
        }
        all
    }

    /// The most memory that all services of a slot on a host may take together, and whether one of
    /// them has no limit.
    pub fn memory(&self) -> impl Iterator<Item = (&SlotName, &HostName, u64, bool)> {
        self.parts.iter().map(|part| {
            let (mut sum, mut open) = (0u64, false);
            let started = part.document.services();
            for service in started.filter(|s| s.profiles().is_empty()) {
                let wanted = part.policy.of(service.name()).limits.memory.as_ref();
                let said = service.memory().and_then(|s| s.value);
                let one = wanted.map(|w| w.value).or(said);
                let all = one.map(|m| m.saturating_mul(service.replicas().unwrap_or(1)));
                sum = sum.saturating_add(all.unwrap_or(0));
                open |= one.is_none_or(|m| m == 0);
            }
            (&part.slot, &part.host, sum, open)
        })
    }

    /// The rendered files of every slot and host, as they will be shipped, without the overriding
    /// file.
    pub fn files(&self) -> impl Iterator<Item = (&SlotName, &HostName, &Rendered)> {
        self.parts.iter().map(|p| (&p.slot, &p.host, &p.rendered))
    }

    /// Names of the secrets that are asked for on any host.
    #[must_use]
    pub fn secrets(&self) -> BTreeSet<String> {
        let all = self.parts.iter().flat_map(|p| &p.rendered.secrets);
        all.cloned().collect()
    }

    /// Pins every image and adds the overriding file and the secrets. `revision` gives the number
    /// for people once the identity is known.
    ///
    /// # Errors
    /// All findings: policy against template, an image without digest.
    pub fn pin(
        &self,
        digests: &BTreeMap<ImageRef, Digest>,
        given: &Given<'_>,
        revision: impl FnOnce(&super::ReleaseId) -> u64,
    ) -> Result<Release, Findings> {
        // First without the labels that name the release: they must not be part of its identity.
        let bare = self.overlays(digests, &BTreeMap::new())?;
        let own: BTreeMap<String, Digest> = digests
            .iter()
            .map(|(i, d)| (i.to_string(), d.clone()))
            .collect();
        let files: Vec<_> = self
            .parts
            .iter()
            .zip(&bare)
            .map(|(p, overlay)| (p.slot.clone(), p.host.clone(), p.files(&overlay.bytes)))
            .collect();
        let prints = Prints::new(given.salt, &self.secrets(), given.secrets);
        let id = identity(&self.env, &self.app, &self.version, &own, &files, &prints);
        let label = ReleaseLabel {
            adopted: false,
            revision: revision(&id),
            id,
            version: self.version.clone(),
            digest: self.own_digest(digests),
        };
        self.pin_as(&label, digests, given)
    }

    /// The same under the name of a release that exists. Whoever asks holds it against what that is
    /// made of.
    ///
    /// # Errors
    /// As [`Draft::pin`].
    pub fn pin_as(
        &self,
        label: &ReleaseLabel,
        digests: &BTreeMap<ImageRef, Digest>,
        given: &Given<'_>,
    ) -> Result<Release, Findings> {
        let prints = Prints::new(given.salt, &self.secrets(), given.secrets);
        let overlays = self.overlays(digests, &labels(label))?;
        let parts = self.parts.iter().zip(overlays);
        let part = |(p, overlay): (&DraftPart, _)| p.part(label, &overlay, &prints, given);
        let parts = parts.map(part).collect();
        let label = label.clone();
        Ok(Release { label, parts })
    }

    /// The overriding file of each slot and host as it would be, with this where a digest and the
    /// release's name will stand.
    ///
    /// # Errors
    /// What template and inventory both set.
    pub fn overriding(&self, later: &str) -> Result<Vec<Vec<u8>>, Findings> {
        let nobody = Digest::new(format!("sha256:{}", "0".repeat(64)));
        let nobody = nobody.expect("64 hex digits are a digest");
        let digests = self.images().into_iter();
        let digests = digests.map(|i| (i, nobody.clone())).collect();
        let names = ["deploy.release", "deploy.revision", "deploy.digest"];
        let labels = names.map(|n| (n.to_owned(), later.to_owned()));
        let overlays = self.overlays(&digests, &BTreeMap::from(labels))?;
        let shown = |o: compose::Overlay| {
            let text = String::from_utf8_lossy(&o.bytes);
            text.replace(nobody.as_str(), later).into_bytes()
        };
        Ok(overlays.into_iter().map(shown).collect())
    }

    /// The digest of the app's first own image.
    fn own_digest(&self, digests: &BTreeMap<ImageRef, Digest>) -> Option<Digest> {
        let own = digests
            .iter()
            .find(|(image, _)| self.images.contains(&image.to_string()));
        own.or(digests.iter().next())
            .map(|(_, digest)| digest.clone())
    }

    fn overlays(
        &self,
        digests: &BTreeMap<ImageRef, Digest>,
        labels: &BTreeMap<String, String>,
    ) -> Result<Vec<compose::Overlay>, Findings> {
        let mut found = Findings::default();
        let mut out = Vec::new();
        for part in &self.parts {
            let mut policy = part.policy.clone();
            policy.labels.extend(labels.clone());
            let images = part.document.images();
            let of = |i: compose::ServiceImage| Some((i.service, digests.get(&i.image)?.clone()));
            let pinned: BTreeMap<ServiceName, Digest> = images.into_iter().filter_map(of).collect();
            match compose::override_file(&part.document, &policy, &pinned) {
                Ok(overlay) => out.push(overlay),
                Err(errors) => found.extend(errors.moved(|at| part.rendered.origin(at))),
            }
        }
        if found.has_errors() {
            Err(found)
        } else {
            Ok(out)
        }
    }
}

fn labels(label: &ReleaseLabel) -> BTreeMap<String, String> {
    let mut out = BTreeMap::from([
        ("deploy.release".to_owned(), label.id.to_string()),
        ("deploy.revision".to_owned(), label.revision.to_string()),
    ]);
    if let Some(digest) = &label.digest {
        out.insert("deploy.digest".to_owned(), digest.to_string());
    }
    out
}

impl DraftPart {
    /// Those of the fingerprints that this host's files ask for.
    fn prints(&self, all: &Prints) -> Prints {
        let own = all.of.iter();
        let own = own.filter(|(name, _)| self.rendered.secrets.contains(*name));
        Prints {
            salt: all.salt.clone(),
            of: own.map(|(n, p)| (n.clone(), p.clone())).collect(),
        }
    }

    fn files(&self, overlay: &[u8]) -> Vec<ReleaseFile> {
        let own = self.rendered.files.iter().map(|f| ReleaseFile {
            path: f.path.clone(),
            mode: f.mode,
            bytes: f.bytes.clone(),
        });
        let added = ReleaseFile {
            path: OVERRIDE_FILE.to_owned(),
            mode: 0o644,
            bytes: overlay.to_vec(),
        };
        own.chain([added]).collect()
    }

    fn part(
        &self,
        label: &ReleaseLabel,
        overlay: &compose::Overlay,
        prints: &Prints,
        given: &Given<'_>,
    ) -> Part {
        let ports = self.document.host_ports();
        let services = overlay.effective.iter().map(|(name, e)| {
            let held = ports.iter().filter(|(s, _)| s == name);
            let spec = ServiceSpec {
                image: e
                    .image
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
                digest: e.digest.clone(),
                restart: e.restart.map(|r| r.to_string()),
                memory: e.memory,
                nano_cpus: e.cpus.map(compose::Cpus::nano),
                ports: held
                    .flat_map(|(_, p)| (p.first..=p.last).map(|n| (n, p.protocol.clone())))
                    .collect(),
                one_shot: e.one_shot,
            };
            (name.clone(), spec)
        });
        Part {
            host: self.host.clone(),
            spec: HostRelease {
                adopted: BTreeMap::new(),
                label: label.clone(),
                slot: self.slot.clone(),
                services: services.collect(),
                secrets: self.prints(prints),
                made: given.made.clone(),
            },
            files: self.files(&overlay.bytes),
            secrets: SecretFile::of(&self.rendered.secrets, given.secrets),
        }
    }
}

fn render_part(
    inventory: &Inventory,
    app: &App,
    version: &Version,
    templates: &TemplateSet,
    member: &HostApp,
) -> Result<(DraftPart, Findings), Findings> {
    let scope = scope(inventory, app, version, member);
    let (rendered, mut warnings) = templates.render(&app.template_folder(), &scope)?;
    let path = format!(
        "{} for {} in {} of {}",
        rendered.template, app.name, member.slot, member.host
    );
    let paths = rendered.paths();
    let shipped = paths.iter().map(String::as_str);
    let parsed = Document::parse(&path, rendered.compose(), shipped);
    // Shown in the template, where it can be mended, and once for all hosts.
    let (document, more) = parsed.map_err(|e| e.moved(|at| rendered.origin(at)))?;
    warnings.extend(more.moved(|at| rendered.origin(at)));
    let tagged = app
        .images
        .values()
        .map(|i| format!("{}:{version}", i.value));
    let own: Vec<ImageRef> = tagged.filter_map(|i| ImageRef::parse(&i).ok()).collect();
    let unused = document.runs(&own).moved(|at| rendered.origin(at));
    let ((), more) = unused.or(())?;
    warnings.extend(more);
    let ((), more) = super::gates::check(app, member, &document).or(())?;
    warnings.extend(more);
    let wanted = policy(inventory, app, version, member, &document);
    let broken = super::policy::check(&inventory.policy, &document, &wanted, member);
    let ((), more) = broken.moved(|at| rendered.origin(at)).or(())?;
    warnings.extend(more);
    let part = DraftPart {
        host: member.host.clone(),
        slot: member.slot.clone(),
        policy: wanted,
        rendered,
        document,
    };
    Ok((part, warnings))
}

fn scope(inventory: &Inventory, app: &App, version: &Version, member: &HostApp) -> Scope {
    let host = &inventory.hosts[&member.host];
    let tagged = |image: &str| format!("{image}:{version}");
    let image = match app.images.get("") {
        Some(one) => Images::One(tagged(&one.value)),
        None => Images::Many(
            app.images
                .iter()
                .map(|(k, i)| (k.clone(), tagged(&i.value)))
                .collect(),
        ),
    };
    Scope {
        env: inventory.env.clone(),
        app: app.name.clone(),
        version: version.clone(),
        image,
        host: HostScope {
            name: host.name.clone(),
            address: host.address.clone(),
            serve: Some(host.serve.clone()),
            labels: host.labels.clone(),
            vars: host.vars.clone(),
        },
        group: crate::name::GroupName::new(member.slot.as_str()).ok(),
        slot: Some(member.slot.clone()),
        port: member.port,
        vars: member.vars.clone(),
        secrets: inventory.secrets.keys().cloned().collect(),
    }
}

fn policy(
    inventory: &Inventory,
    app: &App,
    version: &Version,
    member: &HostApp,
    document: &Document,
) -> Policy {
    let labels = BTreeMap::from([
        ("deploy.env".to_owned(), inventory.env.to_string()),
        ("deploy.app".to_owned(), app.name.to_string()),
        ("deploy.slot".to_owned(), member.slot.to_string()),
        ("deploy.version".to_owned(), version.to_string()),
    ]);
    let named = member.services.keys().cloned();
    let names: BTreeSet<ServiceName> = document
        .services()
        .map(|s| s.name().clone())
        .chain(named)
        .collect();
    Policy {
        all: service_policy(member, ""),
        services: names
            .into_iter()
            .map(|n| (n.clone(), service_policy(member, n.as_str())))
            .collect(),
        labels,
    }
}

/// What the inventory wants of one service; where it says nothing the template may.
fn service_policy(member: &HostApp, name: &str) -> ServicePolicy {
    let settings = member.service(name);
    let origin = |key: &str| {
        let own = member.origins.get(&format!("services.{name}.{key}"));
        own.or_else(|| member.origins.get(key)).map(|p| &p.from)
    };
    let span = |key: &str| -> Option<Span> { origin(key).map(|o| o.span.clone()) };
    let mut policy = ServicePolicy::default();
    let restart = settings.restart.unwrap_or(member.restart).to_string();
    if let Some(value) = compose::Restart::parse(&restart) {
        // What is said for all apps is a default: a template may know better, e.g. of a one-shot.
        let asked = origin("restart").filter(|o| o.level >= Level::App);
        policy.restart = Wanted {
            value,
            span: asked.map(|o| o.span.clone()),
        };
    }
    policy.limits.memory = settings.limits.memory.map(|m| Wanted {
        value: m.0,
        span: span("limits.memory"),
    });
    policy.limits.cpus = settings
        .limits
        .cpus
        .and_then(|c| compose::Cpus::parse(&c.to_string()))
        .map(|value| Wanted {
            value,
            span: span("limits.cpus"),
        });
    policy.limits.pids = settings.limits.pids.map(|value| Wanted {
        value,
        span: span("limits.pids"),
    });
    policy.stop_grace = settings.stop_grace.map(|value| {
        let asked = origin("stop_grace").filter(|o| o.level >= Level::App);
        Wanted {
            value,
            span: asked.map(|o| o.span.clone()),
        }
    });
    policy.log = match settings.logs {
        None => policy.log,
        Some(Logs::Engine) => None,
        Some(Logs::Files { max_size, max_file }) => {
            let keys = ["logs.max_size", "logs.max_file"].into_iter();
            let asked = keys.filter_map(&origin).find(|o| o.level >= Level::App);
            policy.log_asked = asked.map(|o| o.span.clone());
            let built_in = compose::LogRotation::default();
            Some(compose::LogRotation {
                max_size: max_size.map_or(built_in.max_size, |size| size.to_string()),
                max_file: max_file.unwrap_or(built_in.max_file),
            })
        }
    };
    policy
}
