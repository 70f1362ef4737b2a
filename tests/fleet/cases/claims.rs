//! Who may act: locks of persons, two clients at once, clients that are displaced, and what a run leaves behind.

use crate::support::journal::Journals;
use crate::support::shop::{FIRST, LBS, SECOND, SITE, Shop, THIRD, WEBS};
use crate::support::tool::Answer;
use std::time::{Duration, Instant};

#[test]
#[ignore = "needs the fleet"]
fn a_persons_lock_stops_runs_and_never_the_way_back() {
    let shop = Shop::serving(FIRST);
    shop.deploy(SECOND).assert_code(0);
    shop.run(&["lock", "staging", "app"]).assert_code(2);
    let locked = shop.run(&["lock", "staging", "app", "-m", "year end", "--until", "2h"]);
    locked
        .assert_code(0)
        .assert_says(&["staging app is locked until", "deploy unlock staging app"]);
    shop.run(&["status", "staging"])
        .assert_code(0)
        .assert_says(&["locked by ", " since ", " until ", ": year end"]);
    let before = shop.state();
    for words in [
        &["staging", "app@1.0.4-40-c0ffee0"][..],
        &["restart", "staging", "app"],
        &["switch", "staging", "app"],
    ] {
        shop.run(words).assert_code(4).assert_says(&[
            "staging app is locked by ",
            "year end",
            "deploy unlock staging app",
        ]);
    }
    assert_eq!(shop.state(), before, "a refused run changed something");
    // Another lock does not replace it; the same words again are no trouble.
    shop.run(&["lock", "staging", "app", "-m", "mine"])
        .assert_code(4)
        .assert_says(&["is locked already by", "year end"]);
    shop.run(&["lock", "staging", "app", "-m", "year end"])
        .assert_code(0);
    shop.run(&["rollback", "staging", "app"])
        .assert_code(0)
        .assert_says(&["overridden", "year end"]);
    shop.assert_serving(FIRST);

    shop.run(&["unlock", "staging", "app"])
        .assert_code(0)
        .assert_says(&["is unlocked on", "year end"]);
    shop.run(&["unlock", "staging", "app"])
        .assert_code(0)
        .assert_says(&["is not locked"]);
    // One for the whole environment, which ends by itself.
    shop.run(&["lock", "staging", "-m", "move", "--until", "2s"])
        .assert_code(0);
    std::thread::sleep(Duration::from_secs(3));
    shop.run(&["switch", "staging", "app"]).assert_code(0);
    shop.assert_serving(SECOND);
}

/// A deploy whose client is killed when `line` lines of journals were written; whoever ran it is gone then.
fn killed_at(shop: &Shop, version: &str, line: usize) -> bool {
    let journals = Journals::of(shop);
    let begun = journals.lines();
    let mut child = shop.tool(&["staging", &format!("app@{version}")]).start();
    let over = loop {
        if journals.lines() >= begun + line {
            break false;
        }
        if child.try_wait().expect("a process").is_some() {
            break true;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    if !over {
        child.kill().expect("kill");
    }
    child.wait().expect("the end");
    over
}

/// What serves is one release, and the same on both load balancers; it is told.
fn serving(shop: &Shop) -> String {
    let said = LBS.map(|lb| shop.serves(lb, SITE));
    let of = |text: &String| [FIRST, SECOND].into_iter().find(|v| text.contains(v));
    let found = said.each_ref().map(of);
    assert!(found[0].is_some() && found[0] == found[1], "{said:?}");
    found[0].expect("a release").to_owned()
}

/// The client dies at each of these lines; whoever resumes ends at the old or the new release.
pub fn die_and_resume(shop: &Shop, lines: impl Iterator<Item = usize>) {
    let load = shop.load(&["--floor", "1000"]);
    for line in lines {
        let before = serving(shop);
        let next = if before == FIRST { SECOND } else { FIRST };
        let over = killed_at(shop, next, line);
        // Its client is dead, on this very machine: nobody waits for its lease.
        let resumed = shop.run(&["resume", "staging", "app"]);
        let after = serving(shop);
        let end = match resumed.code {
            0 if over => "nothing was left",
            0 if resumed.said().contains("is unfinished") => "it never began",
            0 => "finished",
            1 => "taken back",
            5 => "switched back",
            code => panic!("line {line}: {code}\n{}", resumed.said()),
        };
        eprintln!(
            "line {line}: {end}; {before} -> {after} in {:?}",
            resumed.took
        );
        if end == "finished" {
            assert_eq!(after, next, "line {line}");
        }
        if end == "taken back" {
            assert_eq!(after, before, "line {line}");
        }
        // Nothing stays behind: the next one finds the hosts free.
        shop.run(&["resume", "staging", "app"])
            .assert_code(0)
            .assert_says(&["no run of app in staging is unfinished"]);
        if over {
            break;
        }
    }
    load.go_on(Duration::from_secs(1));
    load.stop().assert_good();
}

/// Short waits: what is tried here is the order of events.
pub fn quick(shop: Shop) -> Shop {
    shop.project
        .edit("inventories/staging.yml", "bake: 3s", "bake: 1s");
    shop
}

#[test]
#[ignore = "needs the fleet"]
fn signals_end_a_run_clean_or_leave_it_for_resume() {
    let shop = Shop::serving(FIRST);
    let load = shop.load(&["--floor", "1000"]);
    let journals = Journals::of(&shop);
    // So that every run begins with its claims, and then brings the candidate up.
    shop.run(&["pull", "staging", &format!("app@{SECOND}")])
        .assert_code(0);
    // Each: which signals, and how the run must end.
    for (signals, code, words) in [
        (&["INT"][..], 130, "cancelled"),
        (&["TERM"], 143, "cancelled"),
        (&["INT", "INT"], 6, "deploy resume staging app"),
        (&["HUP"], 0, "the terminal is gone"),
    ] {
        let begun = journals.lines();
        let child = shop.tool(&["staging", &format!("app@{SECOND}")]).start();
        // Six claims: the candidate is being brought up.
        journals.wait_for(begun + 7);
        for signal in signals {
            signal_to(child.id(), signal);
            std::thread::sleep(Duration::from_millis(100));
        }
        let answer = Answer::of_child(child, Instant::now());
        answer.assert_code(code).assert_says(&[words]);
        if code == 6 {
            answer.assert_says(&["unfinished"]);
            let next = shop.deploy(SECOND);
            next.assert_code(4)
                .assert_says(&["deploy resume staging app"]);
            shop.run(&["resume", "staging", "app"])
                .assert_code(1)
                .assert_says(&["cancelled"]);
        }
        shop.assert_serving(if code == 0 { SECOND } else { FIRST });
    }
    load.go_on(Duration::from_secs(1));
    load.stop().assert_good();
}

fn signal_to(pid: u32, signal: &str) {
    let sent = std::process::Command::new("kill")
        .args(["-s", signal, &pid.to_string()])
        .status();
    assert!(sent.expect("kill starts").success());
}

/// Two clients in the same 10 ms: one runs, the other is told who.
pub fn race(shop: &Shop, version: &str) {
    let words = ["staging".to_owned(), format!("app@{version}")];
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let begun = Instant::now();
    let two = [shop.tool(&words).start(), shop.tool(&words).start()];
    let [one, two] = two.map(|child| Answer::of_child(child, begun));
    let (won, lost) = if one.code == 0 {
        (one, two)
    } else {
        (two, one)
    };
    won.assert_code(0).assert_says(&["succeeded"]);
    lost.assert_code(4);
    let told = ["is held by run ", " holds ", "the fleet changed since"];
    assert!(
        told.iter().any(|t| lost.said().contains(t)),
        "{}",
        lost.said()
    );
    shop.assert_serving(version);
}

/// `script/test --long` only: the default run must stay under 20 minutes.
mod long {
    use super::*;

    #[test]
    #[ignore = "needs the fleet and --long"]
    fn a_client_that_dies_at_some_lines_of_the_journal_leaves_a_run_that_can_be_finished() {
        let shop = quick(Shop::serving(FIRST));
        // Pulls; a slot that is being replaced; the switch begun. Every line: with the storms.
        die_and_resume(&shop, [9, 15, 19].into_iter());
    }

    #[test]
    #[ignore = "needs the fleet and --long"]
    fn a_stopped_client_is_displaced_and_changes_nothing_when_it_wakes() {
        let shop = Shop::serving(FIRST);
        shop.deploy(SECOND).assert_code(0);
        let load = shop.load(&["--floor", "1000"]);
        let journals = Journals::of(&shop);
        let begun = journals.lines();
        // It goes back to the first release and is frozen before its switch.
        let child = shop.tool(&["staging", &format!("app@{THIRD}")]).start();
        journals.wait_for(begun + 10);
        signal_to(child.id(), "STOP");
        shop.run(&["rollback", "staging", "app"])
            .assert_code(4)
            .assert_says(&["holds ", "its lease ends in"]);
        let resumed = shop.run(&["resume", "staging", "app", "--take-over", "-m", "it hangs"]);
        assert!([0, 1].contains(&resumed.code), "{}", resumed.said());
        let before = shop.state();
        let lines = journals.lines();
        signal_to(child.id(), "CONT");
        let woken = Answer::of_child(child, Instant::now());
        woken
            .assert_code(4)
            .assert_says(&["superseded", "was taken over by run ", " at "]);
        assert_eq!(shop.state(), before, "the woken client changed something");
        assert_eq!(journals.lines(), lines, "the woken client began a step");
        load.go_on(Duration::from_secs(1));
        load.stop().assert_good();
    }

    #[test]
    #[ignore = "needs the fleet and --long"]
    fn a_switch_displaces_a_run_that_is_at_work_and_says_whom() {
        let shop = Shop::serving(FIRST);
        shop.deploy(SECOND).assert_code(0);
        shop.project
            .edit("inventories/staging.yml", "bake: 3s", "bake: 120s");
        let load = shop.load(&["--floor", "1000"]);
        let journals = Journals::of(&shop);
        let begun = journals.lines();
        let child = shop.tool(&["staging", &format!("app@{THIRD}")]).start();
        // 6 claims, 2 pulls, 2 ups, 2 prepares, 2 commits, each with begin and done: it bakes.
        journals.wait_for(begun + 6 + 16);
        std::thread::sleep(Duration::from_secs(1));
        shop.assert_serving(THIRD);
        shop.run(&["rollback", "staging", "app", "--take-over"])
            .assert_code(2);
        shop.run(&["rollback", "staging", "app", "--take-over", "-m", "errors"])
            .assert_code(0)
            .assert_says(&["overridden", "is displaced", "succeeded"]);
        shop.assert_serving(SECOND);
        Answer::of_child(child, Instant::now())
            .assert_code(4)
            .assert_says(&["superseded", "was taken over by run "]);
        shop.assert_serving(SECOND);
        let told = shop.sh("web1", "tail -n 1 /var/lib/deploy/staging/app/history");
        assert!(told.contains("is displaced"), "{told}");
        load.go_on(Duration::from_secs(1));
        load.stop().assert_good();
    }

    #[test]
    #[ignore = "needs the fleet and --long"]
    fn of_two_clients_at_the_same_moment_one_runs_and_the_other_is_told_who() {
        let shop = quick(Shop::serving(FIRST));
        let load = shop.load(&["--floor", "1000"]);
        race(&shop, SECOND);
        load.go_on(Duration::from_secs(1));
        load.stop().assert_good();
    }

    #[test]
    #[ignore = "needs the fleet and --long"]
    fn a_run_is_finished_from_another_machine_without_app_template_or_inventory() {
        let shop = Shop::serving(FIRST);
        let load = shop.load(&["--floor", "1000"]);
        let journals = Journals::of(&shop);
        let begin = || {
            let begun = journals.lines();
            let mut child = shop.tool(&["staging", &format!("app@{SECOND}")]).start();
            journals.wait_for(begun + 11);
            child.kill().expect("kill");
            child.wait().expect("the end");
        };
        // Nothing but ssh: no inventory, no template. Its host name is another one.
        begin();
        let elsewhere = tempfile::tempdir().expect("a folder");
        let tool = |words: &[&str]| {
            crate::support::tool::Tool::new(&shop.fleet, elsewhere.path(), words).run()
        };
        tool(&["resume", "staging", "app", "--host", "web1"])
            .assert_code(1)
            .assert_says(&["cancelled", "green"]);
        shop.assert_serving(FIRST);

        // A host left the inventory, and so did the app.
        begin();
        let hosts = "hosts:\n  web1: { address: web1, serve: web1 }\n";
        std::fs::create_dir_all(elsewhere.path().join("inventories")).expect("a folder");
        std::fs::write(elsewhere.path().join("inventories/staging.yml"), hosts).expect("a file");
        tool(&["resume", "staging", "app"])
            .assert_code(1)
            .assert_says(&["cancelled"]);
        shop.assert_serving(FIRST);

        // Two at once: one finishes it, the other is told who does or that nothing is left.
        begin();
        let words = ["resume", "staging", "app"];
        let two = [shop.tool(&words).start(), shop.tool(&words).start()];
        let [one, two] = two.map(|child| Answer::of_child(child, Instant::now()));
        let codes = [one.code, two.code];
        assert!(codes.contains(&1), "{}\n{}", one.said(), two.said());
        let other = if one.code == 1 { &two } else { &one };
        assert!([0, 1, 4].contains(&other.code), "{}", other.said());
        shop.assert_serving(FIRST);

        // What cannot be read is not guessed at.
        begin();
        shop.sh(
            "web1",
            "cd /var/lib/deploy/staging/app && cp claim /tmp/claim && echo 2 x y >claim",
        );
        shop.run(&["resume", "staging", "app"])
            .assert_code(4)
            .assert_says(&["web1", "form that this version does not know"]);
        shop.sh("web1", "cd /var/lib/deploy/staging/app && echo torn >claim");
        shop.run(&["resume", "staging", "app"])
            .assert_code(4)
            .assert_says(&["the claim on web1 is damaged: torn", "claim.damaged"]);
        shop.sh("web1", "cp /tmp/claim /var/lib/deploy/staging/app/claim");
        let all = "for m in /var/lib/deploy/staging/app/runs/*/manifest; do cp $m $m.was; echo '{\"format\":9,\"tool\":\"9.1.0\"}' >$m; done";
        let back = "for m in /var/lib/deploy/staging/app/runs/*/manifest; do mv $m.was $m; done";
        for host in WEBS.into_iter().chain(LBS) {
            shop.sh(host, all);
        }
        shop.run(&["resume", "staging", "app"])
            .assert_code(4)
            .assert_says(&["deploy 9.1.0 in format 9"]);
        for host in WEBS.into_iter().chain(LBS) {
            shop.sh(host, back);
        }
        shop.fleet.fault("cut", &["web4"]);
        shop.run(&["resume", "staging", "app"])
            .assert_code(7)
            .assert_says(&["web4 does not answer", "--exclude web4"]);
        shop.fleet.fault("heal", &["web4"]);
        shop.run(&["resume", "staging", "app"]).assert_code(1);
        shop.assert_serving(FIRST);
        load.go_on(Duration::from_secs(1));
        load.stop().assert_good();
    }

    #[test]
    #[ignore = "needs the fleet and --long"]
    fn a_host_that_freezes_is_noticed_and_the_run_ends_by_itself() {
        let shop = Shop::serving(FIRST);
        let load = shop.load(&["--floor", "1000"]);
        let journals = Journals::of(&shop);
        let begun = journals.lines();
        let child = shop.tool(&["staging", &format!("app@{SECOND}")]).start();
        journals.wait_for(begun + 15);
        shop.fleet.fault("pause", &["web4"]);
        let frozen = Instant::now();
        let answer = Answer::of_child(child, frozen);
        eprintln!("a frozen host: the run ended after {:?}", answer.took);
        shop.fleet.fault("unpause", &["web4"]);
        // Nothing was switched; what could not be taken back on web4 is named.
        answer.assert_code(1).assert_says(&["failed", "web4"]);
        shop.assert_serving(FIRST);
        load.go_on(Duration::from_secs(1));
        load.stop().assert_good();
    }
}
