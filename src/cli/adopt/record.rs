//! `deploy adopt ENV APP --confirm`: the containers that run become release #0, and the load balancers
//! are led to them, in a run like every other: planned, claimed, taken back where it fails.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use super::chosen::Chosen;
use super::{addresses, ask};
use crate::cli::context::Context;
use crate::cli::drive::{self, Drive};
use crate::cli::failure::Failure;
use crate::cli::place::Place;
use crate::cli::session::Session;
use crate::cli::work::with;
use crate::compose::ImageRef;
use crate::fleet::Fleet;
use crate::host::docker::adopt::{Found, Told};
use crate::inventory::{App, Inventory, Slot};
use crate::name::{Digest, ExitCode, HostName, ServiceName, SlotName, Version};
use crate::plan::entry::held_first;
use crate::plan::{self, PlanKind, debts};
use crate::release::{
    Adopted, HostRelease, Made, Part, Prints, Release, ReleaseFile, ReleaseLabel, ServiceSpec,
    identity,
};

/// Looks, makes the release, plans, runs.
pub(super) async fn record(
    ctx: &Context,
    place: Place,
    containers: &[String],
) -> Result<ExitCode, Failure> {
    let (inventory, app) = (&place.inventory, place.app()?);
    let session = Session::start(ctx)?;
    with(session, async |session: &mut Session| {
        let looked = session.unless_stopped(async |s: &Session| {
            let site = s.open_to_look(inventory, app).await;
            let fleet = site.look(&s.voice).await;
            let (told, silent) = ask(&site, &addresses(inventory)).await;
            (site, fleet, told, silent)
        });
        let (mut site, fleet, told, silent) = looked.await?;
        let meta = drive::meta(ctx);
        let unknown = |h: &&crate::inventory::HostApp| {
            silent.contains_key(&h.host)
                || told.get(&h.host).is_some_and(|t| t.containers.is_none())
        };
        if let Some(member) = app.members().find(unknown) {
            let why = silent.get(&member.host);
            let why = why.map_or("Docker does not say what runs", String::as_str);
            let what = format!("{} does not answer: {why}", member.host);
            return Err(Failure::unreachable(what));
        }
        debts::rest(&mut site.setup, &fleet, None, false);
        let site = Arc::new(site);
        let generation = meta.run.to_string();
        let made = drive::made(&meta, false);
        // On record already: that is told before what is missing for a second time.
        let wish = release(inventory, app, containers, &told, made);
        let (slot, release) = match wish {
            Ok(wish) => wish,
            Err(_) if on_record(&fleet) => empty(inventory, app)?,
            Err(failure) => return Err(failure),
        };
        let planner =
            |fleet: &Fleet| plan::adopt::adopt(&site.setup, &release, fleet, &slot, &generation);
        let plan = planner(&fleet).map_err(|refusal| {
            let word = (meta.over.displaced.as_slice(), meta.word);
            let all = held_first(&site.setup, &fleet, PlanKind::Adopt, word, refusal);
            drive::refused(PlanKind::Adopt.word(), all)
        });
        let plan = plan.map(|mut plan| {
            plan.notes.extend(still_named(&told));
            plan
        });
        let drive = Drive::new(ctx, Some(inventory), (&site, &fleet), &planner, &meta);
        let drive = drive.bringing(&release);
        drive.try_to(session, PlanKind::Adopt, plan).await
    })
    .await
}

fn on_record(fleet: &Fleet) -> bool {
    fleet.hosts.values().any(|v| !v.record.slots.is_empty())
}

/// A release of nothing, for a plan that is refused.
fn empty(inventory: &Inventory, app: &App) -> Result<(SlotName, Release), Failure> {
    let first = app.slots.first();
    let slot = first.ok_or_else(|| Failure::usage(format!("{} has no slots", app.name)))?;
    let label = label(inventory, app, &version_of(&[]), None, &[]);
    let release = Release {
        label,
        parts: Vec::new(),
    };
    Ok((slot.name.clone(), release))
}

/// Where a load balancer's own configuration names the hosts: requests that go by it know nothing of a
/// switch.
fn still_named(told: &BTreeMap<HostName, Told>) -> Vec<String> {
    let mut by: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (host, one) in told {
        for named in &one.named {
            let place = format!("{} line {} names {}", named.file, named.line, named.address);
            by.entry(place).or_default().push(host.as_str());
        }
    }
    let note = |(place, hosts): (String, Vec<&str>)| {
        let hosts = hosts.join(" ");
        format!("{hosts}: {place}: what is sent by it knows nothing of a switch")
    };
    by.into_iter().map(note).collect()
}

/// The slot that the containers are, and the release that they make.
fn release(
    inventory: &Inventory,
    app: &App,
    containers: &[String],
    told: &BTreeMap<HostName, Told>,
    made: Made,
) -> Result<(SlotName, Release), Failure> {
    let chosen = Chosen::of(&app.name, containers, told, &super::balancers(inventory));
    if chosen.hosts.is_empty() {
        return Err(chosen.nothing(&app.name, told));
    }
    let slot = slot(app, &chosen)?;
    refuse_unfit(&chosen)?;
    let all: Vec<&Found> = chosen.hosts.values().flat_map(BTreeMap::values).collect();
    let version = version_of(&all);
    let digest = all.iter().find_map(|c| digest(c));
    let file = |services: &BTreeMap<ServiceName, Found>| {
        let mut text = String::new();
        for (service, c) in services {
            let _ = writeln!(text, "{} {} {service} {}", c.id, c.restart, c.name); // into a String: cannot fail
        }
        ReleaseFile {
            path: "adopted".to_owned(),
            mode: 0o660,
            bytes: text.into_bytes(),
        }
    };
    let hosts = chosen.hosts.iter();
    let files: Vec<_> = hosts
        .map(|(host, services)| (slot.name.clone(), host.clone(), vec![file(services)]))
        .collect();
    let label = label(inventory, app, &version, digest, &files);
    let parts = files.into_iter().map(|(slot, host, files)| Part {
        spec: HostRelease {
            label: label.clone(),
            slot,
            services: specs(&chosen.hosts[&host]),
            secrets: Prints::default(),
            made: made.clone(),
            adopted: adopted(&chosen.hosts[&host]),
        },
        host,
        files,
        secrets: Vec::new(),
    });
    let parts = parts.collect();
    Ok((slot.name.clone(), Release { label, parts }))
}

fn label(
    inventory: &Inventory,
    app: &App,
    version: &Version,
    digest: Option<Digest>,
    files: &[(SlotName, HostName, Vec<ReleaseFile>)],
) -> ReleaseLabel {
    let none = BTreeMap::new();
    let id = identity(
        &inventory.env,
        &app.name,
        version,
        &none,
        files,
        &Prints::default(),
    );
    ReleaseLabel {
        id,
        version: version.clone(),
        revision: 0,
        digest,
        adopted: true,
    }
}

/// The tag that most of them run; `unknown` where none has one.
fn version_of(all: &[&Found]) -> Version {
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for c in all {
        let tag = ImageRef::parse(&c.image).ok().and_then(|i| i.tag);
        if let Some(tag) = tag.filter(|t| Version::new(t.as_str()).is_ok()) {
            *count.entry(tag).or_default() += 1;
        }
    }
    let most = count
        .into_iter()
        .max_by_key(|(_, n)| *n)
        .map(|(tag, _)| tag);
    let most = most.unwrap_or_else(|| "unknown".to_owned());
    Version::new(most).expect("it was checked, and letters are a version")
}

/// The digest under which its own repository has the image.
fn digest(c: &Found) -> Option<Digest> {
    let own = ImageRef::parse(&c.image).ok()?.repository;
    let mut all = c.digests.iter().filter_map(|d| d.split_once('@'));
    let (_, digest) = all.find(|(repository, _)| *repository == own)?;
    Digest::new(digest).ok()
}

fn specs(services: &BTreeMap<ServiceName, Found>) -> BTreeMap<ServiceName, ServiceSpec> {
    let spec = |c: &Found| {
        ServiceSpec {
            // As it was written, without a digest: it is not ours, and no prune removes it.
            image: c.image.clone(),
            digest: digest(c),
            restart: c.restart.split(':').next().map(str::to_owned),
            memory: Some(c.memory).filter(|n| *n > 0),
            nano_cpus: Some(c.nano_cpus).filter(|n| *n > 0),
            ports: c
                .ports
                .iter()
                .map(|p| (p.outside, p.protocol.clone()))
                .collect(),
            one_shot: false,
        }
    };
    services.iter().map(|(s, c)| (s.clone(), spec(c))).collect()
}

fn adopted(services: &BTreeMap<ServiceName, Found>) -> BTreeMap<ServiceName, Adopted> {
    let one = |c: &Found| Adopted {
        id: c.id.clone(),
        name: c.name.clone(),
    };
    services.iter().map(|(s, c)| (s.clone(), one(c))).collect()
}

/// The slot whose hosts all have containers of the app, and one of them the slot's port.
fn slot<'a>(app: &'a App, chosen: &Chosen) -> Result<&'a Slot, Failure> {
    let holds = |member: &crate::inventory::HostApp| {
        let own = chosen.hosts.get(&member.host);
        let port = |c: &Found| {
            c.network == "host" || c.ports.iter().any(|p| Some(p.outside) == member.port)
        };
        own.is_some_and(|all| member.port.is_none() || all.values().any(port))
    };
    let whole = |s: &&Slot| !s.members.is_empty() && s.members.iter().all(holds);
    let have: Vec<&str> = chosen.hosts.keys().map(HostName::as_str).collect();
    let Some(slot) = app.slots.iter().find(whole) else {
        let what = format!(
            "no slot of {} is what runs: its containers are on {}",
            app.name,
            have.join(" ")
        );
        return Err(Failure::refused(what).hint(
            "a slot must be just these hosts, with the port that they publish: `deploy adopt` without --confirm drafts it",
        ));
    };
    let of_slot: BTreeSet<&HostName> = slot.members.iter().map(|m| &m.host).collect();
    let others: Vec<&str> = chosen
        .hosts
        .keys()
        .filter(|h| !of_slot.contains(h))
        .map(HostName::as_str)
        .collect();
    if others.is_empty() {
        return Ok(slot);
    }
    let what = format!(
        "{} is not all that runs: {} has containers of {} too",
        slot.name,
        others.join(" "),
        app.name
    );
    Err(Failure::refused(what).hint(
        "put all of these hosts into one slot (`strategy: rolling`), or end the containers that get no requests",
    ))
}

/// What cannot be kept as a way back is not adopted.
fn refuse_unfit(chosen: &Chosen) -> Result<(), Failure> {
    let mut reasons = Vec::new();
    for (host, services) in &chosen.hosts {
        for c in services.values() {
            if c.auto_remove {
                reasons.push(format!("{host}: {} was started with --rm: it is gone once it is stopped, and there would be no way back", c.name));
            }
            if !matches!(c.health.as_str(), "none" | "healthy") {
                reasons.push(format!("{host}: {} is {}", c.name, c.health));
            }
        }
    }
    match reasons.as_slice() {
        [] => Ok(()),
        all => Err(Failure::refused(format!(
            "adopt is refused: {}",
            all.join("; ")
        ))),
    }
}
