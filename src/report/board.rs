//! What the terminal shows while a run goes on, as data and as lines: pure, no cursor.
//!
//! One line per host under its group, one line with a bar for the whole. Where the screen is too
//! low for all hosts, failed and busy ones are shown and the rest is folded into one line per
//! group, so that 100 hosts stay as calm as four.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use console::truncate_str;
use jiff::Timestamp;

use super::layout::pad;
use super::paint::Paint;
use super::words;
use crate::event::{Event, Group, Kind, Role, Stage};
use crate::name::HostName;
use crate::text;

/// Lines of the screen that stay free: what was typed, what comes last, the cursor.
const FREE: usize = 3;
/// Widest column of host names.
const WIDEST: usize = 24;
/// Cells of the bar for the whole, and of a host's own bar.
const CELLS: (usize, usize) = (24, 8);

/// Size of a screen in rows and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Screen {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Failed,
    Busy,
    Done,
    Idle,
}

#[derive(Debug, Clone)]
struct HostState {
    mark: Mark,
    stage: Stage,
    began: Timestamp,
    took: Duration,
    done: u64,
    total: u64,
    text: String,
    passed: BTreeSet<Stage>,
}

impl HostState {
    fn idle(at: Timestamp) -> Self {
        Self {
            mark: Mark::Idle,
            stage: Stage::Connect,
            began: at,
            took: Duration::ZERO,
            done: 0,
            total: 0,
            text: String::new(),
            passed: BTreeSet::new(),
        }
    }

    fn word(&self) -> &'static str {
        match self.mark {
            Mark::Idle => "waiting",
            Mark::Busy => words::doing(self.stage),
            Mark::Done => words::done(self.stage),
            Mark::Failed => "failed",
        }
    }
}

struct Block {
    role: Option<Role>,
    name: String,
    hosts: Vec<HostName>,
}

impl Block {
    fn title(&self) -> String {
        match self.role {
            Some(role) => format!("{} {}", role.word(), self.name),
            None => self.name.clone(),
        }
    }

    /// Stages that a host of the group goes through in a whole deploy; for the bar only.
    fn stages(&self) -> usize {
        match self.role {
            Some(Role::Balancer) => 8,
            Some(Role::Active | Role::Standby) => 3,
            Some(Role::Candidate) | None => 8,
        }
    }
}

/// Everything that the screen is made of.
pub struct Board {
    title: String,
    began: Option<Timestamp>,
    waiting: Option<(String, Timestamp, Duration)>,
    blocks: Vec<Block>,
    hosts: BTreeMap<HostName, HostState>,
}

impl std::fmt::Debug for Board {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Board({})", self.title)
    }
}

impl Default for Board {
    fn default() -> Self {
        Self::new()
    }
}

impl Board {
    /// An empty screen.
    #[must_use]
    pub fn new() -> Self {
        Self {
            title: String::new(),
            began: None,
            waiting: None,
            blocks: Vec::new(),
            hosts: BTreeMap::new(),
        }
    }

    /// Takes an event in.
    pub fn event(&mut self, event: &Event) {
        let at = event.at.0;
        self.began.get_or_insert(at);
        match &event.kind {
            Kind::Started {
                env,
                app,
                what,
                hosts,
                groups,
            } => {
                self.title = format!("{what} {env} {app}");
                self.group(hosts, groups, at);
            }
            Kind::Begin { host, stage } => self.begin(host, *stage, at),
            Kind::Progress {
                host,
                stage,
                done,
                total,
                text,
            } => {
                let state = self.busy(host, *stage, at);
                (state.done, state.total) = (*done, *total);
                state.text = words::tame(text);
            }
            Kind::Done {
                host,
                stage,
                took,
                text,
            } => {
                let state = self.busy(host, *stage, at);
                state.mark = Mark::Done;
                state.took = *took;
                state.text = words::tame(text);
                state.total = 0;
                state.passed.insert(*stage);
            }
            Kind::Failed { host, stage, why } => {
                let state = self.busy(host, *stage, at);
                state.mark = Mark::Failed;
                state.took = at.duration_since(state.began).unsigned_abs();
                state.text = words::tame(why.lines().next().unwrap_or_default());
                state.total = 0;
            }
            Kind::Line { host, text } => {
                let state = self.host(host, at);
                if state.mark == Mark::Busy {
                    state.text = words::tame(text.lines().last().unwrap_or_default());
                }
            }
            Kind::Switched { host, to } => self.host(host, at).text = format!("sends to {to}"),
            Kind::Waiting { text, took } => {
                self.waiting = Some((words::tame(text), at, *took));
            }
            Kind::Plan { .. } | Kind::Note { .. } | Kind::Error { .. } | Kind::Finished { .. } => {}
        }
    }

    fn begin(&mut self, host: &HostName, stage: Stage, at: Timestamp) {
        self.waiting = None;
        let passed = std::mem::take(&mut self.host(host, at).passed);
        *self.host(host, at) = HostState {
            mark: Mark::Busy,
            stage,
            passed,
            ..HostState::idle(at)
        };
    }

    /// The host's state in this stage, which begins now where that was not said.
    fn busy(&mut self, host: &HostName, stage: Stage, at: Timestamp) -> &mut HostState {
        let state = self.host(host, at);
        if state.stage != stage || state.mark != Mark::Busy {
            self.begin(host, stage, at);
        }
        self.host(host, at)
    }

    fn host(&mut self, host: &HostName, at: Timestamp) -> &mut HostState {
        if !self.hosts.contains_key(host) {
            match self.blocks.iter_mut().find(|b| b.role.is_none()) {
                Some(block) => block.hosts.push(host.clone()),
                None => self.blocks.push(Block {
                    role: None,
                    name: "hosts".to_owned(),
                    hosts: vec![host.clone()],
                }),
            }
        }
        self.hosts
            .entry(host.clone())
            .or_insert_with(|| HostState::idle(at))
    }

    /// Puts hosts into their groups; what they did so far stays.
    fn group(&mut self, hosts: &[HostName], groups: &[Group], at: Timestamp) {
        let mut known: BTreeSet<HostName> = BTreeSet::new();
        let mut blocks: Vec<Block> = groups
            .iter()
            .map(|group| Block {
                role: Some(group.role),
                name: group.name.clone(),
                hosts: group
                    .hosts
                    .iter()
                    .filter(|h| known.insert((*h).clone()))
                    .cloned()
                    .collect(),
            })
            .collect();
        let seen: Vec<HostName> = self.hosts.keys().cloned().collect();
        let rest = hosts.iter().chain(&seen);
        let rest: Vec<HostName> = rest
            .filter(|h| known.insert((*h).clone()))
            .cloned()
            .collect();
        if !rest.is_empty() {
            blocks.push(Block {
                role: None,
                name: "hosts".to_owned(),
                hosts: rest,
            });
        }
        for host in &known {
            let state = || HostState::idle(at);
            self.hosts.entry(host.clone()).or_insert_with(state);
        }
        self.blocks = blocks;
    }

    /// The screen as lines, at most `rows - 3` of them and none wider than the screen.
    #[must_use]
    pub fn lines(&self, screen: Screen, now: Timestamp, colour: bool) -> Vec<String> {
        let most = screen.rows.saturating_sub(FREE).max(1);
        let mut lines = vec![self.head(now, colour)];
        for (block, shown) in self.blocks.iter().zip(self.shares(most - 1)) {
            lines.extend(self.block(block, shown, now, colour));
        }
        lines.truncate(most);
        // The last column stays free: some terminals wrap when it is filled.
        let width = screen.columns.saturating_sub(1).max(1);
        lines
            .iter()
            .map(|line| truncate_str(line, width, "…").into_owned())
            .collect()
    }

    /// `deploy staging app  ━━━━━━──────  12.3 s`
    fn head(&self, now: Timestamp, colour: bool) -> String {
        let (mut passed, mut all) = (0, 0);
        for block in &self.blocks {
            let most = block.stages();
            for state in block.hosts.iter().filter_map(|h| self.hosts.get(h)) {
                if matches!(block.role, Some(Role::Active | Role::Standby))
                    && state.mark == Mark::Idle
                {
                    continue;
                }
                all += most;
                passed += state.passed.len().min(most);
            }
        }
        let mut line = format!(
            "{}  {}",
            Paint::Strong.on(&self.title, colour),
            bar(passed, all, CELLS.0, colour)
        );
        if let Some(began) = self.began {
            line.push_str(&format!("  {}", since(began, now)));
        }
        if let Some((text, from, took)) = &self.waiting {
            let gone = now.duration_since(*from).unsigned_abs();
            let left = took.saturating_sub(gone).as_secs();
            line.push_str(&format!("  {text}: {left} s to go"));
        }
        line
    }

    /// How many host lines each block may have, of this many lines for all blocks.
    fn shares(&self, lines: usize) -> Vec<usize> {
        let quiet = |block: &Block| self.quiet(block);
        let wants: Vec<usize> = self
            .blocks
            .iter()
            .map(|b| if quiet(b) { 0 } else { b.hosts.len() })
            .collect();
        let titles = self.blocks.len();
        if titles + wants.iter().sum::<usize>() <= lines {
            return wants;
        }
        // A title and a folded line each, the rest one by one to whoever wants more.
        let mut left = lines.saturating_sub(2 * titles);
        let mut shares = vec![0; wants.len()];
        while left > 0 {
            let before = left;
            for (share, want) in shares.iter_mut().zip(&wants) {
                if *share < *want && left > 0 {
                    *share += 1;
                    left -= 1;
                }
            }
            if left == before {
                break;
            }
        }
        shares
    }

    /// Nothing has happened on any host of the block.
    fn quiet(&self, block: &Block) -> bool {
        let states = block.hosts.iter().filter_map(|h| self.hosts.get(h));
        states.into_iter().all(|s| s.mark == Mark::Idle)
    }

    fn block(&self, block: &Block, shown: usize, now: Timestamp, colour: bool) -> Vec<String> {
        let title = block.title();
        if self.quiet(block) {
            let names = words::names(&block.hosts, 8);
            return vec![Paint::Faint.on(&format!("{title}  {names}"), colour)];
        }
        let mut ranked: Vec<(Mark, usize)> = block
            .hosts
            .iter()
            .enumerate()
            .filter_map(|(i, h)| Some((self.hosts.get(h)?.mark, i)))
            .collect();
        ranked.sort_unstable();
        let picked: BTreeSet<usize> = ranked.iter().take(shown).map(|(_, i)| *i).collect();
        let mut lines = vec![Paint::Faint.on(&title, colour)];
        let width = self.width();
        for host in picked.iter().filter_map(|i| block.hosts.get(*i)) {
            if let Some(state) = self.hosts.get(host) {
                lines.push(host_line(host, state, width, now, colour));
            }
        }
        lines.extend(self.folded(block, &picked, colour));
        lines
    }

    /// One column of host names over all blocks.
    fn width(&self) -> usize {
        let widest = self.hosts.keys().map(|h| h.as_str().len()).max();
        widest.unwrap_or(0).min(WIDEST)
    }

    /// `… and 37 hosts more: 30 pulled, 7 pulling`
    fn folded(&self, block: &Block, picked: &BTreeSet<usize>, colour: bool) -> Option<String> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let mut rest = 0;
        for (i, host) in block.hosts.iter().enumerate() {
            if !picked.contains(&i)
                && let Some(state) = self.hosts.get(host)
            {
                *counts.entry(state.word()).or_default() += 1;
                rest += 1;
            }
        }
        let mut counts: Vec<(usize, &str)> = counts.into_iter().map(|(w, n)| (n, w)).collect();
        counts.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
        let says: Vec<String> = counts.iter().map(|(n, w)| format!("{n} {w}")).collect();
        let all = if picked.is_empty() { "" } else { "and " };
        let more = if picked.is_empty() { "" } else { " more" };
        (rest > 0).then(|| {
            let line = format!(
                "  … {all}{}{more}: {}",
                text::count(rest, "host"),
                says.join(", ")
            );
            Paint::Faint.on(&line, colour)
        })
    }
}

fn host_line(
    host: &HostName,
    state: &HostState,
    width: usize,
    now: Timestamp,
    colour: bool,
) -> String {
    let (sign, paint, time) = match state.mark {
        Mark::Idle => (" ", Paint::Faint, String::new()),
        Mark::Busy => ("›", Paint::Plain, since(state.began, now)),
        Mark::Done => ("✓", Paint::Good, seconds(state.took)),
        Mark::Failed => ("✗", Paint::Bad, seconds(state.took)),
    };
    let word = pad(state.word(), 17);
    let mut line = format!(
        "{} {}  {} {time:>7}",
        paint.on(sign, colour),
        pad(host.as_str(), width),
        paint.on(&word, colour),
    );
    if state.total > 0 {
        let cell = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let own = bar(cell(state.done), cell(state.total), CELLS.1, colour);
        line.push_str(&format!("  {own} {}/{}", state.done, state.total));
    }
    if !state.text.is_empty() {
        line.push_str(&format!("  {}", state.text));
    }
    line.trim_end().to_owned()
}

/// `━━━━────`; empty where there is nothing to count.
fn bar(done: usize, all: usize, cells: usize, colour: bool) -> String {
    let full = match all {
        0 => 0,
        all => (done.min(all).saturating_mul(cells)) / all,
    };
    format!(
        "{}{}",
        Paint::Good.on(&"━".repeat(full), colour),
        Paint::Faint.on(&"─".repeat(cells - full), colour)
    )
}

fn since(from: Timestamp, now: Timestamp) -> String {
    // A clock that is set back must not show nonsense.
    seconds(Duration::try_from(now.duration_since(from)).unwrap_or_default())
}

/// Tenths of seconds also below one second: a number that changes its form is not calm.
fn seconds(took: Duration) -> String {
    if took < Duration::from_secs(1) {
        format!("{:.1} s", took.as_secs_f64())
    } else {
        text::duration(took)
    }
}

#[cfg(test)]
mod tests;
