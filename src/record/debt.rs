//! Hosts that missed a change, written on the other hosts of the app (`owing/<host>`).
//!
//! The form of a line: `1 <generation> <slots> <run> <since> .`, slots as `blue`, `blue:green` or
//! `-`. The generation `drained` says that a person took the host out of traffic.

use std::collections::BTreeSet;

use crate::fleet::Debt;
use crate::host::script::Body;
use crate::name::{HostName, RunId, SlotName};
use crate::plan::step::Owes;

const OWE: &str = include_str!("sh/owe.sh");

/// Writes who owes from now on and who owes nothing any more. Doing it twice changes nothing.
#[must_use]
pub fn owe(owing: &[Owes], paid: &[HostName]) -> Body {
    let mut args = vec![owing.len().to_string()];
    for o in owing {
        let slots: Vec<&str> = o.slots.iter().map(SlotName::as_str).collect();
        let slots = match slots.as_slice() {
            [] => "-".to_owned(),
            some => some.join(":"),
        };
        args.extend([o.host.to_string(), o.missed.clone(), slots]);
    }
    args.extend(paid.iter().map(ToString::to_string));
    Body::new("owe", OWE).args(args)
}

/// Reads one line; `None` where it does not have its form.
pub(super) fn read(line: &str) -> Option<Debt> {
    let words: Vec<&str> = line.split(' ').collect();
    let ["1", generation, group, run, since, "."] = words[..] else {
        return None;
    };
    Some(Debt {
        generation: generation.to_owned(),
        slots: slots(group)?,
        run: RunId::new(run).ok()?,
        since: since.parse().ok()?,
    })
}

fn slots(word: &str) -> Option<BTreeSet<SlotName>> {
    if word == "-" {
        return Some(BTreeSet::new());
    }
    word.split(':').map(|s| SlotName::new(s).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_does_not_have_its_form_is_no_debt() {
        let debt = read("1 g7 blue:green r-1 99 .").unwrap();
        assert_eq!(debt.says(), "may still send to blue or green since run r-1");
        assert_eq!(read("1 g7 - r-1 99 .").unwrap().says(), "missed run r-1");
        for torn in [
            "1 g7 blue r-1 99",
            "1 g7 blue: r-1 99 .",
            "2 g7 blue r-1 99 .",
            "",
        ] {
            assert_eq!(read(torn), None, "{torn}");
        }
    }
}
