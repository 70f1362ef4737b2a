//! What a prune removed, host by host, for people and machines.

use std::collections::BTreeMap;

use serde_json::json;

use super::status::Said;
use super::words::tame;
use crate::name::{AppName, EnvName, ExitCode, HostName};
use crate::record::prune::{ImageEnd, PruneReply, Pruned};
use crate::text::count;

/// An environment.
#[derive(Debug)]
pub struct PruneView {
    /// Which.
    pub env: EnvName,
    /// Nothing was removed.
    pub dry: bool,
    /// Its apps.
    pub apps: Vec<AppPrune>,
}

/// An app on its hosts.
#[derive(Debug)]
pub struct AppPrune {
    /// Which.
    pub app: AppName,
    /// What each host answered.
    pub hosts: BTreeMap<HostName, PruneReply>,
    /// Hosts that did not answer.
    pub silent: Vec<Said>,
}

impl PruneView {
    /// 0; 1 where something could not be removed, 7 where a host did not answer or does not know.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        let mut code = ExitCode::Success;
        for app in &self.apps {
            if !app.silent.is_empty() {
                code = code.worse(ExitCode::Unknown);
            }
            for reply in app.hosts.values() {
                let PruneReply::Done(done) = reply else {
                    continue;
                };
                if done.unknown.is_some() {
                    code = code.worse(ExitCode::Unknown);
                }
                let refused = |(_, end): &(String, ImageEnd)| matches!(end, ImageEnd::Left(_));
                if !done.left.is_empty() || done.images.iter().any(refused) {
                    code = code.worse(ExitCode::Failed);
                }
            }
        }
        code
    }
}

/// The releases by the names that people know: `#1 1.0.1-22-7e56158`.
fn names(done: &Pruned) -> Vec<String> {
    let all = done.dropped.iter();
    let mut named: Vec<(u64, String)> = all
        .map(|(id, kept)| match kept {
            Some(kept) => (kept.label.revision, kept.label.to_string()),
            None => (0, id.to_string()),
        })
        .collect();
    named.sort();
    named.into_iter().map(|(_, name)| name).collect()
}

/// Hosts that did the same are one line.
#[must_use]
pub fn text(view: &PruneView) -> String {
    let mut out = Vec::new();
    for app in &view.apps {
        out.push(format!("{} {}", view.env, app.app));
        let mut same: Vec<(Vec<String>, Vec<&str>)> = Vec::new();
        for (host, reply) in &app.hosts {
            let said = lines(reply, view.dry);
            match same.iter_mut().find(|(known, _)| *known == said) {
                Some((_, hosts)) => hosts.push(host.as_str()),
                None => same.push((said, vec![host.as_str()])),
            }
        }
        for (said, hosts) in same {
            let mut said = said.into_iter();
            let first = said.next().unwrap_or_default();
            out.push(format!("  {}: {first}", super::words::names(&hosts, 8)));
            out.extend(said.map(|line| format!("    {line}")));
        }
    }
    out.join("\n")
}

fn lines(reply: &PruneReply, dry: bool) -> Vec<String> {
    let done = match reply {
        PruneReply::Nothing => return vec!["it was never deployed here".to_owned()],
        PruneReply::Alone(why) => return vec![format!("left alone: {}", tame(why))],
        PruneReply::Done(done) => done,
    };
    let would = if dry { "would remove" } else { "removed" };
    let gone = |end: &ImageEnd| matches!(end, ImageEnd::Would | ImageEnd::Removed);
    let images: Vec<&str> = done
        .images
        .iter()
        .filter(|(_, end)| gone(end))
        .map(|(name, _)| name.split('@').next().unwrap_or(name))
        .collect();
    let kept = count(done.kept.len(), "release");
    let mut out = Vec::new();
    if done.dropped.is_empty() && images.is_empty() {
        out.push(format!("nothing to remove, {kept} kept"));
    } else {
        out.push(format!(
            "{would} {} and {}, {kept} kept",
            count(done.dropped.len(), "release"),
            count(images.len(), "image")
        ));
        out.extend(names(done).iter().map(|name| tame(name)));
        out.extend(images.iter().map(|name| format!("image {}", tame(name))));
    }
    for (name, end) in &done.images {
        if let ImageEnd::Left(why) = end {
            out.push(format!("image {} stays: {}", tame(name), tame(why)));
        }
    }
    if let Some(folder) = &done.unknown {
        out.push(format!(
            "no image was removed: what {} names is not known",
            tame(folder)
        ));
    }
    if done.pulling {
        out.push("further images stay: images are fetched there now; prune again".to_owned());
    }
    let odd = done.odd.iter();
    out.extend(odd.map(|folder| format!("{} is no release: left alone", tame(folder))));
    let left = done.left.iter();
    out.extend(left.map(|folder| format!("{} could not be removed", tame(folder))));
    out
}

/// One line per app and host.
#[must_use]
pub fn json(view: &PruneView) -> Vec<String> {
    let mut out = Vec::new();
    for app in &view.apps {
        for (host, reply) in &app.hosts {
            let mut line = json!({
                "v": 1, "event": "prune", "env": view.env, "app": app.app, "host": host, "dry": view.dry,
            });
            match reply {
                PruneReply::Nothing => line["end"] = json!("nothing"),
                PruneReply::Alone(why) => (line["end"], line["why"]) = (json!("alone"), json!(why)),
                PruneReply::Done(done) => {
                    let end = |end: &ImageEnd| match end {
                        ImageEnd::Would => "would".to_owned(),
                        ImageEnd::Removed => "removed".to_owned(),
                        ImageEnd::Absent => "absent".to_owned(),
                        ImageEnd::Kept => "kept".to_owned(),
                        ImageEnd::Left(why) => format!("left: {why}"),
                    };
                    let images = done
                        .images
                        .iter()
                        .map(|(name, e)| (name.clone(), json!(end(e))));
                    line["end"] = json!("done");
                    line["kept"] = json!(done.kept);
                    line["dropped"] = json!(done.dropped.keys().collect::<Vec<_>>());
                    line["images"] = images.collect::<serde_json::Map<_, _>>().into();
                    line["unknown"] = json!(done.unknown);
                    line["pulling"] = json!(done.pulling);
                    line["odd"] = json!(done.odd);
                    line["left"] = json!(done.left);
                }
            }
            out.push(line.to_string());
        }
        for said in &app.silent {
            let line = json!({
                "v": 1, "event": "prune", "env": view.env, "app": app.app, "host": said.host,
                "dry": view.dry, "end": "silent", "why": said.what,
            });
            out.push(line.to_string());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(replies: Vec<(&str, PruneReply)>) -> PruneView {
        let hosts = replies.into_iter();
        PruneView {
            env: "staging".parse().unwrap(),
            dry: false,
            apps: vec![AppPrune {
                app: "app".parse().unwrap(),
                hosts: hosts.map(|(h, r)| (h.parse().unwrap(), r)).collect(),
                silent: Vec::new(),
            }],
        }
    }

    fn done(image: ImageEnd) -> PruneReply {
        PruneReply::Done(Pruned {
            kept: vec!["aa".parse().unwrap(), "bb".parse().unwrap()],
            dropped: [("cc".parse().unwrap(), None)].into(),
            images: vec![("reg:5000/a/app:1.0@sha256:00".to_owned(), image)],
            ..Pruned::default()
        })
    }

    #[test]
    fn hosts_that_did_the_same_are_one_line_and_others_are_named() {
        let all = view(vec![
            ("web1", done(ImageEnd::Removed)),
            ("web2", done(ImageEnd::Removed)),
            (
                "web3",
                PruneReply::Alone("it is locked by a person".to_owned()),
            ),
            ("web4", PruneReply::Done(Pruned::default())),
        ]);
        insta::assert_snapshot!(text(&all), @"
        staging app
          web1 web2: removed 1 release and 1 image, 2 releases kept
            cc
            image reg:5000/a/app:1.0
          web3: left alone: it is locked by a person
          web4: nothing to remove, 0 releases kept
        ");
        assert_eq!(all.exit_code(), ExitCode::Success);
        assert_eq!(json(&all).len(), 4);
    }

    #[test]
    fn what_could_not_be_removed_or_told_is_no_success() {
        let left = view(vec![(
            "web1",
            done(ImageEnd::Left("it is in use".to_owned())),
        )]);
        assert_eq!(left.exit_code(), ExitCode::Failed);
        assert!(text(&left).contains("image reg:5000/a/app:1.0@sha256:00 stays: it is in use"));
        let more = view(vec![(
            "web1",
            PruneReply::Done(Pruned {
                pulling: true,
                odd: vec!["releases/a?b".to_owned()],
                ..Pruned::default()
            }),
        )]);
        insta::assert_snapshot!(text(&more), @"
        staging app
          web1: nothing to remove, 0 releases kept
            further images stay: images are fetched there now; prune again
            releases/a?b is no release: left alone
        ");
        assert_eq!(more.exit_code(), ExitCode::Success);
        let mut unknown = view(vec![]);
        let one = Pruned {
            unknown: Some("/x".to_owned()),
            ..Pruned::default()
        };
        unknown.apps[0]
            .hosts
            .insert("web1".parse().unwrap(), PruneReply::Done(one));
        assert_eq!(unknown.exit_code(), ExitCode::Unknown);
    }
}
