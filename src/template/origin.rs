//! From a line of a rendered file back to the line of its template.
//!
//! What is wrong in a compose file is wrong in its template: that is where it is shown, once for
//! all hosts. Lines are matched by a diff of both texts; a line that an include, a macro or a loop
//! made more than once has no line of its own, and is shown as rendered.

use std::sync::Arc;

use similar::{Algorithm, DiffTag, capture_diff_slices};

use crate::text::{SourceFile, Span};

/// The place in the template, for a place in what it was rendered to.
pub(super) fn origin(template: &Arc<SourceFile>, at: &Span) -> Option<Span> {
    let line = line(&template.text, &at.file.text, at.line.checked_sub(1)?)? + 1;
    let (old, new) = (template.line(line), at.file.line(at.line));
    if old == new {
        return Some(Span::new(template, line, at.column, at.len));
    }
    let same = old
        .chars()
        .zip(new.chars())
        .take_while(|(a, b)| a == b)
        .count();
    if same + 1 < at.column {
        return Some(Span::whole_line(template, line)); // after a value on its line
    }
    let rest: String = old.chars().skip(at.column - 1).collect();
    let len = if rest.starts_with("{{") {
        let end = rest.find("}}").map_or(rest.len(), |end| end + 2);
        rest[..end].chars().count()
    } else {
        at.len.min((same + 1).saturating_sub(at.column).max(1))
    };
    Some(Span::new(template, line, at.column, len))
}

/// The template's line (from 0) that became this line, where there is one.
fn line(template: &str, rendered: &str, wanted: usize) -> Option<usize> {
    let old: Vec<&str> = template.lines().collect();
    let new: Vec<&str> = rendered.lines().collect();
    for op in capture_diff_slices(Algorithm::Patience, &old, &new) {
        let (tag, from, to) = op.as_tag_tuple();
        if !to.contains(&wanted) {
            continue;
        }
        if tag == DiffTag::Equal {
            return Some(from.start + (wanted - to.start));
        }
        // Lines with values in them: the only template line that fits, and fits no other line.
        let fits = |i: usize| to.clone().filter(|j| could_be(old[i], new[*j])).count() == 1;
        let mut found = from.filter(|i| could_be(old[*i], new[wanted]));
        let first = found.next()?;
        return (found.next().is_none() && fits(first)).then_some(first);
    }
    None
}

/// Could the template's line give this line? Everything outside its values must be there.
fn could_be(template: &str, line: &str) -> bool {
    let (Some(open), Some(close)) = (template.find("{{"), template.rfind("}}")) else {
        return false;
    };
    let (before, after) = (&template[..open], &template[(close + 2).max(open)..]);
    line.len() >= before.len() + after.len() && line.starts_with(before) && line.ends_with(after)
}
