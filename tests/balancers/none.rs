//! The driver `none`: a note on the host that is read back, and known to strangers.

use std::fs;

use deploy::balancer::{Verdict, driver};
use deploy::fleet::Known;

use crate::server::target;
use crate::world::{Backend, run_body, traffic};

#[test]
fn a_value_is_kept_read_back_and_guarded() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir_all(home.path().join("record/state")).unwrap();
    let (driver, shell) = (driver("none").unwrap(), ["sh".to_owned()]);
    let target = target("app", "shop.example.com", 1, serde_json::Value::Null);
    let (b, g) = (Backend::start("b1"), Backend::start("g1"));
    let [one, two, three] = [("blue", "g-1"), ("green", "g-2"), ("blue", "g-3")]
        .map(|(s, n)| traffic(s, &[&b], &[&g], n));
    let lines = |body| {
        let (lines, complaints) = run_body(home.path(), &shell, &body);
        assert_eq!(complaints, "");
        lines
    };
    let verdict = |body| driver.verdict(&target, &lines(body)).unwrap();
    let look = || driver.read(&target, &lines(driver.look(&target))).unwrap();
    assert_eq!(look().running, Known::Is(None));
    let ready = verdict(driver.prepare(&target, None, &one));
    assert_eq!(ready, Verdict::Converged { at: 0.0 });
    for (before, after) in [(None, &one), (Some(&one), &two), (Some(&one), &two)] {
        let done = verdict(driver.commit(&target, before, after));
        assert!(
            matches!(done, Verdict::Converged { at } if at > 1.0),
            "{done:?}"
        );
    }
    assert_eq!(look().persisted, Known::Is(Some(two.clone())));
    let moved = verdict(driver.commit(&target, Some(&one), &three));
    assert!(matches!(moved, Verdict::Moved { .. }), "{moved:?}");
    let other = verdict(driver.verify(&target, &one));
    assert!(matches!(other, Verdict::Differs { .. }), "{other:?}");
    assert_eq!(driver.foresee(&target, Some(&one), &two).len(), 1);
    let mut shared = two;
    shared.split = [
        (crate::world::slot("blue"), 1),
        (crate::world::slot("green"), 9_999),
    ]
    .into();
    assert!(driver.accepts(&target, &shared).is_err());
}
