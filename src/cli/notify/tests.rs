//! A run told to receivers that live, that are dead, and that never answer.

use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;
use crate::event::Event;
use crate::name::OutcomeKind;
use crate::notify::tests::{OK, Server};
use crate::plan::deploy;
use crate::plan::fixture::{World, release};

const STARTED: i64 = 1_795_312_800;

fn meta() -> Meta {
    Meta {
        run: "r-7f3a".parse().unwrap(),
        fence: crate::record::verb::fence(1, 7),
        who: "ops@bastion1:1:2".parse().unwrap(),
        why: String::new(),
        ticket: "CHG1".into(),
        started: STARTED,
        tool: String::new(),
        config: String::new(),
        resumed: None,
        over: crate::engine::run::Over::default(),
        word: false,
        overridden: Vec::new(),
    }
}

fn plan() -> Plan {
    let w = World::serving();
    let release = release(&w.setup, 43);
    deploy(&w.setup, &release, &w.fleet, PlanKind::Deploy, "g1").unwrap()
}

/// What is said at the end of a run.
pub(crate) fn about() -> Message {
    let mut message = about_run(&meta(), &About::plan(&plan()));
    message.point = "end";
    message
}

fn receiver(on: &[Point], within: u64) -> Receiver {
    Receiver {
        url: Text::Secret("hook".into()),
        template: None,
        on: on.to_vec(),
        headers: BTreeMap::new(),
        sign: None,
        answer: None,
        within: Duration::from_millis(within),
        span: crate::text::Span::whole_line(&crate::text::SourceFile::new("x", "x"), 1),
    }
}

/// A run with receivers at these addresses, and what is heard of it.
struct Told {
    notices: Notices,
    voice: Voice,
    events: mpsc::UnboundedReceiver<Event>,
}

impl Told {
    fn new(plan: &Plan, receivers: Vec<(Receiver, Result<String, String>)>) -> Self {
        let (to, events) = mpsc::unbounded_channel();
        // As long as it takes, not as long as the clock says.
        let clock = Clock::fixed(jiff::Timestamp::from_second(STARTED + 153).unwrap());
        let voice = Voice::new(to, clock.clone());
        let line = |(receiver, url): (Receiver, Result<String, String>)| {
            let hook = |url: String| [("hook".to_owned(), Secret::new(url.into_bytes()))].into();
            let teller = Teller {
                name: "chat".into(),
                receiver: receiver.clone(),
                template: None,
                fetch: Some(Box::pin(async move { url.map(hook) })),
                hide: Box::new(|_| ()),
                voice: voice.clone(),
            };
            Line::start(&receiver, teller)
        };
        let notices = Notices {
            lines: Arc::new(receivers.into_iter().map(line).collect()),
            about: about_run(&meta(), &About::plan(plan)),
            clock,
            first: Vec::new(),
            beside: Beside::default(),
            missing: Arc::default(),
        };
        Self {
            notices,
            voice,
            events,
        }
    }

    /// The run from its beginning to its end.
    async fn run(mut self, plan: &Plan, kind: OutcomeKind) -> Vec<String> {
        let voice = self.notices.start(plan, &self.voice);
        for lb in ["web3", "lb1", "lb2", "lb2"] {
            voice.say(Kind::Done {
                host: lb.parse().unwrap(),
                stage: Stage::Switch,
                took: Duration::ZERO,
                text: String::new(),
            });
        }
        let outcome = Outcome {
            kind,
            why: String::new(),
            hosts: Vec::new(),
        };
        self.notices.end(&outcome, "block");
        self.notices.close().await;
        let mut notes = Vec::new();
        while let Ok(event) = self.events.try_recv() {
            if let Kind::Note { text, .. } = event.kind {
                notes.push(text);
            }
        }
        notes
    }
}

fn texts(server: &Server) -> Vec<String> {
    let text = |(_, body): (String, String)| {
        let json: serde_json::Value = serde_json::from_str(&body).unwrap();
        format!(
            "{}: {}",
            json["point"].as_str().unwrap(),
            json["text"].as_str().unwrap()
        )
    };
    server.requests().into_iter().map(text).collect()
}

const ALL: [Point; 3] = [Point::Start, Point::Switched, Point::End];

#[tokio::test]
async fn a_receiver_hears_each_point_once_in_order() {
    let server = Server::start(&[OK]).await;
    let plan = plan();
    let told = Told::new(&plan, vec![(receiver(&ALL, 5000), Ok(server.url.clone()))]);
    assert_eq!(told.run(&plan, OutcomeKind::Succeeded).await, [""; 0]);
    assert_eq!(
        texts(&server),
        [
            "start: staging app: deploy of #43 1.0.2-30-abc1234 began, by ops@bastion1",
            "switched: staging app: #43 1.0.2-30-abc1234 serves now, in green",
            "end: staging app: deploy of #43 1.0.2-30-abc1234 succeeded after 2m33s, by ops@bastion1",
        ]
    );
}

#[tokio::test]
async fn only_what_was_asked_for_is_sent() {
    let plan = plan();
    for (on, kind, sent) in [
        (Point::End, OutcomeKind::NoChange, 0),
        (Point::End, OutcomeKind::Mixed, 1),
        (
            Point::Ended(OutcomeKind::NoChange),
            OutcomeKind::NoChange,
            1,
        ),
        (Point::Ended(OutcomeKind::Failed), OutcomeKind::Mixed, 0),
        (Point::Switched, OutcomeKind::Failed, 1),
    ] {
        let server = Server::start(&[OK]).await;
        let told = Told::new(&plan, vec![(receiver(&[on], 5000), Ok(server.url.clone()))]);
        assert_eq!(told.run(&plan, kind).await, [""; 0]);
        assert_eq!(server.requests().len(), sent, "{on:?} {kind}");
    }
}

/// A receiver that takes connections and never answers, one that is not there, one whose secret
/// cannot be had: each is a note, and the one that lives hears all.
#[tokio::test]
async fn who_cannot_be_told_is_a_note_and_keeps_nobody() {
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mute_url = format!("http://{}/", mute.local_addr().unwrap());
    let server = Server::start(&[OK]).await;
    let plan = plan();
    let told = Told::new(
        &plan,
        vec![
            (receiver(&ALL, 300), Ok(mute_url)),
            (receiver(&[Point::End], 300), Err("no such secret".into())),
            (
                receiver(&[Point::Start], 5000),
                Ok("http://127.0.0.1:1/".into()),
            ),
            (receiver(&ALL, 5000), Ok(server.url.clone())),
        ],
    );
    let ends = tokio::time::timeout(
        Duration::from_secs(60),
        told.run(&plan, OutcomeKind::Succeeded),
    );
    let mut notes = ends.await.expect("nobody waits for a dead receiver");
    notes.sort();
    assert_eq!(server.requests().len(), 3);
    let gone = notes.remove(2);
    assert!(
        gone.starts_with("`chat` was not told of `start`: no answer: "),
        "{gone}"
    );
    assert_eq!(
        notes,
        [
            "`chat` was not told of `end` either",
            "`chat` was not told of `end`: no such secret",
            "`chat` was not told of `start`: not done within 300 ms",
            "`chat` was not told of `switched` either",
        ]
    );
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test writes files")]
fn check_renders_every_template_and_names_what_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("notify")).unwrap();
    std::fs::create_dir_all(dir.path().join("inventories")).unwrap();
    let put = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    put(
        "inventories/staging.yml",
        "notify:\n  good: { url: \"http://x\", template: notify/good.json.j2 }\n  bad: { url: \"http://x\", template: notify/bad.json.j2 }\n  gone: { url: \"http://x\", template: notify/gone.json.j2 }\nhooks:\n  here: { at: end, run: [notify/good.json.j2] }\n  there: { at: end, run: [/nonexistent/x], where: app }\n  path: { at: end, run: [x] }\n",
    );
    put("notify/good.json.j2", "{ \"text\": {{ text }} }");
    put("notify/bad.json.j2", "{ \"text\":\n{{ txt }} }");
    let config = crate::inventory::Config::new(dir.path(), []);
    let inventory = config.load(&"staging".parse().unwrap(), &[]).unwrap();
    let found = check(dir.path(), &inventory);
    let said: Vec<String> = found.iter().map(|d| d.message().to_owned()).collect();
    assert_eq!(said.len(), 3, "{said:?}");
    assert_eq!(
        said[0],
        "`notify.bad` cannot say `start`: its body cannot be made: line 2: undefined value: `txt` is undefined"
    );
    assert_eq!(
        said[2],
        "hook `here` cannot be started: notify/good.json.j2 is no program (chmod +x)"
    );
    assert!(
        said[1].starts_with("`notify.gone` cannot say anything: "),
        "{said:?}"
    );
}

#[test]
fn a_template_that_cannot_be_used_says_where() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.json.j2");
    let gone = template(&path).unwrap_err();
    assert!(gone.contains("a.json.j2 cannot be read: "), "{gone}");
    #[expect(clippy::disallowed_methods, reason = "a test writes files")]
    std::fs::write(&path, "{\n{{ text").unwrap();
    let wrong = template(&path).unwrap_err();
    assert!(
        wrong.contains("a.json.j2: its body cannot be made: line 2"),
        "{wrong}"
    );
}
