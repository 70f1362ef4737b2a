//! Command blocks of the documentation: every one is marked, in the line before it, with how it is run.
//!
//! `<!-- run: always -->` needs no host; `always, exit 2` ends so; `fleet` needs the fleet; `fleet host` runs on an app
//! host as root; `fleet, by hand on lb1 lb2` on each of these as root; `not run: WHY` is for what is shown elsewhere.

use std::path::Path;

/// How a block is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// Anywhere; the exit code of its last command.
    Always(i32),
    /// With a fleet, on the operator's machine.
    Fleet,
    /// With a fleet, as root on these hosts.
    On(Vec<String>),
    /// Not at all, and why.
    Not(String),
}

/// A block.
#[derive(Debug)]
pub struct Block {
    pub how: How,
    pub text: String,
    /// `README.md:12`
    pub place: String,
}

/// The blocks of a page, in order.
///
/// # Panics
/// Where a block of commands has no mark: nobody would know that it is right.
pub fn of(root: &Path, page: &str) -> Vec<Block> {
    let text = std::fs::read_to_string(root.join(page)).expect("a page");
    let lines: Vec<&str> = text.lines().collect();
    let starts = (0..lines.len()).filter(|n| lines[*n] == "```sh");
    starts
        .map(|n| {
            let place = format!("{page}:{}", n + 1);
            let mark = n.checked_sub(1).map_or("", |above| lines[above]);
            let body = lines[n + 1..].iter().take_while(|line| **line != "```");
            Block {
                how: how(mark).unwrap_or_else(|| panic!("{place}: the block has no mark")),
                text: body.map(|line| format!("{line}\n")).collect(),
                place,
            }
        })
        .collect()
}

fn how(mark: &str) -> Option<How> {
    let mark = mark.strip_prefix("<!-- ")?.strip_suffix(" -->")?;
    if let Some(why) = mark.strip_prefix("not run: ") {
        return Some(How::Not(why.to_owned()));
    }
    match mark.strip_prefix("run: ")? {
        "always" => Some(How::Always(0)),
        "fleet" => Some(How::Fleet),
        "fleet host" => Some(How::On(vec!["web1".to_owned()])),
        other => match other.strip_prefix("fleet, by hand on ") {
            Some(hosts) => Some(How::On(hosts.split(' ').map(str::to_owned).collect())),
            None => Some(How::Always(
                other.strip_prefix("always, exit ")?.parse().ok()?,
            )),
        },
    }
}
