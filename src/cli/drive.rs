//! From a plan to its end: show, ask, run, sum up. `accepted`: whether the drivers can do it; `may`:
//! whether it may begin; `tell`: what a person hears beside the plan.

mod accepted;
mod may;
mod tell;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::confirm;
use super::context::Context;
use super::failure::{Failure, FailureKind};
use super::notify::{About, Notices};
use super::session::Session;
use super::signals::Stop;
use super::summary;
use crate::balancer::{Driver, Target};
use crate::engine::attempt;
use crate::engine::run::{self, Ended, Meta, Over, Planner, Resumed};
use crate::engine::site::Site;
use crate::engine::voice::Voice;
use crate::event::{Group, Kind, Role};
use crate::fleet::Fleet;
use crate::inventory::{Config, Inventory};
use crate::name::{ExitCode, HostName, Outcome, OutcomeKind, RunId};
use crate::plan::{Action, Move, Plan, PlanKind, Refusal, judge};
use crate::record::verb;
use crate::release::{Made, Release, ReleaseLabel};
use crate::report::terminal::PLAN_LINES;
use crate::report::words;

/// A random number of 64 bits from the operating system.
#[must_use]
pub fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// A name for a new run and the rest of what it is called.
#[must_use]
pub fn meta(ctx: &Context) -> Meta {
    let run = format!("r-{:08x}", random() & 0xffff_ffff);
    Meta {
        run: RunId::new(run).expect("hex digits are a run id"),
        fence: verb::fence(1, random()),
        who: ctx.outside.actor.clone(),
        why: ctx.options.message.clone().unwrap_or_default(),
        ticket: ctx.options.ticket.clone().unwrap_or_default(),
        started: ctx.clock.wall().as_second(),
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        config: Config::new(&ctx.options.config_dir, [])
            .commit()
            .unwrap_or_default(),
        resumed: None,
        over: Over::default(),
        word: ctx.options.word,
        overridden: Vec::new(),
    }
}

/// What a release of this run is made from.
#[must_use]
pub fn made(meta: &Meta, dirty: bool) -> Made {
    Made {
        commit: meta.config.clone(),
        dirty,
        tool: meta.tool.clone(),
        who: meta.who.to_string(),
        at: meta.started,
    }
}

/// What an attempt is called that takes an unfinished run over: its name, a fence of one attempt more.
#[must_use]
pub fn meta_of(ctx: &Context, resumed: Resumed, over: Over) -> Meta {
    Meta {
        run: resumed.manifest.run.clone(),
        fence: next_fence(&over),
        started: resumed.manifest.started,
        resumed: Some(resumed),
        over,
        ..meta(ctx)
    }
}

/// A fence of one attempt more than any that is taken over: what is left of it is never taken for
/// a run that began nothing.
fn next_fence(over: &Over) -> crate::name::Fence {
    let attempts = over.fences.values().filter_map(verb::attempt);
    verb::fence(attempts.max().unwrap_or(1) + 1, random())
}

/// A run takes the claims of others.
pub fn displace(meta: &mut Meta, over: Over) {
    if !over.fences.is_empty() {
        meta.fence = next_fence(&over);
        meta.over = over;
    }
}

/// A refusal as a failure: all reasons, each with what to do.
#[must_use]
pub fn refused(what: &str, refusal: Refusal) -> Failure {
    let text: Vec<&str> = refusal.reasons.iter().map(|(w, _)| w.as_str()).collect();
    let text = match text.as_slice() {
        [one] => format!("{what} is refused: {one}"),
        all => format!("{what} is refused:\n  {}", all.join("\n  ")),
    };
    let mut failure = if refusal.unknown {
        Failure::unreachable(text)
    } else {
        Failure::refused(text)
    };
    for (_, hint) in refusal.reasons.into_iter().filter(|(_, h)| !h.is_empty()) {
        if !failure.hints().contains(&hint) {
            failure = failure.hint(hint);
        }
    }
    failure
}

/// Everything that a run is driven with.
pub struct Drive<'a> {
    /// Surroundings.
    pub ctx: &'a Context,
    /// The environment's inventory; a run can be finished without.
    pub inventory: Option<&'a Inventory>,
    /// The machines.
    pub site: &'a Arc<Site>,
    /// What was seen.
    pub fleet: &'a Fleet,
    /// Makes the plan.
    pub planner: &'a Planner<'a>,
    /// The release, where one is brought.
    pub release: Option<&'a Release>,
    /// The run.
    pub meta: &'a Meta,
}

impl<'a> Drive<'a> {
    /// A run that brings no release from outside; `seen` are the machines and what was seen there.
    #[must_use]
    pub fn new(
        ctx: &'a Context,
        inventory: Option<&'a Inventory>,
        seen: (&'a Arc<Site>, &'a Fleet),
        planner: &'a Planner<'a>,
        meta: &'a Meta,
    ) -> Self {
        Self {
            ctx,
            inventory,
            site: seen.0,
            fleet: seen.1,
            planner,
            release: None,
            meta,
        }
    }

    /// The same run with a release.
    #[must_use]
    pub fn bringing(self, release: &'a Release) -> Self {
        Self {
            release: Some(release),
            ..self
        }
    }

    /// Shows the plan, asks where the environment is protected, performs it, and sums up.
    ///
    /// # Errors
    /// What kept the run from beginning.
    pub async fn go(&self, session: &mut Session, plan: &Plan) -> Result<ExitCode, Failure> {
        match Box::pin(self.perform(session, plan)).await {
            Ok(code) => Ok(code),
            Err(failure) => Err(self
                .told(&session.voice, plan.kind, plan.to.as_ref(), failure)
                .await),
        }
    }

    /// [`Self::go`] with what planning came to.
    ///
    /// # Errors
    /// What kept the run from beginning, or from being planned.
    pub async fn try_to(
        &self,
        session: &mut Session,
        kind: PlanKind,
        plan: Result<Plan, Failure>,
    ) -> Result<ExitCode, Failure> {
        match plan {
            Ok(plan) => self.go(session, &plan).await,
            Err(failure) => Err(self.told(&session.voice, kind, None, failure).await),
        }
    }

    /// A refusal, written down on the hosts as an attempt; other failures are passed on as they are.
    pub async fn told(
        &self,
        voice: &Voice,
        kind: PlanKind,
        to: Option<&ReleaseLabel>,
        failure: Failure,
    ) -> Failure {
        if failure.kind() == FailureKind::Refused {
            let outcome = Outcome {
                kind: OutcomeKind::Refused,
                why: voice.hidden().clean(&failure.one_line()),
                hosts: Vec::new(),
            };
            self.tell(kind, to, &outcome).await;
            Notices::refused(self, (kind, to), &outcome, voice).await;
        }
        failure
    }

    async fn tell(&self, kind: PlanKind, to: Option<&ReleaseLabel>, outcome: &Outcome) {
        // What a resumed run came to is for its own line of history.
        if self.meta.resumed.is_none() {
            let to = self.release.map(|r| &r.label).or(to);
            let ended = self.ctx.clock.wall().as_second();
            attempt::tell(self.site, self.meta, kind, to, outcome, ended).await;
        }
    }

    async fn perform(&self, session: &mut Session, plan: &Plan) -> Result<ExitCode, Failure> {
        let resumes = self.meta.resumed.is_some();
        // A run that changes nothing is in nobody's way; one that is taken over is its own.
        let overridden = if plan.is_empty() || resumes {
            Vec::new()
        } else {
            self.may(plan)?
        };
        let meta = &Meta {
            overridden,
            ..self.meta.clone()
        };
        let voice = session.voice.of_run(&self.meta.run);
        for what in &meta.overridden {
            voice.note(format!("overridden: {what}"), String::new());
        }
        voice.say(self.started(plan));
        voice.say(Kind::Plan {
            text: plan.to_string(),
        });
        self.accepted(plan)?;
        self.warn(session, plan);
        self.foresee(session, plan);
        let begun = self.ctx.clock.wall();
        let notices = Notices::of(self, &About::plan(plan), &voice);
        // A resumed run without steps still has its claims to give back.
        if plan.is_empty() && !resumes {
            let ended = Ended {
                outcome: Outcome {
                    kind: plan.end,
                    why: plan.notes.join("; "),
                    hosts: Vec::new(),
                },
                log: crate::engine::dispatch::Log::default(),
                fleet: self.fleet.clone(),
                untold: Vec::new(),
                after: None,
                plan: None,
                silent: false,
            };
            self.tell(plan.kind, plan.to.as_ref(), &ended.outcome).await;
            return Ok(self
                .sum_up(session, (plan, meta, &notices), &ended, begun, None)
                .await);
        }
        // Whoever goes back or tidies up at night is not asked twice.
        if !resumes && plan.kind != PlanKind::Rollback {
            self.confirm(session, plan).await?;
        }
        let before = async |_: &Session| notices.before(plan, resumes).await;
        session.unless_stopped(before).await??;
        let voice = notices.start(plan, &voice);
        let (tell, told) = mpsc::unbounded_channel();
        let (mut stops, mut last) = (mpsc::unbounded_channel().1, None);
        std::mem::swap(&mut stops, &mut session.stops);
        let running = run::run(
            self.site,
            plan,
            self.planner,
            self.release,
            self.fleet,
            meta,
            voice.hidden(),
            &voice,
            told,
        );
        tokio::pin!(running);
        let mut times = 0;
        let ended = loop {
            tokio::select! {
                ended = &mut running => break ended,
                Some(stop) = stops.recv() => {
                    if stop == Stop::HangUp {
                        session.feed.notices().say(words::HUNG_UP);
                        continue;
                    }
                    last = Some(stop);
                    times += 1;
                    session.feed.notices().say(words::interrupted(times));
                    let _ = tell.send(());
                }
            }
        };
        if ended.outcome.kind == OutcomeKind::Refused {
            self.tell(plan.kind, plan.to.as_ref(), &ended.outcome).await;
        }
        // Who goes on with another run listens again.
        session.stops = stops;
        session.stopped = last.is_some();
        let plan = ended.plan.as_ref().unwrap_or(plan);
        Ok(self
            .sum_up(session, (plan, meta, &notices), &ended, begun, last)
            .await)
    }

    async fn confirm(&self, session: &Session, plan: &Plan) -> Result<(), Failure> {
        let Some(inventory) = self.inventory else {
            return Ok(());
        };
        if let Some(rule) = &inventory.protection.ticket {
            ticket(self.ctx, inventory, rule)?;
        }
        if inventory.protection.confirm {
            session.feed.pause().await;
            // Nobody says yes to what was not shown whole.
            let text = plan.to_string();
            if text.lines().count() > PLAN_LINES && !self.ctx.options.json {
                self.ctx.out.say(text.trim_end());
            }
            let what = format!("{} of {} in {}", plan.kind.word(), plan.app, plan.env);
            confirm::confirm(self.ctx, &plan.env, &what).await?;
        }
        Ok(())
    }

    /// Every change of traffic of the plan, with the driver and the entry that it is for.
    fn changes<'p>(
        &self,
        plan: &'p Plan,
    ) -> impl Iterator<Item = (&'static dyn Driver, &Target, &'p Move)> {
        let moves = plan.steps.iter().flat_map(|s| match &s.action {
            Action::Shift { moves } => moves.as_slice(),
            _ => &[],
        });
        moves.filter_map(|change| {
            let (driver, target) = self.site.machines.get(&change.host)?.balancer.as_ref()?;
            Some((*driver, target, change))
        })
    }

    fn started(&self, plan: &Plan) -> Kind {
        let setup = &self.site.setup;
        let mut groups = Vec::new();
        let active = serving(self.site, self.fleet);
        for slot in &setup.slots {
            let reached = |t: &crate::fleet::Traffic| active.is_none() && t.reaches(slot);
            let shares = plan.before.as_ref().is_some_and(reached);
            let role = if active.as_ref() == Some(slot) || shares {
                Role::Active
            } else if *slot == plan.target {
                Role::Candidate
            } else {
                Role::Standby
            };
            let hosts = setup.hosts(slot).cloned().collect();
            groups.push(Group {
                name: slot.to_string(),
                role,
                hosts,
            });
        }
        for lb in &setup.balancers {
            let name = lb.balancer.to_string();
            match groups
                .iter_mut()
                .find(|g| g.role == Role::Balancer && g.name == name)
            {
                Some(group) => group.hosts.push(lb.host.clone()),
                None => groups.push(Group {
                    name,
                    role: Role::Balancer,
                    hosts: vec![lb.host.clone()],
                }),
            }
        }
        let hosts: Vec<HostName> = groups.iter().flat_map(|g| g.hosts.clone()).collect();
        Kind::Started {
            env: plan.env.clone(),
            app: plan.app.clone(),
            what: plan.kind.word(),
            hosts,
            groups,
        }
    }

    async fn sum_up(
        &self,
        session: &Session,
        (plan, meta, notices): (&Plan, &Meta, &Notices),
        ended: &Ended,
        begun: jiff::Timestamp,
        stop: Option<Stop>,
    ) -> ExitCode {
        // What is seen at the end says what serves now; what was planned is no proof.
        let looked = if ended.after.is_some() || plan.is_empty() || ended.log.took.is_empty() {
            None
        } else {
            Some(self.site.look(&session.voice).await)
        };
        let after = ended.after.as_ref().or(looked.as_ref());
        let fleet = after.unwrap_or(&ended.fleet);
        let mut summary = summary::of(self, plan, ended, fleet, begun);
        summary.overridden.clone_from(&meta.overridden);
        let finished = summary.finished(&self.ctx.zone);
        if let Kind::Finished { outcome, block } = &finished {
            notices.end(outcome, block);
        }
        session.voice.of_run(&self.meta.run).say(finished);
        // All is done and said; what is not delivered by then is given up.
        notices.close().await;
        if ended.silent {
            return ExitCode::Unknown;
        }
        match (ended.outcome.kind, stop) {
            (OutcomeKind::Cancelled, Some(stop)) => stop.exit_code(),
            // Taking back what another client began is an end before traffic moved.
            (OutcomeKind::Cancelled, None) => ExitCode::Failed,
            (kind, _) => kind.into(),
        }
    }
}

fn ticket(
    ctx: &Context,
    inventory: &Inventory,
    rule: &crate::inventory::TicketRule,
) -> Result<(), Failure> {
    let hint = format!("add --ticket; its form is {}", rule.pattern());
    match &ctx.options.ticket {
        Some(ticket) if rule.accepts(ticket) => Ok(()),
        Some(ticket) => {
            Err(Failure::refused(format!("{ticket} is no ticket for {}", inventory.env)).hint(hint))
        }
        None => Err(Failure::refused(format!("{} wants a ticket", inventory.env)).hint(hint)),
    }
}

/// The next revision: that of the release where a host has it already, else one more than the
/// highest that any host knows.
#[must_use]
pub fn revision(fleet: &Fleet, id: &crate::name::ReleaseId) -> u64 {
    let views = || fleet.hosts.values();
    let kept = views()
        .flat_map(|v| &v.record.kept)
        .find(|r| r.label.id == *id);
    if let Some(kept) = kept {
        return kept.label.revision;
    }
    let shown = views().flat_map(|v| &v.containers);
    let shown = shown.filter(|c| c.label("deploy.release") == Some(id.as_str()));
    if let Some(n) = shown
        .filter_map(|c| c.label("deploy.revision")?.parse().ok())
        .next()
    {
        return n;
    }
    // A release that no slot holds any more, e.g. after attempts that were taken back, keeps its number.
    if let Some(n) = views().filter_map(|v| v.record.numbers.get(id)).max() {
        return *n;
    }
    let recorded = views().map(|v| v.record.revision);
    let releases = views().flat_map(|v| v.record.kept.iter().map(|r| r.label.revision));
    recorded.chain(releases).max().unwrap_or(0) + 1
}

/// What serves a slot's traffic now, for messages.
#[must_use]
pub fn serving(site: &Site, fleet: &Fleet) -> Option<crate::name::SlotName> {
    let before = judge::traffic_now(&site.setup, fleet).ok()?;
    judge::active(&site.setup, before.as_ref()).ok()?
}
