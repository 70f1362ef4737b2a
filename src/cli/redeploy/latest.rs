//! `--latest [LINE]`: the newest version that the registry has, instead of the one that serves.

use std::str::FromStr;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::place::Place;
use crate::cli::session;
use crate::name::{ImageName, Version};

/// A line of versions: all, or those whose numbers begin so, e.g. `1.0` or `1.0.*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line(Vec<u64>);

impl FromStr for Line {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self(Vec::new()));
        }
        let numbers = text.strip_suffix(".*").unwrap_or(text).split('.');
        let numbers: Result<Vec<u64>, _> = numbers.map(str::parse).collect();
        numbers
            .map(Self)
            .map_err(|_| "write the first numbers of versions, e.g. 1.0 or 1.0.*".to_owned())
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for number in &self.0 {
            write!(f, "{number}.")?;
        }
        f.write_str("*")
    }
}

impl Line {
    /// Asks the registry for the newest version of the line; the recorded one where none is newer.
    ///
    /// # Errors
    /// A registry that does not answer, a line without versions, or two of which nobody knows which is
    /// newer.
    pub async fn newest(
        &self,
        ctx: &Context,
        place: &Place,
        recorded: &Version,
    ) -> Result<Version, Failure> {
        let app = place.app()?;
        let image = app.images.values().next();
        let image = image
            .ok_or_else(|| Failure::usage(format!("{} has no image of its own", place.app)))?;
        let image = ImageName::new(image.value.to_string())?;
        let registry = session::registry(ctx, &place.inventory).await?;
        let tags = registry.tags(&image).await.map_err(|e| {
            session::unanswered(&format!("versions of {} are not known", place.app), e)
        })?;
        let known = tags.into_iter().filter_map(|tag| Version::new(tag).ok());
        self.choose(known.collect(), recorded)
    }

    fn choose(&self, known: Vec<Version>, recorded: &Version) -> Result<Version, Failure> {
        let of_line = |v: &Version| v.numbers().is_some_and(|n| n.starts_with(&self.0));
        let mut versions = known.into_iter().filter(of_line);
        let Some(mut best) = versions.next() else {
            return Err(Failure::configuration(format!(
                "the registry has no version {self}"
            )));
        };
        let mut equal = None;
        for version in versions {
            match version.compare(&best) {
                Some(std::cmp::Ordering::Greater) => (best, equal) = (version, None),
                // Two builds with one number: which came first is not in their names.
                None => equal = Some(version),
                Some(_) => {}
            }
        }
        let newer = best.compare(recorded) == Some(std::cmp::Ordering::Greater);
        if recorded.is_ordered() && !newer {
            return Ok(recorded.clone());
        }
        match equal {
            Some(other) => Err(Failure::refused(format!(
                "which of {best} and {other} is newer cannot be told"
            ))),
            None => Ok(best),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 6] = [
        "1.0.2-30-abc1234",
        "1.0.10-3-7e56158",
        "1.1.0-1-c0ffee0",
        "latest",
        "1.0.1-22-7e56158",
        "2.0.0-rc1",
    ];

    fn newest(line: &str, recorded: &str) -> String {
        let known = KNOWN.iter().map(|v| Version::new(*v).unwrap()).collect();
        let line: Line = line.parse().unwrap();
        match line.choose(known, &Version::new(recorded).unwrap()) {
            Ok(version) => version.to_string(),
            Err(failure) => failure.one_line(),
        }
    }

    #[test]
    fn the_newest_of_a_line_and_never_an_older_one() {
        assert_eq!(newest("*", "1.0.1-22-7e56158"), "1.1.0-1-c0ffee0");
        assert_eq!(newest("1.0", "1.0.1-22-7e56158"), "1.0.10-3-7e56158");
        assert_eq!(newest("1.0.*", "1.1.0-1-c0ffee0"), "1.1.0-1-c0ffee0");
        assert_eq!(newest("1", "3.0.0-1-abcdef0"), "3.0.0-1-abcdef0");
        assert_eq!(newest("*", "nightly"), "1.1.0-1-c0ffee0");
        assert_eq!(
            newest("4", "1.0.1-22-7e56158"),
            "the registry has no version 4.*"
        );
    }

    #[test]
    fn two_builds_of_one_number_are_not_guessed_at() {
        let known = ["1.0.3-5-aaaaaaa", "1.0.3-5-bbbbbbb"].map(|v| Version::new(v).unwrap());
        let line: Line = "*".parse().unwrap();
        let choose = |recorded: &str| {
            let chosen = line.choose(known.to_vec(), &Version::new(recorded).unwrap());
            chosen.map(|v| v.to_string()).map_err(|f| f.one_line())
        };
        assert!(
            choose("1.0.2-1-ccccccc")
                .unwrap_err()
                .contains("cannot be told")
        );
        // One of them serves: there is nothing newer.
        assert_eq!(choose("1.0.3-5-bbbbbbb").unwrap(), "1.0.3-5-bbbbbbb");
    }

    #[test]
    fn a_line_is_numbers() {
        for bad in ["", "x", "1.x", ">=1", "1..2", "-1"] {
            assert!(bad.parse::<Line>().is_err(), "{bad}");
        }
    }
}
