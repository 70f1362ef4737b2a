use std::collections::BTreeMap;
use std::sync::Mutex;

use tokio::sync::mpsc;

use super::*;
use crate::engine::remote::{Answer, Seen, Watch, Work};
use crate::time::Clock;

/// Who holds which host; shared by two runs.
type Table = Arc<Mutex<BTreeMap<HostName, RunId>>>;

/// One run's view of the hosts.
struct Fake {
    run: RunId,
    table: Table,
    /// What was asked, in order.
    asked: Mutex<Vec<String>>,
    /// The holder has begun a step.
    begun: bool,
    silent: Option<HostName>,
    hold: Option<HostName>,
    slow: bool,
}

impl Fake {
    fn new(run: &str, table: &Table) -> Self {
        Self {
            run: run.parse().unwrap(),
            table: Arc::clone(table),
            asked: Mutex::default(),
            begun: false,
            silent: None,
            hold: None,
            slow: false,
        }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Remote for Fake {
    async fn claim(
        &self,
        host: &HostName,
        had: mpsc::UnboundedSender<()>,
    ) -> Result<ClaimEnd, Trouble> {
        self.asked.lock().unwrap().push(format!("claim {host}"));
        tokio::task::yield_now().await;
        if self.hold.as_ref() == Some(host) {
            return Ok(ClaimEnd::Hold("until noon".into()));
        }
        if self.slow && host.as_str() == "lb1" {
            let _ = had.send(());
            // Its facts come after all others have been asked: else this waits for ever.
            while self.asked().len() < hosts().len() {
                tokio::task::yield_now().await;
            }
        }
        let mut table = self.table.lock().unwrap();
        let holder = table
            .entry(host.clone())
            .or_insert_with(|| self.run.clone());
        if self.silent.as_ref() == Some(host) {
            return Err(Trouble::Silent("no answer".into()));
        }
        if *holder == self.run {
            return Ok(ClaimEnd::Taken);
        }
        Ok(ClaimEnd::Held {
            run: holder.clone(),
            who: "ann@bastion1:1:1".parse().unwrap(),
            left: 60,
            begun: self.begun,
        })
    }

    async fn unclaim(&self, host: &HostName) -> Result<(), Trouble> {
        self.asked.lock().unwrap().push(format!("unclaim {host}"));
        let mut table = self.table.lock().unwrap();
        if table.get(host) == Some(&self.run) {
            table.remove(host);
        }
        Ok(())
    }

    async fn act(
        &self,
        _: &HostName,
        _: u64,
        _: Work,
        _: mpsc::UnboundedSender<(u64, u64, String)>,
    ) -> Result<Answer, Trouble> {
        Err(Trouble::Refused("not asked here".into()))
    }

    async fn watch(&self, _: &HostName, _: Watch, _: mpsc::UnboundedSender<(HostName, Seen)>) {}

    async fn renew(&self, _: &HostName) -> Result<(), Trouble> {
        Ok(())
    }
}

fn hosts() -> Vec<HostName> {
    ["lb1", "lb2", "web1", "web2", "web3"]
        .map(|h| h.parse().unwrap())
        .into()
}

fn voice() -> Voice {
    Voice::new(mpsc::unbounded_channel().0, Clock::system())
}

async fn claim(fake: &Arc<Fake>, pause: Duration) -> Result<(), Denied> {
    all(fake, &hosts(), &voice(), || pause).await
}

fn held_by(table: &Table, run: &str) -> usize {
    table
        .lock()
        .unwrap()
        .values()
        .filter(|r| r.as_str() == run)
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_runs_one_gets_all_hosts_and_the_other_keeps_none() {
    for _ in 0..200 {
        let table = Table::default();
        let (a, b) = (
            Arc::new(Fake::new("r-a", &table)),
            Arc::new(Fake::new("r-b", &table)),
        );
        let both = [&a, &b].map(|f| {
            let f = Arc::clone(f);
            tokio::spawn(async move { claim(&f, Duration::ZERO).await })
        });
        let [first, second] = both;
        let (first, second) = (first.await.unwrap(), second.await.unwrap());
        assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
        let winner = if first.is_ok() { "r-a" } else { "r-b" };
        assert_eq!(held_by(&table, winner), 5);
        assert_eq!(table.lock().unwrap().len(), 5);
        let lost = if first.is_ok() { second } else { first };
        let Err(Denied::Held { host, run, .. }) = lost else {
            panic!("{lost:?}")
        };
        assert_eq!((host.as_str(), run.as_str()), ("lb1", winner));
    }
}

#[tokio::test]
async fn a_run_that_met_another_one_tries_again_and_gets_what_was_given_back() {
    let table = Table::default();
    table
        .lock()
        .unwrap()
        .insert(hosts()[0].clone(), "r-b".parse().unwrap());
    let a = Arc::new(Fake::new("r-a", &table));
    let others = Arc::clone(&table);
    let gives_back = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(20)).await;
        others.lock().unwrap().clear();
    });
    assert_eq!(claim(&a, Duration::from_millis(60)).await, Ok(()));
    gives_back.await.unwrap();
    assert_eq!(held_by(&table, "r-a"), 5);
}

#[tokio::test]
async fn a_run_that_has_begun_is_not_waited_for_and_nothing_else_is_asked() {
    let table = Table::default();
    table
        .lock()
        .unwrap()
        .insert(hosts()[0].clone(), "r-b".parse().unwrap());
    let mut fake = Fake::new("r-a", &table);
    fake.begun = true;
    let a = Arc::new(fake);
    assert!(matches!(
        claim(&a, Duration::ZERO).await,
        Err(Denied::Held { .. })
    ));
    assert_eq!(a.asked(), ["claim lb1"]);
}

#[tokio::test]
async fn it_tries_three_times_at_most() {
    let table = Table::default();
    table
        .lock()
        .unwrap()
        .insert(hosts()[3].clone(), "r-b".parse().unwrap());
    let a = Arc::new(Fake::new("r-a", &table));
    assert!(matches!(
        claim(&a, Duration::ZERO).await,
        Err(Denied::Held { .. })
    ));
    let first = a.asked().iter().filter(|w| *w == "claim lb1").count();
    assert_eq!(first, 3);
    assert_eq!(held_by(&table, "r-a"), 0, "what was taken is given back");
    assert_eq!(held_by(&table, "r-b"), 1, "and nothing else");
}

#[tokio::test]
async fn a_host_that_did_not_answer_is_given_back_too() {
    let table = Table::default();
    let mut fake = Fake::new("r-a", &table);
    fake.silent = Some(hosts()[2].clone());
    let a = Arc::new(fake);
    let Err(Denied::Trouble { host, .. }) = claim(&a, Duration::ZERO).await else {
        panic!()
    };
    assert_eq!(host, hosts()[2]);
    assert!(a.asked().contains(&"unclaim web1".to_owned()));
    assert!(table.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_lock_of_a_person_ends_it_at_once() {
    let table = Table::default();
    let mut fake = Fake::new("r-a", &table);
    fake.hold = Some(hosts()[4].clone());
    let a = Arc::new(fake);
    let denied = claim(&a, Duration::ZERO).await;
    assert_eq!(
        denied,
        Err(Denied::Hold {
            host: hosts()[4].clone(),
            text: "until noon".into()
        })
    );
    assert!(table.lock().unwrap().is_empty());
    assert_eq!(a.asked().iter().filter(|w| *w == "claim lb1").count(), 1);
}

#[tokio::test]
async fn the_others_are_claimed_while_the_first_still_tells_its_facts() {
    let table = Table::default();
    let fake = Fake {
        slow: true,
        ..Fake::new("r-00000001", &table)
    };
    let fake = Arc::new(fake);
    let claimed = claim(&fake, Duration::ZERO);
    let claimed = tokio::time::timeout(Duration::from_secs(20), claimed).await;
    assert_eq!(claimed.expect("nobody waits for the facts"), Ok(()));
    assert_eq!(held_by(&table, "r-00000001"), hosts().len());
}
