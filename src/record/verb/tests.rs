use super::*;

#[test]
fn a_release_file_stays_inside_its_directory() {
    for bad in [
        "", "/x", "a/../b", "./a", "a//b", "a\nb", "-rf", "a/", "a b", "$(x)",
    ] {
        assert!(check_path(bad).is_err(), "{bad:?}");
    }
    for good in ["a", "conf.d/a_b-1.yml", ".env"] {
        assert!(check_path(good).is_ok(), "{good:?}");
    }
}

#[test]
fn attempts_are_read_from_fences() {
    assert_eq!(attempt(&fence(3, 0xabc)), Some(3));
    assert_eq!(attempt(&Fence::new("x1").unwrap()), None);
}

#[test]
fn parameters_never_enter_the_text() {
    let scope = Scope::new(
        EnvName::new("staging").unwrap(),
        AppName::new("app").unwrap(),
        false,
    );
    let id = ClaimId {
        run: RunId::new("r-7f3a9c01").unwrap(),
        fence: fence(1, 7),
        ttl_secs: 60,
        who: Actor::new("ops@bastion1:17:99").unwrap(),
    };
    let mut body = Body::new("lb commit", "echo 'quoted'").args(["planted-argument"]);
    body.data = b"planted-data".to_vec();
    let script = step(&scope, &id, 5, &body);
    assert!(!script.text.contains("planted") && !script.text.contains("r-7f3a9c01"));
    assert_eq!(
        script.args[3..],
        [
            "r-7f3a9c01",
            "1-0000000000000007",
            "5",
            "lb-commit",
            "30",
            "no",
            "no",
            "12",
            "planted-argument"
        ]
    );
    assert!(script.text.contains(r"echo '\''quoted'\''"));
}
