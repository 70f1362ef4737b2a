use std::collections::{BTreeMap, BTreeSet};

use crate::fleet::{Held, HeldFile, Holdings, ImageSize};
use crate::plan::blue_green::deploy;
use crate::plan::changes::{Changes, Fetch, Sizes};
use crate::plan::fixture::{World, host, release, slot};
use crate::plan::{Plan, PlanKind};
use crate::release::{Release, ReleaseFile};

const OLD: &str =
    "services:\n  web:\n    image: app:1\n    ports: [80]\n    environment:\n      A: 1\n";
const NEW: &str =
    "services:\n  web:\n    image: app:2\n    ports: [80]\n    environment:\n      A: 1\n";
const NAMES: &str =
    "labels:\n  \"deploy.release\": \"RR\"\n  \"deploy.revision\": \"42\"\nrestart: always\n";

fn file(path: &str, text: &str) -> ReleaseFile {
    ReleaseFile {
        path: path.to_owned(),
        mode: 0o644,
        bytes: text.into(),
    }
}

/// The release with its files on every host; `odd` gets another one.
fn with_files(w: &World, number: u64, odd: &str) -> Release {
    let mut release = release(&w.setup, number);
    for part in &mut release.parts {
        let text = if part.host.as_str() == odd {
            NEW.replace("A: 1", "A: 2")
        } else {
            NEW.to_owned()
        };
        part.files = vec![
            file("docker-compose.yml", &text),
            file("deploy.yml", &NAMES.replace("RR", "r43")),
            file("files/new.conf", "x"),
        ];
    }
    release
}

fn held(text: &str) -> Held {
    let file = |text: &str, mode| HeldFile {
        mode,
        bytes: Some(text.into()),
    };
    let files = BTreeMap::from([
        ("docker-compose.yml".to_owned(), file(text, 0o644)),
        (
            "deploy.yml".to_owned(),
            file(&NAMES.replace("RR", "r42"), 0o644),
        ),
    ]);
    Held {
        files: BTreeMap::from([(slot("blue"), files)]),
        layers: BTreeSet::from([vec!["a".to_owned()]]),
        architecture: "amd64".to_owned(),
    }
}

fn holdings() -> Holdings {
    ["web1", "web2", "web3", "web4"]
        .map(|h| (host(h), held(OLD)))
        .into()
}

fn sizes(release: &Release) -> Sizes {
    let image = release.parts[0]
        .spec
        .services
        .values()
        .next()
        .unwrap()
        .image
        .clone();
    let size = ImageSize {
        layers: vec![("a".to_owned(), 1000), ("b".to_owned(), 2048)],
    };
    BTreeMap::from([((image, "amd64".to_owned()), size)])
}

fn plan(w: &World, release: &Release) -> Plan {
    deploy(&w.setup, release, &w.fleet, PlanKind::Deploy, "g1").unwrap()
}

#[test]
fn what_differs_from_what_serves_is_shown_once_for_hosts_that_are_alike() {
    let w = World::serving();
    let release = with_files(&w, 43, "none");
    let plan = plan(&w, &release);
    let changes = Changes::of(
        &plan,
        &w.setup,
        &release,
        &w.fleet,
        &holdings(),
        &sizes(&release),
    );
    insta::assert_snapshot!(changes.to_string(), @"
    changes against blue, which serves #42 1.0.1-22-7e56158
      web1 web2: docker-compose.yml
        @@ -1,5 +1,5 @@
         services:
           web:
        -    image: app:1
        +    image: app:2
             ports: [80]
             environment:
      web1 web2: files/new.conf (new)
    containers
      web3 web4: green: staging-app-green-web-1 replaced (web runs 0.41.0)
    load balancers
      lb1 lb2: blue → green
    to fetch
      web3 web4: 2.0 KiB
    as wanted already
      web1 web2: blue: 1 container of #42 1.0.1-22-7e56158
    ");
}

#[test]
fn a_host_that_differs_and_one_that_does_not_answer_stand_apart() {
    let w = World::serving();
    let release = with_files(&w, 43, "web2");
    let plan = plan(&w, &release);
    let mut holdings = holdings();
    let mut changes = Changes::of(
        &plan,
        &w.setup,
        &release,
        &w.fleet,
        &holdings,
        &Sizes::new(),
    );
    let hosts: Vec<usize> = changes.files.iter().map(|f| f.hosts.len()).collect();
    assert_eq!(hosts, [1, 2, 1], "{changes}");
    assert!(
        changes
            .to_string()
            .contains("to fetch\n  web3 web4: not known\n"),
        "{changes}"
    );
    holdings.remove(&host("web1"));
    changes = Changes::of(
        &plan,
        &w.setup,
        &release,
        &w.fleet,
        &holdings,
        &Sizes::new(),
    );
    let text = changes.to_string();
    assert!(
        text.ends_with("could not be compared\n  web1: the files of blue could not be read\n"),
        "{text}"
    );
}

#[test]
fn the_same_release_has_no_changes_and_an_edited_file_shows() {
    let w = World::serving();
    let mut release = with_files(&w, 42, "none");
    for part in &mut release.parts {
        part.files.truncate(2);
        part.files[0].bytes = OLD.into();
    }
    let plan = plan(&w, &release);
    assert!(plan.is_empty());
    let mut holdings = holdings();
    let changes = Changes::of(
        &plan,
        &w.setup,
        &release,
        &w.fleet,
        &holdings,
        &Sizes::new(),
    );
    insta::assert_snapshot!(changes.to_string(), @"
    changes against blue, which serves #42 1.0.1-22-7e56158
    as wanted already
      web1 web2: the files of blue
      web1 web2: blue: 1 container of #42 1.0.1-22-7e56158
      web3 web4: green: 1 container of #41 0.41.0
      load balancers send to blue
    ");
    let edited = held(&OLD.replace("A: 1", "A: 9"));
    holdings.insert(host("web2"), edited);
    let changes = Changes::of(
        &plan,
        &w.setup,
        &release,
        &w.fleet,
        &holdings,
        &Sizes::new(),
    );
    assert_eq!(
        (changes.files.len(), &changes.files[0].hosts),
        (1, &vec![host("web2")])
    );
}

#[test]
fn the_first_release_is_all_new() {
    let w = World::empty();
    let release = with_files(&w, 42, "none");
    let plan = plan(&w, &release);
    let changes = Changes::of(
        &plan,
        &w.setup,
        &release,
        &w.fleet,
        &Holdings::new(),
        &Sizes::new(),
    );
    insta::assert_snapshot!(changes.to_string(), @"
    changes: nothing serves yet, all is new
      image of web: none
        → app:1
      web1 web2: docker-compose.yml (new)
      web1 web2: deploy.yml (new)
      web1 web2: files/new.conf (new)
    containers
      web1 web2: blue: new containers (no container of web)
    load balancers
      lb1 lb2: nothing of this app → blue
    to fetch
      web1 web2: not known
    ");
}

#[test]
fn what_does_not_fit_on_the_disk_is_told_with_numbers() {
    let fetch = |bytes, free| Fetch {
        host: host("web3"),
        bytes,
        free,
    };
    assert_eq!(fetch(Some(1 << 30), 4 << 30).too_much(), None);
    assert_eq!(fetch(None, 0).too_much(), None);
    assert_eq!(
        fetch(Some(1 << 30), (4 << 30) - 1).too_much().as_deref(),
        Some("web3: 1.0 GiB to fetch need about 4.0 GiB on its disk, and 4.0 GiB are free")
    );
}
