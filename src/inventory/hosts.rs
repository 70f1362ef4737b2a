//! Hosts and groups: who is there, who belongs together, and how each one is reached.

use std::collections::{BTreeMap, BTreeSet};

use super::document::{CONNECT, Document, Overlay, Part, SetValue, nothing_to_take};
use super::fields;
use super::host_keys::read_host_keys;
use super::layer::{Layer, Level, Origins, merge};
use super::model::HostEntry;
use super::pattern::{self, Expanded};
use super::select::{HostSelector, Names};
use crate::name::{AppName, GroupName, HostName};
use crate::text::yaml::{Entry, Node};
use crate::text::{Diagnostic, Findings, Span};

/// A host's keys besides those of [`CONNECT`].
const HOST: [&str; 3] = ["address", "serve", "labels"];

/// Everything that was said about hosts and groups, ready to be layered.
#[derive(Default)]
pub(super) struct World {
    /// Entries of `hosts:` in the order written.
    entries: Vec<HostPart>,
    /// Per host the numbers of its entries.
    of_host: BTreeMap<HostName, Vec<(usize, Expanded)>>,
    pub names: BTreeSet<HostName>,
    pub groups: BTreeMap<GroupName, GroupPart>,
    /// Where the members of each group are said, by `groups.<group>`.
    pub group_origins: Origins,
    /// Groups of each host, parents before the groups in them.
    groups_of: BTreeMap<HostName, Vec<GroupName>>,
    /// Groups that were not understood: what follows from that is not reported.
    pub broken: BTreeSet<String>,
    /// How the names begin that a key of `hosts:` was meant to stand for, where it was refused.
    lost: Vec<String>,
    /// All numbers of entries: those of a file are over the ones of the files before.
    numbers: Vec<usize>,
}

struct HostPart {
    key: String,
    span: Span,
    pattern: bool,
    /// How many entries the files before had.
    over: usize,
    part: Part,
}

/// A group: its members, what each file says about it, which groups it is more specific than.
pub(super) struct GroupPart {
    pub members: Vec<HostName>,
    pub parts: Vec<Part>,
    /// Told apart by it, where groups stand side by side.
    pub number: usize,
    /// Numbers of the groups that this one is in.
    pub over: Vec<usize>,
}

impl Names for World {
    fn hosts(&self) -> &BTreeSet<HostName> {
        &self.names
    }
    fn group(&self, name: &str) -> Option<Vec<HostName>> {
        self.groups.get(name).map(|g| g.members.clone())
    }
    fn group_names(&self) -> Vec<&str> {
        self.groups.keys().map(GroupName::as_str).collect()
    }
}

impl World {
    /// Reads `hosts:` and `groups:` of all files.
    pub fn read(docs: &[Document], findings: &mut Findings) -> Self {
        let mut world = Self::default();
        for doc in docs {
            let over = world.entries.len();
            for entry in doc.section("hosts", findings) {
                world.host_entry(entry, over, findings);
            }
        }
        world.numbers = (0..world.entries.len()).collect();
        world.names = world.of_host.keys().cloned().collect();
        world.read_groups(docs, findings);
        world.index_groups();
        world
    }

    fn host_entry(&mut self, entry: &Entry, over: usize, findings: &mut Findings) {
        let key = &entry.key.text;
        let names = match pattern::expand(key) {
            Ok(names) => names,
            Err(why) => {
                findings.push(
                    Diagnostic::error(format!("host pattern `{key}` {why}")).at(&entry.key.span),
                );
                let begins = key.split('[').next().unwrap_or_default();
                self.lost.push(begins.to_owned());
                return;
            }
        };
        let mut good = Vec::with_capacity(names.len());
        for one in names {
            match fields::name::<HostName>(&one.name, &entry.key.span, findings) {
                Some(name) => good.push((name, one)),
                None => return,
            }
        }
        if entry.value.is_null() && !entry.value.is_unwritten() {
            let before = self.of_host.len();
            for (name, _) in good {
                self.of_host.remove(&name);
            }
            if self.of_host.len() == before {
                findings.push(nothing_to_take("hosts", entry));
            }
            return;
        }
        let path = format!("hosts.{key}");
        let own = [&HOST[..], &CONNECT].concat();
        let Some(part) = Part::read(&entry.value, &path, &own, findings) else {
            return;
        };
        // Each entry is read once alone, so that a mistake is shown where it stands.
        let keys = read_host_keys(&part.host, &path, findings);
        for (one, span) in keys.templates(&part.host) {
            let names = &good[..good.len().min(1)];
            let filled = names
                .iter()
                .map(|(name, e)| fill(one, name.as_str(), e.n.as_deref()));
            if let Some(Err(why)) = filled.into_iter().next() {
                findings.push(Diagnostic::error(format!("`{path}`: `{one}` {why}")).at(span));
            }
        }
        let number = self.entries.len();
        self.entries.push(HostPart {
            key: key.clone(),
            span: entry.key.span.clone(),
            pattern: pattern::is_pattern(key),
            over,
            part,
        });
        for (name, one) in good {
            self.of_host.entry(name).or_default().push((number, one));
        }
    }

    /// True where a word names nothing because of a mistake that has been reported already.
    fn follows(&self, word: &str) -> bool {
        let lost = |begins: &String| !begins.is_empty() && word.starts_with(begins.as_str());
        self.broken.contains(word) || self.lost.iter().any(lost)
    }

    /// True where all hosts and groups were understood.
    pub fn is_whole(&self) -> bool {
        self.broken.is_empty() && self.lost.is_empty()
    }

    /// The hosts that words name; what names nothing is reported.
    pub fn select(
        &self,
        words: &[(&str, &Span)],
        whom: &str,
        findings: &mut Findings,
    ) -> Vec<HostName> {
        let mut good = Vec::with_capacity(words.len());
        for (word, span) in words {
            match HostSelector::new([*word]).resolve(self) {
                Ok(_) => good.push(*word),
                Err(e) if self.follows(&e.word) => {}
                Err(e) => {
                    let finding = Diagnostic::error(format!("{whom}: {e}")).at(span);
                    findings.push(match e.near {
                        Some(near) => finding.hint(format!("did you mean `{near}`?")),
                        None => finding,
                    });
                }
            }
        }
        HostSelector::new(good).resolve(self).unwrap_or_default()
    }

    /// Notes for each host which groups it is in, once all are known.
    fn index_groups(&mut self) {
        let mut order: Vec<_> = self.groups.iter().collect();
        order.sort_by_key(|(_, g)| (g.over.len(), g.number));
        for (name, group) in order {
            for host in &group.members {
                let groups = self.groups_of.entry(host.clone()).or_default();
                groups.push(name.clone());
            }
        }
    }

    /// Entries of a host, patterns before names.
    fn entries_of(&self, host: &HostName) -> Vec<(usize, &HostPart)> {
        let numbers = self
            .of_host
            .get(host)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let mut entries: Vec<_> = numbers
            .iter()
            .map(|(n, _)| (*n, &self.entries[*n]))
            .collect();
        entries.sort_by_key(|(n, e)| (!e.pattern, *n));
        entries
    }

    /// Layers of a host: what its groups and its own entries say. `of` picks the mapping.
    pub fn layers<'a>(
        &'a self,
        host: &HostName,
        group: Level,
        entry: [Level; 2],
        of: impl Fn(&'a Part) -> Option<&'a Node>,
    ) -> (Vec<Layer<'a>>, Vec<Layer<'a>>) {
        let mut groups = Vec::new();
        let names = self
            .groups_of
            .get(host)
            .map(Vec::as_slice)
            .unwrap_or_default();
        for (name, g) in names.iter().filter_map(|n| self.groups.get_key_value(n)) {
            let nodes = g.parts.iter().filter_map(&of);
            groups.extend(
                nodes.map(|n| Layer::new(group, name.as_str(), n).beside(g.number, &g.over)),
            );
        }
        let mut hosts = Vec::new();
        for (number, e) in self.entries_of(host) {
            let over = &self.numbers[..e.over];
            let (level, side) = if e.pattern {
                (entry[0], number)
            } else {
                (entry[1], 0)
            };
            hosts.extend(of(&e.part).map(|n| Layer::new(level, &e.key, n).beside(side, over)));
        }
        (groups, hosts)
    }

    /// Every `apps.<app>` under a group or a host: the app, its place, the hosts that it is for.
    pub fn overlays(&self) -> impl Iterator<Item = (&AppName, &Overlay, Vec<HostName>, String)> {
        let of_groups = self.groups.iter().flat_map(|(name, g)| {
            let apps = g.parts.iter().flat_map(|p| &p.apps);
            apps.map(move |(app, o)| (app, o, g.members.clone(), format!("group `{name}`")))
        });
        let of_hosts = self
            .entries
            .iter()
            .enumerate()
            .flat_map(move |(number, e)| {
                e.part.apps.iter().map(move |(app, o)| {
                    let mine =
                        |(_, n): &(_, &Vec<(usize, Expanded)>)| n.iter().any(|(i, _)| *i == number);
                    let hosts = self.of_host.iter().filter(mine).map(|(h, _)| h.clone());
                    (app, o, hosts.collect(), format!("host `{}`", e.key))
                })
            });
        of_groups.chain(of_hosts)
    }

    /// Every host with its effective way in, labels and variables.
    pub fn entries(
        &self,
        docs: &[Document],
        findings: &mut Findings,
    ) -> BTreeMap<HostName, HostEntry> {
        let mut out = BTreeMap::new();
        for (name, numbers) in &self.of_host {
            let tops = docs.iter().map(|d| Layer::new(d.level, "", &d.top.host));
            let (groups, own) =
                self.layers(name, Level::Group, [Level::HostPattern, Level::Host], |p| {
                    Some(&p.host)
                });
            let layers: Vec<Layer<'_>> = tops.chain(groups).chain(own).collect();
            let span = &self.entries[numbers[0].0].span;
            let merged = merge(&layers, span, &format!("host `{name}`"), findings);
            let n = numbers.iter().find_map(|(_, e)| e.n.as_deref());
            let keys = read_host_keys(&merged.node, "", &mut Findings::default());
            // What cannot be filled was reported where it stands.
            let filled = |text: &str| fill(text, name.as_str(), n).unwrap_or_default();
            let address = keys
                .address
                .as_deref()
                .map_or_else(|| name.to_string(), filled);
            let serve = keys
                .serve
                .as_deref()
                .map_or_else(|| address.clone(), filled);
            let labels = keys.labels.iter().map(|(k, v)| (k.clone(), filled(v)));
            let entry = HostEntry {
                name: name.clone(),
                labels: labels.collect(),
                address,
                serve,
                user: keys.user,
                port: keys.port,
                connection: keys.connection,
                become_root: keys.become_root,
                options: keys.options,
                vars: keys.vars,
                origins: merged.origins,
                span: span.clone(),
            };
            out.insert(name.clone(), entry);
        }
        out
    }

    /// Layers of an app on a host, the less specific first, after those of the app itself.
    pub fn app_layers<'a>(
        &'a self,
        host: &HostName,
        app: &AppName,
        sets: &'a [SetValue],
    ) -> Vec<Layer<'a>> {
        let (groups, own) =
            self.layers(host, Level::Group, [Level::HostPattern, Level::Host], |p| {
                Some(&p.settings)
            });
        let on = [Level::AppOnHostPattern, Level::AppOnHost];
        let (app_groups, app_own) = self.layers(host, Level::AppOnGroup, on, |p| {
            p.apps.get(app).map(|o| &o.node)
        });
        let sets = sets
            .iter()
            .filter(|s| s.app.as_ref().is_none_or(|a| a == app));
        let sets = sets.map(|s| Layer::new(Level::Set, "", &s.node));
        let hosts = own.into_iter().chain(app_own);
        groups
            .into_iter()
            .chain(app_groups)
            .chain(hosts)
            .chain(sets)
            .collect()
    }
}

/// Puts a host's name, and its number where it has one, into a text.
pub(super) fn fill(text: &str, name: &str, n: Option<&str>) -> Result<String, String> {
    let mut values = vec![("name", name)];
    values.extend(n.map(|n| ("n", n)));
    pattern::fill(text, &values)
}
