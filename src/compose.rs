//! The compose document: read with positions, checked, and completed by a second, overriding file.
//!
//! The rendered bytes are the document of record and are shipped as they are. [`Document`] only
//! reads them; [`override_file`] builds what `deploy` adds, and says as [`Effective`] what both files
//! together give.
//!
//! Parts: `service` views of one service, `check` the list of checks, `keys` what may be written
//! where, `values` what may stand there, `units` sizes and shares of CPUs, `image` references, `policy` what is wanted,
//! `overlay` the overriding file.
//! To add a check: a function in `check`, a line in its list. To add to the overriding file: a field
//! in [`Policy`], a step in `overlay`, a field in [`Effective`] where it can be read back.

mod check;
mod image;
mod keys;
mod overlay;
mod policy;
mod ports;
mod secrets;
mod service;
mod units;
mod values;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::name::ServiceName;
use crate::text::yaml::{self, Node};
use crate::text::{Diagnostic, Findings, SourceFile, Span};

pub use image::{ImageError, ImageRef};
pub use overlay::{Effective, OVERRIDE_FILE, Overlay, override_file};
pub use policy::{Limits, LogRotation, Policy, Restart, ServicePolicy, Wanted};
pub use ports::HostPort;
pub use service::{Health, Service, Setting};
pub use units::{Cpus, parse_bytes};

/// A compose document with the place of every value.
#[derive(Debug, Clone)]
pub struct Document {
    root: Node,
    names: Vec<ServiceName>,
}

/// An image that a service runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceImage {
    /// The service.
    pub service: ServiceName,
    /// Its image as the document names it.
    pub image: ImageRef,
    /// Where it is named.
    pub span: Span,
}

impl Document {
    /// Reads and checks a rendered document. `path` names it in messages, e.g.
    /// `docker-compose.yml for app on web1`; `shipped` are the paths of the files beside it.
    /// The second value holds warnings.
    ///
    /// # Errors
    /// All findings, where one of them is an error.
    pub fn parse<'a>(
        path: &str,
        bytes: &[u8],
        shipped: impl IntoIterator<Item = &'a str>,
    ) -> Result<(Self, Findings), Findings> {
        let text = std::str::from_utf8(bytes)
            .map_err(|_| Diagnostic::error(format!("{path} is not UTF-8 text")))?;
        let file = SourceFile::new(path, text);
        let mut findings = Findings::default();
        let Some(root) = yaml::parse(&file, &mut findings) else {
            return Err(findings);
        };
        let names = check::services(&root, &file, &mut findings);
        let document = Self { root, names };
        let shipped: Vec<&str> = shipped.into_iter().collect();
        check::all(&document, &shipped, &mut findings);
        secrets::check(&document, &shipped, &mut findings);
        findings.or(document)
    }

    /// The source, for messages about the document as a whole.
    #[must_use]
    pub fn file(&self) -> &Arc<SourceFile> {
        &self.root.span.file
    }

    /// Its services, in the order of the file.
    pub fn services(&self) -> impl Iterator<Item = Service<'_>> {
        self.names.iter().map(|name| Service::new(self, name))
    }

    /// One service.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<Service<'_>> {
        self.services().find(|s| s.name().as_str() == name)
    }

    /// The images of all services that `up` starts (those with `profiles:` are left out). Those
    /// without a digest need one before [`override_file`].
    #[must_use]
    pub fn images(&self) -> Vec<ServiceImage> {
        self.services()
            .filter(|s| s.profiles().is_empty())
            .filter_map(|s| {
                let (image, span) = s.image()?;
                Some(ServiceImage {
                    service: s.name().clone(),
                    image: image.ok()?,
                    span,
                })
            })
            .collect()
    }

    /// Does the document run the images that are to be deployed? One that no service runs is an
    /// error; a service with another tag of the same repository is shown with it. `wanted` are the
    /// app's images at the version to deploy.
    #[must_use]
    pub fn runs(&self, wanted: &[ImageRef]) -> Findings {
        let images = self.images();
        let mut findings = Findings::default();
        for one in wanted {
            let same = |i: &&ServiceImage| i.image.repository == one.repository;
            if images.iter().filter(same).any(|i| i.image.tag == one.tag) {
                continue;
            }
            let path = &self.file().path;
            let mut finding = Diagnostic::error(format!("no service of {path} runs `{one}`"));
            for other in images.iter().filter(same) {
                let says = format!("service {} runs another version", other.service);
                finding = finding.at_saying(&other.span, says);
            }
            findings.push(finding.hint("write `image: {{ image }}` in the template"));
        }
        findings
    }

    /// The host ports of all services that `up` starts.
    #[must_use]
    pub fn host_ports(&self) -> Vec<(ServiceName, HostPort)> {
        self.services()
            .filter(|s| s.profiles().is_empty())
            .flat_map(|s| {
                let name = s.name().clone();
                s.host_ports().into_iter().map(move |p| (name.clone(), p))
            })
            .collect()
    }

    fn top(&self, key: &str) -> Option<&Node> {
        self.root.get(key)
    }
}
