//! Apps: images, slots, what they are on load balancers; and their settings on every host.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::activity;
use super::document::{Document, SetValue, collect, pick, single};
use super::fields::{self, Fields};
use super::hosts::World;
use super::images;
use super::jobs::{self, Job};
use super::layer::{Layer, Level, Origins, merge};
use super::model::{App, Balance, HostApp, Located, Slot};
use super::settings::{APP_WIDE, EVERYWHERE, OF_APP, Settings};
use super::strategy::{self, Rolling, Strategy};
use crate::name::{AppName, BalancerName, HostName, SlotName};
use crate::text::yaml::{Entry, Node};
use crate::text::{Diagnostic, Findings, Span};

/// What an app is, beside its settings.
const OWN: [&str; 11] = [
    "image",
    "images",
    "strategy",
    "rolling",
    "slots",
    "hosts",
    "balance",
    "template",
    "activate",
    "deactivate",
    "jobs",
];

/// The slot of an app that has only one.
const ONLY_SLOT: &str = "main";

/// Reads `apps:` of all files.
pub(super) fn read(
    docs: &[Document],
    sets: &[SetValue],
    world: &World,
    findings: &mut Findings,
) -> BTreeMap<AppName, App> {
    let mut out = BTreeMap::new();
    for (name, entries) in collect(docs, "apps", findings) {
        let span = &entries[entries.len() - 1].1.key.span;
        let Some(name) = fields::name::<AppName>(&name, span, findings) else {
            continue;
        };
        let reading = Reading {
            parts: parts(&entries, findings),
            path: format!("apps.{name}"),
            span: span.clone(),
            name,
            docs,
            sets,
            world,
        };
        if let Some(app) = reading.app(findings) {
            out.insert(reading.name, app);
        }
    }
    for set in sets {
        if let Some(app) = &set.app
            && !out.contains_key(app)
        {
            let known = out.keys().map(AppName::as_str);
            findings.push(
                Diagnostic::error(format!("`--set` names app `{app}`, which is not there"))
                    .at(&set.node.span)
                    .did_you_mean(app.as_str(), known),
            );
        }
    }
    out
}

/// What one file says about an app: what it is, and its settings.
struct AppPart {
    doc: usize,
    /// Keys that were probably meant by unknown ones.
    slips: Vec<&'static str>,
    own: Node,
    settings: Node,
}

/// Takes an app's entries apart; each is checked on its own.
fn parts(entries: &[(usize, &Entry)], findings: &mut Findings) -> Vec<AppPart> {
    let settings = [&EVERYWHERE[..], &OF_APP, &APP_WIDE].concat();
    let known = [&OWN[..], &settings].concat();
    let mut out = Vec::new();
    for (doc, entry) in entries {
        let path = format!("apps.{}", entry.key.text);
        if Fields::of(&entry.value, &path, &known, findings).is_some() {
            let part = AppPart {
                doc: *doc,
                slips: slips(&entry.value, &known),
                own: pick(&entry.value, &OWN),
                settings: pick(&entry.value, &settings),
            };
            Settings::read(&part.settings, &path, findings);
            out.push(part);
        }
    }
    out
}

/// What unknown keys of a mapping were probably meant to be.
fn slips(node: &Node, known: &[&'static str]) -> Vec<&'static str> {
    let keys = node
        .map()
        .unwrap_or_default()
        .iter()
        .map(|e| e.key.text.as_str());
    let unknown = keys.filter(|k| !known.contains(k));
    unknown
        .filter_map(|k| crate::text::nearest(k, known.iter().copied()))
        .collect()
}

struct Reading<'a> {
    name: AppName,
    path: String,
    span: Span,
    parts: Vec<AppPart>,
    docs: &'a [Document],
    sets: &'a [SetValue],
    world: &'a World,
}

/// A slot before its hosts' settings are known.
struct SlotPlace {
    name: SlotName,
    span: Span,
    hosts: Vec<HostName>,
    port: Option<Node>,
}

impl Reading<'_> {
    fn app(&self, findings: &mut Findings) -> Option<App> {
        let own = self.parts.iter();
        let own = own.map(|p| Layer::new(self.docs[p.doc].level, "", &p.own));
        let whom = format!("app `{}`", self.name);
        let own = merge(&own.collect::<Vec<_>>(), &self.span, &whom, findings);
        let f = Fields::of(&own.node, &self.path, &OWN, findings)?;
        let images = match self.slipped("image") || self.slipped("images") {
            true => images::read(&self.name, &self.span, &f, &mut Findings::default()),
            false => images::read(&self.name, &self.span, &f, findings),
        };
        let strategy = f.entry("strategy").map_or(Some(Strategy::BlueGreen), |e| {
            strategy::strategy(&e.value, &f.path("strategy"), findings)
        });
        let strategy = Located {
            value: strategy?,
            span: f
                .entry("strategy")
                .map_or(&self.span, |e| &e.value.span)
                .clone(),
        };
        let rolling = self.rolling(&f, strategy.value, findings);
        let places = self.slots(&f, &strategy, findings);
        let jobs = self.jobs(&f, &places, findings);
        let slots = places.into_iter().map(|p| self.slot(p, findings)).collect();
        let template = f.read("template", findings, template);
        let (wide, origins) = self.app_wide(findings);
        Some(App {
            images: images?,
            strategy,
            rolling,
            slots,
            balance: self.balance(&f, findings),
            activity: activity::read(&f, self.name.as_str(), findings),
            jobs,
            template: template.unwrap_or_else(|| {
                PathBuf::from(format!("templates/{}/docker-compose.yml.j2", self.name))
            }),
            bake: wide.bake,
            drain: wide.drain,
            keep: wide.keep,
            budget: wide.budget,
            origins: own.origins.with("", origins),
            name: self.name.clone(),
            span: self.span.clone(),
        })
    }

    fn rolling(&self, f: &Fields<'_>, of: Strategy, findings: &mut Findings) -> Rolling {
        let entry = f.entry("rolling").filter(|e| !e.value.is_null());
        if let Some(entry) = entry.filter(|_| of != Strategy::Rolling) {
            strategy::refuse_unused(entry, self.name.as_str(), findings);
        }
        let read = entry.and_then(|e| strategy::rolling(&e.value, &f.path("rolling"), findings));
        read.unwrap_or_default()
    }

    fn jobs(&self, f: &Fields<'_>, places: &[SlotPlace], findings: &mut Findings) -> Vec<Job> {
        let slots = places.iter().map(|p| (&p.name, p.hosts.as_slice()));
        let slots: Vec<_> = slots.collect();
        jobs::read(f, self.name.as_str(), self.world, &slots, findings)
    }

    /// True where a key was probably meant, but written otherwise: that is reported already.
    fn slipped(&self, key: &str) -> bool {
        self.parts.iter().any(|p| p.slips.contains(&key))
    }

    /// The slots as written; which hosts each has.
    fn slots(
        &self,
        f: &Fields<'_>,
        strategy: &Located<Strategy>,
        findings: &mut Findings,
    ) -> Vec<SlotPlace> {
        if strategy.value != Strategy::BlueGreen {
            return self.only_slot(f, strategy, findings);
        }
        if let Some(e) = f.entry("hosts") {
            findings.push(
                Diagnostic::error(format!("app `{}` is blue-green and has `hosts`", self.name))
                    .at(&e.key.span)
                    .hint("its hosts are those of its slots: slots: [blue, green]"),
            );
        }
        let Some(entry) = f.entry("slots") else {
            if self.slipped("slots") {
                return Vec::new();
            }
            findings.push(
                Diagnostic::error(format!("app `{}` has no slots", self.name))
                    .at(&self.span)
                    .expected("slots: [blue, green], two groups of hosts"),
            );
            return Vec::new();
        };
        let path = f.path("slots");
        let mut own = Findings::default();
        let slots: Vec<SlotPlace> = match entry.value.map() {
            Some(entries) => entries
                .iter()
                .filter_map(|e| self.slot_entry(e, &path, &mut own))
                .collect(),
            None => fields::words(&entry.value, &path, &mut own)
                .unwrap_or_default()
                .into_iter()
                .filter_map(|(word, span)| self.slot_group(word, span, &mut own))
                .collect(),
        };
        if slots.len() != 2 && !own.has_errors() {
            findings.push(
                Diagnostic::error(format!(
                    "app `{}` is blue-green and has {}",
                    self.name,
                    crate::text::count(slots.len(), "slot")
                ))
                .at(&entry.key.span)
                .expected("two slots, such as [blue, green]"),
            );
        }
        findings.extend(own);
        if let [a, b] = slots.as_slice()
            && a.name == b.name
        {
            findings.push(
                Diagnostic::error(format!("slot `{}` stands here twice", a.name)).at(&b.span),
            );
        }
        slots
    }

    /// The one slot of an app that is not blue-green.
    fn only_slot(
        &self,
        f: &Fields<'_>,
        strategy: &Located<Strategy>,
        findings: &mut Findings,
    ) -> Vec<SlotPlace> {
        if let Some(e) = f.entry("slots") {
            findings.push(
                Diagnostic::error(format!(
                    "app `{}` has slots, but is not blue-green",
                    self.name
                ))
                .at(&e.key.span)
                .at_saying(&strategy.span, "its strategy")
                .hint("say `hosts:` instead, with hosts or groups"),
            );
            return Vec::new();
        }
        let Some(entry) = f.entry("hosts") else {
            findings.push(
                Diagnostic::error(format!("app `{}` has no hosts", self.name))
                    .at(&self.span)
                    .expected("hosts: [name, …], hosts or groups"),
            );
            return Vec::new();
        };
        let words = fields::words(&entry.value, &f.path("hosts"), findings).unwrap_or_default();
        let hosts = self.hosts(&words, ONLY_SLOT, &entry.key.span, findings);
        let name = SlotName::new(ONLY_SLOT).expect("a constant word of lower-case letters");
        vec![SlotPlace {
            name,
            span: entry.key.span.clone(),
            hosts,
            port: None,
        }]
    }

    /// `blue: group`, `blue: [web1, web2]` or `blue: { hosts: …, port: 8081 }`.
    fn slot_entry(&self, e: &Entry, path: &str, findings: &mut Findings) -> Option<SlotPlace> {
        let path = fields::join(path, &e.key.text);
        let name = fields::name::<SlotName>(&e.key.text, &e.key.span, findings)?;
        let (hosts, port) = match e.value.map() {
            None => (Some(&e.value), None),
            Some(_) => {
                let f = Fields::of(&e.value, &path, &["hosts", "port"], findings)?;
                f.read("port", findings, fields::port);
                (f.get("hosts"), f.get("port"))
            }
        };
        let Some(hosts) = hosts else {
            return self.slot_group(&e.key.text, &e.key.span, findings);
        };
        let words = fields::words(hosts, &path, findings)?;
        Some(SlotPlace {
            hosts: self.hosts(&words, name.as_str(), &e.key.span, findings),
            port: port.map(|p| single("port", &p.span, p.clone())),
            span: e.key.span.clone(),
            name,
        })
    }

    /// A slot whose hosts are those of the group of the same name.
    fn slot_group(&self, slot: &str, span: &Span, findings: &mut Findings) -> Option<SlotPlace> {
        let name = fields::name::<SlotName>(slot, span, findings)?;
        let broken = self.world.broken.contains(slot);
        if !self.world.groups.contains_key(slot) && !broken {
            let groups = self.world.groups.keys().map(|g| g.as_str());
            let finding = Diagnostic::error(format!(
                "slot `{slot}` of app `{}` has no hosts: there is no group of that name",
                self.name
            ));
            findings.push(finding.at(span).did_you_mean(slot, groups));
            return None;
        }
        let hosts = match broken {
            true => self
                .world
                .select(&[(slot, span)], "", &mut Findings::default()),
            false => self.hosts(&[(slot, span)], slot, span, findings),
        };
        Some(SlotPlace {
            name,
            span: span.clone(),
            hosts,
            port: None,
        })
    }

    fn hosts(
        &self,
        words: &[(&str, &Span)],
        slot: &str,
        span: &Span,
        findings: &mut Findings,
    ) -> Vec<HostName> {
        let whom = format!("slot `{slot}` of app `{}`", self.name);
        let mut own = Findings::default();
        let hosts = self.world.select(words, &whom, &mut own);
        if hosts.is_empty() && !own.has_errors() && self.world.is_whole() {
            own.push(Diagnostic::error(format!("{whom} has no hosts")).at(span));
        }
        findings.extend(own);
        hosts
    }

    fn slot(&self, place: SlotPlace, findings: &mut Findings) -> Slot {
        let who = format!("slot {}", place.name);
        let one = |host: &HostName, findings: &mut Findings| {
            let mut layers = self.app_layers();
            let port = place.port.as_ref();
            layers.extend(port.map(|p| Layer::new(Level::App, &who, p)));
            layers.extend(self.world.app_layers(host, &self.name, self.sets));
            let whom = format!("app `{}` on `{host}`", self.name);
            let merged = merge(&layers, &self.span, &whom, findings);
            // Each layer has been checked where it stands; here nothing new can be wrong.
            let s = Settings::read(&merged.node, "", &mut Findings::default());
            HostApp {
                host: host.clone(),
                slot: place.name.clone(),
                port: s.port,
                gates: s.gates,
                limits: s.limits,
                restart: s.restart,
                stop_grace: s.stop_grace,
                logs: s.logs,
                services: s.services,
                vars: s.vars,
                origins: merged.origins.without(&APP_WIDE),
            }
        };
        let members = place.hosts.iter().map(|h| one(h, findings)).collect();
        Slot {
            members,
            name: place.name,
            span: place.span,
        }
    }

    /// What the files say at their tops and about the app.
    fn app_layers(&self) -> Vec<Layer<'_>> {
        let tops = self.docs.iter();
        let tops = tops.map(|d| Layer::new(d.level, "", &d.top.settings));
        let own = self.parts.iter();
        let own = own.map(|p| Layer::new(Level::App, self.name.as_str(), &p.settings));
        tops.chain(own).collect()
    }

    /// Settings that hold for all of an app's hosts.
    fn app_wide(&self, findings: &mut Findings) -> (Settings, Origins) {
        let sets = self.sets.iter();
        let sets = sets.filter(|s| s.app.as_ref().is_none_or(|a| *a == self.name));
        let mut layers = self.app_layers();
        layers.extend(sets.map(|s| Layer::new(Level::Set, "", &s.node)));
        let picked: Vec<Node> = layers.iter().map(|l| pick(l.node, &APP_WIDE)).collect();
        let layers: Vec<Layer<'_>> = layers
            .iter()
            .zip(&picked)
            .map(|(l, node)| Layer {
                node,
                over: &[],
                ..l.clone()
            })
            .collect();
        let merged = merge(
            &layers,
            &self.span,
            &format!("app `{}`", self.name),
            findings,
        );
        let settings = Settings::read(&merged.node, "", &mut Findings::default());
        (settings, merged.origins)
    }

    fn balance(&self, f: &Fields<'_>, findings: &mut Findings) -> BTreeMap<BalancerName, Balance> {
        let mut out = BTreeMap::new();
        let Some(section) = f.get("balance") else {
            return out;
        };
        let path = f.path("balance");
        for e in fields::entries(section, &path, findings).unwrap_or_default() {
            let path = fields::join(&path, &e.key.text);
            let Some(name) = fields::name(&e.key.text, &e.key.span, findings) else {
                continue;
            };
            if e.value.map().is_none() {
                findings.push(fields::wrong(
                    &e.value,
                    &path,
                    "a mapping such as { backend: app }",
                ));
                continue;
            }
            let located = |key: &str, findings: &mut Findings| {
                let node = e.value.get(key)?;
                let value = fields::text(node, &fields::join(&path, key), findings)?;
                Some(Located {
                    value,
                    span: node.span.clone(),
                })
            };
            let balance = Balance {
                backend: located("backend", findings).unwrap_or_else(|| Located {
                    value: self.name.to_string(),
                    span: e.key.span.clone(),
                }),
                host: located("host", findings),
                settings: e.value.clone(),
                span: e.key.span.clone(),
            };
            out.insert(name, balance);
        }
        out
    }
}

/// `templates/NAME/docker-compose.yml.j2`: apps may share a template.
fn template(node: &Node, path: &str, findings: &mut Findings) -> Option<PathBuf> {
    let given = fields::relative_path(node, path, findings)?;
    let parts: Vec<_> = given.iter().filter_map(|p| p.to_str()).collect();
    match parts.as_slice() {
        ["templates", name, "docker-compose.yml.j2"] if AppName::new(*name).is_ok() => Some(given),
        _ => {
            let expected = "templates/NAME/docker-compose.yml.j2, the template of another app";
            findings.push(fields::wrong(node, path, expected));
            None
        }
    }
}
