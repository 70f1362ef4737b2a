//! What a host holds on its disk that a plan is compared with: files of releases, layers of images.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::name::{HostName, SlotName};

/// What every host that was asked holds.
pub type Holdings = BTreeMap<HostName, Held>;

/// What one host holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// Files of what each slot was last given, by path; without its secrets.
    pub files: BTreeMap<SlotName, BTreeMap<String, HeldFile>>,
    /// Chains of the layers of every image: a layer is here only with all that lie below it.
    pub layers: BTreeSet<Vec<String>>,
    /// Go's word for the machine, e.g. `amd64`; empty where not known.
    pub architecture: String,
}

/// A file that a host holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldFile {
    /// Permission bits.
    pub mode: u32,
    /// Content; `None` where it was too large to be read over.
    pub bytes: Option<Vec<u8>>,
}

/// An image as a registry offers it for one kind of machine: what its layers are called once they
/// are unpacked, and what each costs to fetch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ImageSize {
    /// From the lowest: id of the unpacked layer, bytes to fetch.
    pub layers: Vec<(String, u64)>,
}

impl Held {
    /// Bytes that a pull of this image fetches: those of layers that are not here.
    #[must_use]
    pub fn to_fetch(&self, image: &ImageSize) -> u64 {
        let ids: Vec<String> = image.layers.iter().map(|(id, _)| id.clone()).collect();
        let here = |n: usize| {
            let chain = &ids[..=n];
            self.layers.iter().any(|have| have.starts_with(chain))
        };
        let missing = image.layers.iter().enumerate().filter(|(n, _)| !here(*n));
        missing.map(|(_, (_, size))| size).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_is_here_only_with_all_below_it() {
        let chain = |ids: &[&str]| ids.iter().map(|i| (*i).to_owned()).collect::<Vec<_>>();
        let held = Held {
            layers: BTreeSet::from([chain(&["a", "b", "c"]), chain(&["x"])]),
            ..Held::default()
        };
        let image = |ids: &[&str]| ImageSize {
            layers: ids.iter().map(|i| ((*i).to_owned(), 10)).collect(),
        };
        assert_eq!(held.to_fetch(&image(&["a", "b"])), 0);
        assert_eq!(held.to_fetch(&image(&["a", "b", "d"])), 10);
        assert_eq!(
            held.to_fetch(&image(&["b", "c"])),
            20,
            "other layers lie below"
        );
        assert_eq!(held.to_fetch(&image(&["x", "a"])), 10);
    }
}
