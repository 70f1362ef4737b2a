//! The typed verbs on real machines: each becomes a body, the record wraps it, the connection runs it.

mod activity;
mod answer;
mod job;
mod pull;
mod spared;
mod take;
mod watch;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::UnboundedSender;

use self::answer::Follower;
use self::pull::images;
use super::remote::{Answer, ClaimEnd, Remote, Seen, Trouble, Watch, Work};
use super::run::Over;
use super::site::{Machine, Seen as MachineSeen, Site, chain};
use crate::fleet::Fleet;
use crate::fleet::view::project;
use crate::host::docker;
use crate::host::script::{Body, Script};
use crate::name::{Fence, HostName, OutcomeKind, ReleaseId, SlotName};
use crate::record::verb;
use crate::record::{
    self, ClaimId, ClaimReply, HistoryEntry, Manifest, ReleaseReply, RenewReply, RunReport,
    StepReply, Upload,
};
use crate::release::HostRelease;
use crate::text::Redactor;

/// The machines of a run, under its claim.
pub struct Real {
    site: Arc<Site>,
    id: ClaimId,
    uploads: BTreeMap<HostName, Upload>,
    /// What every release that the run may bring up wants, by host, slot and release.
    specs: BTreeMap<(HostName, SlotName, ReleaseId), HostRelease>,
    /// What was seen under the claim.
    fresh: Mutex<Fleet>,
    /// A person's lock refuses the claim.
    heed_hold: bool,
    redactor: Redactor,
    /// Claims of others that are taken.
    over: Over,
    /// What the run wants, for hosts whose claim is taken from another run.
    manifest: Manifest,
    /// A step that was begun there was met under a claim that was taken.
    open: AtomicBool,
    /// What the facts of the claims spare the run.
    spared: spared::Spared,
    /// Who was switched off.
    quiet: activity::Quiet,
}

impl Real {
    /// The machines of `site` for the run of `id`.
    #[must_use]
    pub fn new(
        site: Arc<Site>,
        id: ClaimId,
        uploads: BTreeMap<HostName, Upload>,
        specs: BTreeMap<(HostName, SlotName, ReleaseId), HostRelease>,
        heed_hold: bool,
        redactor: Redactor,
        (over, manifest): (Over, Manifest),
    ) -> Self {
        let fresh = Mutex::new(Fleet {
            silent: site.silent.clone(),
            ..Fleet::default()
        });
        Self {
            site,
            id,
            uploads,
            specs,
            fresh,
            heed_hold,
            redactor,
            over,
            manifest,
            open: AtomicBool::new(false),
            spared: spared::Spared::default(),
            quiet: activity::Quiet::default(),
        }
    }

    /// What the claims saw.
    #[must_use]
    pub fn fresh(&self) -> Fleet {
        self.fresh
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether a step was under way, or its end not known, where a claim was taken.
    #[must_use]
    pub fn left_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// Hosts that were not reached, and why.
    #[must_use]
    pub fn silent(&self) -> BTreeMap<HostName, String> {
        self.site.silent.clone()
    }

    /// Writes how the run ended, gives the host back, and looks at it in the same script.
    ///
    /// # Errors
    /// What kept it from being written. The inner error: given back, and not known what is there.
    pub async fn release(
        &self,
        host: &HostName,
        outcome: OutcomeKind,
        (entry, report): (&HistoryEntry, &RunReport),
    ) -> Result<Result<MachineSeen, String>, Trouble> {
        let machine = self.machine(host)?;
        let (scope, fence) = (&machine.scope, &self.id.fence);
        let facts = machine.glance();
        let script = verb::release_and_look(scope, fence, outcome, entry, report, &facts);
        let reply = run(machine, script).await?;
        match record::parse::release(&reply).map_err(refused)? {
            ReleaseReply::Released { .. } => match record::parse::released_look(&reply) {
                Ok(Some(look)) => Ok(machine.read(&look).await),
                Ok(None) => Ok(machine.look().await),
                Err(error) => Ok(Err(chain(&error))),
            },
            ReleaseReply::Lost(holder) => Err(lost(holder)),
            ReleaseReply::Busy => Err(Trouble::Refused("its lock is held".to_owned())),
        }
    }

    fn machine(&self, host: &HostName) -> Result<&Machine, Trouble> {
        let why = || {
            self.site
                .silent
                .get(host)
                .cloned()
                .unwrap_or_else(|| "not connected".into())
        };
        self.site
            .machines
            .get(host)
            .ok_or_else(|| Trouble::Silent(why()))
    }

    fn spec(&self, host: &HostName, slot: &SlotName, release: &ReleaseId) -> Option<&HostRelease> {
        self.specs
            .get(&(host.clone(), slot.clone(), release.clone()))
    }

    /// The containers on a host that were adopted in a slot, where any were.
    fn adopted(&self, host: &HostName, slot: &SlotName) -> Option<&HostRelease> {
        let mut of = self.specs.iter();
        let is = |s: &HostRelease| s.label.adopted;
        of.find_map(|((h, s, _), spec)| (h == host && s == slot && is(spec)).then_some(spec))
    }

    /// The body for a piece of work.
    fn body(&self, host: &HostName, machine: &Machine, work: &Work) -> Result<Body, Trouble> {
        let setup = &self.site.setup;
        let project = |slot: &SlotName| project(&setup.env, &setup.app, slot);
        let balancer = || {
            let found = machine.balancer.as_ref();
            found.ok_or_else(|| Trouble::Refused(format!("{host} is no load balancer of the app")))
        };
        Ok(match work {
            Work::Pull { slot, release } => {
                let spec = self
                    .spec(host, slot, release)
                    .ok_or_else(|| unknown(release))?;
                docker::images::pull(&images(spec))
            }
            Work::Job(start) => self.job(host, start)?,
            Work::Mark { start, state } => record::job::mark(&self.words(start), *state),
            Work::Activate { slot } => self.call(host, slot, true)?,
            Work::Deactivate { slot } => self.call(host, slot, false)?,
            Work::Stop { slot } => docker::containers::stop(&project(slot), slot),
            Work::Replace { slot, release } => {
                docker::containers::replace(&project(slot), &dir(release, slot), slot, release)
            }
            Work::Revert { slot, to } => {
                let dir = to.as_ref().map(|release| (dir(release, slot), release));
                let to = dir.as_ref().map(|(dir, release)| (dir.as_str(), *release));
                docker::containers::revert(&project(slot), slot, to)
            }
            Work::Remove { slots } => {
                let projects = slots.iter().map(|slot| (project(slot), slot));
                docker::containers::remove(projects)
            }
            Work::Evidence { slot } => docker::evidence::body(&project(slot)),
            Work::Prepare(m) => match &m.after {
                Some(after) => {
                    let (driver, target) = balancer()?;
                    driver.prepare(target, m.before.as_ref(), after)
                }
                None => return Err(Trouble::Refused("nothing to prepare".to_owned())),
            },
            Work::Shift(m) => {
                let (driver, target) = balancer()?;
                match &m.after {
                    Some(after) => driver.commit(target, m.before.as_ref(), after),
                    None => driver.remove(target),
                }
            }
            Work::Owe { owing, paid } => record::debt::owe(owing, paid),
            Work::Drain { now, within } => {
                let (driver, target) = balancer()?;
                driver.drain(target, now, *within)
            }
        })
    }

    async fn step(
        &self,
        host: &HostName,
        seq: u64,
        work: &Work,
        progress: &UnboundedSender<(u64, u64, String)>,
    ) -> Result<Answer, Trouble> {
        let machine = self.machine(host)?;
        if let Some(answer) = self.spared.of(host, machine, work) {
            return Ok(answer);
        }
        let body = self.body(host, machine, work)?;
        let body = self.off_before(host, work, body);
        let (body, login) = self.logged_in(host, work, body).await;
        self.quiet.begins(host, work);
        // Draining only reads: it needs no lock, and the next change need not wait for it.
        if matches!(work, Work::Drain { .. }) {
            return self.drain(machine, body, progress).await;
        }
        let script = verb::step(&machine.scope, &self.id, seq, &body);
        let mut lines = Vec::new();
        let mut follower = Follower::default();
        let heard = machine.host.stream(script, |line: &str| {
            if let Some(at) = follower.line(work, line) {
                let _ = progress.send(at);
            }
            lines.push(line.to_owned());
        });
        let mut reply = heard.await.map_err(|e| Trouble::Silent(chain(&e)))?;
        reply.lines = lines;
        match record::parse::step(&reply).map_err(refused)? {
            StepReply::Done { rc, output, .. } => {
                let images = self.images(host, work);
                let answer = follower.read(
                    machine,
                    work,
                    (&images, &login),
                    rc,
                    &output,
                    &self.redactor,
                );
                self.quiet.ended(host, work, &answer);
                Ok(answer)
            }
            StepReply::Lost(holder) => Err(lost(holder)),
            StepReply::Unknown { .. } => Err(Trouble::Silent(
                "it was begun and nobody knows how it ended".to_owned(),
            )),
            StepReply::Stale { seq } => {
                Err(Trouble::Refused(format!("step {seq} was begun already")))
            }
            StepReply::Busy => Err(Trouble::Refused("another script holds its lock".to_owned())),
        }
    }

    async fn drain(
        &self,
        machine: &Machine,
        body: Body,
        progress: &UnboundedSender<(u64, u64, String)>,
    ) -> Result<Answer, Trouble> {
        let driver = machine.balancer.as_ref().map(|(d, _)| *d);
        let mut left = None;
        let mut known = false;
        let heard = machine.host.stream(plain(body), |line: &str| {
            if let Some(view) = driver.and_then(|d| d.drained(line)) {
                left = if view.idle { Some(0) } else { view.open };
                known = true;
                let text = view.open.map_or_else(String::new, |n| format!("{n} open"));
                let _ = progress.send((0, 0, text));
            }
        });
        heard.await.map_err(|e| Trouble::Silent(chain(&e)))?;
        if !known {
            return Err(Trouble::Silent("it did not say what is open".to_owned()));
        }
        Ok(Answer::Drained { left })
    }
}

/// Where a release's files lie, relative to the app's record.
fn dir(release: &ReleaseId, slot: &SlotName) -> String {
    format!("releases/{release}/{slot}")
}

/// A body that only reads runs by itself, without lock and fence; its end is told as a step's is. It
/// gets its data and then the end of its input: that of the script stays open for the next one.
fn plain(body: Body) -> Script {
    let (before, behind) = match body.data.len() {
        _ if body.tied => (String::new(), ""),
        0 => (String::new(), " </dev/null"),
        size => (format!("take_data {size} | "), ""),
    };
    Script {
        name: body.name,
        text: format!("{before}(\n{}\n){behind}\nend ok rc=$?\n", body.text).into(),
        args: body.args,
        data: body.data,
        limit: body.limit,
        quiet: body.quiet,
        tied: body.tied,
        root: body.root,
    }
}

async fn run(machine: &Machine, script: Script) -> Result<crate::host::script::Reply, Trouble> {
    machine
        .host
        .run(script)
        .await
        .map_err(|e| Trouble::Silent(chain(&e)))
}

fn refused(error: record::RecordError) -> Trouble {
    Trouble::Refused(chain(&error))
}

fn unknown(release: &ReleaseId) -> Trouble {
    Trouble::Refused(format!("release {release} is not known"))
}

fn lost(holder: Option<record::Holder>) -> Trouble {
    let by = holder.map_or_else(
        || "somebody who has given it back since".to_owned(),
        |h| {
            let who = h.who.as_str().split(':').next().unwrap_or_default();
            let at = h.at.map(|at| format!(" at {}", crate::text::utc(at)));
            let past = if h.past { ", which is over now" } else { "" };
            format!("run {} of {who}{}{past}", h.run, at.unwrap_or_default())
        },
    );
    Trouble::Lost { by }
}

impl Remote for Real {
    async fn claim(&self, host: &HostName, had: UnboundedSender<()>) -> Result<ClaimEnd, Trouble> {
        let machine = self.machine(host)?;
        let expected = self.over.fences.get(host);
        if let Some(expected) = expected.filter(|fence| **fence != self.id.fence) {
            let force = self.over.force;
            if let Some(held) = self.take(machine, expected, force).await? {
                return Ok(held);
            }
        }
        self.claim_now(machine, host, true, &had).await
    }

    async fn unclaim(&self, host: &HostName) -> Result<(), Trouble> {
        // An unfinished run stays one: its claims are what the next `resume` finds.
        if !self.over.fences.is_empty() {
            return Ok(());
        }
        let machine = self.machine(host)?;
        let script = verb::unclaim(&machine.scope, &self.id.fence);
        let reply = run(machine, script).await?;
        match record::parse::release(&reply).map_err(refused)? {
            ReleaseReply::Released { .. } => Ok(()),
            ReleaseReply::Lost(holder) => Err(lost(holder)),
            ReleaseReply::Busy => Err(Trouble::Refused("its lock is held".to_owned())),
        }
    }

    async fn act(
        &self,
        host: &HostName,
        seq: u64,
        work: Work,
        progress: UnboundedSender<(u64, u64, String)>,
    ) -> Result<Answer, Trouble> {
        self.step(host, seq, &work, &progress).await
    }

    async fn watch(&self, host: &HostName, what: Watch, seen: UnboundedSender<(HostName, Seen)>) {
        watch::watch(self, host, &what, &seen).await;
    }

    async fn renew(&self, host: &HostName) -> Result<(), Trouble> {
        let machine = self.machine(host)?;
        let reply = run(machine, verb::renew(&machine.scope, self.fence())).await?;
        match record::parse::renew(&reply).map_err(refused)? {
            RenewReply::Renewed => Ok(()),
            RenewReply::Lost(holder) => Err(lost(holder)),
        }
    }
}

impl Real {
    /// Claims a host and uploads. A claim of a dead client that never began anything is in nobody's
    /// way: it is taken, once.
    async fn claim_now(
        &self,
        machine: &Machine,
        host: &HostName,
        lapsed: bool,
        had: &UnboundedSender<()>,
    ) -> Result<ClaimEnd, Trouble> {
        let none = Upload::default();
        let upload = self.uploads.get(host).unwrap_or(&none);
        let mut facts = machine.facts();
        if let Some((spec, _)) = upload.release.as_ref().filter(|_| machine.app) {
            facts = docker::images::ask_here(facts, &images(spec));
        }
        let script = verb::claim(&machine.scope, &self.id, self.heed_hold, upload, &facts)
            .map_err(|e| Trouble::Refused(e.to_string()))?;
        let mut lines = Vec::new();
        let reply = machine.host.stream(script, |line: &str| {
            if line == record::parse::CLAIMED {
                let _ = had.send(());
            }
            lines.push(line.to_owned());
        });
        let mut reply = reply.await.map_err(|e| Trouble::Silent(chain(&e)))?;
        reply.lines = lines;
        match record::parse::claim(&reply).map_err(refused)? {
            ClaimReply::Taken { look, .. } => {
                self.spared.note(host, machine, upload, &look.facts);
                let seen = machine.read(&look).await.map_err(Trouble::Silent)?;
                let mut fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
                seen.into_fleet(host, &mut fresh);
                Ok(ClaimEnd::Taken)
            }
            ClaimReply::Held(h)
                if lapsed
                    && h.left == Some(0)
                    && h.seq == 0
                    && verb::attempt(&h.fence) == Some(1) =>
            {
                match self.take(machine, &h.fence, false).await? {
                    Some(held) => Ok(held),
                    None => Box::pin(self.claim_now(machine, host, false, had)).await,
                }
            }
            ClaimReply::Held(h) => Ok(ClaimEnd::Held {
                begun: h.seq > 0,
                run: h.run,
                who: h.who,
                left: h.left.unwrap_or(0),
            }),
            ClaimReply::Hold(h) => Ok(ClaimEnd::Hold(h.view().says())),
            ClaimReply::Busy => Err(Trouble::Refused("another script holds its lock".to_owned())),
        }
    }

    fn fence(&self) -> &Fence {
        &self.id.fence
    }
}

#[cfg(test)]
mod tests;
