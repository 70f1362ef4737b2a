use super::*;

fn read(text: &str) -> (Option<Node>, String) {
    let file = SourceFile::new("x.yml", text);
    let mut findings = Findings::default();
    let node = parse(&file, &mut findings);
    (node, findings.to_string())
}

fn good(text: &str) -> Node {
    let (node, findings) = read(text);
    assert_eq!(findings, "");
    node.unwrap()
}

fn bad(text: &str) -> String {
    read(text).1
}

#[test]
fn every_value_knows_its_place() {
    let n = good("a: 1\nb:\n  - {x: 'ü', \"y\": z}\nc:\n");
    let y = &n.get("b").unwrap().seq().unwrap()[0];
    let entry = y.entry("y").unwrap();
    assert_eq!(
        (
            entry.key.span.line,
            entry.key.span.column,
            entry.key.span.len
        ),
        (3, 14, 3)
    );
    assert_eq!(entry.value.span.to_string(), "x.yml:3:19");
    let c = n.get("c").unwrap();
    assert!(c.is_unwritten() && c.is_null());
    assert_eq!(c.span.to_string(), "x.yml:4:1");
}

#[test]
fn a_scalar_is_what_the_operator_sees() {
    let n = good(
        "[no, 1.10, '1', 0755, 0x1f, 1e3, -3, +4, ~, null, true, yes, 1:30, .inf, 99999999999999999999, !!str 5, .5]",
    );
    assert_eq!(
        n.to_json().to_string(),
        r#"["no",1.1,"1","0755","0x1f",1000.0,-3,4,null,null,true,"yes","1:30",".inf","99999999999999999999","5",0.5]"#
    );
    assert_eq!(n.seq().unwrap()[1].text(), Some("1.10"));
}

#[test]
fn a_key_that_stands_twice_is_shown_with_both_lines() {
    assert_eq!(
        bad("a:\n  k: 1\n  l: 2\n  k: 3\n"),
        "error: key `k` stands here twice
 --> x.yml:4:3
  |
4 |   k: 3
  |   ^
 ::: x.yml:2:3
  |
2 |   k: 1
  |   ^ the first one

1 error"
    );
}

#[test]
fn merge_keys_give_way_to_explicit_and_earlier_ones() {
    let n = good("a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc:\n  <<: [*a, *b]\n  x: 9\n");
    assert_eq!(
        n.get("c").unwrap().to_json().to_string(),
        r#"{"x":9,"y":1,"z":2}"#
    );
    assert!(bad("a:\n  <<: 3\n").contains("`<<` does not name a mapping"));
}

#[test]
fn what_would_exhaust_memory_or_stack_is_refused() {
    assert!(bad(&"[".repeat(100)).contains("nested more than 60 deep"));
    assert!(bad(&"[".repeat(100_000)).contains("1 error"));
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for i in 1..9 {
        let refs = vec![format!("*a{}", i - 1); 10].join(",");
        bomb.push_str(&format!("a{i}: &a{i} [{refs}]\n"));
    }
    assert!(bad(&bomb).contains("aliases copy more than"));
    assert!(bad("a: &a [*a]\n").contains("error"));
}

#[test]
fn what_is_no_yaml_says_where_and_hints() {
    let text = bad("groups:\n  blue: [web[1:2]]\n");
    assert!(text.contains("x.yml:2:"), "{text}");
    assert!(text.contains("a host pattern needs quotes"), "{text}");
    assert!(bad("a:\n\tb: 1\n").contains("not with tabs"));
    assert!(bad("a: 1\n---\nb: 2\n").contains("a second document"));
    assert!(bad("? [a]\n: 1\n").contains("stands as a key"));
}

#[test]
fn patterns_stand_as_keys_in_block_mappings() {
    let n = good("web[1:2]: {a: 1}\nweb3:\n");
    assert_eq!(n.map().unwrap()[0].key.text, "web[1:2]");
    assert!(good("").is_unwritten());
    assert!(good("# only a comment\n").is_unwritten());
    assert_eq!(good("\u{feff}a: 1").get("a").unwrap().text(), Some("1"));
}

#[test]
fn tags_are_kept_and_blocks_too() {
    let n = good("a: !reset null\nb: |\n  x\n  y\nc: !override [1]\n");
    assert_eq!(n.get("a").unwrap().tag.as_deref(), Some("!reset"));
    assert_eq!(n.get("c").unwrap().tag.as_deref(), Some("!override"));
    assert_eq!(n.get("b").unwrap().text(), Some("x\ny\n"));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "[\\[\\]{}:,&*!|>'\"#%@`a-c0-9 \n\t~<-]{0,60}") {
        let _ = read(&text);
    }

    #[test]
    fn a_quoted_text_arrives_as_it_is(text in "[ -~äöü€😀]{0,40}") {
        let n = good(&format!("k: '{}'\n", text.replace('\'', "''")));
        proptest::prop_assert_eq!(n.get("k").unwrap().text(), Some(text.as_str()));
    }
}
