//! Negative controls: a plan is data, so a test takes the safe step out of it and has the same engine perform the rest on the
//! same fleet under the same load. What was taken out is what kept requests from failing: the load client must count failures.
//! Each has a twin that differs in nothing but that step and drops nothing.

use std::sync::Arc;
use std::time::Duration;

use deploy::engine::run::{self, Meta};
use deploy::engine::site::Site;
use deploy::engine::voice::Voice;
use deploy::fleet::Fleet as Seen;
use deploy::host::{Connector, Settings};
use deploy::inventory::Config;
use deploy::name::{Actor, AppName, EnvName, HostName, OutcomeKind, RunId, SlotName, StepId};
use deploy::plan::step::{Cause, Step, Undo};
use deploy::plan::{Action, Plan, switch};
use deploy::record::verb;
use deploy::text::Redactor;
use deploy::time::Clock;
use tokio::sync::mpsc;

use crate::support::load::Summary;
use crate::support::shop::{FIRST, SECOND, Shop};

/// How the plan of a way back is edited before it is performed.
type Edit = fn(&mut Plan);

/// The members of the slot that serves before the switch.
const OLD: [&str; 2] = ["web3", "web4"];

/// Load while the edited way back from SECOND to FIRST is performed; both slots run when it begins.
fn under_load(generation: &str, edit: Edit) -> Summary {
    let shop = Shop::serving(FIRST);
    shop.deploy(SECOND).assert_code(0);
    let load = shop.load(&[]);
    let outcome = perform(&shop, generation, edit);
    assert_eq!(
        outcome,
        OutcomeKind::Succeeded,
        "the engine performs what it is given"
    );
    load.go_on(Duration::from_secs(2));
    load.stop()
}

fn perform(shop: &Shop, generation: &str, edit: Edit) -> OutcomeKind {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let env = EnvName::new("staging").expect("a test of its own words");
        let config = Config::new(shop.project.folder(), []);
        let sets = ["apps.app.bake=0s".to_owned()];
        let inventory = config.load(&env, &sets).expect("a test of its own words");
        let app = inventory
            .app(
                AppName::new("app")
                    .expect("a test of its own words")
                    .as_str(),
            )
            .expect("a test of its own words");
        let base = tempfile::tempdir().expect("a test of its own words");
        let mut settings = Settings::new(base.path().join("c"));
        settings.ssh_config = Some(shop.fleet.ssh_config());
        let connector = Arc::new(Connector::new(settings));
        let voice = Voice::new(mpsc::unbounded_channel().0, Clock::system());
        let site = Arc::new(Site::open(&inventory, app, &connector, &voice, false).await);
        let seen = site.look(&voice).await;
        let planner = |fleet: &Seen| {
            let mut plan = switch::rollback(&site.setup, fleet, generation)?;
            edit(&mut plan);
            Ok(plan)
        };
        let plan = planner(&seen).expect("a way back");
        let meta = Meta {
            run: RunId::new(generation).expect("a test of its own words"),
            fence: verb::fence(1, 11),
            who: Actor::new("control@here:1:1").expect("a test of its own words"),
            why: "negative control".to_owned(),
            ticket: String::new(),
            started: 0,
            tool: "test".to_owned(),
            config: String::new(),
            resumed: None,
            over: Default::default(),
            word: false,
            overridden: Default::default(),
        };
        let signals = mpsc::unbounded_channel().1;
        let run = run::run(
            &site,
            &plan,
            &planner,
            None,
            &seen,
            &meta,
            Redactor::default(),
            &voice,
            signals,
        );
        let ended = tokio::time::timeout(Duration::from_secs(120), run).await;
        let ended = ended.expect("the run ends");
        eprintln!("{plan}{:?}", ended.outcome);
        ended.outcome.kind
    })
}

fn is_drain(step: &Step) -> bool {
    matches!(step.action, Action::Drain { .. })
}

/// Takes steps out; who needed them needs what they needed.
fn without(plan: &mut Plan, out: impl Fn(&Step) -> bool) {
    let gone: Vec<(StepId, Vec<StepId>)> = plan
        .steps
        .iter()
        .filter(|s| out(s))
        .map(|s| (s.id, s.needs.clone()))
        .collect();
    assert!(!gone.is_empty(), "the plan has no such step:\n{plan}");
    plan.steps.retain(|s| !out(s));
    for step in &mut plan.steps {
        for (id, needs) in &gone {
            if step.needs.contains(id) {
                step.needs.retain(|n| n != id);
                step.needs.extend(needs);
            }
        }
    }
}

/// Ends the old slot when these steps are done.
fn stop_old(plan: &mut Plan, needs: &[StepId]) {
    let last = plan.steps.iter().map(|s| s.id.0).max().unwrap_or(0);
    for (n, host) in (1..).zip(OLD) {
        plan.steps.push(Step {
            id: StepId(last + n),
            action: Action::Revert {
                host: HostName::new(host).expect("a test of its own words"),
                slot: SlotName::new("green").expect("a test of its own words"),
                to: None,
            },
            undo: Undo::Nothing,
            needs: needs.to_vec(),
            cause: Cause("a test ends the old slot".to_owned()),
        });
    }
}

fn ids(plan: &Plan, which: impl Fn(&Step) -> bool) -> Vec<StepId> {
    plan.steps
        .iter()
        .filter(|s| which(s))
        .map(|s| s.id)
        .collect()
}

#[test]
#[ignore = "needs the fleet"]
fn with_the_drain_the_old_slot_may_be_ended_and_without_it_requests_fail() {
    let good = under_load("r-c0000001", |plan| {
        let drains = ids(plan, is_drain);
        stop_old(plan, &drains);
    });
    good.assert_good();
    let bad = under_load("r-c0000002", |plan| {
        without(plan, is_drain);
        let commit = plan.commit;
        stop_old(plan, commit.as_slice());
    });
    println!(
        "drain removed: {} of {} requests failed",
        bad.failed,
        bad.ok + bad.failed
    );
    assert!(
        bad.failed > 0,
        "without the drain nothing failed: the load cannot see it"
    );
}

/// One load balancer goes on as before though its change was answered with 0, and nobody reads it back: the same as a plan
/// that leaves it out of the switch and of the drain.
#[test]
#[ignore = "needs the fleet"]
fn a_switch_that_does_not_take_and_is_not_read_back_fails_requests() {
    let bad = under_load("r-c0000004", |plan| {
        let lb2 = HostName::new("lb2").expect("a test of its own words");
        without(
            plan,
            |s| matches!(&s.action, Action::Drain { host, .. } if *host == lb2),
        );
        for step in &mut plan.steps {
            if let Action::Shift { moves } = &mut step.action {
                moves.retain(|m| m.host != lb2);
            }
        }
        let drains = ids(plan, is_drain);
        stop_old(plan, &drains);
    });
    println!(
        "not read back: {} of {} requests failed",
        bad.failed,
        bad.ok + bad.failed
    );
    assert!(
        bad.failed > 0,
        "the load cannot see a load balancer that was left behind"
    );
}

/// `script/test --long` only: the default run must stay under 20 minutes.
mod long {
    use super::*;

    #[test]
    #[ignore = "needs the fleet and --long"]
    fn an_old_slot_that_is_ended_before_the_switch_fails_requests() {
        let bad = under_load("r-c0000003", |plan| stop_old(plan, &[]));
        println!(
            "stopped early: {} of {} requests failed",
            bad.failed,
            bad.ok + bad.failed
        );
        assert!(
            bad.failed > 0,
            "the load cannot see an old slot that was ended early"
        );
    }
}
