//! The fleet as whoever comes next finds it: what runs, where traffic goes, what each host remembers.

use super::super::activity;
use super::super::model::{Model, reached};
use crate::fleet::{Debt, Health};
use crate::name::{HostName, ReleaseId};
use crate::plan::fixture::{World, id};

fn number(release: &ReleaseId) -> u64 {
    (40..50)
        .find(|n| id(*n) == *release)
        .expect("a release of the fixture")
}

/// The fleet as a look finds it.
pub fn seen(world: &World, model: &Model) -> World {
    let mut now = world.clone();
    let setup = now.setup.clone();
    for ((host, slot), found) in &model.slots {
        let kept = now.host(host.as_str()).record.kept.clone();
        let project = crate::fleet::view::project(&setup.env, &setup.app, slot);
        match &found.release {
            Some(release) => now.put(host, slot, number(release)),
            None => now
                .host(host.as_str())
                .containers
                .retain(|c| c.project() != Some(project.as_str())),
        }
        let view = now.host(host.as_str());
        for k in kept {
            if !view.record.kept.contains(&k) {
                view.record.kept.push(k);
            }
        }
        let own = view.containers.iter_mut();
        for c in own.filter(|c| c.project() == Some(project.as_str())) {
            if !found.up {
                "exited".clone_into(&mut c.state);
            }
            // No look tells it: this is for the model of whoever comes next.
            let on = model.active.contains(&(host.clone(), slot.clone()));
            let on = if on { "yes" } else { "no" };
            c.labels.insert(activity::ACTIVE.to_owned(), on.to_owned());
            // Docker knows of some that are not well, of others it does not.
            c.health = Health::None;
            c.restarts = found.restarts;
        }
    }
    for (lb, traffic) in &model.balancers {
        now.says(lb.as_str(), traffic.clone());
    }
    remembered(&mut now, model);
    for (host, marks) in &model.jobs {
        now.host(host.as_str()).record.jobs.clone_from(marks);
    }
    now
}

/// Every host remembers who owes as the runs so far have written it there.
fn remembered(now: &mut World, model: &Model) {
    let known = now.fleet.debts();
    let debt = |owing: &HostName| {
        let sent = model.hidden.get(owing);
        let new = Debt {
            generation: "g1".to_owned(),
            slots: reached(sent).into_iter().map(|(s, _)| s).collect(),
            run: "r-1".parse().expect("a run"),
            since: 100,
        };
        known.get(owing).cloned().unwrap_or(new)
    };
    for (host, debts) in &model.debts {
        let owing = debts.iter().map(|o| (o.clone(), debt(o))).collect();
        if let Some(view) = now.fleet.hosts.get_mut(host) {
            view.record.owing = owing;
        } else if let Some(view) = now.fleet.balancers.get_mut(host) {
            view.record.owing = owing;
        }
    }
}
