//! Every form of the grammar, and the texts of help.

use std::time::Duration;

use super::*;
use crate::time::Clock;

const LOOK: Look = Look {
    colour: false,
    columns: 100,
};

fn words(line: &str) -> Vec<OsString> {
    std::iter::once("deploy")
        .chain(line.split_whitespace())
        .map(OsString::from)
        .collect()
}

fn run(line: &str) -> Cli {
    match parse(&words(line), LOOK) {
        Parsed::Run(cli) => *cli,
        other => panic!("{line}: {other:?}"),
    }
}

fn command(line: &str) -> String {
    format!("{:?}", run(line).command.unwrap())
}

fn wrong(line: &str) -> String {
    match parse(&words(line), LOOK) {
        Parsed::Wrong(text) => text,
        other => panic!("{line}: {other:?}"),
    }
}

fn text(line: &str) -> String {
    match parse(&words(line), LOOK) {
        Parsed::Text(text) => text,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn a_first_word_that_is_no_command_is_an_environment() {
    insta::assert_snapshot!(command("staging app@1.0.1-22-7e56158"), @r#"Deploy(Args { env: "staging", wanted: [Release { app: Some("app"), version: "1.0.1-22-7e56158" }], from: None, without: Without { lbs: [] }, allow: Allow { downgrade: false, older_config: false }, word: Word { given: false } })"#);
    insta::assert_snapshot!(command("staging"), @r#"Deploy(Args { env: "staging", wanted: [], from: None, without: Without { lbs: [] }, allow: Allow { downgrade: false, older_config: false }, word: Word { given: false } })"#);
    assert_eq!(
        command("staging app@1"),
        command("deploy staging app@1"),
        "the hidden command means the same"
    );
}

#[test]
fn options_may_stand_before_and_after_the_environment() {
    for line in [
        "--json --set a.b=c staging app@1 --yes -m why --ticket CHG1",
        "staging --json app@1 --set a.b=c -mwhy --yes --ticket=CHG1",
        "--config-dir . -m why staging app@1 --yes --json --ticket CHG1 --set a.b=c",
    ] {
        let cli = run(line);
        let o = cli.options;
        assert!(o.json && o.yes, "{line}");
        assert_eq!(o.message.as_deref(), Some("why"), "{line}");
        assert_eq!(o.ticket.as_deref(), Some("CHG1"), "{line}");
        assert_eq!(o.settings, [("a.b".to_owned(), "c".to_owned())], "{line}");
        assert_eq!(o.config_dir, PathBuf::from("."), "{line}");
        assert!(matches!(cli.command, Some(Command::Deploy(_))), "{line}");
    }
}

#[test]
fn every_command_has_its_form() {
    for line in [
        "stage staging app@1",
        "stage staging @1",
        "switch staging",
        "weight staging green=20%",
        "weight staging app green=0.5%",
        "switch staging app --to blue",
        "switch staging app --to blue --force -m both-unfit",
        "rollback staging app",
        "rollback staging",
        "status",
        "status staging",
        "status staging app --json",
        "plan staging app@1 --exit-code",
        "render staging app@1 --host web1 --host web2",
        "logs staging app --tail 5 -f",
        "logs staging --tail all",
        "restart staging app",
        "restart staging app --override -m night",
        "sync staging app --hosts web[3:4]",
        "lock staging -m year-end",
        "rollback staging app --take-over -m night",
        "switch staging app --to blue --take-over -m night",
        "resume staging app --host ops@web1:2222 --exclude web2 --exclude web3",
        "lock staging app -m year-end --until 18:00",
        "unlock staging app",
        "unlock staging",
        "-vv staging app@1 -q",
    ] {
        run(line);
    }
}

#[test]
fn what_means_nothing_is_refused_with_its_reason() {
    for (line, says) in [
        ("stage staging app@1 more", "unexpected argument 'more'"),
        ("staging app@a/b", "contains '/'"),
        ("Staging app@1", "environment name \"Staging\""),
        ("../x app@1", "environment name \"../x\""),
        ("stage staging", "required"),
        (
            "rollback staging app@1",
            "no version belongs here; write app",
        ),
        ("switch staging app --force", "--to"),
        ("logs staging app --tail many", "a number of lines"),
        ("staging app@1 --set level", "KEY=VALUE"),
        ("staging app@1 --jsno", "--json"),
        ("staging app@1 --json --quiet", "cannot be used with"),
        ("--tikcet X staging", "--ticket"),
    ] {
        let text = wrong(line);
        assert!(text.contains(says), "{line}: {text}");
    }
}

#[test]
fn nothing_at_all_shows_the_help_as_an_error() {
    assert!(wrong("").contains("Examples:"));
    assert!(wrong("--json").contains("Examples:"));
}

#[test]
fn help_teaches_examples_first_and_lists_exit_codes() {
    insta::assert_snapshot!(text("-h"), @r"
    Brings an environment of plain Docker hosts to a wanted release without dropping a request

    Examples:
      deploy staging app@1.0.1-22-7e56158         pull, start, gate, switch, keep the way back
      deploy plan staging app@1.0.1-22-7e56158    show what that would do, change nothing
      deploy stage staging app@1.0.1-22-7e56158   all but the switch: nobody notices
      deploy switch staging app                   the switch alone, about a second
      deploy rollback staging app                 back to the release before, about a second
      deploy status                               what runs where, and is the way back ready

    APP may be left out where the environment has one: `deploy staging @1.0.1-22-7e56158`.
    `deploy staging` alone lists what it could mean.

    Usage: deploy [OPTIONS] ENV [APP]@VERSION
           deploy [OPTIONS] COMMAND …

    Commands:
      stage        Do everything up to the gates; no traffic is moved
      switch       Send the traffic to what was staged: the switch alone
      weight       Send a share of the requests to a slot, until it is changed
      rollback     Go back to the release before: one switch to the standby
      resume       Finish a run whose client is gone, or take it back
      job          List the jobs that ran, or say what becomes of one that failed or whose end is not
                   known
      catch-up     Lead load balancers that missed a change to what the others do
      drain        Take a host out of the traffic of all apps, until `deploy undrain`
      undrain      Bring a drained host back into the traffic of all apps
      status       Show what runs where, what each load balancer says, and whether the way back is ready
      plan         Show what a deploy would do; change nothing
      apply        Do what a plan in a file has shown, or nothing where the world has moved
      versions     Show the versions that the registry has, newest first, and which of them run here
      pull         Fetch the images of a release onto the hosts, ahead of a deploy
      prune        Remove releases and images that nothing needs any more
      render       Show the files that hosts would get; change nothing
      init         Write a small working configuration to begin with: an inventory and a template
      setup        Make what hosts need once: the folder of the record, nginx's include, HAProxy's maps
      adopt        Draft from what was started by hand and runs; with --confirm make it the release #0
      check        Check all that can be checked without changing anything, and show all findings at
                   once
      checklist    Show every check of a release with its state and what was seen, ready for a ticket
      inventory    Show every effective value of an environment, where it stands, and what it overrode
      schema       Print the JSON Schema of inventories, for editors
      logs         Show what the containers say, on all hosts at once
      exec         Run a command in a running container of the app
      run          Run a command in a new container of the app's release
      history      Show what was done, by whom, why, and how it ended
      show         Show one run: its plan, what each host did and when, what failed and what is left of
                   it
      diff         Show what is different between two releases: images, rendered files
      drift        Show what is not as it was deployed: containers, images, limits, files, load
                   balancers
      where        Show which hosts carry an image or a container
      redeploy     Deploy the release that serves again, where image, configuration or hosts changed
      restart      Restart the release that serves, host by host
      sync         Bring hosts that are new, rebuilt, owing or differ to the recorded release
      remove       Take an app out of the environment, or off some of its hosts, and clean up
      lock         Refuse runs until the lock is lifted; rollback goes ahead all the same
      unlock       Lift a lock that `deploy lock` set, whoever set it
      completions  Print the completion of a shell: commands, options, environments, apps, hosts
      man          Write the manual pages: deploy.1 and one for each command

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Options of every command:
          --config-dir <DIR>  Read `inventories/` and `templates/` in this directory [default: .]
          --json              Write one JSON object per line to stdout, and nothing else
      -q, --quiet             Say nothing unless it ends badly
      -v, --verbose...        Show each remote script with its time
          --yes               Do not ask before a protected environment is changed
      -m, --message <TEXT>    Why it is done; kept with the run on the hosts
          --ticket <ID>       Ticket of the change, where the environment asks for one
          --set <KEY=VALUE>   Set a value above all others for this run, e.g.
                              `apps.app.vars.log_level=debug`
          --no-color          Use no colours (also: NO_COLOR)

    Exit codes:
      0    succeeded, nothing to change, staged
      1    failed before traffic moved: what served before serves now
      2    the command line or the configuration is wrong: nothing was changed
      3    there is something to change or different, where it was asked to tell
           (plan, status, diff with --exit-code; drift always)
      4    refused: another run, a lock, a freeze, no open window, a load balancer that
           was broken before, or somebody took over
      5    traffic was moved and moved back
      6    mixed: hosts differ and a person is needed; unfinished: `deploy resume` is needed
      7    could not tell: a host, load balancer or registry did not answer
      130  stopped by Ctrl-C, all put back (143: by SIGTERM)
      Where several apply: 6, then 7, 5, 1, 3.

    Hosts are reached as by `ssh`: your configuration, agent and known_hosts.
    DEPLOY_SSH_CONFIG=FILE names another ssh configuration.
    Completion for bash, zsh and fish: `deploy completions --help`.
    ");
}

#[test]
fn each_command_has_its_own_help() {
    insta::assert_snapshot!(text("switch --help"), @"
    Send the traffic to what was staged: the switch alone

    Gates afresh, and refuses where what was staged has changed.

    Usage: deploy switch [OPTIONS] <ENV> [APP]

    Arguments:
      <ENV>  Environment: the name of a file in `inventories/`
      [APP]  App; may be left out where there is one

    Options:
          --exclude-lb <HOST>  Go on without this load-balancer host, which cannot be reached; it is
                               owing then
          --to <SLOT>          Switch to this slot, whichever it is
          --force              Even where the slot is not fit: that is named, then it is done; needs
                               --to and -m
          --take-over          Even where another run holds the hosts: it ends by it, and is named;
                               needs -m
          --override           Also against a lock, a freeze, or while no window is open; needs -m, and
                               is recorded
      -h, --help               Print help

    Options of every command:
          --config-dir <DIR>  Read `inventories/` and `templates/` in this directory [default: .]
          --json              Write one JSON object per line to stdout, and nothing else
      -q, --quiet             Say nothing unless it ends badly
      -v, --verbose...        Show each remote script with its time
          --yes               Do not ask before a protected environment is changed
      -m, --message <TEXT>    Why it is done; kept with the run on the hosts
          --ticket <ID>       Ticket of the change, where the environment asks for one
          --set <KEY=VALUE>   Set a value above all others for this run, e.g.
                              `apps.app.vars.log_level=debug`
          --no-color          Use no colours (also: NO_COLOR)
    ");
    assert_eq!(text("-h"), text("--help"));
    assert!(text("staging --help").contains("[APP]@VERSION"));
    assert!(text("--version").starts_with("deploy "));
}

#[test]
fn help_is_quick() {
    let clock = Clock::system();
    for _ in 0..10 {
        text("--help");
    }
    // Debug build on a busy machine; the program itself needs a tenth of it.
    assert!(clock.elapsed() < Duration::from_secs(2));
}

#[test]
fn commands_of_today_and_tomorrow_are_no_environments() {
    for word in ["deploy", "status", "resume", "help", "history"] {
        assert!(reserved(word), "{word}");
    }
    let both = LATER.iter().find(|w| commands().iter().any(|c| c == *w));
    assert_eq!(both, None, "it is there");
    assert!(!reserved("staging"));
    assert!(!commands().contains(&"deploy".to_owned()));
    assert!(commands().contains(&"rollback".to_owned()));
}

/// Whoever is bound by windows, freezes and locks can be told to go ahead.
#[test]
fn a_persons_word_is_taken_by_all_that_are_bound() {
    for line in [
        "staging app@1.0.1",
        "stage staging app@1.0.1",
        "switch staging",
        "weight staging green=20%",
        "restart staging",
        "sync staging",
        "remove staging app",
        "redeploy staging app",
        "apply plan.json",
    ] {
        let given = |more: &str| run(&format!("{line}{more}")).command.unwrap().word();
        assert!(given(" --override") && !given(""), "{line}");
    }
}
