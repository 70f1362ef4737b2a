//! `deploy run ENV [APP] -- COMMAND…`: a command in a new container of the app, which goes with it.

use super::context::Context;
use super::drive::random;
use super::failure::Failure;
use super::inside::{Inside, Spot, What};
use crate::fleet::view::project;
use crate::host::docker::run::OneOff;
use crate::name::{ExitCode, ServiceName};
use crate::plan::judge;
use crate::release::HostRelease;
use crate::report::words;

/// Run a command in a new container of the app's release
///
/// With image, environment, volumes, networks, limits and secrets of the release that the slot
/// holds, on the first host of the slot that serves; with --all on all of its hosts at once. The
/// container has no published ports, gets no traffic, starts no other service, and is removed when
/// the command ends or the connection is cut; with -i, after a cut, only where the host answers once
/// more, else its name is told. A service with `profiles:` is no part of a release: none is made of
/// it. The words of the command go to the image as they are.
/// Ends with 0 where the command did on each host, with 1 where it did not, with 7 where that cannot
/// be told.
#[derive(Debug, clap::Args)]
#[command(override_usage = "deploy run [OPTIONS] ENV [APP] -- COMMAND…")]
pub struct Args {
    #[command(flatten)]
    inside: Inside,
}

impl Args {
    /// Finds the release on each host, then runs the command in a container of it.
    ///
    /// # Errors
    /// Words that mean nothing here, or a host that holds no release.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        let service = self.inside.service.as_ref();
        let choose = |spot: &Spot| fresh(spot, service, random());
        self.inside.go(ctx, "run", choose).await
    }
}

/// A container to be made of what the slot holds on the host; `number` tells it from others.
fn fresh(spot: &Spot, service: Option<&ServiceName>, number: u64) -> Result<What, Failure> {
    let setup = &spot.site.setup;
    let held = judge::recorded(spot.view, spot.slot).ok_or_else(|| {
        let what = format!("{}: {} holds no release", spot.host, spot.slot);
        Failure::refused(what).hint("--slot SLOT names another; deploy a version first")
    })?;
    if held.label.adopted {
        let what = format!("{}: {} was started by hand", spot.host, held.label);
        return Err(Failure::refused(what).hint(
            "nothing says how a new container of it is made; `deploy exec` runs in one that is there",
        ));
    }
    let service = of(held, service).map_err(|why| {
        let known: Vec<&str> = held.services.keys().map(ServiceName::as_str).collect();
        let failure = Failure::usage(format!("{}: {why}", spot.host));
        failure.hint(format!(
            "--service SERVICE; the release has {}",
            words::names(&known, 12)
        ))
    })?;
    let project = project(&setup.env, &setup.app, spot.slot);
    Ok(What::New(OneOff {
        name: format!("{project}-run-{number:016x}"),
        dir: spot.machine.scope.release_dir(&held.label.id, spot.slot),
        project,
        service: service.clone(),
    }))
}

/// The named service of the release, or its only one.
fn of<'a>(
    held: &'a HostRelease,
    service: Option<&'a ServiceName>,
) -> Result<&'a ServiceName, String> {
    let mut all = held.services.keys();
    match (service, all.next(), all.next()) {
        (Some(name), ..) if held.services.contains_key(name) => Ok(name),
        (Some(name), ..) => Err(format!("the release has no service {name}")),
        (None, Some(only), None) => Ok(only),
        (None, None, _) => Err("the release has no services".to_owned()),
        (None, Some(_), Some(_)) => Err("the release has several services".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::World;

    #[test]
    fn a_service_is_the_only_one_or_named() {
        let world = World::serving();
        let mut held = judge::recorded(&world.fleet.hosts["web1"], &"blue".parse().unwrap())
            .unwrap()
            .clone();
        let only = held.services.keys().next().unwrap().clone();
        let worker: ServiceName = "worker".parse().unwrap();
        assert_eq!(of(&held, None), Ok(&only));
        assert!(of(&held, Some(&worker)).is_err());
        let spec = held.services[&only].clone();
        held.services.insert(worker.clone(), spec);
        assert!(of(&held, None).is_err());
        assert_eq!(of(&held, Some(&worker)), Ok(&worker));
    }
}
