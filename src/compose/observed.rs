//! Is a container as wanted? The comparison with what `docker inspect` says.

use std::collections::BTreeMap;

use super::overlay::Effective;
use super::policy::Restart;
use crate::name::Digest;
use crate::text;

/// What `docker inspect` says of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// `HostConfig.RestartPolicy`: name and `MaximumRetryCount`; none where it is no known policy.
    pub restart: Option<Restart>,
    /// `HostConfig.Memory` in bytes; 0 is no limit.
    pub memory: u64,
    /// `HostConfig.NanoCpus`; 0 is no limit.
    pub nano_cpus: u64,
    /// `Image`: the id of the image that it runs.
    pub image_id: String,
    /// `RepoDigests` of that image, e.g. `registry/app@sha256:…`.
    pub repo_digests: Vec<String>,
    /// `Config.Labels`.
    pub labels: BTreeMap<String, String>,
}

impl Observed {
    /// The restart policy by the words of `docker inspect`. No name is Docker's `no`.
    #[must_use]
    pub fn restart_of(name: &str, retries: u32) -> Option<Restart> {
        match name {
            "" => Some(Restart::No),
            "on-failure" => Some(Restart::OnFailure((retries > 0).then_some(retries))),
            name => Restart::parse(name),
        }
    }

    fn runs(&self, digest: &Digest) -> bool {
        let of = |known: &String| known.rsplit('@').next() == Some(digest.as_str());
        self.image_id == digest.as_str() || self.repo_digests.iter().any(of)
    }
}

/// What differs, one sentence each; empty where the container is as wanted. What the template leaves
/// open (`None` in [`Effective`]) is not compared.
#[must_use]
pub fn differences(wanted: &Effective, seen: &Observed) -> Vec<String> {
    let mut differ = Vec::new();
    if let Some(restart) = wanted.restart
        && seen.restart.map(same_restart) != Some(same_restart(restart))
    {
        let is = seen.restart.map_or("unknown".to_owned(), |r| r.to_string());
        differ.push(format!("restart policy is {is}, wanted {restart}"));
    }
    if let Some(memory) = wanted.memory
        && seen.memory != memory
    {
        let is = limit(seen.memory, text::bytes);
        differ.push(format!(
            "memory limit is {is}, wanted {}",
            text::bytes(memory)
        ));
    }
    if let Some(cpus) = wanted.cpus
        && seen.nano_cpus != cpus.nano()
    {
        let is = limit(seen.nano_cpus, |n| format!("{}", n as f64 / 1e9));
        differ.push(format!("limit of CPUs is {is}, wanted {cpus}"));
    }
    if let Some(digest) = &wanted.digest
        && !seen.runs(digest)
    {
        let is = seen.repo_digests.first().unwrap_or(&seen.image_id);
        let is = is.rsplit('@').next().unwrap_or(is);
        let short = Digest::new(is).map_or_else(|_| is.to_owned(), |d| d.short());
        differ.push(format!("image is {short}, wanted {}", digest.short()));
    }
    differ.extend(labels(wanted, seen));
    differ
}

fn same_restart(restart: Restart) -> Restart {
    match restart {
        Restart::OnFailure(Some(0)) => Restart::OnFailure(None),
        other => other,
    }
}

fn limit(value: u64, words: impl Fn(u64) -> String) -> String {
    if value == 0 {
        "none".to_owned()
    } else {
        words(value)
    }
}

fn labels<'a>(wanted: &'a Effective, seen: &'a Observed) -> impl Iterator<Item = String> + use<'a> {
    wanted.labels.iter().filter_map(|(key, value)| {
        let is = seen.labels.get(key);
        if is == Some(value) {
            return None;
        }
        let is = is.map_or("missing".to_owned(), |is| format!("{is:?}"));
        Some(format!("label {key} is {is}, wanted {value:?}"))
    })
}
