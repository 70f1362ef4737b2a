//! `notify:` read, and what is wrong in it.

use super::super::layer::Level;
use super::super::source::build;
use super::*;
use crate::name::EnvName;
use crate::text::SourceFile;

const SECRETS: &str = "secrets: { hook: { env: HOOK }, key: { env: KEY } }\n";

fn load(text: &str) -> Result<BTreeMap<String, Receiver>, String> {
    let text = format!("{SECRETS}{text}");
    let file = SourceFile::new("staging.yml", text.as_str());
    let env = EnvName::new("staging").unwrap();
    let files = [(file, Level::Environment)];
    build(&env, &files, &[], Findings::default())
        .map(|i| i.notify)
        .map_err(|f| f.to_string())
}

#[test]
fn a_receiver_has_defaults_and_may_say_everything() {
    let all = load(
        "notify:\n  plain: { url: \"http://10.0.0.1:8080/x\" }\n  chat:\n    url: { secret: hook }\n    template: notify/chat.json.j2\n    on: [rolled_back, mixed]\n    headers: { Authorization: { secret: key }, X-Env: staging }\n    sign: { secret: key, form: dingtalk }\n    answer: errcode\n    within: 10s\n",
    )
    .unwrap();
    let plain = &all["plain"];
    assert_eq!(plain.on, [Point::Start, Point::Switched, Point::End]);
    assert_eq!(plain.within, Duration::from_secs(5));
    assert_eq!((&plain.sign, &plain.template), (&None, &None));
    assert!(plain.secrets().is_empty());
    let chat = &all["chat"];
    assert_eq!(chat.url, Text::Secret("hook".to_owned()));
    assert_eq!(
        chat.on,
        [
            Point::Ended(OutcomeKind::RolledBack),
            Point::Ended(OutcomeKind::Mixed)
        ]
    );
    assert_eq!(chat.sign.as_ref().unwrap().form, SignForm::DingTalk);
    assert_eq!(chat.within, Duration::from_secs(10));
    assert_eq!(chat.secrets(), ["key", "hook", "key"]);
}

#[test]
fn the_end_is_every_outcome_but_nothing_to_do_and_refused() {
    for kind in OUTCOMES {
        let quiet = matches!(kind, OutcomeKind::NoChange | OutcomeKind::Refused);
        assert_eq!(Point::End.covers(Point::Ended(kind)), !quiet, "{kind}");
        assert!(Point::Ended(kind).covers(Point::Ended(kind)));
        assert_eq!(Point::parse(kind.word()), Some(Point::Ended(kind)));
    }
    assert!(!Point::End.covers(Point::Start));
    assert!(!Point::Ended(OutcomeKind::Failed).covers(Point::Ended(OutcomeKind::Mixed)));
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (text, first) in [
        ("notify: { a: { on: start } }", "`notify.a` has no `url`"),
        (
            "notify: { a: { url: { secret: hok } } }",
            "there is no secret `hok`",
        ),
        ("notify: { a: { url: chat } }", "`notify.a.url` is `chat`"),
        (
            "notify: { a: { url: \"https://u:p@x/y\" } }",
            "`notify.a.url` is `https://u:p@x/y`",
        ),
        (
            "notify: { a: { url: \"http://x\", on: [strat] } }",
            "`notify.a.on` holds `strat`, which is no point of a run",
        ),
        (
            "notify: { a: { url: \"http://x\", sign: { secret: key, form: feishu } } }",
            "`notify.a` signs in its body, but has no template to print it",
        ),
        (
            "notify: { a: { url: \"http://x\", sign: { secret: key, form: sha1 } } }",
            "`notify.a.sign.form` is `sha1`",
        ),
        (
            "notify: { a: { url: \"http://x\", within: 5m } }",
            "`notify.a.within` is `5m`",
        ),
        (
            "notify: { a: { url: \"http://x\", headers: { \"X y\": b } } }",
            "`X y` is no name of a header",
        ),
        (
            "notify: { a: { url: \"http://x\", template: ../x.j2 } }",
            "`notify.a.template` is `../x.j2`",
        ),
    ] {
        let said = load(text).unwrap_err();
        assert!(said.contains(first), "{text}\n{said}");
        assert!(said.contains("staging.yml:2:"), "{said}");
    }
}
