//! Quantities as operators write them: durations, sizes, shares of processors.
//!
//! Each parser returns what would have been right, in words that fit after "expected:".

use std::fmt;
use std::time::Duration;

/// A size in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub u64);

/// A share of processors in billionths, as Docker counts them: `"0.25"` is 250 000 000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cpus(pub u64);

impl fmt::Display for Bytes {
    /// The shortest exact form that Docker reads: `512m`, `1536m`, `1000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(30, "g"), (20, "m"), (10, "k")];
        let fits = units
            .into_iter()
            .find(|(bits, _)| self.0 > 0 && self.0.trailing_zeros() >= *bits);
        match fits {
            Some((bits, unit)) => write!(f, "{}{unit}", self.0 >> bits),
            None => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Display for Cpus {
    /// A decimal number: `1`, `0.25`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.0 / 1_000_000_000;
        let part = format!("{:09}", self.0 % 1_000_000_000);
        match part.trim_end_matches('0') {
            "" => write!(f, "{whole}"),
            part => write!(f, "{whole}.{part}"),
        }
    }
}

/// What a duration looks like.
pub const DURATION: &str = "a duration such as 500ms, 90s, 5m, 1h or 1h30m";
/// What a size looks like.
pub const SIZE: &str = "a size such as 512m, 4g or 1.5g";
/// What a share of processors looks like.
pub const CPUS: &str = "a number of processors such as \"0.5\" or 2";

/// Reads `500ms`, `90s`, `5m`, `1h`, `2d`, sums such as `1h30m`, and `0`.
///
/// # Errors
/// [`DURATION`], where it is none.
pub fn duration(text: &str) -> Result<Duration, &'static str> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut millis: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: u64 = rest[..digits].parse().map_err(|_| DURATION)?;
        rest = &rest[digits..];
        let letters = rest.len()
            - rest
                .trim_start_matches(|c: char| c.is_ascii_lowercase())
                .len();
        let unit = match &rest[..letters] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(DURATION),
        };
        rest = &rest[letters..];
        let part = number.checked_mul(unit).ok_or(DURATION)?;
        millis = millis.checked_add(part).ok_or(DURATION)?;
    }
    if text.is_empty() {
        return Err(DURATION);
    }
    Ok(Duration::from_millis(millis))
}

/// Reads `512m`, `4g`, `1.5g`, `512MiB`, plain bytes; units are powers of 1024, as Docker's are.
///
/// # Errors
/// [`SIZE`], where it is none.
pub fn bytes(text: &str) -> Result<Bytes, &'static str> {
    let split = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = unit.to_ascii_lowercase();
    let unit = unit.strip_suffix('b').unwrap_or(&unit);
    let shift = match unit.strip_suffix('i').unwrap_or(unit) {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err(SIZE),
    };
    let (nano, exact) = billionths(number.trim_end()).ok_or(SIZE)?;
    let total = (u128::from(nano) << shift) / 1_000_000_000;
    if !exact && shift == 0 {
        return Err(SIZE);
    }
    u64::try_from(total).map(Bytes).map_err(|_| SIZE)
}

/// Reads `1`, `0.25`, `1.0`; above zero.
///
/// # Errors
/// [`CPUS`], where it is none.
pub fn cpus(text: &str) -> Result<Cpus, &'static str> {
    match billionths(text) {
        Some((nano, _)) if nano > 0 => Ok(Cpus(nano)),
        _ => Err(CPUS),
    }
}

/// A decimal number in billionths, and whether it is whole.
fn billionths(text: &str) -> Option<(u64, bool)> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(part) || part.len() > 9 || text.ends_with('.')
    {
        return None;
    }
    let nano: u64 = format!("{part:0<9}").parse().ok()?;
    let whole: u64 = whole.parse().ok()?;
    let total = whole.checked_mul(1_000_000_000)?.checked_add(nano)?;
    Some((total, nano == 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_and_nothing_else_is_one() {
        let ms = |t| duration(t).map(|d| d.as_millis());
        assert_eq!(ms("500ms"), Ok(500));
        assert_eq!(ms("1h30m"), Ok(5_400_000));
        assert_eq!(ms("0"), Ok(0));
        for bad in [
            "",
            "10",
            "s",
            "1 s",
            "-1s",
            "1.5s",
            "1S",
            "1w",
            "99999999999999999d",
            "1s2",
        ] {
            assert_eq!(ms(bad), Err(DURATION), "{bad:?}");
        }
    }

    #[test]
    fn sizes_are_powers_of_1024_and_print_as_docker_reads_them() {
        let shown = |t| bytes(t).map(|b| b.to_string());
        for (written, meant) in [
            ("512m", "512m"),
            ("4g", "4g"),
            ("1.5g", "1536m"),
            ("512MiB", "512m"),
            ("64MB", "64m"),
            ("1000", "1000"),
            ("1024k", "1m"),
            ("0", "0"),
        ] {
            assert_eq!(shown(written).as_deref(), Ok(meant), "{written}");
        }
        for bad in [
            "",
            "m",
            "1.5",
            "-1m",
            "1x",
            "1.5.5g",
            "999999999999t",
            ".5g",
            "1.g",
        ] {
            assert_eq!(shown(bad), Err(SIZE), "{bad:?}");
        }
    }

    #[test]
    fn processors_are_a_share_above_zero() {
        let shown = |t| cpus(t).map(|c| c.to_string());
        assert_eq!(shown("1.0").as_deref(), Ok("1"));
        assert_eq!(shown("0.25").as_deref(), Ok("0.25"));
        for bad in ["0", "0.0", "", "-1", "1e3", "half", ".5"] {
            assert_eq!(shown(bad), Err(CPUS), "{bad:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_printed_is_read_again(n in 0_u64..=u64::MAX / 2, c in 1_u64..1_000_000_000_000) {
            // Bytes above 2^53 billionths do not fit the reader's range; hosts are smaller.
            let n = n % (1 << 34);
            proptest::prop_assert_eq!(bytes(&Bytes(n).to_string()), Ok(Bytes(n)));
            proptest::prop_assert_eq!(cpus(&Cpus(c).to_string()), Ok(Cpus(c)));
        }
    }
}
