//! `deploy weight ENV [APP] SLOT=SHARE`: two slots share the traffic.

use super::context::Context;
use super::failure::Failure;
use super::guard::Word;
use super::place::Opened;
use super::target::App;
use super::work;
use crate::engine::site::Site;
use crate::fleet::{Fleet, WHOLE};
use crate::name::{EnvName, ExitCode, SlotName};
use crate::plan::{PlanKind, weight};

/// Send a share of the requests to a slot, until it is changed
///
/// The rest goes to the other slot. Both count as active for as long: neither is stopped or changed,
/// and no deploy begins. SLOT=100% or SLOT=0% ends it; rollback gives all back to the slot that
/// served before. Gates the slot that gets more.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Environment: the name of a file in `inventories/`
    env: EnvName,
    /// App, which may be left out where there is one; then SLOT=SHARE, e.g. green=20% or green=0.5%
    #[arg(value_name = "[APP] SLOT=SHARE", num_args = 1..=2, required = true)]
    words: Vec<String>,
    #[command(flatten)]
    pub(super) word: Word,
}

impl Args {
    /// Understands the words, then does it.
    ///
    /// # Errors
    /// Words that mean nothing here, or what kept it from beginning.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        let (app, wish) = match self.words.as_slice() {
            [wish] => (None, wish),
            [app, wish] => (Some(app.parse::<App>().map_err(Failure::usage)?), wish),
            _ => return Err(Failure::usage("write APP SLOT=SHARE")),
        };
        let wish = read(wish).map_err(Failure::usage)?;
        let place = Opened::named(ctx, &self.env)?.place(app.as_ref())?;
        place.has_slot(&wish.slot)?;
        let turn = |site: &Site, fleet: &Fleet, generation: &str| {
            weight::weight(&site.setup, fleet, &wish, generation)
        };
        work::turn_to(ctx, place, PlanKind::Weight, &turn).await
    }
}

/// `green=20%`: at most two places behind the point, for load balancers know hundredths.
fn read(text: &str) -> Result<weight::Wish, String> {
    let wrong = || format!("`{text}` is no share: write SLOT=SHARE, e.g. green=20% or green=0.5%");
    let (slot, share) = text.split_once('=').ok_or_else(wrong)?;
    let slot = SlotName::new(slot).map_err(|e| e.to_string())?;
    let number = share.strip_suffix('%').ok_or_else(wrong)?;
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(part) || whole.len() > 3 || part.len() > 2 {
        return Err(wrong());
    }
    let number = |s: &str| s.parse::<u32>().map_err(|_| wrong());
    let share = number(whole)? * 100 + number(&format!("{part:0<2}"))?;
    if share > WHOLE {
        return Err(format!("`{text}` is more than all: a share is 0% to 100%"));
    }
    Ok(weight::Wish { slot, share })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_hundredths_of_a_percent() {
        let of = |text: &str| read(text).map(|w| (w.slot.to_string(), w.share));
        for (text, share) in [
            ("green=20%", 2_000),
            ("green=0%", 0),
            ("green=100%", 10_000),
            ("green=0.5%", 50),
            ("green=12.25%", 1_225),
            ("green=0.01%", 1),
        ] {
            assert_eq!(of(text), Ok(("green".to_owned(), share)), "{text}");
        }
        for bad in [
            "green",
            "green=20",
            "green=%",
            "green=.5%",
            "green=5.%",
            "green=0.001%",
            "=5%",
            "green=-1%",
            "green=100.01%",
            "green=101%",
            "green=4294967296%",
            "green=1e1%",
            "green=20%%",
        ] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }
}
