//! What a prune removes, and what it never does: random orders of deploys and prunes of two
//! environments on one host, with an engine of ours that has names of images and nothing else.

mod killed;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use deploy::host::docker::prune::prune as engine;
use deploy::name::{EnvName, OutcomeKind, ReleaseId, SlotName};
use deploy::record::prune::{self, ImageEnd, PruneReply, Pruned};
use deploy::record::{HoldLevel, Scope, past, verb};
use deploy::release::{HostRelease, ServiceSpec};

use super::bench::{Bench, Disk, Shell};
use super::random::Dice;
use super::verbs::{body, entry, id, release, upload};

/// Releases that served and stay.
const KEEP: u32 = 3;
const REPOSITORY: &str = "reg:5000/acme/app";

/// An engine with names: lines of `tag|ref <name> <image>`. With its last tag an image loses its
/// names by digest too, as Docker does it. `used` are releases of containers.
const DOCKER: &str = r#"#!/bin/dash
top=${0%/bin/*}
db=$top/names
of() { id= k=; while read -r kind name i; do [ "$name" != "$1" ] || { id=$i k=$kind; }; done <"$db"; }
tags() { n=0; while read -r kind name i; do [ "$kind.$i" != "tag.$1" ] || n=$((n + 1)); done <"$db"; }
case $1 in
ps) [ ! -e "$top/broken" ] && cat "$top/used" ;;
image)
  of "$5"
  [ -n "$id" ] || exit 1
  case $4 in *RepoTags*) tags "$id"; echo "$n" ;; *) echo "$id" ;; esac
  ;;
rmi)
  of "$2"
  [ -n "$id" ] || { echo "No such image: $2"; exit 1; }
  case " $(cat "$top/in-use" 2>/dev/null) " in *" $id "*) echo "Error: conflict: $2 is in use"; exit 1 ;; esac
  grep -vF " $2 $id" "$db" >"$db.new"
  mv "$db.new" "$db"
  tags "$id"
  if [ "$k.$n" = tag.0 ]; then
    grep -v " $id\$" "$db" >"$db.new"
    mv "$db.new" "$db"
  fi
  # Somebody waits to fetch images, and gets them while a file is there.
  if [ -e "$top/fetches" ] && mkdir "$top/waits" 2>/dev/null; then
    root=$(cat "$top/fetches")
    ( flock -s 6; n=0; while [ -e "$top/fetches" ] && [ $n -lt 600 ]; do sleep 0.05; n=$((n + 1)); done ) \
      6<>"$root/prune.lock" 7>&- </dev/null >/dev/null 2>&1 &
  fi
  echo "Untagged: $2"
  ;;
esac
"#;

struct Shop {
    bench: Bench,
    envs: [Scope; 2],
}

/// What an app of an environment has on the host.
#[derive(Default, Clone)]
struct Known {
    slots: BTreeMap<&'static str, String>,
    promoted: Vec<String>,
    images: BTreeMap<String, (String, String)>,
}

impl Known {
    fn needed(&self) -> BTreeSet<String> {
        let last = self.promoted.iter().rev().take(KEEP as usize);
        last.chain(self.slots.values()).cloned().collect()
    }
}

impl Shop {
    fn new(shell: Shell) -> Self {
        let bench = Bench::new(shell, Disk::Fast);
        let docker = bench.bin().join("docker");
        std::fs::write(&docker, DOCKER).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&docker, mode).unwrap();
        for file in ["names", "used"] {
            std::fs::write(bench.path().join(file), "").unwrap();
        }
        let envs = ["staging", "production"].map(|env| Scope {
            env: EnvName::new(env).unwrap(),
            ..bench.scope.clone()
        });
        Self { bench, envs }
    }

    fn dir(&self, env: usize) -> PathBuf {
        let scope = &self.envs[env];
        PathBuf::from(&scope.root).join(format!("{}/{}", scope.env, scope.app))
    }

    fn write(&self, env: usize, file: &str, text: &str) {
        let path = self.dir(env).join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn prune(&self, env: usize, dry: bool) -> PruneReply {
        let script = prune::prune(&self.envs[env], KEEP, dry, &engine());
        prune::read(&self.bench.ask(script)).unwrap()
    }

    fn done(&self, env: usize, dry: bool) -> Pruned {
        match self.prune(env, dry) {
            PruneReply::Done(done) => done,
            other => panic!("{other:?}"),
        }
    }

    fn names(&self) -> BTreeMap<String, String> {
        let text = std::fs::read_to_string(self.bench.path().join("names")).unwrap();
        let line = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            (words[1].to_owned(), words[2].to_owned())
        };
        text.lines().map(line).collect()
    }

    /// The image is pulled: the tag is given to it, from whichever image had it.
    fn pull(&self, tag: &str, digest: &str) {
        let mut lines: BTreeSet<String> = self
            .names()
            .into_iter()
            .filter(|(name, _)| name != tag)
            .map(|(name, id)| {
                let kind = if name.contains('@') { "ref" } else { "tag" };
                format!("{kind} {name} {id}")
            })
            .collect();
        lines.insert(format!("tag {tag} {digest}"));
        lines.insert(format!("ref {REPOSITORY}@{digest} {digest}"));
        let lines: Vec<String> = lines.into_iter().collect();
        std::fs::write(self.bench.path().join("names"), lines.join("\n") + "\n").unwrap();
    }

    /// Files of a release, as a claim brings them.
    fn bring(&self, env: usize, id: &str, slot: &str, tag: &str, digest: &str) {
        let mut kept: HostRelease = release(&"r-1".parse().unwrap());
        kept.label.id = ReleaseId::new(id).unwrap();
        kept.slot = SlotName::new(slot).unwrap();
        let spec = ServiceSpec {
            image: format!("{tag}@{digest}"),
            digest: None,
            restart: None,
            memory: None,
            nano_cpus: None,
            ports: Vec::new(),
            one_shot: false,
        };
        kept.services = BTreeMap::from([("app".parse().unwrap(), spec)]);
        let json = String::from_utf8(past::label(&kept, &[])).unwrap();
        self.write(env, &format!("releases/{id}/{slot}/release.json"), &json);
    }

    fn releases(&self, env: usize) -> BTreeSet<String> {
        let all = std::fs::read_dir(self.dir(env).join("releases"));
        all.into_iter()
            .flatten()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect()
    }
}

/// One deploy: into the slot that does not serve; one in four fails before it is up.
fn deploy(shop: &Shop, known: &mut [Known; 2], dice: &mut Dice) {
    let env = dice.below(2) as usize;
    let (version, build) = (dice.below(6), dice.below(2));
    let tag = format!("{REPOSITORY}:v{version}");
    // A tag may be pushed again.
    let digest = format!("sha256:{version}{build}{}", "0".repeat(62));
    let id = format!("e{env}v{version}b{build}");
    let slot = ["blue", "green"][dice.below(2) as usize];
    let own = &mut known[env];
    shop.bring(env, &id, slot, &tag, &digest);
    shop.pull(&tag, &digest);
    own.images.insert(id.clone(), (tag, digest));
    if dice.below(4) == 0 {
        return;
    }
    shop.write(env, &format!("slots/{slot}"), &format!("1 {id} r-1 .\n"));
    own.slots.insert(slot, id.clone());
    own.promoted.retain(|other| *other != id);
    own.promoted.push(id);
    let promoted = format!("1 {} .\n", own.promoted.join(" "));
    shop.write(env, "promoted", &promoted);
}

#[test]
fn nothing_that_a_kept_release_of_any_environment_names_is_ever_removed() {
    let (mut dropped, mut images) = (0, 0);
    for shell in Shell::all() {
        let orders = if shell == Shell::Dash { 30 } else { 1 };
        for order in 1..=orders {
            let shop = Shop::new(shell);
            let mut known = [Known::default(), Known::default()];
            let mut dice = Dice::new(order);
            for turn in 1..3 {
                for _ in 0..7 {
                    deploy(&shop, &mut known, &mut dice);
                }
                let env = dice.below(2) as usize;
                // The other environment may have no record yet.
                if shop.releases(env).is_empty() {
                    continue;
                }
                let told = (turn == 2).then(|| shop.done(env, true));
                let done = shop.done(env, false);
                let at = format!("{shell:?} order {order} turn {turn}: {done:?}");
                if let Some(told) = told {
                    assert_eq!(
                        (&told.kept, &told.dropped),
                        (&done.kept, &done.dropped),
                        "{at}"
                    );
                }
                dropped += done.dropped.len();
                images += done
                    .images
                    .iter()
                    .filter(|(_, e)| *e == ImageEnd::Removed)
                    .count();
                assert_eq!(shop.releases(env), known[env].needed(), "{at}");
                let left = shop.names();
                let mut named = BTreeSet::new();
                for (env, own) in known.iter().enumerate() {
                    for id in shop.releases(env) {
                        let (tag, digest) = &own.images[&id];
                        named.insert(digest.clone());
                        assert!(own.needed().is_subset(&shop.releases(env)), "{at}");
                        assert!(
                            left.contains_key(&format!("{REPOSITORY}@{digest}")),
                            "{id} {at}"
                        );
                        assert!(left.contains_key(tag), "{id} {tag} {at}");
                    }
                }
                // Nothing stays of what the pruned app alone had, but what a tag that another release
                // names was given to.
                let tags: BTreeSet<&String> = (0..2)
                    .flat_map(|env| known[env].images.iter().map(move |i| (env, i)))
                    .filter(|(env, (id, _))| shop.releases(*env).contains(*id))
                    .map(|(_, (_, (tag, _)))| tag)
                    .collect();
                let gone = done
                    .dropped
                    .keys()
                    .map(|id| &known[env].images[id.as_str()].1);
                for digest in gone.filter(|d| !named.contains(*d)) {
                    let stays =
                        |(name, id): (&String, &String)| id == digest && !tags.contains(name);
                    assert!(!left.iter().any(stays), "{digest} {at}");
                }
            }
        }
    }
    assert!(dropped > 60 && images > 20, "{dropped} {images}");
}

#[test]
fn an_app_that_is_claimed_locked_or_owed_is_left_alone() {
    for shell in Shell::all() {
        let shop = Shop::new(shell);
        let (bench, scope) = (&shop.bench, &shop.envs[0]);
        assert_eq!(shop.prune(0, false), PruneReply::Nothing, "{shell:?}");
        // Two runs, by the verbs themselves; the first one's release is not needed then.
        for run in ["r-1", "r-2"] {
            let claim = id(run, &format!("1-{run}"));
            bench.ask(
                verb::claim(scope, &claim, true, &upload(&claim), &super::verbs::facts()).unwrap(),
            );
            let alone = shop.prune(0, false);
            assert!(
                matches!(&alone, PruneReply::Alone(why) if why.starts_with(&format!("run {run} of ops@{run}"))),
                "{shell:?} {alone:?}"
            );
            let up = body(bench, 1, 0, Some(&release(&claim.run).label.id));
            bench.ask(verb::step(scope, &claim, 1, &up));
            let end = entry(&claim.run, OutcomeKind::Failed);
            bench.ask(verb::release(
                scope,
                &claim.fence,
                OutcomeKind::Failed,
                &end,
            ));
        }
        let who = "ops@m:1:2".parse().unwrap();
        bench.ask(verb::hold(scope, HoldLevel::Env, None, 1, &who, "year end"));
        let locked = PruneReply::Alone("it is locked by a person".to_owned());
        assert_eq!(shop.prune(0, false), locked, "{shell:?}");
        bench.ask(verb::unhold(scope, HoldLevel::Env));
        shop.write(0, "owing/lb2", "1 lb2 g1 blue r-1 1 .\n");
        let owed = PruneReply::Alone("lb2 owes a change".to_owned());
        assert_eq!(shop.prune(0, true), owed, "{shell:?}");
        std::fs::remove_file(shop.dir(0).join("owing/lb2")).unwrap();
        assert_eq!(
            shop.releases(0).len(),
            2,
            "{shell:?}: nothing was removed so far"
        );

        // A container of it, stopped or not, keeps it.
        std::fs::write(bench.path().join("used"), "rel-r-1\n").unwrap();
        assert_eq!(shop.done(0, false).kept.len(), 2, "{shell:?}");
        std::fs::write(bench.path().join("broken"), "").unwrap();
        std::fs::write(bench.path().join("used"), "").unwrap();
        let script = prune::prune(scope, KEEP, false, &engine());
        assert!(
            prune::read(&bench.ask(script)).is_err(),
            "{shell:?}: the engine does not tell"
        );
        std::fs::remove_file(bench.path().join("broken")).unwrap();
        let done = shop.done(0, false);
        let names: Vec<&str> = done.dropped.keys().map(ReleaseId::as_str).collect();
        assert_eq!(names, ["rel-r-1"], "{shell:?}");
        assert!(
            done.dropped.values().all(Option::is_some),
            "{shell:?} {done:?}"
        );
        // The history has its name still.
        let past = past::read_runs(&bench.ask(past::runs(scope, 50))).unwrap();
        assert_eq!(past.runs.len(), 2, "{shell:?}");
        assert!(
            bench.read("journal").unwrap().contains(" prune rel-r-1 "),
            "{shell:?}"
        );
        assert_eq!(past.damaged, 0, "{shell:?}");
    }
}

#[test]
fn what_cannot_be_read_or_is_in_use_keeps_its_images() {
    for shell in Shell::all() {
        let shop = Shop::new(shell);
        let (tag, digest) = (
            format!("{REPOSITORY}:v1"),
            format!("sha256:{}", "1".repeat(64)),
        );
        shop.bring(0, "aa", "blue", &tag, &digest);
        shop.pull(&tag, &digest);
        // Of a release of the other environment it is not known what it names.
        shop.write(1, "releases/bb/blue/docker-compose.yml", "services: {}\n");
        let told = shop.done(0, false);
        assert!(
            told.unknown
                .is_some_and(|d| d.contains("production/app/releases/bb")),
            "{shell:?}"
        );
        assert!(shop.names().contains_key(&tag), "{shell:?}");
        // The next prune makes up for it; what a container uses is told.
        shop.bring(1, "bb", "blue", &format!("{REPOSITORY}:v2"), "sha256:2");
        std::fs::write(shop.bench.path().join("in-use"), &digest).unwrap();
        let done = shop.done(0, false);
        assert!(
            matches!(&done.images[0].1, ImageEnd::Left(why) if why.contains("in use")),
            "{done:?}"
        );
        assert!(shop.names().contains_key(&tag), "{shell:?}");
        // What the engine refused is tried again, and forgotten only then.
        std::fs::remove_file(shop.bench.path().join("in-use")).unwrap();
        let done = shop.done(0, false);
        assert_eq!(done.images[0].1, ImageEnd::Removed, "{shell:?} {done:?}");
        assert!(!shop.names().contains_key(&tag), "{shell:?}");
        assert_eq!(shop.releases(0), BTreeSet::new(), "{shell:?}");
        // A slot that cannot be read is no reason to remove anything.
        shop.bring(0, "cc", "blue", &tag, &digest);
        shop.write(0, "slots/blue", "");
        let script = prune::prune(&shop.envs[0], KEEP, false, &engine());
        assert!(prune::read(&shop.bench.ask(script)).is_err(), "{shell:?}");
        assert_eq!(
            shop.releases(0),
            BTreeSet::from(["cc".to_owned()]),
            "{shell:?}"
        );
    }
}

#[test]
fn what_is_torn_odd_or_not_to_be_read_is_never_good_news_and_stops_nobody_else() {
    for shell in Shell::all() {
        let shop = Shop::new(shell);
        let (tag, digest) = (
            format!("{REPOSITORY}:v1"),
            format!("sha256:{}", "1".repeat(64)),
        );
        shop.bring(0, "aa", "blue", &tag, &digest);
        shop.pull(&tag, &digest);
        let file = "releases/bb/blue/release.json";
        shop.bring(1, "bb", "blue", &tag, &digest);
        let path = shop.dir(1).join(file);
        let whole = std::fs::read_to_string(&path).unwrap();
        for torn in ["", "{}", &whole[..whole.len() - 2]] {
            std::fs::write(&path, torn).unwrap();
            let told = shop.done(0, false);
            assert!(
                told.unknown.is_some_and(|d| d.ends_with(file)),
                "{shell:?} {torn}"
            );
        }
        std::fs::write(&path, &whole).unwrap();
        // For root every folder can be read.
        let folder = shop.dir(1).join("releases");
        let mode = |m| std::os::unix::fs::PermissionsExt::from_mode(m);
        for closed in [folder.clone(), shop.dir(1), folder.join("bb")] {
            std::fs::set_permissions(&closed, mode(0o300)).unwrap();
            let root = std::fs::read_dir(&closed).is_ok();
            let told = shop.done(0, true);
            std::fs::set_permissions(&closed, mode(0o755)).unwrap();
            assert!(root || told.unknown.is_some(), "{shell:?} {told:?}");
        }
        // Names that no release has, here and elsewhere.
        for env in 0..2 {
            shop.write(env, "releases/x y\nend ok/blue/file", "");
        }
        let root = PathBuf::from(&shop.envs[0].root);
        std::fs::create_dir_all(root.join("lost+found/a b/releases/c")).unwrap();
        shop.bring(1, "bb", "blue", &format!("{REPOSITORY}:v2"), "sha256:2");
        let done = shop.done(0, false);
        assert_eq!(done.odd, ["releases/x?y?end?ok"], "{shell:?}");
        assert_eq!(done.images[0].1, ImageEnd::Removed, "{shell:?} {done:?}");
        assert_eq!(shop.releases(0).len(), 1, "{shell:?}");
    }
}

#[test]
fn whoever_waits_to_fetch_images_waits_for_one_removal() {
    let shop = Shop::new(Shell::Dash);
    for n in 1..=5 {
        let tag = format!("{REPOSITORY}:v{n}");
        let digest = format!("sha256:{n}{}", "0".repeat(63));
        shop.bring(0, &format!("r{n}"), "blue", &tag, &digest);
        shop.pull(&tag, &digest);
    }
    let fetches = shop.bench.path().join("fetches");
    std::fs::write(&fetches, &shop.envs[0].root).unwrap();
    let first = shop.done(0, false);
    assert!(first.pulling, "{first:?}");
    assert_eq!(first.dropped.len(), 5);
    assert!((1..5).contains(&first.images.len()), "{first:?}");
    assert_eq!(
        shop.prune(0, false),
        PruneReply::Alone("images are fetched or removed there now".to_owned())
    );
    std::fs::remove_file(&fetches).unwrap();
    // The next one sees to the rest, once that has ended.
    for _ in 0..200 {
        match shop.prune(0, false) {
            PruneReply::Done(done) => {
                assert!(!done.pulling, "{done:?}");
                assert!(shop.names().is_empty() && shop.releases(0).is_empty());
                return;
            }
            _ => std::thread::sleep(std::time::Duration::from_millis(50)),
        }
    }
    panic!("the lock was never free again");
}
