//! Host patterns: `web[1:4]`, `web[01:20]`, `db[a:c]` as keys, and `{name}`, `{n}` in their values.

/// One name that a pattern stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expanded {
    /// The name.
    pub name: String,
    /// What stands for `{n}`: the number without leading zeros, or the letter; `None` without
    /// exactly one range.
    pub n: Option<String>,
}

/// Most names that one pattern may stand for.
const MANY: usize = 10_000;

/// True where the text has a range in it.
#[must_use]
pub fn is_pattern(text: &str) -> bool {
    text.contains('[')
}

/// The names that a pattern stands for, in order; a text without a range stands for itself.
///
/// # Errors
/// Why it is no pattern.
pub fn expand(text: &str) -> Result<Vec<Expanded>, String> {
    let mut names = vec![Expanded {
        name: String::new(),
        n: None,
    }];
    let mut rest = text;
    let mut ranges = 0;
    while let Some((before, after)) = rest.split_once('[') {
        let Some((inner, after)) = after.split_once(']') else {
            return Err("has a `[` without `]`".to_owned());
        };
        let values = range(inner)?;
        ranges += 1;
        if names.len() * values.len() > MANY {
            return Err(format!("stands for more than {MANY} names"));
        }
        let with = |one: &Expanded| {
            let begun = format!("{}{before}", one.name);
            let values = values.iter().map(move |v| Expanded {
                name: format!("{begun}{v}"),
                n: Some(v.trim_start_matches('0').to_owned())
                    .map(|n| if n.is_empty() { "0".to_owned() } else { n }),
            });
            values.collect::<Vec<_>>()
        };
        names = names.iter().flat_map(with).collect();
        rest = after;
    }
    for one in &mut names {
        one.name.push_str(rest);
        one.n = one.n.take().filter(|_| ranges == 1);
    }
    Ok(names)
}

/// The values of `1:4`, `01:20`, `a:c`.
fn range(inner: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("has [{inner}], which is no range such as [1:4], [01:20] or [a:c]");
    let (from, to) = inner.split_once(':').ok_or_else(wrong)?;
    let backwards = || format!("has [{inner}], which runs backwards");
    if let (&[a], &[b]) = (from.as_bytes(), to.as_bytes())
        && a.is_ascii_lowercase()
        && b.is_ascii_lowercase()
    {
        if a > b {
            return Err(backwards());
        }
        return Ok((a..=b).map(|c| char::from(c).to_string()).collect());
    }
    let digits = |s: &str| !s.is_empty() && s.len() < 10 && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(from) || !digits(to) {
        return Err(wrong());
    }
    let (a, b): (usize, usize) = (
        from.parse().map_err(|_| wrong())?,
        to.parse().map_err(|_| wrong())?,
    );
    if a > b {
        return Err(backwards());
    }
    if b - a >= MANY {
        return Err(format!("stands for more than {MANY} names"));
    }
    let width = if from.starts_with('0') { from.len() } else { 0 };
    Ok((a..=b).map(|n| format!("{n:0width$}")).collect())
}

/// Puts `values` for the names in braces.
///
/// # Errors
/// The first name in braces that is not among `values`, or a brace that is not closed.
pub fn fill(text: &str, values: &[(&str, &str)]) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (word, after) = after
            .split_once('}')
            .ok_or_else(|| "has a `{` without `}`".to_owned())?;
        let Some((_, value)) = values.iter().find(|(name, _)| *name == word) else {
            let known: Vec<String> = values.iter().map(|(n, _)| format!("{{{n}}}")).collect();
            return Err(format!(
                "has {{{word}}}; {} can stand here",
                known.join(" and ")
            ));
        };
        out.push_str(before);
        out.push_str(value);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let all = expand(text).unwrap();
        all.into_iter().map(|e| e.name).collect()
    }

    #[test]
    fn ranges_keep_their_width() {
        assert_eq!(names("web[1:3]"), ["web1", "web2", "web3"]);
        assert_eq!(names("web[08:10].x"), ["web08.x", "web09.x", "web10.x"]);
        assert_eq!(names("db[a:c]"), ["dba", "dbb", "dbc"]);
        assert_eq!(names("r[1:2]w[1:2]"), ["r1w1", "r1w2", "r2w1", "r2w2"]);
        assert_eq!(names("plain"), ["plain"]);
        assert_eq!(expand("w[08:08]").unwrap()[0].n.as_deref(), Some("8"));
        assert_eq!(expand("w[00:00]").unwrap()[0].n.as_deref(), Some("0"));
        assert_eq!(expand("r[1:2]w[1:2]").unwrap()[0].n, None);
    }

    #[test]
    fn what_is_no_range_says_why() {
        for (bad, why) in [
            ("web[1:", "without `]`"),
            ("web[]", "no range"),
            ("web[1-3]", "no range"),
            ("web[4:1]", "backwards"),
            ("web[1:99999]", "more than 10000"),
            ("w[1:1000]x[1:1000]", "more than 10000"),
            ("web[a:3]", "no range"),
        ] {
            let e = expand(bad).unwrap_err();
            assert!(e.contains(why), "{bad}: {e}");
        }
    }

    #[test]
    fn braces_are_filled_or_refused() {
        let v = [("name", "web1"), ("n", "1")];
        assert_eq!(fill("{name}.svc{n}", &v).unwrap(), "web1.svc1");
        assert!(
            fill("{nam}", &v)
                .unwrap_err()
                .contains("{name} and {n} can stand here")
        );
        assert!(fill("a{", &v).is_err());
    }
}
