//! One run that is played on from one of its moments many times.

use std::time::Duration;

use super::super::fault::{Blow, Faults, Spot};
use super::super::model::Model;
use super::super::stage::Stage;
use super::{Ended, Play, new};

/// A run up to a moment; from there it is played on with what goes wrong then, as often as wanted:
/// the same comes of it as of a run that is played so from its beginning.
pub struct Along<'a>(Play<'a>);

impl<'a> Along<'a> {
    /// The run at its beginning.
    pub fn new(stage: &'a Stage, faults: Faults) -> Result<Self, String> {
        let mut play = new(stage, faults, None, 1);
        play.begin_run()?;
        Ok(Self(play))
    }

    /// Goes on to a moment.
    pub fn until(&mut self, at: Duration) -> Result<(), String> {
        self.0.go_on(Some(at))
    }

    /// The fleet as it is now.
    pub fn model(&self) -> &Model {
        &self.0.model
    }

    /// What comes of it with these blows, none of which is earlier than the moment.
    pub fn with(&self, blows: &[(Duration, Blow)]) -> Result<Ended, String> {
        let mut play = self.0.clone();
        play.expect(blows.to_vec());
        play.go_on(None)
            .and_then(|()| play.close())
            .map_err(|why| format!("{}: {why} {blows:?}", self.0.stage.name))
    }

    /// What comes of it with one more fault, of work that begins at the moment or later.
    pub fn failing(&self, work: Spot) -> Result<Ended, String> {
        let mut play = self.0.clone();
        play.faults.work.push(work);
        let said = format!("{} {:?}", play.stage.name, play.faults.work);
        play.go_on(None)
            .and_then(|()| play.close())
            .map_err(|why| format!("{said}: {why}"))
    }
}
