//! What can go wrong, and where.

use std::time::Duration;

use crate::engine::remote::Work;
use crate::name::HostName;

/// A fault of one piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// It runs and fails; a replaced slot is left empty.
    Fails,
    /// It does its work and then fails.
    FailsAfter,
    /// No answer, nothing done.
    SilentNot,
    /// No answer, all done.
    SilentDone,
    /// No answer, and it comes to its host a while later, before or after what the run sends then.
    Late,
    /// It comes to its host twice.
    Twice,
    /// Refused without effect: busy, stale.
    Refused,
    /// The claim is lost.
    Lost,
    /// It takes twenty seconds.
    Slow,
    /// A load balancer: done, and its wall clock is two hours ahead.
    Stepped,
    /// A load balancer: read back, and nothing changed.
    Differs,
    /// A load balancer: it changed, and the read-back says that not all did.
    DiffersDone,
    /// A load balancer: somebody edited it a moment before.
    Moved,
    /// A load balancer: its own check refuses the candidate.
    CheckRefuses,
    /// A load balancer: "done", without a read-back, and nothing changed.
    NotReadBack,
    /// A slot: what comes up never passes its gates.
    NeverWell,
    /// A slot: what comes up ends at once.
    EndsAtOnce,
    /// A slot: what comes up ends over and over.
    RestartLoop,
}

impl Fault {
    pub const ALL: [Self; 18] = [
        Self::Fails,
        Self::FailsAfter,
        Self::SilentNot,
        Self::SilentDone,
        Self::Late,
        Self::Twice,
        Self::Refused,
        Self::Lost,
        Self::Slow,
        Self::Stepped,
        Self::Differs,
        Self::DiffersDone,
        Self::Moved,
        Self::CheckRefuses,
        Self::NotReadBack,
        Self::NeverWell,
        Self::EndsAtOnce,
        Self::RestartLoop,
    ];

    /// Whether it can happen to that kind of work.
    pub fn fits(self, work: &Work) -> bool {
        let balancer = matches!(work, Work::Prepare(_) | Work::Shift(_));
        match self {
            Self::Fails
            | Self::FailsAfter
            | Self::Late
            | Self::Twice
            | Self::Refused
            | Self::Lost => !matches!(work, Work::Drain { .. }),
            Self::SilentNot | Self::SilentDone | Self::Slow => true,
            Self::Differs | Self::DiffersDone | Self::Moved => matches!(work, Work::Shift(_)),
            // Of an entry that is removed there is nothing to be read back.
            Self::NotReadBack | Self::Stepped => matches!(work, Work::Shift(_)),
            Self::CheckRefuses => balancer,
            Self::NeverWell | Self::EndsAtOnce | Self::RestartLoop => {
                matches!(work, Work::Replace { .. })
            }
        }
    }
}

/// The name of a kind of work.
pub fn kind(work: &Work) -> &'static str {
    match work {
        Work::Pull { .. } => "pull",
        Work::Job(_) => "job",
        Work::Mark { .. } => "mark",
        Work::Stop { .. } => "stop",
        Work::Replace { .. } => "replace",
        Work::Activate { .. } => "activate",
        Work::Deactivate { .. } => "deactivate",
        Work::Prepare(_) => "prepare",
        Work::Shift(_) => "shift",
        Work::Owe { .. } => "owe",
        Work::Drain { .. } => "drain",
        Work::Evidence { .. } => "evidence",
        Work::Revert { .. } => "revert",
        Work::Remove { .. } => "remove",
    }
}

/// Something that happens at a time of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blow {
    /// The person presses Ctrl-C.
    Signal,
    /// The window closes.
    Closes,
    /// The lease could not be renewed.
    Doubt,
    /// Another run took over, says the renewal of a lease.
    Taken(HostName),
    /// A container on the host ends and stays down.
    Ends(HostName),
    /// It ends and the engine starts it again.
    Restarts(HostName),
    /// It runs and does not answer well any more.
    Unwell(HostName),
    /// It does not answer well for one probe.
    Hiccup(HostName),
    /// The watcher on the host says nothing more.
    Mute(HostName),
    /// The client dies. What it sent goes on; whether the last words were sent, `sent` says.
    Killed {
        /// They were.
        sent: bool,
    },
    /// It dies, and of what it sent only every other piece comes to its host.
    Torn {
        /// The second, the fourth, and so on.
        odd: bool,
    },
    /// The power of a host fails for good.
    Dies(HostName),
    /// A host starts again.
    Reboots(HostName),
    /// A load balancer comes back with the file that it had before the run.
    OldFile(HostName),
    /// The wall clock of a host jumps by two hours.
    Clock(HostName),
}

impl Blow {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::Closes => "closes",
            Self::Doubt => "doubt",
            Self::Taken(_) => "taken",
            Self::Ends(_) => "ends",
            Self::Restarts(_) => "restarts",
            Self::Unwell(_) => "unwell",
            Self::Hiccup(_) => "hiccup",
            Self::Mute(_) => "mute",
            Self::Killed { sent: true } => "killed after",
            Self::Killed { sent: false } => "killed before",
            Self::Torn { .. } => "killed between",
            Self::Dies(_) => "dies",
            Self::Reboots(_) => "reboots",
            Self::OldFile(_) => "old file",
            Self::Clock(_) => "clock",
        }
    }
}

/// The n-th piece of work on a host of that kind, counted from 0, and its fault.
pub type Spot = (&'static str, HostName, u32, Fault);

/// All that goes wrong in one run.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// Work that goes wrong.
    pub work: Vec<Spot>,
    /// Things that happen at a time.
    pub blows: Vec<(Duration, Blow)>,
}

/// Small random numbers, the same for the same seed.
#[derive(Debug, Clone)]
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    pub fn below(&mut self, n: u64) -> u64 {
        self.roll() % n.max(1)
    }
    pub fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}
