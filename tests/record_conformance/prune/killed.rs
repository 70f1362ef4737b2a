//! A prune that is killed at each of its external commands.

use std::collections::BTreeSet;
use std::path::PathBuf;

use deploy::host::docker::prune::prune as engine;
use deploy::record::prune;

use super::{KEEP, REPOSITORY, Shop};
use crate::bench::{Shell, long};

/// Killed before (or after) each of its external commands: what is needed stays whole, and the next
/// prune comes to the end that one alone would have come to.
#[test]
fn a_prune_that_is_killed_anywhere_is_made_up_for_by_the_next_one() {
    let sides: &[bool] = if long() { &[false, true] } else { &[true] };
    let tag = |n: u32| format!("{REPOSITORY}:v{n}");
    let digest = |n: u32| format!("sha256:{n}{}", "0".repeat(63));
    for &after in sides {
        let mut points = 0;
        for n in 1.. {
            let shop = Shop::new(Shell::Dash);
            for (nth, id) in [(1, "aa"), (2, "bb")] {
                shop.bring(0, id, "blue", &tag(nth), &digest(nth));
                shop.pull(&tag(nth), &digest(nth));
            }
            shop.write(0, "slots/blue", "1 bb r-1 .\n");
            shop.bench.crash_at(n, after);
            let script = prune::prune(&shop.envs[0], KEEP, false, &engine());
            let answer = shop.bench.run(script);
            let crashed = shop.bench.crashed();
            let at = format!("call {n}, after {after}: {answer:?}");
            let kept = shop.dir(0).join("releases/bb/blue/release.json");
            let whole =
                |file: PathBuf| std::fs::read_to_string(file).is_ok_and(|text| text.ends_with('}'));
            assert!(whole(kept), "{at}");
            assert!(shop.names().contains_key(&tag(2)), "{at}");
            // One that goes is there whole until it is put aside, and its image no longer than that.
            let goes = shop.releases(0).contains("aa");
            assert!(!goes || shop.names().contains_key(&tag(1)), "{at}");
            if crashed {
                shop.done(0, false);
            } else {
                answer.unwrap_or_else(|error| panic!("{at}: {error}"));
            }
            let left = BTreeSet::from(["bb".to_owned()]);
            assert_eq!(shop.releases(0), left, "{at}");
            assert!(!shop.names().contains_key(&tag(1)), "{at}");
            let journal = shop.dir(0).join("journal");
            let journal = std::fs::read_to_string(journal).unwrap_or_default();
            assert!(journal.contains(" prune aa "), "{at}: {journal}");
            if !crashed {
                break;
            }
            points += 1;
        }
        assert!(points > 4, "{points}");
    }
}
