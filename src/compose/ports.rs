//! Host ports in their short and long form.

use crate::text::Span;
use crate::text::yaml::Node;

/// A port, or a range of ports, of the host that a service takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// The address that it is bound to; none means all.
    pub ip: Option<String>,
    /// First port.
    pub first: u16,
    /// Last port, the same where it is one.
    pub last: u16,
    /// `tcp` or `udp` or `sctp`.
    pub protocol: String,
    /// Where it is written.
    pub span: Span,
}

impl HostPort {
    /// True where both cannot be bound on one host.
    #[must_use]
    pub fn clashes(&self, other: &Self) -> bool {
        let address = match (&self.ip, &other.ip) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        };
        address
            && self.protocol == other.protocol
            && self.first <= other.last
            && other.first <= self.last
    }
}

/// The host port of one entry; `None` where Docker chooses one, or where it holds a variable.
pub(super) fn host_port(entry: &Node) -> Option<HostPort> {
    if entry.map().is_some() {
        return long(entry);
    }
    short(entry.text()?, &entry.span)
}

fn long(entry: &Node) -> Option<HostPort> {
    let text = |key| entry.get(key).and_then(Node::text);
    let (first, last) = range(text("published")?)?;
    if first == 0 {
        return None;
    }
    Some(HostPort {
        ip: address(text("host_ip").unwrap_or("")),
        first,
        last,
        protocol: text("protocol").unwrap_or("tcp").to_owned(),
        span: entry.span.clone(),
    })
}

/// `[ip:][host:]container[/protocol]`
fn short(text: &str, span: &Span) -> Option<HostPort> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (rest, container) = ports.rsplit_once(':')?;
    let (ip, host) = match rest.rsplit_once(':') {
        Some((ip, host)) => (ip, host),
        None => ("", rest),
    };
    range(container)?;
    let (first, last) = range(host)?;
    if first == 0 {
        return None;
    }
    Some(HostPort {
        ip: address(ip),
        first,
        last,
        protocol: protocol.to_owned(),
        span: span.clone(),
    })
}

fn address(ip: &str) -> Option<String> {
    let ip = ip.trim_matches(['[', ']']);
    (!matches!(ip, "" | "0.0.0.0" | "::")).then(|| ip.to_owned())
}

fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (first <= last).then_some((first, last))
}
