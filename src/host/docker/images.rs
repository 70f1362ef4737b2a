//! Images of a release: pulled by digest, kept under a local tag.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::host::script::Body;
use crate::text;

const TEXT: &str = include_str!("sh/pull.sh");
/// `sweep_logins ROOT`: removes what pulls that were killed have left of a login.
pub const SWEEP: &str = include_str!("sh/sweep.sh");
/// Less free space than this is worth a word where a pull failed.
const LITTLE: u64 = 1 << 30;
/// And fewer inodes than this.
const FEW: u64 = 20_000;

/// `facts` that also say whether a pull of these images would find nothing to do: [`all_here`].
#[must_use]
pub fn ask_here(mut facts: Body, images: &[String]) -> Body {
    let names = images.iter().map(|image| {
        let tag = local_tag(image)?;
        let digest = &image[image.find('@')?..];
        let (repository, _) = tag.rsplit_once(':')?;
        Some([tag.clone(), format!("{repository}{digest}")])
    });
    // One without both names is for the pull to see to.
    if let Some(names) = names.collect::<Option<Vec<_>>>() {
        facts.args.extend(names.into_iter().flatten());
    }
    facts
}

/// Whether the engine has them all. Only a plain yes is one.
#[must_use]
pub fn all_here(lines: &[String]) -> bool {
    lines.iter().any(|line| line == "images here")
}

/// The pull of images given as `repository:tag@sha256:…` (a tag or a digest may be missing).
///
/// Images that are here already are not asked for at the registry. The end of the connection ends
/// it; what was fetched until then stays and is not fetched again.
#[must_use]
pub fn pull(images: &[String]) -> Body {
    pull_with(images, &BTreeSet::new(), None)
}

/// The same with a login: those of `own` are pulled with `config` (the text of a `config.json`) as
/// Docker's configuration, the others with what the host has. It is the body's data, lies in a
/// directory that only the login enters, in memory where the host has such a place, and goes with the
/// pull, however that ends.
#[must_use]
pub fn pull_with(images: &[String], own: &BTreeSet<String>, config: Option<&str>) -> Body {
    let config = config.filter(|_| !own.is_empty()).unwrap_or_default();
    let mut body = super::body("pull", TEXT);
    body.text = [SWEEP, &body.text].concat().into();
    body = body.args([config.len().to_string()]);
    body = body.args(images.iter().flat_map(|image| {
        let tag = local_tag(image).unwrap_or_else(|| "-".to_owned());
        let login = !config.is_empty() && own.contains(image);
        let login = if login { "login" } else { "-" };
        [image.clone(), tag, login.to_owned()]
    }));
    body.data = config.as_bytes().to_vec();
    body.limit = Duration::from_secs(1800);
    // Docker says a word at each layer; a registry that is cut off makes it silent for longer.
    body.quiet = Some(Duration::from_secs(600));
    body.follow = true;
    body.tied = true;
    body
}

/// `repository:tag` of a reference with both a tag and a digest. One without a digest is its own
/// name; one without a tag has none.
fn local_tag(image: &str) -> Option<String> {
    let (name, _) = image.split_once('@')?;
    // A colon before the last slash belongs to a port of the registry.
    let last = name.rsplit('/').next().unwrap_or(name);
    last.contains(':').then(|| name.to_owned())
}

/// How one image ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pulled {
    /// It was here.
    Present,
    /// It was fetched.
    Fetched,
    /// It was not; what Docker said last.
    Failed(String),
    /// Nothing was said of its end.
    Unknown,
}

/// Follows a pull line by line. Docker without a terminal tells of layers, not of bytes.
#[derive(Debug, Clone, Default)]
pub struct PullReader {
    images: BTreeMap<usize, Image>,
    /// Lines that belong to no image.
    rest: Vec<String>,
    /// What was left on the disk where a pull failed.
    space: Option<String>,
}

#[derive(Debug, Clone, Default)]
struct Image {
    layers: BTreeMap<String, bool>,
    last: String,
    end: Option<Pulled>,
}

impl PullReader {
    /// Takes a line; layers done and layers known of so far where that changed.
    pub fn line(&mut self, line: &str) -> Option<(u64, u64)> {
        let before = self.progress();
        let parsed = line
            .strip_prefix("p ")
            .and_then(|rest| rest.split_once(' '))
            .and_then(|(n, text)| Some((n.parse::<usize>().ok()?, text)));
        let Some((n, text)) = parsed else {
            match left(line) {
                Some(space) => self.space = space,
                None if line.is_empty() => {}
                None => self.rest.push(line.to_owned()),
            }
            return None;
        };
        self.images.entry(n).or_default().line(text);
        let now = self.progress();
        (now != before).then_some(now)
    }

    /// Layers done, and layers known of.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        let layers = self.images.values().flat_map(|i| i.layers.values());
        layers.fold((0, 0), |(done, all), one| (done + u64::from(*one), all + 1))
    }

    /// How each of `images`, as they were given to [`pull`], ended.
    #[must_use]
    pub fn ends(&self, images: &[String]) -> Vec<(String, Pulled)> {
        let end = |(n, image): (usize, &String)| {
            let end = self.images.get(&n).and_then(|i| i.end.clone());
            (image.clone(), end.unwrap_or(Pulled::Unknown))
        };
        images.iter().enumerate().map(end).collect()
    }

    /// What is left on the engine's disk, where a pull failed and that is little.
    #[must_use]
    pub fn space(&self) -> Option<&str> {
        self.space.as_deref()
    }

    /// Lines that belong to no image, e.g. why nothing could be pulled.
    #[must_use]
    pub fn rest(&self) -> &[String] {
        &self.rest
    }
}

impl Image {
    fn line(&mut self, text: &str) {
        if text == "present" {
            self.end = Some(Pulled::Present);
        } else if text == "pulled" {
            self.end = Some(Pulled::Fetched);
        } else if let Some(rc) = text.strip_prefix("failed ") {
            let said = std::mem::take(&mut self.last);
            let why = if said.is_empty() {
                format!("docker pull ended with {rc}")
            } else {
                said
            };
            self.end = Some(Pulled::Failed(why));
        } else if let Some((layer, done)) = layer(text) {
            let known = self.layers.entry(layer.to_owned()).or_default();
            *known |= done;
        } else {
            text.clone_into(&mut self.last);
        }
    }
}

/// `free <blocks> <their size> <inodes> <all inodes> <where>`: what a person should know of it, where
/// it is little.
fn left(line: &str) -> Option<Option<String>> {
    let words: Vec<&str> = line.strip_prefix("free ")?.splitn(5, ' ').collect();
    let [blocks, size, inodes, all, place] = words[..] else {
        return None;
    };
    let number = |word: &str| word.parse::<u64>().ok();
    let free = number(blocks)?.saturating_mul(number(size)?);
    // Some file systems (btrfs) count no inodes and say 0 of 0.
    let inodes = number(inodes).filter(|_| number(all) != Some(0));
    Some(if free < LITTLE {
        Some(format!("{} are free in {place}", text::bytes(free)))
    } else {
        let few = inodes.filter(|n| *n < FEW);
        few.map(|n| format!("{n} inodes are free in {place}"))
    })
}

/// `<12 hex digits>: <what happens>`; whether the layer is here now.
fn layer(text: &str) -> Option<(&str, bool)> {
    let (id, what) = text.split_once(": ")?;
    let hex = id.len() == 12 && id.bytes().all(|b| b.is_ascii_hexdigit());
    hex.then_some((id, matches!(what, "Pull complete" | "Already exists")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PULL: &str = include_str!("../../../tests/fixtures/docker/pull.txt");

    fn read(text: &str) -> (PullReader, Vec<(u64, u64)>) {
        let mut reader = PullReader::default();
        let progress = text.lines().filter_map(|l| reader.line(l)).collect();
        (reader, progress)
    }

    #[test]
    fn a_tag_is_found_behind_a_registry_with_a_port() {
        let tag = |s: &str| local_tag(&format!("{s}@sha256:00"));
        assert_eq!(tag("r:5000/a/b:1").as_deref(), Some("r:5000/a/b:1"));
        assert_eq!(tag("r:5000/a/b"), None);
        assert_eq!(local_tag("r:5000/a/b:1"), None);
        let body = pull(&["r:5000/a:1@sha256:00".into(), "b".into()]);
        let first = ["r:5000/a:1@sha256:00", "r:5000/a:1"];
        let args = ["0", first[0], first[1], "-", "b", "-", "-"];
        assert_eq!(body.args, args);
        assert!(body.tied && body.follow && body.data.is_empty());
        let own = [first[0].to_owned()].into();
        let images = [first[0].to_owned(), "b".to_owned()];
        let body = pull_with(&images, &own, Some("{}"));
        let args = ["2", first[0], first[1], "login", "b", "-", "-"];
        assert_eq!(
            (&body.args[..], &body.data[..]),
            (&args.map(str::to_owned)[..], &b"{}"[..])
        );
        let body = pull_with(&images, &BTreeSet::new(), Some("{}"));
        assert!(body.data.is_empty() && body.args[0] == "0");
    }

    #[test]
    fn images_are_asked_for_by_both_of_their_names_or_not_at_all() {
        let args = |images: &[&str]| {
            let images: Vec<String> = images.iter().map(|i| (*i).to_owned()).collect();
            ask_here(Body::new("facts", ""), &images).args
        };
        let both = ["r:5000/a:1", "r:5000/a@sha256:00", "b:2", "b@sha256:11"];
        assert_eq!(args(&["r:5000/a:1@sha256:00", "b:2@sha256:11"]), both);
        for unnamed in ["r:5000/a@sha256:00", "r:5000/a:1", "a"] {
            assert!(args(&["b:2@sha256:11", unnamed]).is_empty(), "{unnamed}");
        }
        assert!(args(&[]).is_empty());
        let said = |line: &str| all_here(&[line.to_owned()]);
        assert!(said("images here") && !said("images here?") && !all_here(&[]));
    }

    #[test]
    fn a_pull_counts_layers_and_each_image_has_an_end() {
        let (reader, progress) = read(PULL);
        assert_eq!(progress, [(0, 1), (1, 1)]);
        let images = ["fetched", "here", "absent", "silent"].map(str::to_owned);
        let ends: Vec<Pulled> = reader.ends(&images).into_iter().map(|(_, e)| e).collect();
        let [
            Pulled::Fetched,
            Pulled::Present,
            Pulled::Failed(why),
            Pulled::Unknown,
        ] = &ends[..]
        else {
            panic!("{ends:?}");
        };
        assert!(why.ends_with("manifest unknown"), "{why}");
    }

    #[test]
    fn little_space_is_told_where_a_pull_failed() {
        let space = |line: &str| read(line).0.space().map(str::to_owned);
        let at = "/var/lib/docker";
        assert_eq!(
            space(&format!("free 3 4096 900000 1000000 {at}")).as_deref(),
            Some("12.0 KiB are free in /var/lib/docker")
        );
        assert_eq!(
            space(&format!("free 9000000 4096 7 1000000 {at}")).as_deref(),
            Some("7 inodes are free in /var/lib/docker")
        );
        assert_eq!(
            space(&format!("free 9000000 4096 900000 1000000 {at}")),
            None
        );
        let (reader, _) = read("free beer");
        assert_eq!(reader.rest(), ["free beer"]);
    }

    #[test]
    fn what_is_no_line_of_an_image_is_kept_apart() {
        let (reader, progress) = read("another process removes images\np x present\n\np 0\n");
        assert_eq!(progress, []);
        assert_eq!(
            reader.rest(),
            ["another process removes images", "p x present", "p 0"]
        );
        assert_eq!(reader.ends(&["a".into()])[0].1, Pulled::Unknown);
    }
}
