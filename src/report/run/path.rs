//! The slowest way through a run: the chain of spans that decided how long it took.

use crate::record::Span;

/// Two spans of one host, or a step and the one that waited for it, may overlap by this many
/// milliseconds: events are stamped where they are heard.
const SLACK: u64 = 30;

/// For each span whether it is on the slowest way: from the one that ended last back to the one
/// that ended last before it began, and so on.
#[must_use]
pub fn slowest(spans: &[Span]) -> Vec<bool> {
    let mut on = vec![false; spans.len()];
    let end = |n: &usize| spans[*n].at + spans[*n].ms;
    let mut next = (0..spans.len()).max_by_key(end);
    while let Some(n) = next {
        on[n] = true;
        let begin = spans[n].at;
        let before = (0..spans.len()).filter(|m| !on[*m] && spans[*m].at < begin);
        next = before.filter(|m| end(m) <= begin + SLACK).max_by_key(end);
    }
    on
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(at: u64, ms: u64) -> Span {
        Span {
            at,
            ms,
            ..Span::default()
        }
    }

    #[test]
    fn the_chain_that_decided_is_found() {
        // look, two pulls, up after both, a drain that runs beside the bake and ends earlier.
        let spans = [
            span(0, 100),
            span(100, 300),
            span(105, 900),
            span(1010, 500),
            span(1510, 200),
            span(1510, 3000),
        ];
        assert_eq!(slowest(&spans), [true, false, true, true, false, true]);
        assert_eq!(slowest(&[]), Vec::<bool>::new());
        assert_eq!(
            slowest(&[span(0, 0), span(0, 0)])
                .iter()
                .filter(|s| **s)
                .count(),
            1
        );
    }
}
