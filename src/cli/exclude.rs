//! Who is left out of a run: a load balancer that cannot be reached, by name (`--exclude-lb HOST`);
//! app hosts that do not answer, within the budget of the environment.

use super::failure::Failure;
use crate::engine::site::Site;
use crate::fleet::{BalancerView, Fleet, Severity};
use crate::inventory::Unreachable;
use crate::name::HostName;
use crate::plan::{Refusal, skipped};

/// The option.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Without {
    /// Go on without this load-balancer host, which cannot be reached; it is owing then
    #[arg(long = "exclude-lb", value_name = "HOST")]
    pub lbs: Vec<HostName>,
}

/// Leaves load balancers out of a run: they are neither claimed nor asked.
///
/// # Errors
/// A usage failure where the app has no such load balancer; refused where one answers and is well,
/// or where none would be left.
pub fn leave_out(site: &mut Site, fleet: &mut Fleet, names: &[HostName]) -> Result<(), Failure> {
    let setup = &site.setup;
    for name in names {
        if !setup.balancers.iter().any(|lb| lb.host == *name) {
            let known = setup.balancers.iter().map(|lb| lb.host.as_str());
            let what = format!("{} has no load-balancer host {name}", setup.app);
            return Err(Failure::usage(what).did_you_mean(name.as_str(), known));
        }
        if fleet.balancers.get(name).is_some_and(well) {
            let what = format!("{name} answers and is well: it need not be left out");
            return Err(Failure::refused(what).hint("the same without --exclude-lb"));
        }
    }
    if !names.is_empty() && setup.balancers.iter().all(|lb| names.contains(&lb.host)) {
        let what = "no load balancer would be left: nothing would be switched";
        return Err(Failure::refused(what).hint("make one of them answer"));
    }
    site.setup.leave_out(names);
    for name in names {
        fleet.balancers.remove(name);
        let apart = site.machines.get_mut(name).is_some_and(|m| {
            m.balancer = None;
            !m.app
        });
        if apart {
            site.machines.remove(name);
            let why = "left out by --exclude-lb".to_owned();
            site.silent.insert(name.clone(), why.clone());
            fleet.silent.insert(name.clone(), why);
        }
    }
    Ok(())
}

/// Lets app hosts rest that do not answer, as far as the environment allows it: they are neither
/// claimed nor asked, and they are owing.
///
/// # Errors
/// Those that do not answer, where they are more than may be skipped.
pub fn skip(site: &mut Site, fleet: &Fleet, budget: &Unreachable) -> Result<(), Refusal> {
    for host in skipped::within(&site.setup, fleet, budget)? {
        site.setup.rest(&host);
        // One that was reached and did not answer its look.
        if site
            .machines
            .get(&host)
            .is_some_and(|m| m.balancer.is_none())
        {
            site.machines.remove(&host);
            let why = fleet.silent.get(&host).cloned().unwrap_or_default();
            site.silent.insert(host, why);
        }
    }
    Ok(())
}

fn well(view: &BalancerView) -> bool {
    let known = view.persisted.get().is_some() && view.running.get().is_some();
    let broken = |p: &crate::fleet::Problem| p.severity == Severity::Error;
    known && !view.problems.iter().any(broken)
}

/// Load balancers that owe a change and cannot be asked: a `catch-up` of the others goes without.
#[must_use]
pub fn silent_debtors(site: &Site, fleet: &Fleet) -> Vec<HostName> {
    let debts = fleet.debts();
    let names = site.setup.balancers.iter().map(|lb| &lb.host);
    let owing = names.filter(|h| debts.contains_key(*h));
    let silent = owing.filter(|h| !fleet.balancers.get(*h).is_some_and(well));
    silent.cloned().collect()
}
