//! One verb as data, performed on the scripts and on the model.

use std::collections::BTreeMap;

use deploy::host::script::Body;
use deploy::name::{Actor, Fence, MachineId, OutcomeKind, ReleaseId, RunId, SlotName, Version};
use deploy::record::model::{Host, StepAsk};
use deploy::record::verb;
use deploy::record::{
    ClaimId, ClaimReply, HistoryEntry, Hold, HoldLevel, Look, Manifest, RunKind, StateDir, Take,
    TakeReply, Upload, parse,
};
use deploy::release::{HostRelease, Made, Prints, ReleaseFile, ReleaseLabel, SecretFile};
use deploy::text::Secret;

use super::bench::Bench;

/// A verb with its parameters.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "one verb at a time")]
pub enum Verb {
    Look,
    Claim {
        id: ClaimId,
        heed: bool,
    },
    Renew(Fence),
    Step {
        id: ClaimId,
        seq: u64,
        rc: i32,
        slot: bool,
    },
    Take {
        id: ClaimId,
        what: Take,
    },
    Release {
        fence: Fence,
        run: RunId,
        outcome: OutcomeKind,
    },
    Unclaim(Fence),
    Peek,
    Hold {
        level: HoldLevel,
        until: Option<i64>,
        text: &'static str,
    },
    Unhold(HoldLevel),
    /// Seconds pass.
    Wait(u64),
    /// Another boot.
    Reboot,
}

pub fn id(run: &str, fence: &str) -> ClaimId {
    ClaimId {
        run: RunId::new(run).unwrap(),
        fence: Fence::new(fence).unwrap(),
        ttl_secs: 60,
        who: Actor::new(format!("ops@{run}:17:99")).unwrap(),
    }
}

pub fn facts() -> Body {
    Body::new("facts", "printf 'facts\\n%s\\n' \"$1\"").args(["it's \"quoted\" $(here)"])
}
fn fact_lines() -> Vec<String> {
    vec!["facts".into(), "it's \"quoted\" $(here)".into()]
}

pub fn upload(id: &ClaimId) -> Upload {
    let manifest = Manifest {
        format: 1,
        tool: "0.1.0".into(),
        run: id.run.clone(),
        kind: RunKind::Deploy,
        env: "staging".parse().unwrap(),
        app: "app".parse().unwrap(),
        who: id.who.clone(),
        started: 1,
        hosts: vec![],
        balancers: vec![],
        active: None,
        standby: None,
        slots_before: BTreeMap::new(),
        before: BTreeMap::new(),
        after: vec![],
        sums: BTreeMap::new(),
        jobs: vec![],
        bake_secs: 0,
        stop_secs: 10,
        more: serde_json::Value::Null,
    };
    let file = |path: &str, bytes: &[u8]| ReleaseFile {
        path: path.into(),
        mode: 0o640,
        bytes: bytes.into(),
    };
    let files = vec![
        file("docker-compose.yml", b"services: {}\n\0\xff no newline"),
        file("conf/empty", b""),
    ];
    Upload {
        manifest: Some(manifest),
        release: Some((release(&id.run), files)),
        secrets: vec![SecretFile {
            path: "secrets/db".into(),
            mode: 0o444,
            bytes: Secret::new(b"a\0value".to_vec()),
        }],
    }
}

/// The release that a run brings; each has its own.
pub fn release(run: &RunId) -> HostRelease {
    HostRelease {
        adopted: std::collections::BTreeMap::new(),
        label: ReleaseLabel {
            adopted: false,
            id: ReleaseId::new(format!("rel-{run}")).unwrap(),
            version: Version::new("1.0.1-22-7e56158").unwrap(),
            revision: 1,
            digest: None,
        },
        slot: SlotName::new("blue").unwrap(),
        services: BTreeMap::new(),
        secrets: Prints::default(),
        made: Made::default(),
    }
}

/// A body that leaves a mark each time it runs, prints on both streams and reads its data.
pub fn body(bench: &Bench, seq: u64, rc: i32, slot: Option<&ReleaseId>) -> Body {
    let text = "echo \"$SEQ\" >>\"$1\"; cat; echo \"to stderr\" >&2; \
                [ -z \"$3\" ] || slot_set blue \"$3\"; exit \"$2\"";
    let marks = bench.path().join("marks");
    let mut body = Body::new("work", text).args([
        marks.to_str().unwrap(),
        &rc.to_string(),
        slot.map_or("", ReleaseId::as_str),
    ]);
    body.data = format!("data of {seq}\n").into_bytes();
    body
}

pub fn entry(run: &RunId, outcome: OutcomeKind) -> HistoryEntry {
    HistoryEntry {
        run: run.clone(),
        kind: RunKind::Deploy,
        revision: 7,
        highest: 8,
        who: Actor::new("ops@m:1:2").unwrap(),
        why: "it's $(so) \"quoted\" \\n %s".into(),
        ticket: "CHG0012345".into(),
        release: Some(release(run).label.id),
        version: "1.0.1-22-7e56158".into(),
        digest: None,
        config: String::new(),
        active: None,
        outcome,
        reason: String::new(),
        started: 1,
        ended: 2,
        took: vec![],
        more: serde_json::Value::Null,
    }
}

/// A model that begins as a fresh bench does.
pub fn model() -> Host {
    let mut host = Host::new(MachineId::new("machine").unwrap(), "boot-1.0", 0, 1000);
    host.uptime = 1000;
    host
}

fn hold(level: HoldLevel, until: Option<i64>, text: &str) -> Hold {
    Hold {
        level,
        until,
        since: 5,
        who: Actor::new("ann@m:1:2").unwrap(),
        text: text.into(),
    }
}

/// What a look shows, without what differs from machine to machine.
pub fn plain(mut look: Look) -> Look {
    look.wall = 1000;
    look.fs = String::new();
    look.machine = look.machine.map(|_| MachineId::new("machine").unwrap());
    if look.state == StateDir::Ready && look.machine.is_none() {
        look.state = StateDir::Creatable;
    }
    look.kept.sort_by(|a, b| a.label.id.cmp(&b.label.id));
    look
}

impl Verb {
    /// Performs the verb on the scripts; the answer as text for comparison.
    pub fn perform(&self, bench: &Bench, boot: &mut (u64, u64)) -> String {
        let scope = &bench.scope;
        match self {
            Self::Look => {
                let reply = bench.ask(verb::look(scope, &facts()));
                format!("{:#?}", plain(parse::look(&reply).unwrap()))
            }
            Self::Claim { id, heed } => {
                let script = verb::claim(scope, id, *heed, &upload(id), &facts()).unwrap();
                let mut reply = parse::claim(&bench.ask(script)).unwrap();
                if let ClaimReply::Taken { machine, look, .. } = &mut reply {
                    *machine = MachineId::new("machine").unwrap();
                    **look = plain((**look).clone());
                }
                format!("{reply:#?}")
            }
            Self::Renew(fence) => {
                let reply = bench.ask(verb::renew(scope, fence));
                timeless(format!("{:#?}", parse::renew(&reply).unwrap()))
            }
            Self::Step { id, seq, rc, slot } => {
                let release = release(&id.run).label.id;
                let body = body(bench, *seq, *rc, slot.then_some(&release));
                let reply = bench.ask(verb::step(scope, id, *seq, &body));
                timeless(format!("{:#?}", parse::step(&reply).unwrap()))
            }
            Self::Take { id, what } => {
                let reply = bench.ask(verb::take(scope, id, what));
                format!("{:#?}", parse::take(&reply).unwrap())
            }
            Self::Release {
                fence,
                run,
                outcome,
            } => {
                let script = verb::release(scope, fence, *outcome, &entry(run, *outcome));
                format!("{:#?}", parse::release(&bench.ask(script)).unwrap())
            }
            Self::Unclaim(fence) => {
                let reply = bench.ask(verb::unclaim(scope, fence));
                format!("{:#?}", parse::release(&reply).unwrap())
            }
            Self::Peek => {
                let reply = bench.ask(verb::peek(scope));
                format!("{:#?}", parse::peek(&reply).unwrap())
            }
            Self::Hold { level, until, text } => {
                let h = hold(*level, *until, text);
                let script = verb::hold(scope, *level, *until, h.since, &h.who, text);
                format!("{:#?}", parse::hold(&bench.ask(script)).unwrap())
            }
            Self::Unhold(level) => {
                let reply = bench.ask(verb::unhold(scope, *level));
                format!("{}", parse::unhold(&reply).unwrap().is_some())
            }
            Self::Wait(secs) => {
                boot.1 += secs;
                bench.clock(&format!("boot-{}", boot.0), boot.1, born(boot.0));
                String::new()
            }
            Self::Reboot => {
                *boot = (boot.0 + 1, born(boot.0 + 1) + 3);
                bench.clock(&format!("boot-{}", boot.0), boot.1, born(boot.0));
                String::new()
            }
        }
    }

    /// Performs the verb on the model; the answer as text for comparison.
    pub fn expect(&self, model: &mut Host, boot: u64) -> String {
        match self {
            Self::Look => format!("{:#?}", plain(model.look(&fact_lines()))),
            Self::Claim { id, heed } => {
                let mut reply = model.claim(id, *heed, &upload(id), &fact_lines());
                if let ClaimReply::Taken { look, .. } = &mut reply {
                    **look = plain((**look).clone());
                }
                format!("{reply:#?}")
            }
            Self::Renew(fence) => timeless(format!("{:#?}", model.renew(fence))),
            Self::Step { id, seq, rc, slot } => {
                let ask = ask(id, *seq);
                let release = release(&id.run).label.id;
                let reply = model.step(&ask, |host| {
                    if *slot {
                        bring_up(host, id, release);
                    }
                    (*rc, output(*seq))
                });
                timeless(format!("{reply:#?}"))
            }
            Self::Take { id, what } => {
                let reply: TakeReply = model.take(id, what);
                format!("{reply:#?}")
            }
            Self::Release {
                fence,
                run,
                outcome,
            } => format!(
                "{:#?}",
                model.release(fence, *outcome, &entry(run, *outcome))
            ),
            Self::Unclaim(fence) => format!("{:#?}", model.unclaim(fence)),
            Self::Peek => format!("{:#?}", model.peek()),
            Self::Hold { level, until, text } => {
                format!("{:#?}", model.hold(hold(*level, *until, text)))
            }
            Self::Unhold(level) => format!("{}", model.unhold(*level)),
            Self::Wait(secs) => {
                model.uptime += secs;
                String::new()
            }
            Self::Reboot => {
                let boot = boot + 1;
                model.reboot(format!("boot-{boot}.{}", born(boot) * 100), born(boot));
                model.uptime += 3;
                String::new()
            }
        }
    }
}

/// The answer without the moment of a take-over: the model has no such clock.
fn timeless(text: String) -> String {
    let mut lines: Vec<&str> = Vec::new();
    let mut moment = false;
    for line in text.lines() {
        match line.trim_start() {
            "at: Some(" => moment = true,
            _ if moment => moment = line.trim_start() != "),",
            _ => lines.push(line),
        }
    }
    lines.retain(|line| line.trim_start() != "at: None,");
    lines.join("\n")
}

/// In odd boots the host is a container: pid 1 began long after the machine.
fn born(boot: u64) -> u64 {
    if boot.is_multiple_of(2) {
        500 * boot
    } else {
        0
    }
}

pub fn ask(id: &ClaimId, seq: u64) -> StepAsk<'_> {
    StepAsk {
        id,
        seq,
        name: "work",
        tied: false,
        limit: 30,
    }
}
pub fn output(seq: u64) -> Vec<String> {
    vec![format!("data of {seq}"), "to stderr".into()]
}
pub fn bring_up(host: &mut Host, id: &ClaimId, release: ReleaseId) {
    let record = deploy::fleet::SlotRecord {
        release,
        run: id.run.clone(),
    };
    host.slots.insert(SlotName::new("blue").unwrap(), record);
}
