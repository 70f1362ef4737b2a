//! A run as one HTML page that needs nothing else: no script, nothing from outside, so that it can
//! be attached to a ticket. What came from hosts is escaped; the page itself forbids the browser to
//! load anything.

use std::fmt::Write as _;

use jiff::tz::TimeZone;

use super::{RunView, millis, path};
use crate::name::HostName;
use crate::record::{RunReport, Span};
use crate::report::words;

const STYLE: &str = include_str!("page.css");

/// The page.
#[must_use]
pub fn html(view: &RunView, zone: &TimeZone) -> String {
    let title = escape(&view.title());
    let outcome = view.entry.as_ref().map_or("unknown", |e| e.outcome.word());
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <h1>{title} <span class=\"outcome {outcome}\">{outcome}</span></h1>\n"
    );
    page.push_str("<table class=\"facts\">\n");
    for (word, what) in view.facts(zone) {
        let _ = writeln!(page, "<tr><th>{word}</th><td>{}</td></tr>", escape(&what));
    }
    page.push_str("</table>\n");
    if let Some(report) = &view.report {
        timeline(&mut page, report);
        told(&mut page, report, zone);
    }
    if let Some(plan) = &view.plan {
        let plan: Vec<String> = words::tame_lines(plan.trim_end()).collect();
        section(&mut page, "Plan", &plan);
    }
    for (host, evidence) in &view.evidence {
        for kept in &evidence.containers {
            let end = kept
                .end()
                .unwrap_or_else(|| format!("{} is {}", kept.service, kept.state));
            let lines: Vec<String> = kept.log_tail.iter().map(|l| words::tame(l)).collect();
            section(&mut page, &format!("{host}: {}", words::tame(&end)), &lines);
        }
    }
    if view.evidence.is_empty() {
        for remains in view.report.iter().flat_map(|r| &r.evidence) {
            let lines: Vec<String> = remains.log.iter().map(|l| words::tame(l)).collect();
            let title = format!("{}: {}", remains.host, words::tame(&remains.end));
            section(&mut page, &title, &lines);
        }
    }
    let hosts = escape(&words::names(&view.hosts, 100));
    let _ = writeln!(
        page,
        "<p class=\"faint\">Remembered by {hosts}</p>\n</body>\n</html>"
    );
    page
}

fn section(page: &mut String, title: &str, lines: &[String]) {
    let text = escape(&lines.join("\n"));
    let _ = writeln!(page, "<h2>{}</h2>\n<pre>{text}</pre>", escape(title));
}

/// A host, or the run itself, with its spans; true where a span is on the slowest path.
type Row<'a> = (Option<&'a HostName>, Vec<(&'a Span, bool)>);

/// A row for each host, in the order of its first span; a bar for each span.
fn timeline(page: &mut String, report: &RunReport) {
    let whole = report
        .spans
        .iter()
        .map(|s| s.at + s.ms)
        .chain([report.ms])
        .max();
    let whole = whole.unwrap_or(1).max(1);
    let slowest = path::slowest(&report.spans);
    let mut rows: Vec<Row<'_>> = Vec::new();
    for (span, slow) in report.spans.iter().zip(slowest) {
        match rows
            .iter_mut()
            .find(|(host, _)| *host == span.host.as_ref())
        {
            Some((_, spans)) => spans.push((span, slow)),
            None => rows.push((span.host.as_ref(), vec![(span, slow)])),
        }
    }
    page.push_str("<h2>Timeline</h2>\n<div class=\"gantt\">\n");
    for (host, spans) in rows {
        let host = escape(host.map_or("all", HostName::as_str));
        let _ = write!(
            page,
            "<div class=\"row\"><div class=\"host\">{host}</div><div class=\"lane\">"
        );
        for (span, slow) in spans {
            bar(page, span, (slow, report.passed(span)), whole);
        }
        page.push_str("</div></div>\n");
    }
    axis(page, whole);
    page.push_str("</div>\n<p class=\"faint\">Outlined: the slowest way through the run.");
    if report.left_out > 0 {
        let _ = write!(page, " {} later spans were not kept.", report.left_out);
    }
    page.push_str("</p>\n");
    budgets(page, report);
}

/// Which budgets were set, and who passed them.
fn budgets(page: &mut String, report: &RunReport) {
    if report.budget.is_empty() {
        return;
    }
    page.push_str("<h2>Time budgets</h2>\n<table class=\"facts\">\n");
    for (stage, allowed) in &report.budget {
        let over = report.spans.iter().filter(|s| s.stage == *stage);
        let over = over.filter(|s| report.passed(s).is_some()).map(|s| {
            let host = s.host.as_ref().map_or("all", HostName::as_str);
            format!("{host} {}", millis(s.ms))
        });
        let over: Vec<String> = over.collect();
        let (class, said) = match over.as_slice() {
            [] => ("", "kept".to_owned()),
            all => (" class=\"over\"", format!("passed: {}", all.join(", "))),
        };
        let (stage, allowed) = (escape(&words::tame(stage)), millis(*allowed));
        let _ = writeln!(
            page,
            "<tr{class}><th>{stage} {allowed}</th><td>{}</td></tr>",
            escape(&said)
        );
    }
    page.push_str("</table>\n");
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds as a share of the whole"
)]
fn percent(part: u64, whole: u64) -> f64 {
    part as f64 * 100.0 / whole as f64
}

fn bar(page: &mut String, span: &Span, (slow, budget): (bool, Option<u64>), whole: u64) {
    let step = span.step.map_or_else(String::new, |n| format!("s{n} "));
    let host = span.host.as_ref().map_or("all", HostName::as_str);
    let (end, class) = match span.ok {
        Some(true) => ("", ""),
        Some(false) => (": FAILED", " bad"),
        None => (": its end is not known", " unsure"),
    };
    let text = match span.text.as_str() {
        "" => String::new(),
        text => format!(": {}", words::tame(text)),
    };
    let (stage, took) = (words::tame(&span.stage), millis(span.ms));
    let over = budget.map_or_else(String::new, |b| format!(" of {} allowed", millis(b)));
    let title = format!(
        "{step}{host} {stage} {took}{over}, from +{}{end}{text}",
        millis(span.at)
    );
    let late = if budget.is_some() { " late" } else { "" };
    let slow = if slow { " slow" } else { "" };
    let known = stage.chars().all(|c| c.is_ascii_lowercase());
    let _ = write!(
        page,
        "<div class=\"bar {}{class}{slow}{late}\" style=\"left:{:.3}%;width:{:.3}%\" title=\"{}\">{}</div>",
        if known { stage.as_str() } else { "other" },
        percent(span.at, whole),
        percent(span.ms, whole).max(0.15),
        escape(&title),
        escape(&stage),
    );
}

/// Five marks of time.
fn axis(page: &mut String, whole: u64) {
    page.push_str("<div class=\"row axis\"><div class=\"host\"></div><div class=\"lane\">");
    for n in 0..5 {
        let at = whole * n / 4;
        let side = if n == 4 {
            "right:0"
        } else {
            &format!("left:{}%", n * 25)
        };
        let _ = write!(page, "<span style=\"{side}\">{}</span>", millis(at));
    }
    page.push_str("</div></div>\n");
}

fn told(page: &mut String, report: &RunReport, zone: &TimeZone) {
    let mut lines = Vec::new();
    let switched = super::switched(report, zone);
    lines.extend(switched.map(|(host, at)| format!("{host} switched at {at}")));
    lines.extend(super::failed(report));
    lines.extend(report.notes.iter().map(|n| words::tame(n)));
    if !lines.is_empty() {
        section(page, "What was told", &lines);
    }
}

/// Text for between tags and between double quotes.
fn escape(text: &str) -> String {
    text.chars()
        .fold(String::with_capacity(text.len()), |mut out, c| {
            match c {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '"' => out.push_str("&quot;"),
                '\'' => out.push_str("&#39;"),
                c => out.push(c),
            }
            out
        })
}
