//! `deploy setup ENV`: what hosts need once, made by `deploy` or printed for another department.
//!
//! - `script` what is printed
//!
//! What is needed, `record::setup` and the drivers' `set_up` say; to add something: there.

mod script;

use std::collections::BTreeMap;

use tokio::task::JoinSet;

use super::confirm;
use super::context::Context;
use super::failure::Failure;
use super::session::{self, Session};
use crate::balancer;
use crate::check::{self, hosts};
use crate::engine::site::{self, Machine, chain};
use crate::host::script::{Body, Script};
use crate::inventory::{HostEntry, Inventory};
use crate::name::{AppName, EnvName, ExitCode, HostName};
use crate::record;
use crate::report::check::{self as checked, CheckView};
use crate::report::setup::{self as report, Done, State};

/// Make what hosts need once: the folder of the record, nginx's include, HAProxy's maps
///
/// As root where it is needed, by `sudo -n`; what is there already is kept, so that it may be run
/// again. Afterwards all hosts are looked at, and what a person has to do is said. With --print
/// nothing is done: it prints a script for whoever is root there, and the lines of sudoers.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Environment: the name of a file in `inventories/`
    env: EnvName,
    /// Print a script instead; asks no host
    #[arg(long)]
    print: bool,
    /// The account that `deploy` logs in with, for --print where the inventory leaves it to ssh
    #[arg(long, value_name = "LOGIN", requires = "print", value_parser = login)]
    login: Option<String>,
    /// Only these hosts: names, web*, web[1:4], groups, !not
    #[arg(long = "host", value_name = "HOSTS")]
    hosts: Vec<String>,
}

fn login(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if text.is_empty() || text.starts_with('-') || !text.chars().all(good) {
        return Err("is no name of an account".to_owned());
    }
    Ok(text.to_owned())
}

/// What one host needs.
struct Needs<'a> {
    host: &'a HostEntry,
    /// What its load balancers need.
    balancers: Vec<Body>,
}

impl Args {
    /// Understands the words, then makes or prints.
    ///
    /// # Errors
    /// Words that mean nothing here, all that is wrong in the inventory, a protected environment
    /// without a person's word.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        ctx.environment(&self.env, false)?;
        let inventory = session::inventory(ctx, &self.env)?;
        let named = session::hosts(&inventory, &self.hosts)?;
        let mut needs = needs(&inventory);
        needs.retain(|name, _| named.is_empty() || named.contains(name));
        if needs.is_empty() {
            return Err(Failure::usage(format!(
                "{}: none of these hosts runs an app or is a load balancer of one",
                self.env
            )));
        }
        if self.print {
            let text = script::text(&self.env, &needs, self.login.as_deref());
            ctx.out.result(text.trim_end());
            return Ok(ExitCode::Success);
        }
        if inventory.protection.confirm {
            confirm::confirm(ctx, &self.env, "setup").await?;
        }
        make(ctx, &inventory, &needs).await
    }
}

/// Hosts that run an app or are one's load balancer, and what they need.
fn needs(inventory: &Inventory) -> BTreeMap<HostName, Needs<'_>> {
    let mut out: BTreeMap<HostName, Needs<'_>> = BTreeMap::new();
    let new = |host| Needs {
        host,
        balancers: Vec::new(),
    };
    for app in inventory.apps.values() {
        for member in app.members() {
            let host = &inventory.hosts[&member.host];
            out.entry(host.name.clone()).or_insert_with(|| new(host));
        }
        for (lb, host) in inventory.balancer_hosts(app) {
            let needs = out.entry(host.name.clone()).or_insert_with(|| new(host));
            let driver = balancer::driver(&lb.driver.value);
            let target = site::target(inventory, app, lb, host);
            let body = driver.zip(target).and_then(|(d, t)| d.set_up(&t));
            // Apps with one configuration of their load balancer need it once.
            let known = |b: &Body| needs.balancers.iter().any(|o| same(o, b));
            if let Some(body) = body.filter(|b| !known(b)) {
                needs.balancers.push(body);
            }
        }
    }
    out
}

fn same(a: &Body, b: &Body) -> bool {
    (&a.text, &a.args) == (&b.text, &b.args)
}

/// Makes it on all hosts at once, then looks.
async fn make(
    ctx: &Context,
    inventory: &Inventory,
    needs: &BTreeMap<HostName, Needs<'_>>,
) -> Result<ExitCode, Failure> {
    let mut session = Session::start(ctx)?;
    let mut some = inventory.clone();
    some.hosts.retain(|name, _| needs.contains_key(name));
    let work = session.unless_stopped(async |s: &Session| {
        let name = AppName::new("setup").expect("letters are a name");
        let site = s.open_all(&some, &name).await;
        let done = all(&site.machines, needs).await;
        (done, look(s, inventory, needs).await)
    });
    let ended = work.await;
    session.feed.pause().await;
    session.close().await;
    let (done, view) = ended?;
    show(ctx, &done, &view);
    let left = done
        .values()
        .flatten()
        .any(|(state, _)| *state == State::Left);
    let code = view.exit_code();
    Ok(match left && code == ExitCode::Success {
        true => ExitCode::Refused,
        false => code,
    })
}

fn show(ctx: &Context, done: &Done, view: &CheckView) {
    if ctx.options.json {
        let lines = report::json(&view.env, done).into_iter();
        lines
            .chain(checked::json(view))
            .for_each(|line| ctx.out.result(&line));
        return;
    }
    let blocks = [report::text(done), checked::text(view)];
    let blocks: Vec<&str> = blocks.iter().map(String::as_str).collect();
    ctx.out.result(blocks.join("\n\n").trim_start());
}

async fn all(
    machines: &BTreeMap<HostName, Machine>,
    needs: &BTreeMap<HostName, Needs<'_>>,
) -> Done {
    let mut set = JoinSet::new();
    for (name, machine) in machines {
        let Some(wanted) = needs.get(name) else {
            continue;
        };
        // Who logs in, the host knows; with `become` the record is root's own.
        let login = if machine.scope.sudo { "root" } else { "-" };
        let mut bodies = vec![record::setup::body(&machine.scope.root, login)];
        bodies.extend(wanted.balancers.iter().cloned());
        let (name, machine) = (name.clone(), machine.clone());
        set.spawn(async move {
            let mut lines = Vec::new();
            for body in bodies {
                lines.extend(one(&machine, &body).await);
            }
            (name, lines)
        });
    }
    set.join_all().await.into_iter().collect()
}

/// As the login first: where all is there, nothing needs root. Then by sudo.
async fn one(machine: &Machine, body: &Body) -> Vec<(State, String)> {
    let first = run(machine, body, machine.scope.sudo).await;
    let lacks = |lines: &[(State, String)]| lines.iter().any(|(s, _)| *s == State::Left);
    match first {
        Ok(lines) if machine.scope.sudo || !lacks(&lines) => lines,
        Ok(lines) => match run(machine, body, true).await {
            Ok(better) => better,
            Err(why) => {
                let hint = "as root there: what `deploy setup ENV --print` prints";
                let no_root = (State::Left, format!("{}: {why}; {hint}", body.name));
                lines.into_iter().chain([no_root]).collect()
            }
        },
        Err(why) => vec![(State::Left, format!("{}: {why}", body.name))],
    }
}

async fn run(machine: &Machine, body: &Body, root: bool) -> Result<Vec<(State, String)>, String> {
    let mut script = Script::new(body.name, format!("{}\nend ok\n", body.text));
    script.args.clone_from(&body.args);
    script.root = root;
    let reply = machine.host.run(script).await.map_err(|e| chain(&e))?;
    let read = reply.lines.iter().filter_map(|line| State::read(line));
    Ok(read.map(|(state, what)| (state, what.to_owned())).collect())
}

/// What a look says of these hosts now, for all apps.
async fn look(
    session: &Session,
    inventory: &Inventory,
    needs: &BTreeMap<HostName, Needs<'_>>,
) -> CheckView {
    let mut view = CheckView::new(inventory.env.clone());
    for app in inventory.apps.values() {
        let site = session.open(inventory, app).await;
        let fleet = site.look(&session.voice).await;
        view.saw(&fleet);
        let found = hosts::all(&site.setup, &fleet, false).into_iter();
        let about =
            |f: &check::Finding| f.whom.is_empty() || f.whom.iter().any(|h| needs.contains_key(h));
        view.findings.extend(found.filter(about));
        let asked = site.machines.len() + site.silent.len();
        let say = format!("{} of {}", crate::text::count(asked, "machine"), app.name);
        view.checked.push(say);
    }
    view.findings = check::folded(std::mem::take(&mut view.findings));
    view
}
