//! Sizes and CPU shares as compose files write them.

use std::fmt;
use std::time::Duration;

/// Bytes of `512m`, `1.5g`, `64kb`, `1073741824`: units are powers of 1024, as in Docker.
#[must_use]
pub fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.'));
    let (number, unit) = text.split_at(split.unwrap_or(text.len()));
    let unit = unit.trim_start().to_ascii_lowercase();
    let unit = unit.strip_suffix('b').unwrap_or(&unit);
    let unit = unit
        .strip_suffix('i')
        .filter(|u| !u.is_empty())
        .unwrap_or(unit);
    let power = match unit {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        _ => return None,
    };
    if number.bytes().all(|b| b.is_ascii_digit()) {
        return number.parse::<u64>().ok()?.checked_mul(1 << power);
    }
    let value: f64 = number.parse().ok()?;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a size with a fraction, rounded down as Docker does"
    )]
    (0.0..8e6)
        .contains(&value)
        .then(|| (value * (1_u64 << power) as f64) as u64)
}

/// A size in the shortest whole unit that compose reads back to the same bytes: `512m`.
#[must_use]
pub(super) fn write_bytes(bytes: u64) -> String {
    for (power, unit) in [(30, "g"), (20, "m"), (10, "k")] {
        if bytes > 0 && bytes.trailing_zeros() >= power {
            return format!("{}{unit}", bytes >> power);
        }
    }
    bytes.to_string()
}

/// A time as compose writes it: `10s`, `1m30s`, `500ms`.
#[must_use]
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at(digits);
        let unit = tail
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        let micros: u64 = match unit {
            "us" | "µs" => 1,
            "ms" => 1_000,
            "s" => 1_000_000,
            "m" => 60_000_000,
            "h" => 3_600_000_000,
            _ => return None,
        };
        let number: u64 = number.parse().ok()?;
        total = total.checked_add(Duration::from_micros(number.checked_mul(micros)?))?;
        rest = tail;
    }
    Some(total)
}

/// A time that compose reads back to the same: `90s`, `1500ms`.
#[must_use]
pub(super) fn write_duration(time: Duration) -> String {
    if time.subsec_nanos() == 0 {
        format!("{}s", time.as_secs())
    } else {
        format!("{}ms", time.as_millis())
    }
}

/// A share of CPUs in billionths, as `docker inspect` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cpus {
    nano: u64,
}

impl Cpus {
    /// `0.5`, `1.0`, `2`: at most nine digits after the point, more than zero.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, part) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole)
            || !digits(part)
            || part.len() > 9
            || (whole.is_empty() && part.is_empty())
        {
            return None;
        }
        let number = |s: &str| {
            if s.is_empty() {
                Some(0)
            } else {
                s.parse::<u64>().ok()
            }
        };
        let part = number(&format!("{part:0<9}"))?;
        let nano = number(whole)?
            .checked_mul(1_000_000_000)?
            .checked_add(part)?;
        (nano > 0).then_some(Self { nano })
    }

    /// Billionths of a CPU.
    #[must_use]
    pub fn nano(self) -> u64 {
        self.nano
    }
}

impl fmt::Display for Cpus {
    /// `0.5`, `2`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.nano / 1_000_000_000, self.nano % 1_000_000_000);
        if part == 0 {
            return write!(f, "{whole}");
        }
        let part = format!("{part:09}");
        write!(f, "{whole}.{}", part.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_docker_reads_them() {
        let read = |t| parse_bytes(t);
        assert_eq!(read("512m"), Some(536_870_912));
        assert_eq!(read("1.5g"), Some(1_610_612_736));
        assert_eq!(read("64KB"), Some(65_536));
        assert_eq!(read("64 MiB"), Some(67_108_864));
        assert_eq!(read("1073741824"), Some(1_073_741_824));
        for bad in [
            "",
            "m",
            "1x",
            "-1",
            "1e3",
            "1..5g",
            "ib",
            "18446744073709551615k",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(write_bytes(536_870_912), "512m");
        assert_eq!(write_bytes(1_000), "1000");
    }

    #[test]
    fn times_are_read_and_written() {
        let millis = |t: &str| parse_duration(t).map(|d| d.as_millis());
        assert_eq!(millis("1m30s"), Some(90_000));
        assert_eq!(millis("1h"), Some(3_600_000));
        assert_eq!(millis("1500ms"), Some(1500));
        for bad in ["", "10", "s", "1x", "-1s", "1 s"] {
            assert_eq!(millis(bad), None, "{bad}");
        }
        assert_eq!(write_duration(Duration::from_secs(90)), "90s");
        assert_eq!(write_duration(Duration::from_millis(1500)), "1500ms");
    }

    #[test]
    fn shares_are_exact() {
        let text = |t: &str| Cpus::parse(t).map(|c| (c.nano(), c.to_string()));
        assert_eq!(text("1.50"), Some((1_500_000_000, "1.5".to_owned())));
        assert_eq!(text(".25"), Some((250_000_000, "0.25".to_owned())));
        assert_eq!(text("2"), Some((2_000_000_000, "2".to_owned())));
        for bad in ["", ".", "0", "-1", "1e3", "x", "0.0000000001"] {
            assert_eq!(text(bad), None, "{bad}");
        }
    }
}
