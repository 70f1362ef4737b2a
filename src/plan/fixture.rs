//! A small staging fleet for tests of planning and of the engine: blue on web1 web2, green on web3
//! web4, behind lb1 lb2. A test says in a line or two what differs.
//!
//! Releases are told by their revision: [`label`] knows #42, #43 and #44 by version; any number
//! makes a release. To add a state: a method on [`World`].

mod jobs;
mod switched;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{GateKind, GateSpec, GateView, LbHost, Plan, Refusal, Setup};
use crate::fleet::view::project;
use crate::fleet::{
    BalancerView, ClaimView, Container, DRAINED, Debt, Fleet, Health, HostView, Known, Member,
    MemberState, RecordView, SlotRecord, Traffic,
};
use crate::name::{HostName, ReleaseId, ServiceName, SlotName, Version};
use crate::release::{HostRelease, Part, Release, ReleaseLabel, ServiceSpec};

pub fn host(name: &str) -> HostName {
    name.parse().expect("a test's host name")
}

pub fn slot(name: &str) -> SlotName {
    name.parse().expect("a test's slot name")
}

pub fn id(number: u64) -> ReleaseId {
    format!("r{number}").parse().expect("a release id")
}

pub fn label(number: u64) -> ReleaseLabel {
    let version = match number {
        42 => "1.0.1-22-7e56158".to_owned(),
        43 => "1.0.2-30-abc1234".to_owned(),
        44 => "1.1.0-41-fee1dea".to_owned(),
        n => format!("0.{n}.0"),
    };
    ReleaseLabel {
        adopted: false,
        id: id(number),
        version: Version::new(version).expect("a test's version"),
        revision: number,
        digest: None,
    }
}

fn spec() -> ServiceSpec {
    ServiceSpec {
        image: "app:1".to_owned(),
        digest: None,
        restart: Some("always".to_owned()),
        memory: Some(512 << 20),
        nano_cpus: Some(1_000_000_000),
        ports: vec![(8080, "tcp".to_owned())],
        one_shot: false,
    }
}

fn services() -> BTreeMap<ServiceName, ServiceSpec> {
    [(ServiceName::new("web").expect("a service"), spec())].into()
}

pub fn kept(number: u64, slot: &SlotName) -> HostRelease {
    HostRelease {
        adopted: std::collections::BTreeMap::new(),
        label: label(number),
        slot: slot.clone(),
        services: services(),
        secrets: crate::release::Prints::default(),
        made: crate::release::Made::default(),
    }
}

/// The release with that number, for every host of the fleet.
pub fn release(setup: &Setup, number: u64) -> Release {
    let of_slot = |s: &SlotName| {
        let part = |h: &HostName| Part {
            host: h.clone(),
            spec: kept(number, s),
            files: Vec::new(),
            secrets: Vec::new(),
        };
        setup.hosts(s).map(part).collect::<Vec<_>>()
    };
    Release {
        label: label(number),
        parts: setup.slots.iter().flat_map(of_slot).collect(),
    }
}

/// What blue and green hold, as a sync makes it again.
pub fn recorded(setup: &Setup, blue: u64, green: u64) -> Release {
    let mut all = release(setup, blue);
    let other = release(setup, green).parts;
    let of = |name: &'static str| move |p: &Part| p.spec.slot == slot(name);
    all.parts.retain(of("blue"));
    all.parts.extend(other.into_iter().filter(of("green")));
    all
}

fn machine(name: &str) -> Option<crate::name::MachineId> {
    Some(format!("m-{name}").parse().expect("a machine id"))
}

pub fn gate() -> GateSpec {
    GateSpec {
        kind: GateKind::Http {
            path: "/healthz".into(),
            port: 8080,
            status: (200, 299),
            host: None,
        },
        every: Duration::from_millis(500),
        in_a_row: 3,
        within: Duration::from_secs(30),
        timeout: Duration::from_secs(1),
        from: vec![GateView::Host, GateView::Balancer],
    }
}

fn member(name: &str) -> Member {
    Member {
        host: host(name),
        address: format!("{name}.svc"),
        port: 8080,
        state: MemberState::Ready,
    }
}

fn setup(slots: &[(&str, &[&str])], balancers: &[&str]) -> Setup {
    let gates = |names: &[&str]| names.iter().map(|n| (host(n), vec![gate()])).collect();
    Setup {
        env: "staging".parse().expect("a name"),
        app: "app".parse().expect("a name"),
        slots: slots.iter().map(|(s, _)| slot(s)).collect(),
        groups: slots
            .iter()
            .map(|(s, names)| (slot(s), names.iter().map(|n| member(n)).collect()))
            .collect(),
        balancers: balancers
            .iter()
            .map(|n| LbHost {
                host: host(n),
                balancer: "edge".parse().expect("a name"),
                drain: true,
                spare: false,
            })
            .collect(),
        left_out: Vec::new(),
        resting: BTreeSet::new(),
        min_healthy: 1,
        strategy: crate::inventory::Strategy::BlueGreen,
        rolling: crate::inventory::Rolling::default(),
        activity: None,
        jobs: Vec::new(),
        gates: slots
            .iter()
            .map(|(s, names)| (slot(s), gates(names)))
            .collect(),
        bake: Duration::from_secs(30),
        drain: Duration::from_secs(60),
        calendar: crate::inventory::calendar::Calendar::default(),
        budget: BTreeMap::new(),
    }
}

/// Configuration and what is observed, to be changed by a test.
#[derive(Debug, Clone)]
pub struct World {
    pub setup: Setup,
    pub fleet: Fleet,
}

impl World {
    /// Empty hosts, load balancers that know nothing of the app.
    pub fn empty() -> Self {
        Self::of(
            &[("blue", &["web1", "web2"]), ("green", &["web3", "web4"])],
            &["lb1", "lb2"],
        )
    }

    pub fn of(slots: &[(&str, &[&str])], balancers: &[&str]) -> Self {
        let mut world = Self {
            setup: setup(slots, balancers),
            fleet: Fleet::default(),
        };
        for name in slots.iter().flat_map(|(_, names)| *names) {
            world.fleet.hosts.insert(host(name), empty_host(name));
        }
        for name in balancers {
            let view = balancer(name, None);
            world.fleet.balancers.insert(host(name), view);
        }
        world
    }

    /// #42 serves from blue, green holds #41 that served before.
    pub fn serving() -> Self {
        Self::empty()
            .up("green", 41)
            .promoted("green", 41)
            .up("blue", 42)
            .promoted("blue", 42)
            .traffic("blue")
    }

    /// One slot on these hosts, through which releases go: the release serves from all of them, and
    /// the one before lies there.
    pub fn rolling(names: &[&str], number: u64) -> Self {
        let mut world = Self::of(&[("main", names)], &["lb1", "lb2"]);
        world.setup.strategy = crate::inventory::Strategy::Rolling;
        world
            .promoted("main", number - 1)
            .up("main", number)
            .promoted("main", number)
            .keeps("main", number - 1)
            .traffic("main")
    }

    /// The same for an app that must never run twice.
    pub fn recreated(names: &[&str], number: u64) -> Self {
        let mut world = Self::rolling(names, number);
        world.setup.strategy = crate::inventory::Strategy::Recreate;
        world
    }

    /// All load balancers send to nobody.
    pub fn nobody(mut self) -> Self {
        for lb in self.setup.balancers.clone() {
            let now = self.lb(lb.host.as_str()).running.get().cloned().flatten();
            let none = now.expect("traffic").to_nobody("g0.1");
            self.says(lb.host.as_str(), Some(none));
        }
        self
    }

    /// The files of a release lie on every host of the slot.
    pub fn keeps(mut self, name: &str, number: u64) -> Self {
        for h in self.setup.hosts(&slot(name)).cloned().collect::<Vec<_>>() {
            let kept = kept(number, &slot(name));
            self.host(h.as_str()).record.kept.push(kept);
        }
        self
    }

    /// The release runs on every host of the slot and is recorded there.
    pub fn up(mut self, name: &str, number: u64) -> Self {
        let s = slot(name);
        for h in self.setup.hosts(&s).cloned().collect::<Vec<_>>() {
            self.put(&h, &s, number);
        }
        self
    }

    /// The release runs on one host of the slot and is recorded there.
    pub fn put(&mut self, h: &HostName, s: &SlotName, number: u64) {
        let container = self.container(s, number);
        let view = self.fleet.hosts.get_mut(h).expect("a host of the fleet");
        let project = container.project().map(str::to_owned);
        view.containers
            .retain(|c| c.project() != project.as_deref());
        view.containers.push(container);
        let record = SlotRecord {
            release: id(number),
            run: "r-1".parse().expect("a run"),
        };
        view.record.slots.insert(s.clone(), record);
        view.record.kept.retain(|k| k.slot != *s);
        view.record.kept.push(kept(number, s));
    }

    /// The release served once, say the hosts of the slot.
    pub fn promoted(mut self, name: &str, number: u64) -> Self {
        for h in self.setup.hosts(&slot(name)).cloned().collect::<Vec<_>>() {
            self.host(h.as_str()).record.promoted.push(id(number));
        }
        self
    }

    /// Its load balancers can have a spare.
    pub fn spares(mut self) -> Self {
        self.setup
            .balancers
            .iter_mut()
            .for_each(|lb| lb.spare = true);
        self
    }

    /// All load balancers send to the slot.
    pub fn traffic(mut self, name: &str) -> Self {
        let traffic = self.setup.all_to(&slot(name), "g0");
        for lb in self.setup.balancers.clone() {
            self.says(lb.host.as_str(), Some(traffic.clone()));
        }
        self
    }

    /// All load balancers send this share, in basis points, to green and the rest to blue.
    pub fn shared(mut self, green: u32) -> Self {
        let mut traffic = self.setup.all_to(&slot("blue"), "g0");
        traffic.split.insert(slot("blue"), 10_000 - green);
        traffic.split.insert(slot("green"), green);
        traffic.split.retain(|_, share| *share > 0);
        for lb in self.setup.balancers.clone() {
            self.says(lb.host.as_str(), Some(traffic.clone()));
        }
        self
    }

    /// What one load balancer has written and does.
    pub fn says(&mut self, name: &str, traffic: Option<Traffic>) {
        let view = self.lb(name);
        view.spare = traffic.as_ref().and_then(|t| t.spare.clone());
        let traffic = traffic.map(|t| t.without_spare());
        view.persisted = Known::Is(traffic.clone());
        view.running = Known::Is(traffic);
    }

    pub fn host(&mut self, name: &str) -> &mut HostView {
        self.fleet
            .hosts
            .get_mut(&host(name))
            .expect("a host of the fleet")
    }

    pub fn lb(&mut self, name: &str) -> &mut BalancerView {
        self.fleet
            .balancers
            .get_mut(&host(name))
            .expect("a load balancer")
    }

    /// The first container on the host.
    pub fn container_of(&mut self, name: &str) -> &mut Container {
        &mut self.host(name).containers[0]
    }

    /// The member gets no requests from any load balancer.
    pub fn out(mut self, s: &str, name: &str) -> Self {
        for lb in self.setup.balancers.clone() {
            let now = self.lb(lb.host.as_str()).running.get().cloned().flatten();
            let now = now.expect("traffic");
            let out = Setup::with_member(&now, &slot(s), &host(name), MemberState::Drain, "g0");
            self.says(lb.host.as_str(), Some(out));
        }
        self
    }

    /// The host does not answer.
    pub fn silent(mut self, name: &str) -> Self {
        self.fleet.hosts.remove(&host(name));
        self.fleet.balancers.remove(&host(name));
        self.fleet
            .silent
            .insert(host(name), "no route to host".to_owned());
        self
    }

    /// A person left the load balancer out, for it does not answer.
    pub fn left_out(self, name: &str) -> Self {
        let mut world = self.silent(name);
        world.setup.leave_out(&[host(name)]);
        world
    }

    /// A person took the host out of traffic.
    pub fn drained(mut self, name: &str) -> Self {
        self = self.owes(name, &[]);
        let views = self.fleet.hosts.values_mut().map(|v| &mut v.record);
        let lbs = self.fleet.balancers.values_mut().map(|v| &mut v.record);
        for debt in views
            .chain(lbs)
            .filter_map(|r| r.owing.get_mut(&host(name)))
        {
            debt.generation = DRAINED.to_owned();
        }
        self.setup.rest(&host(name));
        self
    }

    /// The host does not answer and is passed by.
    pub fn skipped(self, name: &str) -> Self {
        let mut world = self.silent(name);
        world.setup.rest(&host(name));
        world
    }

    /// Every other host remembers that this one missed run r-9 and may still send to these slots.
    pub fn owes(mut self, name: &str, slots: &[&str]) -> Self {
        let debt = Debt {
            generation: "g9".to_owned(),
            slots: slots.iter().map(|s| slot(s)).collect(),
            run: "r-9".parse().expect("a run"),
            since: 99,
        };
        let views = self.fleet.hosts.iter_mut().map(|(h, v)| (h, &mut v.record));
        let lbs = self.fleet.balancers.iter_mut();
        for (h, record) in views.chain(lbs.map(|(h, v)| (h, &mut v.record))) {
            if h.as_str() != name {
                record.owing.insert(host(name), debt.clone());
            }
        }
        self
    }

    fn container(&self, s: &SlotName, number: u64) -> Container {
        let project = project(&self.setup.env, &self.setup.app, s);
        let label = label(number);
        let labels = [
            ("com.docker.compose.project", project.clone()),
            ("com.docker.compose.service", "web".to_owned()),
            ("deploy.release", label.id.to_string()),
            ("deploy.version", label.version.to_string()),
            ("deploy.revision", number.to_string()),
        ];
        Container {
            id: "c".repeat(64),
            name: format!("{project}-web-1"),
            image: "app:1".to_owned(),
            image_id: String::new(),
            state: "running".to_owned(),
            health: Health::Healthy,
            restarts: 0,
            exit_code: 0,
            oom: false,
            started: "2026-02-07T01:59:00Z".to_owned(),
            created: "2026-02-07T01:59:00Z".to_owned(),
            restart: "always".to_owned(),
            memory: 512 << 20,
            nano_cpus: 1_000_000_000,
            network_mode: "bridge".to_owned(),
            ports: vec![port(8080)],
            labels: labels.map(|(k, v)| (k.to_owned(), v)).into(),
        }
    }
}

pub fn port(number: u16) -> crate::fleet::PublishedPort {
    crate::fleet::PublishedPort {
        address: String::new(),
        port: number,
        protocol: "tcp".to_owned(),
    }
}

/// A claim of another run.
pub fn claim(seq: u64, left: u64) -> ClaimView {
    ClaimView {
        run: "r-7f3a".parse().expect("a run"),
        fence: "1-0f3a5b".parse().expect("a fence"),
        who: "ann@bastion1:17:99".parse().expect("an actor"),
        phase: if seq == 0 { "claimed" } else { "begun" }.to_owned(),
        seq,
        left,
    }
}

fn empty_host(name: &str) -> HostView {
    HostView {
        machine: machine(name),
        engine: Known::Is("29.0.0".to_owned()),
        compose: Known::Is("2.40.0".to_owned()),
        memory: 1 << 33,
        disk_free: 1 << 40,
        inodes_free: 1 << 20,
        clock: 0,
        containers: Vec::new(),
        record: RecordView::default(),
        problems: Vec::new(),
    }
}

fn balancer(name: &str, traffic: Option<Traffic>) -> BalancerView {
    BalancerView {
        balancer: "edge".parse().expect("a name"),
        machine: machine(name),
        persisted: Known::Is(traffic.clone()),
        running: Known::Is(traffic),
        spare: None,
        version: "nginx 1.28".to_owned(),
        instance: "i1".to_owned(),
        record: RecordView::default(),
        problems: Vec::new(),
    }
}

/// The plan as text, or the refusal as a person would read it.
pub fn text(plan: &Result<Plan, Refusal>) -> String {
    match plan {
        Ok(plan) => format!("{plan}  ends {}\n", plan.end),
        Err(refusal) => refusal.text(),
    }
}
