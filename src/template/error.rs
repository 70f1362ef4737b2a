//! The template engine's errors as findings: file, line, column, what was meant, what to do.

use std::error::Error as _;

use minijinja::{Error, ErrorKind};
use serde_json::Value;

use super::scope;
use super::source::Tree;
use crate::text::{Diagnostic, Span};

/// The innermost error of the chain that has a place: inside the include, not at it.
fn innermost(error: &Error) -> &Error {
    let mut deepest = error;
    let mut next = error.source();
    while let Some(inner) = next {
        if let Some(inner) = inner.downcast_ref::<Error>()
            && inner.name().is_some()
        {
            deepest = inner;
        }
        next = inner.source();
    }
    deepest
}

/// The path of the name that is not defined, where that is the error.
pub(super) fn undefined(error: &Error) -> Option<String> {
    let detail = innermost(error).detail()?;
    let path = detail.strip_suffix("` is undefined").or_else(|| {
        // wrapped: "tried to use + operator on … (`vars.x` is undefined)"
        detail.strip_suffix("` is undefined)")
    })?;
    path.rsplit_once('`').map(|(_, path)| path.to_owned())
}

/// One finding for one error.
pub(super) fn finding(error: &Error, tree: &Tree, scope: &Value) -> Diagnostic {
    let inner = innermost(error);
    let path = undefined(error);
    let mut finding = match &path {
        Some(path) => Diagnostic::error(format!("template uses `{path}`, which is not defined")),
        None => Diagnostic::error(message(inner)),
    };
    if let Some(span) = span(inner, tree, path.as_deref()) {
        finding = finding.at(&span);
    }
    if !std::ptr::eq(inner, error)
        && let Some(span) = span(error, tree, None)
    {
        finding = finding.at_saying(&span, "included here");
    }
    match &path {
        Some(path) => advise(finding, path, scope),
        None => hint(finding, inner, tree),
    }
}

fn message(error: &Error) -> String {
    let detail = error.detail().unwrap_or("no detail given");
    match error.kind() {
        ErrorKind::SyntaxError => format!("template does not parse: {detail}"),
        ErrorKind::OutOfFuel => "template runs too long: a loop may have no end".to_owned(),
        ErrorKind::TemplateNotFound => format!("template fails: {detail}"),
        _ => format!("template cannot be rendered: {detail}"),
    }
}

fn span(error: &Error, tree: &Tree, path: Option<&str>) -> Option<Span> {
    let file = tree.file(error.name()?)?;
    let range = error.range().filter(|r| r.end <= file.text.len());
    let Some(range) = range else {
        return error.line().map(|line| Span::whole_line(&file, line));
    };
    // The engine's range may be a whole expression, or the part after the name: look for the
    // name itself on that line, where the range is or before it.
    let line_start = file.text[..range.start].rfind('\n').map_or(0, |at| at + 1);
    let named = path.and_then(|path| {
        let near = file.text.get(line_start..range.end)?;
        near.rfind(path)
            .map(|at| line_start + at..line_start + at + path.len())
    });
    Some(Span::bytes(&file, named.unwrap_or(range)))
}

fn advise(finding: Diagnostic, path: &str, scope: &Value) -> Diagnostic {
    let Some(parts) = scope::segments(path) else {
        return finding;
    };
    let mut at = scope;
    let mut known = String::new();
    for part in &parts {
        match at.get(part) {
            Some(next) => {
                at = next;
                known = if known.is_empty() {
                    part.clone()
                } else {
                    format!("{known}.{part}")
                };
            }
            None => return near(finding, part, &known, at),
        }
    }
    finding
}

fn near(finding: Diagnostic, part: &str, known: &str, at: &Value) -> Diagnostic {
    if known.is_empty()
        && let Some(why) = scope::why_absent(part)
    {
        return finding.hint(format!("`{part}` has no value here: {why}"));
    }
    let Some(map) = at.as_object() else {
        return finding.hint(format!("`{known}` is a single value"));
    };
    let dot = if known.is_empty() { "" } else { "." };
    if let Some(name) = crate::text::nearest(part, map.keys().map(String::as_str)) {
        return finding.hint(format!("did you mean `{known}{dot}{name}`?"));
    }
    let names: Vec<&str> = map.keys().map(String::as_str).take(12).collect();
    let finding = match (known, names.is_empty()) {
        ("", _) => finding.hint(format!("defined are: {}", names.join(", "))),
        (_, true) => finding.hint(format!("`{known}` is empty")),
        (_, false) => finding.hint(format!("defined in `{known}` are: {}", names.join(", "))),
    };
    if known == "vars" || known == "host.vars" {
        return finding.hint(format!(
            "set `vars: {{ {part}: … }}` in the inventory, or write `{known}.{part}|default(…)`"
        ));
    }
    finding
}

fn hint(finding: Diagnostic, error: &Error, tree: &Tree) -> Diagnostic {
    match error.kind() {
        ErrorKind::TemplateNotFound => {
            let wanted = error.detail().and_then(|d| d.split(['\'', '"']).nth(1));
            let finding = match wanted {
                Some(wanted) => finding.did_you_mean(wanted, tree.names()),
                None => finding,
            };
            finding.hint("name a file by its path under the templates directory, or with `./` from this file")
        }
        ErrorKind::InvalidOperation
            if error.detail().is_some_and(|d| d.contains("quoted again")) =>
        {
            finding.hint("join the plain values with `~` and print the result once")
        }
        _ => finding,
    }
}
