//! Where the load balancers send to, and whether they agree. Pure; not knowing is a refusal.

use crate::fleet::{BalancerView, Fleet, Known, MemberState, RuleKey, Traffic};
use crate::name::{HostName, SlotName};

use super::{Refusal, Setup};

/// What all load balancers do now. One that owes a change is known to differ: it is read like the
/// others, but not asked to agree with them.
///
/// # Errors
/// A [`Refusal`] with a line per load balancer where they disagree, cannot be read, or where what
/// is written differs from what runs.
pub fn now(setup: &Setup, fleet: &Fleet) -> Result<Option<Traffic>, Refusal> {
    let mut refusal = Refusal {
        reasons: Vec::new(),
        unknown: false,
    };
    let mut seen: Vec<(&HostName, Option<&Traffic>)> = Vec::new();
    let mut behind = Vec::new();
    let debts = fleet.debts();
    for lb in &setup.balancers {
        let Some(view) = fleet.balancers.get(&lb.host) else {
            let why = fleet
                .silent
                .get(&lb.host)
                .map_or("no answer", String::as_str);
            refusal.unknown = true;
            refusal.reasons.push((
                format!("{} could not be read: {why}", lb.host),
                format!(
                    "make it answer, then try again; or go on without it: --exclude-lb {} of deploy, stage, switch and rollback (what it may still send to stays as it is)",
                    lb.host
                ),
            ));
            continue;
        };
        match (view.persisted.get(), view.running.get()) {
            (Some(_), Some(r)) if debts.contains_key(&lb.host) => {
                behind.push((&lb.host, r.as_ref()));
            }
            (Some(p), Some(r)) if same(p.as_ref(), r.as_ref()) => seen.push((&lb.host, r.as_ref())),
            (Some(p), Some(r)) => refusal.reasons.push((
                format!(
                    "{}: its files say {}, but it sends to {}",
                    lb.host,
                    says(p.as_ref()),
                    says(r.as_ref())
                ),
                format!(
                    "find out who changed it by hand; `deploy switch {} {} --to SLOT` sets all load balancers",
                    setup.env, setup.app
                ),
            )),
            _ => {
                let why = unknown_why(view);
                refusal.unknown = true;
                refusal.reasons.push((
                    format!("{} does not say where it sends to: {why}", lb.host),
                    "make it answer on its probe address, then try again".into(),
                ));
            }
        }
    }
    if seen.is_empty() {
        seen = behind;
    }
    if let Some((first, rest)) = seen.split_first()
        && rest.iter().any(|(_, t)| !same(first.1, *t))
    {
        let each: Vec<String> = seen
            .iter()
            .map(|(h, t)| format!("{h} sends to {}", says(*t)))
            .collect();
        refusal.reasons.push((
            format!("load balancers disagree: {}", each.join(", ")),
            format!(
                "find out who changed one by hand; `deploy switch {} {} --to SLOT` sets all load balancers",
                setup.env, setup.app
            ),
        ));
    }
    if refusal.reasons.is_empty() {
        Ok(seen.first().and_then(|(_, t)| t.cloned()))
    } else {
        Err(refusal)
    }
}

fn unknown_why(view: &BalancerView) -> String {
    match (&view.running, &view.persisted) {
        (Known::Unknown(why), _) | (_, Known::Unknown(why)) => why.clone(),
        _ => String::new(),
    }
}

fn same(a: Option<&Traffic>, b: Option<&Traffic>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.same_as(b),
        (None, None) => true,
        _ => false,
    }
}

/// A share for people: `20.00 %`.
#[must_use]
pub fn percent(share: u32) -> String {
    format!("{}.{:02} %", share / 100, share % 100)
}

/// Where a traffic value sends to, in a few words.
#[must_use]
pub fn says(traffic: Option<&Traffic>) -> String {
    let Some(t) = traffic else {
        return "nothing of this app".to_owned();
    };
    if let Some(slot) = t.sole() {
        let out: Vec<String> = t
            .groups
            .get(slot)
            .into_iter()
            .flatten()
            .filter(|m| m.state != MemberState::Ready)
            .map(|m| m.host.to_string())
            .collect();
        return match &t.spare {
            _ if !out.is_empty() => format!("{slot} without {}", out.join(", ")),
            Some(spare) => format!("{slot} (spare {spare})"),
            None => slot.to_string(),
        };
    }
    if t.nobody() {
        return "nobody".to_owned();
    }
    let given = t.split.iter().filter(|(_, s)| **s > 0);
    let shares = given.map(|(n, s)| format!("{n} {}", percent(*s)));
    let rules = t.rules.iter().map(|r| {
        let key = match &r.key {
            RuleKey::Header(name) => format!("header {name}"),
            RuleKey::Cookie(name) => format!("cookie {name}"),
        };
        format!("{} for {key}", r.to)
    });
    shares.chain(rules).collect::<Vec<_>>().join(", ")
}

/// The slot with all the traffic, where there is traffic; the only slot of an app where it is kept
/// from it for the time in which nobody serves.
///
/// # Errors
/// A [`Refusal`] where it is shared between slots.
pub fn active(setup: &Setup, before: Option<&Traffic>) -> Result<Option<SlotName>, Refusal> {
    let Some(t) = before else { return Ok(None) };
    match t.sole() {
        Some(slot) if setup.slots.contains(slot) => Ok(Some(slot.clone())),
        Some(slot) => Err(Refusal::one(
            format!("the load balancers send to slot {slot}, which the inventory does not have"),
            format!(
                "add the slot to the inventory again, or `deploy switch {} {} --to SLOT`",
                setup.env, setup.app
            ),
        )),
        None if t.nobody() && setup.slots.len() == 1 => Ok(setup.slots.first().cloned()),
        None if t.nobody() => Err(Refusal::one(
            "the load balancers send to nobody",
            format!(
                "`deploy switch {} {} --to SLOT` gives all to one",
                setup.env, setup.app
            ),
        )),
        None => Err(Refusal::one(
            format!("traffic is shared: {}", says(before)),
            format!(
                "every slot that gets some counts as active, and is neither stopped nor changed; `deploy weight {0} {1} SLOT=100%` gives all to one, `deploy rollback {0} {1}` to the one that served before",
                setup.env, setup.app
            ),
        )),
    }
}
