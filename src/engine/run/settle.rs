//! What a dead client began goes on: Docker stops and starts containers to the end, a load balancer
//! reloads. A plan is made of what is there when that has ended.

use std::time::Duration;

use crate::engine::site::Site;
use crate::engine::voice::Voice;
use crate::fleet::{Fleet, Known, Traffic};
use crate::name::HostName;

/// Two looks this far apart must agree.
const APART: Duration = Duration::from_secs(1);
/// Longest wait: a container that ends slowly is given ten seconds unless told otherwise.
const LOOKS: u32 = 40;

/// Looks until two looks agree; the last one where they never do.
pub(super) async fn settled(site: &Site, first: Fleet, voice: &Voice) -> Fleet {
    let mut before = first;
    for _ in 0..LOOKS {
        tokio::time::sleep(APART).await;
        let now = site.look(voice).await;
        if shape(&before) == shape(&now) {
            return now;
        }
        before = now;
    }
    before
}

type Container<'a> = (&'a str, &'a str, String, u64);
type Does<'a> = (&'a Known<Option<Traffic>>, &'a Known<Option<Traffic>>);

/// What changes while something is still at work.
#[derive(PartialEq)]
struct Shape<'a> {
    containers: Vec<(&'a HostName, Vec<Container<'a>>)>,
    balancers: Vec<(&'a HostName, Does<'a>)>,
}

fn shape(fleet: &Fleet) -> Shape<'_> {
    let containers = fleet.hosts.iter().map(|(host, view)| {
        let mut all: Vec<Container<'_>> = view
            .containers
            .iter()
            .map(|c| {
                (
                    c.id.as_str(),
                    c.state.as_str(),
                    format!("{:?}", c.health),
                    c.restarts,
                )
            })
            .collect();
        all.sort_unstable();
        (host, all)
    });
    let balancers = fleet.balancers.iter();
    Shape {
        containers: containers.collect(),
        balancers: balancers
            .map(|(host, view)| (host, (&view.persisted, &view.running)))
            .collect(),
    }
}
