use super::*;
use crate::name::{ServiceName, Version};
use crate::release::ServiceSpec;

fn label(number: u64) -> ReleaseLabel {
    ReleaseLabel {
        adopted: false,
        id: ReleaseId::new(format!("{number:016x}")).unwrap(),
        version: Version::new(format!("1.0.{number}")).unwrap(),
        revision: number,
        digest: None,
    }
}

fn put(shelf: &mut Shelf, number: u64, slot: &str, image: &str, files: &[(&str, Option<&str>)]) {
    let slot = SlotName::new(slot).unwrap();
    let spec = ServiceSpec {
        image: image.into(),
        digest: None,
        restart: None,
        memory: None,
        nano_cpus: None,
        ports: vec![],
        one_shot: false,
    };
    let kept = serde_json::json!({
        "id": label(number).id, "version": label(number).version, "revision": number,
        "digest": null, "slot": slot, "services": { "app": spec },
    });
    shelf.kept.push(serde_json::from_value(kept).unwrap());
    for (path, text) in files {
        let lines = text.map(|t| t.lines().map(str::to_owned).collect());
        let key = (label(number).id, slot.clone(), (*path).to_owned());
        shelf.files.insert(key, lines);
    }
    assert!(ServiceName::new("app").is_ok());
}

fn shelf(number: u64, slot: &str, image: &str, files: &[(&str, Option<&str>)]) -> Shelf {
    let mut shelf = Shelf::default();
    put(&mut shelf, number, slot, image, files);
    shelf
}

fn view(shelves: Vec<(&str, Shelf)>) -> DiffView {
    let shelves = shelves
        .into_iter()
        .map(|(h, s)| (HostName::new(h).unwrap(), s));
    DiffView {
        env: "staging".parse().unwrap(),
        app: "app".parse().unwrap(),
        labels: [label(1), label(2)],
        shelves: shelves.collect(),
    }
}

const OLD: &str = "a\nb\nc\nd\ne\nlevel: info\nf";
const NEW: &str = "a\nb\nc\nd\ne\nlevel: \x1b[2Jdebug\nf";

#[test]
fn hosts_that_differ_in_the_same_way_are_told_once() {
    let old = [
        ("docker-compose.yml", Some(OLD)),
        ("gone", None),
        ("same", Some("x")),
    ];
    let new = [
        ("docker-compose.yml", Some(NEW)),
        ("new", Some("y")),
        ("same", Some("x")),
    ];
    let view = view(vec![
        ("web1", shelf(1, "blue", "app:1", &old)),
        ("web2", shelf(1, "blue", "app:1", &old)),
        ("web3", shelf(2, "green", "app:2", &new)),
        ("web4", shelf(2, "green", "app:2", &new)),
    ]);
    insta::assert_snapshot!(text(&view), @"
    staging app  #1 1.0.1 → #2 1.0.2
      web1 blue → web3 green, web2 blue → web4 green
        image of app: app:1 → app:2
        docker-compose.yml
          d
          e
        - level: info
        + level: \u{fffd}[2Jdebug
          f
        gone is gone
        new is new
    ");
}

#[test]
fn where_one_host_keeps_both_it_is_held_against_itself() {
    let mut both = shelf(1, "blue", "app:1", &[("a", Some("x")), ("b", None)]);
    put(
        &mut both,
        2,
        "blue",
        "app:1",
        &[("a", Some("x")), ("b", Some("text"))],
    );
    let other = shelf(2, "green", "app:9", &[("a", Some("other"))]);
    let view = view(vec![("web1", both), ("web3", other)]);
    assert_eq!(
        lines(&view),
        ["  web1 blue", "    b differs; it is no text"]
    );
    let mut same = view;
    same.labels[1] = label(1);
    assert!(text(&same).ends_with("no difference in images and rendered files"));
}

#[test]
fn a_release_is_found_by_every_word_for_it() {
    let mut one = shelf(41, "blue", "x", &[]);
    put(&mut one, 42, "green", "x", &[]);
    let shelves = BTreeMap::from([(HostName::new("web1").unwrap(), one)]);
    let found = |word: &str| meant(word, &shelves).map(|l| l.revision);
    for word in ["#42", "42", "1.0.42", "000000000000002a"] {
        assert_eq!(found(word), Some(42), "{word}");
    }
    // The beginning of both ids: the newer.
    assert_eq!(found("0000000000"), Some(42));
    for word in ["#43", "0", "1.0.4", "00000", ""] {
        assert_eq!(found(word), None, "{word}");
    }
}
