//! `deploy exec ENV [APP] -- COMMAND…`: a command in the app's running containers.

use super::context::Context;
use super::failure::Failure;
use super::inside::{Inside, Spot, What};
use crate::fleet::Container;
use crate::name::{ExitCode, ServiceName};
use crate::plan::judge;
use crate::report::words;

/// Run a command in a running container of the app
///
/// In the slot that serves, on its first host; with --all on all of its hosts at once, each line
/// with its host in front. The words of the command go to it as they are: for a shell, name one
/// (`-- sh -c "…"`). Ends with 0 where the command did on each of them, with 1 where it did not, with 7
/// where that cannot be told.
#[derive(Debug, clap::Args)]
#[command(override_usage = "deploy exec [OPTIONS] ENV [APP] -- COMMAND…")]
pub struct Args {
    #[command(flatten)]
    inside: Inside,
}

impl Args {
    /// Finds the containers, then runs the command in them.
    ///
    /// # Errors
    /// Words that mean nothing here, or containers that cannot be found.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        let service = self.inside.service.as_ref();
        let choose = |spot: &Spot| running(spot, service);
        self.inside.go(ctx, "exec", choose).await
    }
}

/// The container on a host.
fn running(spot: &Spot, service: Option<&ServiceName>) -> Result<What, Failure> {
    let setup = &spot.site.setup;
    let running: Vec<&Container> = judge::containers(spot.view, &setup.env, &setup.app, spot.slot)
        .filter(|c| c.state == "running")
        .collect();
    let container = choose(&running, service).map_err(|why| {
        let known: Vec<&str> = running.iter().filter_map(|c| c.service()).collect();
        let failure = Failure::usage(format!("{}: {why}", spot.host));
        match known.as_slice() {
            [] => failure.hint(format!("deploy status {} shows what runs", setup.env)),
            all => failure.hint(format!(
                "--service SERVICE; running: {}",
                words::names(all, 12)
            )),
        }
    })?;
    Ok(What::Container(container.id.clone()))
}

/// The only container, or the first of the named service.
fn choose<'a>(
    running: &[&'a Container],
    service: Option<&ServiceName>,
) -> Result<&'a Container, String> {
    match (running, service) {
        ([], _) => Err("no container of the slot is running".to_owned()),
        ([one], None) => Ok(one),
        (_, None) => {
            let first = running[0].service();
            if running.iter().all(|c| c.service() == first) {
                Ok(running[0])
            } else {
                Err("several services run in the slot".to_owned())
            }
        }
        (all, Some(name)) => {
            let named = all.iter().find(|c| c.service() == Some(name.as_str()));
            named
                .copied()
                .ok_or_else(|| format!("no container of the service {name} is running"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::World;

    #[test]
    fn a_container_is_chosen_or_what_to_name_is_said() {
        let mut world = World::serving();
        let one = world.container_of("web1").clone();
        let of = |service: &str| {
            let mut c = one.clone();
            c.labels
                .insert("com.docker.compose.service".to_owned(), service.to_owned());
            c.id = format!("id-{service}");
            c
        };
        let (web, worker) = (of("web"), of("worker"));
        let chosen = |running: &[&Container], service: Option<&str>| {
            let service = service.map(|s| s.parse::<ServiceName>().unwrap());
            choose(running, service.as_ref()).map(|c| c.id.clone())
        };
        assert_eq!(chosen(&[&web], None).unwrap(), "id-web");
        assert_eq!(chosen(&[&web, &web], None).unwrap(), "id-web");
        assert_eq!(
            chosen(&[&web, &worker], Some("worker")).unwrap(),
            "id-worker"
        );
        for (running, service) in [
            (vec![], None),
            (vec![&web, &worker], None),
            (vec![&web], Some("cron")),
        ] {
            assert!(chosen(&running, service).is_err(), "{service:?}");
        }
    }
}
