//! The images of a step, and the login that goes with them.

use std::collections::BTreeSet;

use super::Real;
use crate::engine::remote::Work;
use crate::host::docker;
use crate::host::script::Body;
use crate::name::HostName;
use crate::registry::Carried;
use crate::release::HostRelease;

impl Real {
    /// The images that a piece of work fetches.
    pub(super) fn images(&self, host: &HostName, work: &Work) -> Vec<String> {
        match work {
            Work::Pull { slot, release } => self
                .spec(host, slot, release)
                .map(images)
                .unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    /// The same body with what the registries of its images want to be told.
    pub(super) async fn logged_in(
        &self,
        host: &HostName,
        work: &Work,
        body: Body,
    ) -> (Body, Carried) {
        let images = self.images(host, work);
        if images.is_empty() {
            return (body, Carried::default());
        }
        let login = self.site.logins.of(&images).await;
        let config = login.config.as_ref().map(|c| c.expose().as_str());
        let body = docker::images::pull_with(&images, &login.images, config);
        (body, login)
    }
}

/// The images of a release on a host, each once.
///
/// What was adopted needs none: its containers are there, and may be of an image that no registry has.
pub(super) fn images(spec: &HostRelease) -> Vec<String> {
    if spec.label.adopted {
        return Vec::new();
    }
    let all: BTreeSet<&String> = spec.services.values().map(|s| &s.image).collect();
    all.into_iter().filter(|i| !i.is_empty()).cloned().collect()
}
