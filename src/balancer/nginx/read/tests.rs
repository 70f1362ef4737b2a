use super::*;
use crate::balancer::answer::drained;
use crate::balancer::fixture::{looked, replace, slot, target, traffic};
use crate::balancer::flags::read::moved;
use crate::balancer::{DrainView, Verdict, answer};
use crate::fleet::{MemberState, Severity};

/// A look at a healthy entry; `change` edits its lines.
fn look(change: impl Fn(&mut Vec<String>)) -> Seen {
    let settings = Settings::default();
    let wish = render::wish(&target("app"), &settings, &traffic("blue"));
    let mut lines = looked(&wish, "1.26.3", "812.44120", "pid=813");
    change(&mut lines);
    seen(&target("app"), &settings, &lines).unwrap()
}

#[test]
fn a_healthy_entry_has_no_problems() {
    let seen = look(|_| {});
    assert_eq!(seen.persisted, Known::Is(Some(traffic("blue"))));
    assert_eq!(seen.running, Known::Is(Some(traffic("blue"))));
    assert_eq!(seen.problems, []);
    assert_eq!(
        (seen.version.as_str(), seen.instance.as_str()),
        ("1.26.3", "812.44120")
    );
}

#[test]
fn a_look_that_broke_off_is_no_look() {
    let lines = ["version 1.26.3".to_owned(), "key -".to_owned()];
    let error = seen(&target("app"), &Settings::default(), &lines).unwrap_err();
    assert_eq!(error.to_string(), "lb1: the look at nginx broke off");
}

#[test]
fn what_nginx_does_not_tell_is_not_known() {
    let silent = look(|lines| {
        lines.retain(|l| {
            !l.starts_with("running") && !l.starts_with("serves") && !l.starts_with("groups")
        });
        replace(lines, "status", "status curl: (7) Failed to connect");
    });
    assert_eq!(silent.persisted, Known::Is(Some(traffic("blue"))));
    assert!(matches!(&silent.running, Known::Unknown(why) if why.contains("Failed to connect")));
    assert_eq!(silent.problems.len(), 1, "{silent:?}");
    assert_eq!(silent.problems[0].severity, Severity::Error);
    let old = look(|lines| lines.retain(|l| !l.starts_with("groups")));
    assert!(matches!(old.running, Known::Unknown(_)));
}

#[test]
fn without_a_client_nothing_running_is_claimed_even_for_a_new_app() {
    let seen = look(|lines| {
        *lines = [
            "version 1.22.1",
            "key -",
            "grace 1",
            "instance 1.2",
            "problem client",
            "looked",
        ]
        .map(str::to_owned)
        .to_vec();
    });
    assert_eq!(seen.persisted, Known::Is(None));
    assert!(matches!(seen.running, Known::Unknown(_)));
}

#[test]
fn the_running_state_is_what_nginx_tells_not_what_lies_there() {
    let seen = look(|lines| {
        replace(lines, "key", "key r-7f3a-2,active.green,out.blue.2");
        let line = lines.iter_mut().find(|l| l.starts_with("running")).unwrap();
        *line = line.replace("active=blue", "active=green");
    });
    let Known::Is(Some(running)) = &seen.running else {
        panic!()
    };
    assert_eq!(running.sole(), Some(&slot("green")));
    assert_eq!(seen.persisted, Known::Is(Some(traffic("blue"))));
    assert_eq!(
        seen.problems[0].what,
        "the flags of app in staging were changed by hand: there is `active.green out.blue.2`, written was `active.blue`"
    );
}

#[test]
fn a_member_left_out_is_seen_running() {
    let seen = look(|lines| {
        let line = lines.iter_mut().find(|l| l.starts_with("running")).unwrap();
        *line = line.replace("out=-", "out=2");
    });
    let Known::Is(Some(running)) = seen.running else {
        panic!()
    };
    assert_eq!(running.groups[&slot("blue")][1].state, MemberState::Drain);
    assert_eq!(running.groups[&slot("blue")][0].state, MemberState::Ready);
}

#[test]
fn nonsense_for_a_member_number_harms_nobody() {
    for out in ["0", "3", "99999999999999999999", "x", "-1"] {
        let seen = look(|lines| {
            let line = lines.iter_mut().find(|l| l.starts_with("running")).unwrap();
            *line = line.replace("out=-", &format!("out={out}"));
        });
        assert_eq!(seen.running, Known::Is(Some(traffic("blue"))), "{out}");
    }
}

#[test]
fn an_older_configuration_in_memory_is_named() {
    let seen = look(|lines| {
        let line = lines.iter_mut().find(|l| l.starts_with("running")).unwrap();
        *line = "running conf=0123456789abcdef active=blue out=- pid=813".to_owned();
    });
    assert!(
        seen.problems[0].what.contains("a reload did not take"),
        "{seen:?}"
    );
}

#[test]
fn problems_name_the_host_and_what_to_write() {
    let seen = look(|lines| {
        lines.insert(0, "problem include /etc/nginx/nginx.conf".to_owned());
        lines.insert(1, "problem broken".to_owned());
        lines.insert(
            2,
            "why nginx: [emerg] unknown directive \"x\" in /etc/nginx/nginx.conf:3".to_owned(),
        );
    });
    let text: Vec<String> = seen
        .problems
        .iter()
        .map(|p| format!("{} | {}", p.what, p.hint))
        .collect();
    assert_eq!(
        text,
        [
            "nginx's configuration does not include the files of deploy | write into http {} of /etc/nginx/nginx.conf: `include /etc/nginx/deploy/*.conf;`",
            "nginx's configuration is broken: nginx: [emerg] unknown directive \"x\" in /etc/nginx/nginx.conf:3 | repair it until `nginx -t` passes; what runs now is an older state",
        ]
    );
}

#[test]
fn verdicts_are_read_and_silence_is_none() {
    let read = |lines: &[&str]| {
        let lines: Vec<String> = lines.iter().map(|l| (*l).to_owned()).collect();
        answer::verdict(&target("app"), &lines, moved)
    };
    assert_eq!(read(&["ready"]), Ok(Verdict::Converged { at: 0.0 }));
    assert_eq!(
        read(&["converged 1795266285.25"]),
        Ok(Verdict::Converged {
            at: 1_795_266_285.25
        })
    );
    assert_eq!(
        read(&["converged 1795266285.%N"]),
        Ok(Verdict::Converged {
            at: 1_795_266_285.0
        })
    );
    assert_eq!(
        read(&["refused", "why nginx: [emerg] a", "why nginx: b"]),
        Ok(Verdict::Refused {
            why: "nginx: [emerg] a; nginx: b".to_owned()
        })
    );
    assert_eq!(
        read(&["refused"]),
        Ok(Verdict::Refused {
            why: "no reason was given".to_owned()
        })
    );
    assert_eq!(
        read(&["moved g-9,active.green"]),
        Ok(Verdict::Moved {
            seen: "generation g-9 with flags active.green".to_owned()
        })
    );
    assert!(
        read(&[]).is_err()
            && read(&["converged soon"]).is_err()
            && read(&["sh: x: not found"]).is_err()
    );
}

#[test]
fn drain_lines_are_read() {
    let view = |open, idle| Some(DrainView { open, idle });
    assert_eq!(drained("open 3"), view(Some(3), false));
    assert_eq!(drained("idle"), view(Some(0), true));
    assert_eq!(drained("left 2"), view(Some(2), false));
    assert_eq!(drained("left -"), view(None, false));
    assert_eq!(drained("open x"), None);
    assert_eq!(drained("tail: gone"), None);
}
