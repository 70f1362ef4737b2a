//! Plans of apps with jobs.

use super::super::fixture::{World, host, id, release, slot, text};
use super::super::jobs::{Word, say};
use super::super::{PlanKind, Refusal, deploy, switch};
use crate::fleet::JobState::{self, Begun, Done, Failed, Open, Skipped};
use crate::fleet::{JobMark, Known};

fn plan(world: &World, number: u64) -> String {
    let release = release(&world.setup, number);
    text(&deploy(
        &world.setup,
        &release,
        &world.fleet,
        PlanKind::Deploy,
        "g1",
    ))
}

fn serving() -> World {
    World::serving().migrates()
}

#[test]
fn it_runs_behind_the_pull_and_before_anything_comes_up() {
    insta::assert_snapshot!(plan(&serving(), 43), @r"
    staging app deploy: #42 1.0.1-22-7e56158 → #43 1.0.2-30-abc1234, blue → green
      s1  web3: pull (the images of the release)
      s2  web4: pull (the images of the release)
      s3  write on web1 web2 web4: migrate is begun on web3 (whoever comes next knows that it was begun) after s1 s2
      s4  web3: run job migrate: /app migrate (once per release, before it comes up; it is not undone) after s3
      s5  write on web1 web2 web4: migrate ran on web3 (and that it ended well) after s4
      s6  web3: stop and up green (web runs 0.41.0) after s4
          undo: web3: keep evidence of green; web3: green back to #41 0.41.0
      s7  web4: stop and up green (web runs 0.41.0) after s4
          undo: web4: keep evidence of green; web4: green back to #41 0.41.0
      s8  gate green web3 web4 (no traffic before the gates have passed) after s6 s7
      s9  lb1: prepare green (checked by the server before the switch)
      s10 lb2: prepare green (checked by the server before the switch)
      s11 switch lb1 lb2 to green [commit point] (the switch) after s8 s9 s10
          undo: switch lb1 lb2 to blue; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s12 lb1: drain, at most 1m00s (open requests of the old slot end) after s11
      s13 lb2: drain, at most 1m00s (open requests of the old slot end) after s11
      s14 bake green for 30.0 s (gates stay on with traffic) after s11
      ends succeeded
    ");
}

#[test]
fn through_one_slot_it_runs_before_anybody_leaves_the_traffic() {
    let world = World::rolling(&["web1", "web2"], 42).migrates();
    insta::assert_snapshot!(plan(&world, 43), @r"
    staging app deploy: #42 1.0.1-22-7e56158 → #43 1.0.2-30-abc1234, main
      s1  web1: pull (the images of the release)
      s2  web2: pull (the images of the release)
      s3  write on web2: migrate is begun on web1 (whoever comes next knows that it was begun) after s1 s2
      s4  web1: run job migrate: /app migrate (once per release, before it comes up; it is not undone) after s3
      s5  write on web2: migrate ran on web1 (and that it ended well) after s4
      s6  probe main web2 (they serve alone while a batch is out) after s4
      s7  switch lb1 lb2 to main without web1 (the batch leaves the traffic) after s6
          undo: gate main web1; switch lb1 lb2 to main
      s8  lb1: drain, at most 1m00s (open requests of the member end) after s7
      s9  lb2: drain, at most 1m00s (open requests of the member end) after s7
      s10 web1: stop and up main (web runs 1.0.1-22-7e56158) after s8 s9
          undo: web1: keep evidence of main; web1: main back to #42 1.0.1-22-7e56158
      s11 gate main web1 (no traffic before the gates have passed) after s10
      s12 switch lb1 lb2 to main (back into traffic) after s11
          undo: switch lb1 lb2 to main without web1; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s13 bake main for 30.0 s (gates stay on with traffic) after s12
      s14 switch lb1 lb2 to main without web2 (the batch leaves the traffic) after s13
          undo: gate main web2; switch lb1 lb2 to main
      s15 lb1: drain, at most 1m00s (open requests of the member end) after s14
      s16 lb2: drain, at most 1m00s (open requests of the member end) after s14
      s17 web2: stop and up main (web runs 1.0.1-22-7e56158) after s15 s16
          undo: web2: keep evidence of main; web2: main back to #42 1.0.1-22-7e56158
      s18 gate main web2 (no traffic before the gates have passed) after s17
      s19 switch lb1 lb2 to main (back into traffic) after s18
          undo: switch lb1 lb2 to main without web2; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s20 bake main for 30.0 s (gates stay on with traffic) after s19
      note: batches: web1; web2
      ends succeeded
    ");
    let back = switch::rollback(&world.setup, &world.fleet, "g1");
    assert!(!text(&back).contains("migrate"));
}

#[test]
fn where_says_on_which_host_and_several_run_one_after_the_other() {
    let mut world = serving();
    world.setup.jobs[0].hosts = ["web1", "web4", "web3"].map(host).into();
    let mut seed = world.setup.jobs[0].clone();
    seed.name = "seed".parse().unwrap();
    seed.hosts = vec![host("web3")];
    world.setup.jobs.push(seed);
    let text = plan(&world, 43);
    let at = |what: &str| text.lines().find(|l| l.contains(what)).unwrap().trim();
    assert!(at("run job migrate").starts_with("s4  web4: run job migrate: /app migrate ("));
    assert!(at("seed is begun").ends_with("after s4"), "{text}");
    assert!(at("run job seed").starts_with("s7  web3: "), "{text}");
    assert!(at("web3: stop and up").ends_with("after s7"), "{text}");
    // What takes no part runs nothing.
    world.setup.rest(&host("web3"));
    world.setup.jobs.remove(1);
    world.setup.jobs[0].hosts = vec![host("web3")];
    assert!(plan(&world, 43).contains("job migrate has no host in green that takes part"));
}

#[test]
fn what_has_run_for_the_release_does_not_run_again() {
    for state in [Done, Skipped] {
        let text = plan(&serving().migrated(43, 1, state), 43);
        assert!(!text.contains("run job"), "{text}");
        let said = match state {
            Done => "ran on web3 (run r-7 at 2023-11-14 22:13 UTC)",
            _ => "was skipped by a person (run r-7 at 2023-11-14 22:13 UTC)",
        };
        let note =
            format!("note: job migrate of #43 1.0.2-30-abc1234 {said}: it does not run again");
        assert!(text.contains(&note), "{text}");
        // For another release it runs.
        let other = plan(&serving().migrated(43, 1, state), 44);
        assert!(other.contains("run job migrate"), "{other}");
    }
    let again = plan(&serving().migrated(43, 4, Open), 43);
    assert!(again.contains("run job migrate"), "{again}");
}

fn refusal(world: &World) -> Refusal {
    let release = release(&world.setup, 43);
    let (setup, fleet) = (&world.setup, &world.fleet);
    deploy(setup, &release, fleet, PlanKind::Deploy, "g1").unwrap_err()
}

#[test]
fn what_failed_or_is_not_known_waits_for_a_person() {
    let against = refusal(&serving().migrated(43, 1, Begun));
    assert!(against.unknown);
    insta::assert_snapshot!(against.text(), @r"
    job migrate of #43 1.0.2-30-abc1234 was begun on web3 (run r-7 at 2023-11-14 22:13 UTC) and nobody knows how it ended
      hint: see what it has done, then `deploy job staging app retry migrate -m REASON` or `deploy job staging app skip migrate -m REASON`
    ");
    let against = refusal(&serving().migrated(43, 1, Failed(3)));
    assert!(!against.unknown);
    insta::assert_snapshot!(against.text(), @r"
    job migrate of #43 1.0.2-30-abc1234 failed on web3 with exit code 3 (run r-7 at 2023-11-14 22:13 UTC)
      hint: see what it has done, then `deploy job staging app retry migrate -m REASON` or `deploy job staging app skip migrate -m REASON`
    ");
}

/// The host that was to run it is asked; of one that does not answer nobody knows.
#[test]
fn a_start_that_was_only_told_never_came() {
    let mut world = serving();
    for other in ["web1", "web2", "web4"] {
        world.remembers(&host(other), 43, 1, Begun, &host("web3"));
    }
    let text = plan(&world, 43);
    assert!(text.contains("run job migrate"), "{text}");
    // Half of the hosts are too few to know that nothing was begun.
    let mut world = serving();
    for gone in ["web2", "web4"] {
        world.fleet.hosts.remove(&host(gone));
        world.setup.rest(&host(gone));
    }
    let against = refusal(&world);
    assert!(against.unknown);
    assert!(
        against
            .text()
            .contains("whether job migrate of #43 1.0.2-30-abc1234 was begun is not known: web2 web4 do not answer"),
        "{}",
        against.text()
    );
}

/// #43 serves from green behind its migration, #42 stands by in blue.
fn migrated(state: JobState) -> World {
    World::serving()
        .migrates()
        .up("green", 43)
        .promoted("green", 43)
        .traffic("green")
        .migrated(43, 1, state)
}

#[test]
fn a_way_back_says_what_it_does_not_undo() {
    let back = |world: &World| switch::rollback(&world.setup, &world.fleet, "g1");
    let said =
        "note: job migrate of #43 ran on web3 (run r-7 at 2023-11-14 22:13 UTC): it is not undone";
    let text_of = text(&back(&migrated(Done)));
    assert!(
        text_of.contains(said) && !text_of.contains("run job"),
        "{text_of}"
    );
    assert!(!text(&back(&migrated(Skipped))).contains("migrate"));
    // Forward it says nothing.
    let forward = migrated(Done).traffic("blue");
    let to = switch::switch(
        &forward.setup,
        &forward.fleet,
        &switch::Wish::default(),
        "g1",
    );
    assert!(!text(&to).contains("migrate"), "{}", text(&to));
}

#[test]
fn a_way_back_may_be_blocked() {
    let world = migrated(Done).blocked();
    let (setup, fleet) = (&world.setup, &world.fleet);
    let against = switch::rollback(setup, fleet, "g1").unwrap_err();
    insta::assert_snapshot!(against.text(), @r"
    job migrate of #43 ran on web3 (run r-7 at 2023-11-14 22:13 UTC), and says `rollback: blocked`: #42 1.0.1-22-7e56158 may not work with what it did
      hint: `deploy switch staging app --to blue --force -m REASON` when you know that it does; `rollback: allowed` of the job in the inventory lets it go on
    ");
    let forced = switch::Wish {
        to: Some(slot("blue")),
        force: true,
    };
    let forced = text(&switch::switch(setup, fleet, &forced, "g1"));
    assert!(
        forced.contains("it is not undone, forced although it says"),
        "{forced}"
    );
    // What was written then counts where the inventory does not know the job any more.
    let mut gone = world.clone();
    gone.setup.jobs.clear();
    assert!(switch::rollback(&gone.setup, &gone.fleet, "g1").is_ok());
    for view in gone.fleet.hosts.values_mut() {
        view.record.jobs[0].blocks = true;
    }
    assert!(switch::rollback(&gone.setup, &gone.fleet, "g1").is_err());
    // One slot, and a deploy of what was before.
    let world = World::rolling(&["web1", "web2"], 43).migrates().blocked();
    let world = world.migrated(43, 1, Done);
    let against = switch::rollback(&world.setup, &world.fleet, "g1").unwrap_err();
    assert!(against.text().contains("`rollback: allowed` of the job"));
    assert!(plan(&world, 42).contains("says `rollback: blocked`"));
}

#[test]
fn a_persons_word_is_written_on_every_host_that_answers() {
    let mut world = serving().migrated(43, 1, Begun);
    world.fleet.hosts.remove(&host("web3"));
    world.lb("lb1").running = Known::Unknown("it does not say".into());
    let word = |word, job: Option<&str>| {
        let job = job.map(|j| j.parse().unwrap());
        say(&world.setup, &world.fleet, word, job.as_ref())
    };
    insta::assert_snapshot!(text(&word(Word::Retry, None)), @r"
    staging app job: #43 r43, blue
      s1  write on web1 web2 web4: migrate of #43 r43 may be started once more (a person answers for it)
      note: job migrate was begun on web3 (run r-7 at 2023-11-14 22:13 UTC) and nobody knows how it ended
      ends succeeded
    ");
    let skip = text(&word(Word::Skip, Some("migrate")));
    assert!(skip.contains("migrate of #43 r43 is skipped"), "{skip}");
    assert!(word(Word::Skip, Some("seed")).is_err());
    let none = serving().migrated(43, 1, Done);
    let none = say(&none.setup, &none.fleet, Word::Retry, None).unwrap_err();
    assert_eq!(
        none.text(),
        "no end of a job is open\n  hint: `deploy job staging app` lists what is on record\n"
    );
    // Of two releases the last one is meant.
    let mut two = serving().migrated(43, 1, Failed(1));
    let mut older = two.host("web1").record.jobs[0].clone();
    (older.release, older.revision) = (id(41), 41);
    two.host("web1").record.jobs.push(older);
    let text = text(&say(&two.setup, &two.fleet, Word::Retry, None));
    assert!(text.contains("of #43"), "{text}");
}

fn mark(attempt: u32, state: JobState, host: &str) -> JobMark {
    JobMark {
        release: id(43),
        revision: 43,
        job: "migrate".parse().unwrap(),
        attempt,
        state,
        host: host.parse().unwrap(),
        blocks: false,
        salt: String::new(),
        run: "r-7".parse().unwrap(),
        at: 0,
    }
}

fn state(marks: &[(&str, JobMark)], silent: &[&str]) -> Option<(u32, JobState)> {
    let mut world = World::serving();
    for (host, mark) in marks {
        world.host(host).record.jobs.push(mark.clone());
    }
    for host in silent {
        world.fleet.hosts.remove(*host);
    }
    let all = world.fleet.jobs();
    all.values().next().map(|m| (m.attempt, m.state))
}

#[test]
fn the_highest_attempt_counts_and_of_one_attempt_its_end() {
    assert_eq!(state(&[], &[]), None);
    let begun = |host| (host, mark(1, Begun, "web3"));
    // The host that was to run it has written nothing: it never came to that.
    assert_eq!(state(&[begun("web1")], &[]), Some((1, Open)));
    assert_eq!(state(&[begun("web1")], &["web3"]), Some((1, Begun)));
    assert_eq!(
        state(&[begun("web1"), begun("web3")], &[]),
        Some((1, Begun))
    );
    let ends = |end| {
        let own = ("web3", mark(1, end, "web3"));
        state(&[begun("web1"), own], &[]).unwrap().1
    };
    assert_eq!([Open, Failed(3), Done].map(ends), [Open, Failed(3), Done]);
    // A person's word outdoes what was before, on whichever host it stands.
    for word in [Skipped, Open] {
        let said = [begun("web3"), ("web2", mark(2, word, "web3"))];
        assert_eq!(state(&said, &["web1"]), Some((2, word)));
    }
    let later = [
        ("web1", mark(1, Done, "web1")),
        ("web2", mark(3, Begun, "web4")),
    ];
    assert_eq!(state(&later, &["web4"]), Some((3, Begun)));
}
