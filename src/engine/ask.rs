//! Asking every machine the same thing at once, within a time: for what only reads.
//!
//! A machine that does not answer in time is an answer of its own, never left out.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::task::JoinSet;

use super::site::{Machine, Site, chain};
use crate::host::script::{Reply, Script};
use crate::name::HostName;

/// What each machine answered, or why there is no answer.
pub type Answers = BTreeMap<HostName, Result<Reply, String>>;

impl Site {
    /// Sends each machine its script, all at once; machines without a script are not asked. Those
    /// that were not reached are among the answers, with the reason.
    pub async fn ask(
        &self,
        within: Duration,
        script: impl Fn(&HostName, &Machine) -> Option<Script>,
    ) -> Answers {
        let mut set = JoinSet::new();
        for (name, machine) in &self.machines {
            let Some(script) = script(name, machine) else {
                continue;
            };
            let (name, host) = (name.clone(), machine.host.clone());
            let script = Script {
                limit: script.limit.min(within),
                ..script
            };
            set.spawn(async move {
                let answer = host.run(script).await.map_err(|e| chain(&e));
                (name, answer)
            });
        }
        let silent = self.silent.iter();
        let mut answers: Answers = silent
            .map(|(h, why)| (h.clone(), Err(why.clone())))
            .collect();
        while let Some(joined) = set.join_next().await {
            if let Ok((name, answer)) = joined {
                answers.insert(name, answer);
            }
        }
        answers
    }
}
