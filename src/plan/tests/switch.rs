use crate::fleet::{Known, MemberState};
use crate::plan::fixture::{World, host, slot, text};
use crate::plan::switch::{Wish, rollback, switch};

fn to(name: &str, force: bool) -> Wish {
    Wish {
        to: Some(slot(name)),
        force,
    }
}

fn switched(w: &World, wish: &Wish) -> String {
    text(&switch(&w.setup, &w.fleet, wish, "g1"))
}

fn back(w: &World) -> String {
    text(&rollback(&w.setup, &w.fleet, "g1"))
}

#[test]
fn what_was_staged_is_probed_once_and_gets_the_traffic() {
    let w = World::serving().up("green", 43);
    insta::assert_snapshot!(switched(&w, &Wish::default()), @"
    staging app switch: #42 1.0.1-22-7e56158 → #43 1.0.2-30-abc1234, blue → green
      s1  probe green web3 web4 (one fresh probe of every member from every view)
      s2  lb1: prepare green (checked by the server before the switch)
      s3  lb2: prepare green (checked by the server before the switch)
      s4  switch lb1 lb2 to green [commit point] (the switch) after s1 s2 s3
          undo: switch lb1 lb2 to blue; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s5  lb1: drain, at most 1m00s (open requests of the old slot end) after s4
      s6  lb2: drain, at most 1m00s (open requests of the old slot end) after s4
      ends succeeded
    ");
}

#[test]
fn what_was_staged_and_changed_since_is_refused() {
    let mut w = World::serving().up("green", 43);
    w.container_of("web3").memory = 0;
    w.put(&host("web4"), &slot("green"), 44);
    insta::assert_snapshot!(switched(&w, &Wish::default()), @"
    green is not fit: web3: web memory limit is none, wanted 512.0 MiB
    green is not fit: the hosts of green hold different releases
      hint: `deploy switch staging app --to green --force -m REASON` switches all the same
    ");
}

#[test]
fn the_first_switch_goes_to_the_only_slot_that_holds_something() {
    let w = World::empty().up("green", 42);
    insta::assert_snapshot!(switched(&w, &Wish::default()), @"
    staging app switch: #42 1.0.1-22-7e56158, green
      s1  probe green web3 web4 (one fresh probe of every member from every view)
      s2  lb1: prepare green (checked by the server before the switch)
      s3  lb2: prepare green (checked by the server before the switch)
      s4  switch lb1 lb2 to green [commit point] (the switch) after s1 s2 s3
          undo: switch lb1 lb2 to nothing of this app
      ends succeeded
    ");
    insta::assert_snapshot!(switched(&World::empty(), &Wish::default()), @"
    no slot has traffic yet
      hint: name one: `deploy switch staging app --to SLOT`
    ");
}

#[test]
fn a_rollback_is_one_switch_to_what_served_before() {
    insta::assert_snapshot!(back(&World::serving()), @"
    staging app rollback: #42 1.0.1-22-7e56158 → #41 0.41.0, blue → green
      s1  probe green web3 web4 (one fresh probe of every member from every view)
      s2  lb1: prepare green (checked by the server before the switch)
      s3  lb2: prepare green (checked by the server before the switch)
      s4  switch lb1 lb2 to green [commit point] (the switch) after s1 s2 s3
          undo: switch lb1 lb2 to blue; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s5  lb1: drain, at most 1m00s (open requests of the old slot end) after s4
      s6  lb2: drain, at most 1m00s (open requests of the old slot end) after s4
      ends succeeded
    ");
}

#[test]
fn a_rollback_does_not_need_the_hosts_that_it_leaves() {
    let mut w = World::serving().silent("web1");
    w.host("web2").problems.push(crate::fleet::Problem {
        severity: crate::fleet::Severity::Error,
        what: "0 B left on the disk of /var/lib/docker".into(),
        hint: String::new(),
    });
    insta::assert_snapshot!(back(&w), @"
    staging app rollback: #42 1.0.1-22-7e56158 → #41 0.41.0, blue → green
      s1  probe green web3 web4 (one fresh probe of every member from every view)
      s2  lb1: prepare green (checked by the server before the switch)
      s3  lb2: prepare green (checked by the server before the switch)
      s4  write on web2 web3 web4 lb1 lb2: web1 misses this (whoever comes next must know before the change)
          undo: write on web2 web3 web4 lb1 lb2: web1 owes nothing any more
      s5  switch lb1 lb2 to green [commit point] (the switch) after s1 s2 s3 s4
          undo: switch lb1 lb2 to blue; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s6  lb1: drain, at most 1m00s (open requests of the old slot end) after s5
      s7  lb2: drain, at most 1m00s (open requests of the old slot end) after s5
      note: web1 does not answer and is left as it is: no route to host
      note: web2: 0 B left on the disk of /var/lib/docker
      ends succeeded
    ");
}

#[test]
fn a_rollback_to_what_never_served_is_refused() {
    let w = World::serving().up("green", 43);
    insta::assert_snapshot!(back(&w), @"
    green holds #43 1.0.2-30-abc1234, which never served: that is not a way back
      hint: to go forward to it: `deploy switch staging app`
    ");
}

#[test]
fn a_rollback_to_an_unfit_standby_says_why_and_what_else_there_is() {
    let mut w = World::serving();
    w.host("web3").containers.clear();
    w.container_of("web4").state = "exited".into();
    w.container_of("web4").exit_code = 137;
    insta::assert_snapshot!(back(&w), @"
    green is not fit: web3: no container of web
    green is not fit: web4: web is exited (exit code 137)
      hint: can be deployed again: `deploy staging app@0.41.0`; `deploy switch staging app --to green --force -m REASON` switches all the same
    ");
    let w = World::empty()
        .up("blue", 42)
        .promoted("blue", 42)
        .traffic("blue");
    insta::assert_snapshot!(back(&w), @"
    green is not fit: web3 has no release of app in green
    green is not fit: web4 has no release of app in green
      hint: deploy a version that is known to be good: `deploy staging app@VERSION`
    ");
}

#[test]
fn a_rollback_to_a_silent_standby_could_not_be_told() {
    let w = World::serving().silent("web3");
    insta::assert_snapshot!(back(&w), @"
    green is not fit: web3 does not answer: no route to host
      hint: can be deployed again: `deploy staging app@0.41.0`; `deploy switch staging app --to green --force -m REASON` switches all the same
    ");
    assert!(rollback(&w.setup, &w.fleet, "g1").unwrap_err().unknown);
}

#[test]
fn by_force_to_an_unfit_slot_names_what_is_unfit() {
    let mut w = World::serving().silent("web4");
    w.container_of("web3").state = "exited".into();
    insta::assert_snapshot!(switched(&w, &to("green", false)), @"
    green is not fit: web3: web is exited (exit code 0)
    green is not fit: web4 does not answer: no route to host
      hint: `deploy switch staging app --to green --force -m REASON` switches all the same
    ");
    insta::assert_snapshot!(switched(&w, &to("green", true)), @r"
    staging app switch: #42 1.0.1-22-7e56158 → #41 0.41.0, blue → green
      s1  lb1: prepare green (checked by the server before the switch)
      s2  lb2: prepare green (checked by the server before the switch)
      s3  write on web1 web2 web3 lb1 lb2: web4 misses this (whoever comes next must know before the change)
          undo: write on web1 web2 web3 lb1 lb2: web4 owes nothing any more
      s4  switch lb1 lb2 to green [commit point] (the switch) after s1 s2 s3
          undo: switch lb1 lb2 to blue; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s5  lb1: drain, at most 1m00s (open requests of the old slot end) after s4
      s6  lb2: drain, at most 1m00s (open requests of the old slot end) after s4
      note: web4 does not answer and is left as it is: no route to host
      note: forced although green is not fit: web3: web is exited (exit code 0)
      note: forced although green is not fit: web4 does not answer: no route to host
      note: forced: whether green answers is not asked
      ends succeeded
    ");
}

#[test]
fn force_leads_to_members_that_run_and_do_not_answer() {
    let gated = |force| {
        let w = World::serving();
        let plan = switch(&w.setup, &w.fleet, &to("green", force), "g9").unwrap();
        let gates = |s: &crate::plan::Step| matches!(s.action, crate::plan::Action::Gate { .. });
        (plan.steps.iter().any(gates), plan.notes)
    };
    assert!(gated(false).0);
    let (gate, notes) = gated(true);
    assert!(!gate, "a gate that fails would stop it");
    assert_eq!(notes, ["forced: whether green answers is not asked"]);
}

#[test]
fn by_force_to_a_slot_without_a_container_is_refused() {
    let mut w = World::serving();
    for host in ["web3", "web4"] {
        w.host(host).containers.clear();
    }
    for force in [false, true] {
        insta::allow_duplicates! {
            insta::assert_snapshot!(switched(&w, &to("green", force)), @"
            green is not fit: web3: no container of web
            green is not fit: web4: no container of web
              hint: `deploy stage staging app@VERSION` brings a release up there
            ");
        }
    }
}

#[test]
fn to_a_named_slot_leads_load_balancers_together_that_disagree() {
    let mut w = World::serving();
    let green = w.setup.all_to(&slot("green"), "hand");
    w.says("lb2", Some(green.clone()));
    w.lb("lb1").persisted = Known::Is(Some(green.clone()));
    let p = switch(&w.setup, &w.fleet, &to("blue", false), "g1");
    insta::assert_snapshot!(text(&p), @"
    staging app switch: #42 1.0.1-22-7e56158, green → blue
      s1  probe blue web1 web2 (one fresh probe of every member from every view)
      s2  lb1: prepare blue (checked by the server before the switch)
      s3  lb2: prepare blue (checked by the server before the switch)
      s4  switch lb1 lb2 to blue [commit point] (the switch) after s1 s2 s3
          undo: switch lb1 to blue, lb2 to green; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s5  lb1: drain, at most 1m00s (open requests of the old slot end) after s4
      s6  lb2: drain, at most 1m00s (open requests of the old slot end) after s4
      note: lb1: its files say green, but it sends to blue
      ends succeeded
    ");
    let p = p.unwrap();
    let step = p.steps.iter().find(|s| Some(s.id) == p.commit).unwrap();
    let crate::plan::Action::Shift { moves } = &step.action else {
        panic!()
    };
    assert_eq!(moves[0].before, Some(w.setup.all_to(&slot("blue"), "g0")));
    assert_eq!(moves[1].before, Some(green));
}

#[test]
fn to_where_all_traffic_is_already_changes_nothing() {
    insta::assert_snapshot!(switched(&World::serving(), &to("blue", false)), @"
    staging app switch: #42 1.0.1-22-7e56158, blue
      note: all load balancers send to blue already
      ends no_change
    ");
}

#[test]
fn to_the_same_slot_puts_a_member_back_that_is_out() {
    let w = World::serving().out("blue", "web2");
    insta::assert_snapshot!(switched(&w, &to("blue", false)), @"
    staging app switch: #42 1.0.1-22-7e56158, blue
      s1  probe blue web1 web2 (one fresh probe of every member from every view)
      s2  lb1: prepare blue (checked by the server before the switch)
      s3  lb2: prepare blue (checked by the server before the switch)
      s4  switch lb1 lb2 to blue [commit point] (the switch) after s1 s2 s3
          undo: switch lb1 lb2 to blue without web2; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s5  lb1: drain, at most 1m00s (open requests of the old slot end) after s4
      s6  lb2: drain, at most 1m00s (open requests of the old slot end) after s4
      ends succeeded
    ");
}

#[test]
fn to_a_slot_that_is_not_there() {
    insta::assert_snapshot!(switched(&World::serving(), &to("purple", true)), @"
    app has no slot purple
      hint: its slots are blue green
    ");
}

#[test]
fn the_slot_that_is_left_gets_no_member_that_was_never_gated_there() {
    let mut w = World::serving();
    let mut known = w.setup.clone();
    let blue = slot("blue");
    known.groups.get_mut(&blue).unwrap().remove(0);
    let now = known.all_to(&blue, "g0");
    w.says("lb1", Some(now.clone()));
    w.says("lb2", Some(now));
    let group = |w: &World| {
        let plan = rollback(&w.setup, &w.fleet, "g1").unwrap();
        let members = plan.after.unwrap().groups.remove(&blue).unwrap();
        let names = members.iter().map(|m| (m.host.to_string(), m.state));
        names.collect::<Vec<_>>()
    };
    let (ready, out) = (MemberState::Ready, MemberState::Drain);
    assert_eq!(group(&w), [("web2".to_owned(), ready)]);
    // One that is out stays out until its slot is gated again.
    let w = World::serving().out("blue", "web1");
    let both = [("web1".to_owned(), out), ("web2".to_owned(), ready)];
    assert_eq!(group(&w), both);
    // Where nobody is left of those that serve, they stay known.
    let mut w = World::serving();
    for member in w.setup.groups.get_mut(&blue).unwrap() {
        member.host = format!("{}b", member.host).parse().unwrap();
    }
    assert_eq!(group(&w).len(), 2);
    assert_eq!(group(&w)[0].0, "web1");
}
