//! Images of an app: names without tag, one or several under one version.

use std::collections::BTreeMap;

use super::fields::{self, Fields};
use super::model::Located;
use crate::name::AppName;
use crate::text::yaml::Node;
use crate::text::{Diagnostic, Findings, Span};

/// Reads `image` or `images` of an app.
pub(super) fn read(
    app: &AppName,
    span: &Span,
    f: &Fields<'_>,
    findings: &mut Findings,
) -> Option<BTreeMap<String, Located<String>>> {
    let mut out = BTreeMap::new();
    match (f.entry("image"), f.entry("images")) {
        (Some(one), None) => {
            let image = image(&one.value, &f.path("image"), findings)?;
            out.insert(String::new(), image);
        }
        (None, Some(many)) => {
            let path = f.path("images");
            for e in fields::entries(&many.value, &path, findings)? {
                let path = fields::join(&path, &e.key.text);
                if let Some(image) = image(&e.value, &path, findings) {
                    out.insert(e.key.text.clone(), image);
                }
            }
        }
        (Some(one), Some(many)) => findings.push(
            Diagnostic::error(format!("app `{}` has both `image` and `images`", app))
                .at(&many.key.span)
                .at(&one.key.span)
                .hint("keep one of them"),
        ),
        (None, None) => findings.push(
            Diagnostic::error(format!("app `{}` has no image", app))
                .at(span)
                .expected("image: registry.example.com/acme/app, without a tag"),
        ),
    }
    Some(out)
}

/// An image's name without tag and digest: `[registry[:port]/]path`, lower case.
/// The form is that of the OCI distribution specification, "Pulling manifests".
fn image(node: &Node, path: &str, findings: &mut Findings) -> Option<Located<String>> {
    let text = fields::text(node, path, findings)?;
    let refuse = |expected: &str| fields::wrong(node, path, expected);
    let last = text.rsplit('/').next().unwrap_or("");
    if text.contains('@') || last.contains(':') {
        findings.push(
            refuse("an image without tag and digest")
                .hint("the version is said on the command line: deploy ENV APP@VERSION"),
        );
        return None;
    }
    if text.contains("://") {
        findings.push(refuse("registry.example.com/acme/app").hint("leave the scheme away"));
        return None;
    }
    let mut parts: Vec<&str> = text.split('/').collect();
    let first = parts[0];
    if parts.len() > 1 && (first.contains(['.', ':']) || first == "localhost") {
        let (host, port) = first.split_once(':').unwrap_or((first, "1"));
        let host = host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
        if !host || !port.parse::<u16>().is_ok_and(|p| p > 0) {
            findings.push(refuse(
                "a registry such as registry.example.com or registry:5000 before the first `/`",
            ));
            return None;
        }
        parts.remove(0);
    }
    let good = |part: &&str| {
        let allowed =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
        let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
        part.bytes().all(allowed) && edge(part.as_bytes().first()) && edge(part.as_bytes().last())
    };
    if parts.iter().all(good) {
        return Some(Located {
            value: text,
            span: node.span.clone(),
        });
    }
    let finding = refuse("lower-case letters, digits, `.`, `_`, `-`, separated by `/`");
    findings.push(match text.bytes().any(|b| b.is_ascii_uppercase()) {
        true => finding.hint(format!("`{}`?", text.to_ascii_lowercase())),
        false => finding,
    });
    None
}
