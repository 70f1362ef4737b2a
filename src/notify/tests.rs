//! Messages against a receiver played by a small HTTP server in this process; the example templates.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// What arrived: the head with its first line, and the body.
type Got = (String, String);

pub(crate) struct Server {
    pub url: String,
    pub got: Arc<Mutex<Vec<Got>>>,
}

impl Server {
    /// Answers the n-th request with the n-th text, the last one for ever; an empty text hangs up.
    pub(crate) async fn start(answers: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let got: Arc<Mutex<Vec<Got>>> = Arc::default();
        let log = Arc::clone(&got);
        tokio::spawn(async move {
            let mut n = 0;
            while let Ok((mut stream, _)) = listener.accept().await {
                let Some(one) = request(&mut stream).await else {
                    continue;
                };
                log.lock().unwrap().push(one);
                let answer = answers[n.min(answers.len() - 1)];
                n += 1;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self {
            url: format!("http://{address}/hook?token=t0ps3cret"),
            got,
        }
    }

    pub(crate) fn requests(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }
}

async fn request(stream: &mut tokio::net::TcpStream) -> Option<Got> {
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let n = stream.read(&mut buffer).await.ok().filter(|n| *n > 0)?;
        seen.extend_from_slice(&buffer[..n]);
        let text = String::from_utf8_lossy(&seen).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = |l: &str| {
            let (name, value) = l.split_once(": ")?;
            let is = name.eq_ignore_ascii_case("content-length");
            is.then(|| value.parse::<usize>().unwrap())
        };
        if body.len() >= head.lines().find_map(length).unwrap_or(0) {
            return Some((head.to_owned(), body.to_owned()));
        }
    }
}

pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";

fn message() -> Message {
    let at = |text: &str| Stamp(text.parse().unwrap());
    let version = |revision, version: &str| Version {
        revision,
        version: version.to_owned(),
        digest: "sha256:9f2c".to_owned(),
    };
    Message {
        v: 1,
        point: "end",
        run: "r-7f3a".into(),
        env: "production".into(),
        app: "app".into(),
        what: "deploy".into(),
        from: Some(version(42, "1.0.1-22-7e56158")),
        to: Some(version(43, "1.0.2-30-abc1234")),
        slot: "green".into(),
        by: "ops@bastion1".into(),
        message: "say \"hi\"\n</b>".into(),
        ticket: "CHG0012345".into(),
        config: "c0ffee".into(),
        started: at("2026-11-22T02:00:00Z"),
        at: at("2026-11-22T02:02:33.5Z"),
        seconds: 153,
        outcome: "rolled_back".into(),
        why: "gate of web3 lost".into(),
        hosts: Vec::new(),
        text: "production app: deploy rolled_back".into(),
        block: "production app  #43\n  active blue".into(),
    }
}

fn post(url: &str) -> Post {
    Post {
        url: Secret::new(url.to_owned()),
        headers: BTreeMap::new(),
        sign: None,
        body: None,
        answer: None,
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|l| {
        let (n, value) = l.split_once(": ")?;
        n.eq_ignore_ascii_case(name).then_some(value)
    })
}

#[tokio::test]
async fn without_a_template_the_run_is_sent_as_json_and_signed_with_its_time() {
    let server = Server::start(&[OK]).await;
    let mut to = post(&server.url);
    to.headers
        .insert("X-Token".into(), Secret::new("value".into()));
    let key = Secret::new(b"k3y".to_vec());
    to.sign = Some((SignForm::Header, key.clone()));
    to.send(&message()).await.unwrap();
    let [(head, body)] = server.requests().try_into().unwrap();
    assert!(
        head.starts_with("POST /hook?token=t0ps3cret HTTP/1.1"),
        "{head}"
    );
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(json["to"]["version"], "1.0.2-30-abc1234");
    assert_eq!(json["started"], "2026-11-22T02:00:00.000Z");
    assert_eq!(json["seconds"], 153);
    assert_eq!(header(&head, "x-token"), Some("value"));
    let id = format!("r-7f3a-end-{}", message().at.0.as_second());
    assert_eq!(header(&head, "x-deploy-delivery"), Some(id.as_str()));
    let (time, signature) = sign::header(&key, message().at.0, &body);
    assert_eq!(header(&head, "x-deploy-timestamp"), Some(&*time));
    assert_eq!(header(&head, "x-deploy-signature"), Some(&*signature));
}

#[tokio::test]
async fn what_gets_no_answer_is_tried_again_and_what_is_refused_is_not() {
    let server = Server::start(&["", OK]).await;
    post(&server.url).send(&message()).await.unwrap();
    assert_eq!(server.requests().len(), 2);
    let refusing = Server::start(&["HTTP/1.1 503 no\r\ncontent-length: 0\r\n\r\n"]).await;
    let error = post(&refusing.url).send(&message()).await.unwrap_err();
    assert_eq!(error.to_string(), "the receiver answered 503");
    assert_eq!(refusing.requests().len(), 1);
    // Who sends elsewhere is not followed.
    let moved = "HTTP/1.1 307 there\r\nlocation: http://127.0.0.1:1/x\r\ncontent-length: 0\r\n\r\n";
    let moved = Server::start(Box::leak(Box::new([moved]))).await;
    let error = post(&moved.url).send(&message()).await.unwrap_err();
    assert_eq!(error.to_string(), "the receiver answered 307");
}

#[tokio::test]
async fn a_receiver_that_answers_200_to_all_is_asked_for_its_number() {
    let said = |body: &str| {
        let n = body.len();
        let text =
            format!("HTTP/1.1 200 OK\r\ncontent-length: {n}\r\nconnection: close\r\n\r\n{body}");
        &*Box::leak(vec![&*Box::leak(text.into_boxed_str())].into_boxed_slice())
    };
    let to = |server: &Server| Post {
        answer: Some("errcode".into()),
        ..post(&server.url)
    };
    let good = Server::start(said(r#"{"errcode":0,"errmsg":"ok"}"#)).await;
    to(&good).send(&message()).await.unwrap();
    let bad = Server::start(said(r#"{"errcode":310000,"errmsg":"sign not match"}"#)).await;
    let error = to(&bad).send(&message()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the receiver answered errcode 310000: sign not match"
    );
    // A missing number is no good news.
    let mute = Server::start(&[OK]).await;
    let error = to(&mute).send(&message()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the receiver answered without a number `errcode`"
    );
}

#[tokio::test]
async fn no_error_holds_the_address_or_a_key() {
    let closed = "http://127.0.0.1:1/hook?token=t0ps3cret";
    let mut to = post(closed);
    to.headers
        .insert("X-Token".into(), Secret::new("h3ader\nx".into()));
    let error = to.send(&message()).await.unwrap_err();
    assert_eq!(error.to_string(), "its header X-Token cannot be sent");
    let (to, client) = (post(closed), client().unwrap());
    let ready = to.ready(&message()).unwrap();
    let error = to.once(&client, &ready).await.unwrap_err();
    let mut text = format!("{error:?}");
    let mut next: Option<&dyn std::error::Error> = Some(&error);
    while let Some(cause) = next {
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    assert!(!text.contains("t0ps3cret"), "{text}");
    assert!(matches!(error, NotSent::Silent(_)), "{text}");
    let garbage = post("t0ps3cret").send(&message()).await.unwrap_err();
    assert_eq!(garbage.to_string(), "its url is no http or https address");
    assert!(!format!("{:?}", post(closed)).contains("t0ps3cret"));
}

fn example(name: &str) -> Body {
    let path = format!("{}/docs/notify/{name}", env!("CARGO_MANIFEST_DIR"));
    #[expect(
        clippy::disallowed_methods,
        reason = "a test reads the project's own files"
    )]
    let text = std::fs::read_to_string(path).unwrap();
    Body::new(name, text).unwrap()
}

/// Each example at each point makes what its receiver's interface wants; a quote, a line end or a
/// tag in what a person wrote breaks nothing.
#[test]
fn the_examples_make_what_their_receivers_want() {
    let start = Message {
        point: "start",
        outcome: String::new(),
        block: String::new(),
        why: String::new(),
        from: None,
        ticket: String::new(),
        ..message()
    };
    for message in [message(), start] {
        let json = |name: &str| -> serde_json::Value {
            serde_json::from_str(&example(name).sample(&message).unwrap()).unwrap()
        };
        let slack = json("slack.json.j2");
        assert!(slack["text"].as_str().unwrap().contains("production app"));
        for (name, text) in [
            ("dingtalk.json.j2", "/markdown/text"),
            ("wecom.json.j2", "/markdown/content"),
        ] {
            let body = json(name);
            assert_eq!(body["msgtype"], "markdown", "{name}");
            let text = body.pointer(text).unwrap().as_str().unwrap();
            assert!(text.contains(&message.text), "{name}: {text}");
        }
        let feishu = json("feishu.json.j2");
        assert_eq!(feishu["timestamp"], "0");
        assert_eq!(feishu["sign"], "sample");
        assert_eq!(feishu["msg_type"], "text");
        let text = feishu["content"]["text"].as_str().unwrap();
        assert!(text.contains(&message.text), "{text}");
    }
}

#[test]
fn a_template_that_is_wrong_says_where_and_what() {
    let why = |name: &str, text: &str| match Body::new(name, text.to_owned()) {
        Err(why) => why.to_string(),
        Ok(body) => body.sample(&message()).unwrap_err().to_string(),
    };
    assert_eq!(
        why("a.json.j2", "{\n  \"a\": {{ nothing }}\n}"),
        "line 2: undefined value: `nothing` is undefined"
    );
    assert!(why("a.json.j2", "{{ text").starts_with("line 1: "));
    assert_eq!(
        why("a.json.j2", "{\"a\": \"{{ text }}\"}"),
        "what the template makes is no JSON"
    );
    assert_eq!(
        why(
            "a.txt.j2",
            "{% for a in range(9000) %}{{ block ~ block }}{% endfor %}"
        ),
        "it is larger than 256 KiB"
    );
}

#[tokio::test]
async fn dingtalk_is_signed_in_the_url_and_feishu_in_the_body() {
    let server = Server::start(&[OK]).await;
    let key = Secret::new(b"SEC0123".to_vec());
    let mut to = post(&server.url);
    to.sign = Some((SignForm::DingTalk, key.clone()));
    to.body = Some(example("dingtalk.json.j2"));
    to.send(&message()).await.unwrap();
    to.sign = Some((SignForm::Feishu, key.clone()));
    to.body = Some(example("feishu.json.j2"));
    to.send(&message()).await.unwrap();
    let [(ding, _), (_, feishu)] = server.requests().try_into().unwrap();
    let signed = sign::dingtalk(&key, message().at.0);
    let line = ding.lines().next().unwrap().split(' ').nth(1).unwrap();
    let url = Url::parse(&format!("http://x{line}")).unwrap();
    let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    assert_eq!(query["token"], "t0ps3cret");
    assert_eq!(query["timestamp"], signed.timestamp);
    assert_eq!(query["sign"], signed.sign);
    let body: serde_json::Value = serde_json::from_str(&feishu).unwrap();
    let signed = sign::feishu(&key, message().at.0);
    assert_eq!(body["sign"], signed.sign);
    assert_eq!(body["timestamp"], signed.timestamp);
}
