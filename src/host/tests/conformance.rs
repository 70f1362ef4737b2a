//! What is sent arrives byte for byte, or nothing is run.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::*;

/// Prints every parameter in hex, so that the way back cannot change it.
const HEX: &str = r#"
for a in "$@"; do printf %s "$a" | od -An -v -tx1 | tr -d ' \n'; echo; done
end ok n=$#
"#;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn hostile_parameters_arrive_byte_for_byte() {
    let args = [
        "",
        " ",
        "  two  blanks  ",
        "a'b",
        "a\"b",
        "$(touch /tmp/never)",
        "`id`",
        "; rm -rf x",
        "&& x",
        "$HOME",
        "${x}",
        "\\",
        "\\n",
        "a\\",
        "*",
        "?",
        "[a]",
        "~",
        "-n",
        "-e x",
        "--",
        "!",
        "!!",
        "#x",
        "ü中文🚀",
        "\t",
        "\r",
        "a\tb\rc",
        "\u{1}\u{7f}\u{81}\u{88}",
        "%s%n",
        "end x ok",
        "\u{a0}",
        "=",
        "a=b",
    ];
    for (name, local) in shells() {
        let reply = run(&host(&local), Script::new("t", HEX).args(args)).unwrap();
        let wanted: Vec<String> = args.iter().map(|a| hex(a.as_bytes())).collect();
        assert_eq!(reply.lines, wanted, "{name}");
        assert_eq!(
            reply.word("n"),
            Some(args.len().to_string().as_str()),
            "{name}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_parameters_arrive_byte_for_byte(
        args in proptest::collection::vec("[^\n\0]{0,40}", 0..12),
    ) {
        let runtime = runtime();
        for (name, local) in shells() {
            let reply = runtime.block_on(host(&local).run(Script::new("t", HEX).args(args.clone())));
            let wanted: Vec<String> = args.iter().map(|a| hex(a.as_bytes())).collect();
            prop_assert_eq!(reply.unwrap().lines, wanted, "{}", name);
        }
    }
}

/// Bytes that a careless reader would lose or change.
fn binary(size: usize) -> Vec<u8> {
    let mut state = 7u32;
    (0..size)
        .map(|i| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if i % 97 == 0 {
                b'\n'
            } else {
                (state >> 24) as u8
            }
        })
        .collect()
}

/// Takes two pieces, the first of `$1` bytes and the rest of `$2`, into `$3`.
const TAKE: &str = r#"
take_data "$1" >"$3/a" || end short a
take_data "$2" >"$3/b" || end short b
end ok
"#;

#[test]
fn binary_data_arrives_exactly_and_nothing_is_read_too_far() {
    let sizes = [
        0, 1, 2, 4095, 4096, 4097, 65_535, 65_536, 65_537, 131_072, 299_999, 300_000,
    ];
    for (name, local) in shells() {
        for size in sizes {
            for first in [0, 1, size / 2, size] {
                let first = first.min(size);
                let dir = tempfile::tempdir().unwrap();
                let data = binary(size);
                let script = with_data("take", TAKE, data.clone()).args([
                    first.to_string(),
                    (size - first).to_string(),
                    dir.path().display().to_string(),
                ]);
                let reply = run(&host(&local), script).unwrap();
                assert_eq!(reply.end, ["ok"], "{name}, {first} of {size} bytes");
                let a = std::fs::read(dir.path().join("a")).unwrap();
                let b = std::fs::read(dir.path().join("b")).unwrap();
                assert!(
                    a == data[..first] && b == data[first..],
                    "{name}, {first} of {size}"
                );
            }
        }
    }
}

#[test]
fn a_full_disk_is_seen_by_take_data() {
    let text = "if take_data 10 >/dev/full; then end taken; else end failed; fi";
    for (name, local) in shells() {
        let reply = run(&host(&local), with_data("t", text, vec![1; 10])).unwrap();
        assert_eq!(reply.end, ["failed"], "{name}");
    }
}

/// Feeds the bootstrap the first `k` bytes only.
fn feed(local: &Local, bytes: &[u8]) -> String {
    let mut child = Command::new(&local.shell[0])
        .args(&local.shell[1..])
        .args(["-c", wire::boot()])
        .envs(local.env.iter().cloned())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(bytes);
    String::from_utf8_lossy(&child.wait_with_output().unwrap().stdout).into_owned()
}

#[test]
fn a_cut_connection_runs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mark = dir.path().join("mark");
    let text = r#"echo one >>"$1"; take_data 9 >>"$1.data" && echo two >>"$1"; end ok"#;
    let script = with_data("t", text, b"some data".to_vec()).args([mark.display().to_string()]);
    let bytes = wire::message(&script, "0123456789abcdef").unwrap();
    let whole_script = bytes.len() - script.data.len();
    for (name, local) in shells() {
        // Every byte of header and parameters, then every 61st, then the last ones.
        let cuts = (0..200)
            .chain((200..whole_script - 5).step_by(61))
            .chain(whole_script - 5..whole_script);
        for k in cuts {
            let out = feed(&local, &bytes[..k]);
            assert!(
                !mark.exists(),
                "{name}: ran after {k} of {whole_script} bytes: {out}"
            );
            assert!(!out.contains("begin"), "{name}: {k}: {out}");
        }
        for k in whole_script..bytes.len() {
            feed(&local, &bytes[..k]);
            let ran = std::fs::read_to_string(&mark).unwrap();
            assert_eq!(ran, "one\n", "{name}: cut data was taken for whole, {k}");
            std::fs::remove_file(&mark).unwrap();
            std::fs::remove_file(dir.path().join("mark.data")).unwrap();
        }
        assert!(
            feed(&local, &bytes).contains("\nend 0123456789abcdef ok\n"),
            "{name}"
        );
        assert_eq!(
            std::fs::read_to_string(&mark).unwrap(),
            "one\ntwo\n",
            "{name}"
        );
        std::fs::remove_file(&mark).unwrap();
        std::fs::remove_file(dir.path().join("mark.data")).unwrap();
    }
}

#[test]
fn one_lost_byte_of_the_script_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let mark = dir.path().join("mark");
    let script = Script::new("t", r#"echo ran >>"$1"; end ok"#).args([mark.display().to_string()]);
    let mut bytes = wire::message(&script, "0123456789abcdef").unwrap();
    let at = bytes.len() - 8;
    bytes.remove(at);
    for (name, local) in shells() {
        let out = feed(&local, &bytes);
        assert!(out.contains("refused 0123456789abcdef"), "{name}: {out}");
        assert!(!mark.exists(), "{name}");
    }
}

#[test]
fn the_command_line_passes_through_login_shells() {
    for login in ["bash", "dash", "tcsh", "csh", "fish", "zsh"] {
        if !on_path(login) {
            eprintln!("skipped: no {login} here");
            continue;
        }
        let bytes = wire::message(&Script::new("t", HEX).args(["a'b !x"]), "n1").unwrap();
        let mut child = Command::new(login)
            .args(["-c", &wire::command_line(false, false)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&bytes).unwrap();
        let out = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&out.stdout);
        assert!(
            text.contains("612762202178\n\nend n1 ok n=1\n"),
            "{login}: {text}"
        );
    }
}
