//! `deploy ENV APP --from OTHER`: exactly what serves in another environment, by digest.

use std::collections::{BTreeMap, BTreeSet};

use super::context::Context;
use super::failure::Failure;
use super::place::Opened;
use super::session::Session;
use crate::compose::ImageRef;
use crate::fleet::Fleet;
use crate::name::{AppName, Digest, EnvName, Version};
use crate::plan::{Setup, judge};

/// What serves somewhere: its version, and what each `repository:tag` of it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serving {
    /// The version.
    pub version: Version,
    /// Digest by image.
    pub digests: BTreeMap<String, Digest>,
}

/// Looks at the other environment.
///
/// # Errors
/// Refused where no one release serves there; unreachable where that cannot be told.
pub async fn serving(ctx: &Context, env: &EnvName, app: &AppName) -> Result<Serving, Failure> {
    let place = Opened::known(ctx, env)?.at(app.clone());
    let app = place.app()?;
    let mut session = Session::start(ctx)?;
    let looked = session
        .unless_stopped(async |session: &Session| {
            let site = session.open_to_look(&place.inventory, app).await;
            let fleet = site.look(&session.voice).await;
            (site.setup, fleet)
        })
        .await;
    session.feed.pause().await;
    session.close().await;
    let (setup, fleet) = looked?;
    read(&setup, &fleet)
}

fn read(setup: &Setup, fleet: &Fleet) -> Result<Serving, Failure> {
    let place = format!("{} {}", setup.env, setup.app);
    let hint = format!("look at it: `deploy status {}`", setup.env);
    let unknown = || Failure::unreachable(format!("what serves in {place} is not known"));
    let before = judge::traffic_now(setup, fleet).map_err(|_| unknown().hint(hint.clone()))?;
    let active = judge::active(setup, before.as_ref()).map_err(|_| unknown().hint(hint.clone()))?;
    let Some(slot) = active else {
        return Err(Failure::refused(format!("nothing serves in {place} yet")));
    };
    let mut ids = BTreeSet::new();
    let mut out: Option<Serving> = None;
    for host in setup.hosts(&slot) {
        let view = fleet
            .hosts
            .get(host)
            .ok_or_else(|| unknown().hint(hint.clone()))?;
        let runs = judge::running(view, &setup.env, &setup.app, &slot);
        let held = judge::recorded(view, &slot)
            .filter(|h| Some(&h.label.id) == runs.as_ref().map(|r| &r.id));
        let Some(held) = held else {
            let what = format!("{host} does not run one release that deploy has brought");
            return Err(Failure::refused(what).hint(hint));
        };
        ids.insert(held.label.id.clone());
        let serving = out.get_or_insert_with(|| Serving {
            version: held.label.version.clone(),
            digests: BTreeMap::new(),
        });
        for spec in held.services.values() {
            let parsed = ImageRef::parse(&spec.image).ok();
            if let (Some(mut image), Some(digest)) = (parsed, spec.digest.clone()) {
                image.digest = None;
                serving.digests.insert(image.to_string(), digest);
            }
        }
    }
    match out {
        Some(serving) if ids.len() == 1 => Ok(serving),
        _ => {
            Err(Failure::refused(format!("the hosts of {place} run different releases")).hint(hint))
        }
    }
}
