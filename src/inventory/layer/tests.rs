use super::*;
use crate::text::SourceFile;
use crate::text::yaml;

fn node(path: &str, text: &str) -> Node {
    let mut findings = Findings::default();
    let node = yaml::parse(&SourceFile::new(path, text), &mut findings);
    assert_eq!(findings.to_string(), "");
    node.unwrap()
}

fn run(layers: &[Layer<'_>]) -> (Merged, String) {
    let mut findings = Findings::default();
    let span = Span::new(&SourceFile::new("e", ""), 1, 1, 1);
    let merged = merge(layers, &span, "web1", &mut findings);
    (merged, findings.to_string())
}

#[test]
fn maps_merge_lists_replace_and_null_deletes() {
    let a = node(
        "a",
        "limits: {memory: 1g, cpus: 1}\nlist: [1, 2]\ngone: 5\n",
    );
    let b = node("b", "limits: {memory: 2g}\nlist: [3]\ngone: null\nnew: x\n");
    let layers = [
        Layer::new(Level::Defaults, "", &a),
        Layer::new(Level::App, "app", &b),
    ];
    let (merged, findings) = run(&layers);
    assert_eq!(findings, "");
    assert_eq!(
        merged.node.to_json().to_string(),
        r#"{"limits":{"memory":"2g","cpus":1},"list":[3],"new":"x"}"#
    );
    let memory = merged.origins.get("limits.memory").unwrap();
    assert_eq!(memory.from.span.to_string(), "b:1:18");
    assert_eq!((memory.from.level, &*memory.from.who), (Level::App, "app"));
    assert_eq!(memory.overrode.len(), 1);
    assert_eq!(memory.overrode[0].span.to_string(), "a:1:18");
    assert_eq!(memory.overrode[0].value, "1g");
    let gone = merged.origins.get("gone").unwrap();
    assert_eq!(
        (gone.from.value.as_str(), gone.overrode[0].value.as_str()),
        ("null", "5")
    );
}

#[test]
fn what_comes_after_a_deletion_starts_afresh() {
    let a = node("a", "m: {x: 1, y: 2}\n");
    let b = node("b", "m: null\n");
    let c = node("c", "m: {z: 3}\n");
    let layers = [
        Layer::new(Level::Defaults, "", &a),
        Layer::new(Level::App, "", &b),
        Layer::new(Level::Host, "", &c),
    ];
    assert_eq!(
        run(&layers).0.node.to_json().to_string(),
        r#"{"m":{"z":3}}"#
    );
}

#[test]
fn two_groups_that_disagree_are_an_error_unless_something_more_specific_speaks() {
    let a = node("a", "x: 1\nsame: 5\nm: {k: 1}\n");
    let b = node("b", "x: 2\nsame: 5\nm: {l: 1}\n");
    let host = node("h", "x: 3\n");
    let groups = [
        Layer::new(Level::Group, "blue", &a).beside(0, &[]),
        Layer::new(Level::Group, "big", &b).beside(1, &[]),
    ];
    assert_eq!(
        run(&groups).1,
        "error: groups `blue` and `big` disagree about `x` of web1
 --> b:1:4
  |
1 | x: 2
  |    ^ `big` says 2
 ::: a:1:4
  |
1 | x: 1
  |    ^ `blue` says 1
  = hint: say it once where it is more specific, for instance at the host

1 error"
    );
    let mut with_host = groups.to_vec();
    with_host.push(Layer::new(Level::Host, "web1", &host));
    assert_eq!(run(&with_host).1, "");
    let nested = [
        Layer::new(Level::Group, "all", &a).beside(0, &[]),
        Layer::new(Level::Group, "blue", &b).beside(1, &[0]),
    ];
    assert_eq!(run(&nested).1, "");
}

#[test]
fn what_a_nested_group_overrode_is_no_rival_of_a_third_that_agrees_with_it() {
    let (a, b) = (node("a", "x: 1\n"), node("b", "x: 2\n"));
    let groups = [
        Layer::new(Level::Group, "outer", &a).beside(0, &[]),
        Layer::new(Level::Group, "inner", &b).beside(1, &[0]),
        Layer::new(Level::Group, "third", &b).beside(2, &[]),
    ];
    assert_eq!(run(&groups).1, "");
}

#[test]
fn three_groups_where_the_last_agrees_with_the_first_still_disagree() {
    let (a, b) = (node("a", "x: 1\n"), node("b", "x: 2\n"));
    let groups = [
        Layer::new(Level::Group, "g1", &a).beside(0, &[]),
        Layer::new(Level::Group, "g2", &a).beside(1, &[]),
        Layer::new(Level::Group, "g3", &b).beside(2, &[]),
        Layer::new(Level::Group, "g4", &b).beside(3, &[]),
    ];
    assert!(run(&groups).1.contains("`g2` and `g4` disagree"));
}

mod laws {
    use super::*;
    use proptest::prelude::*;

    fn tree() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            (0..4_i64).prop_map(Into::into),
            proptest::collection::vec(0..3_i64, 0..2).prop_map(Into::into),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            proptest::collection::btree_map("[abc]", inner, 1..4)
                .prop_map(|m| serde_json::Value::Object(m.into_iter().collect()))
        })
    }

    fn root() -> impl Strategy<Value = serde_json::Value> {
        proptest::collection::btree_map("[abc]", tree(), 0..4)
            .prop_map(|m| serde_json::Value::Object(m.into_iter().collect()))
    }

    /// The rule, said again in the plainest way.
    fn over(base: &mut serde_json::Value, top: &serde_json::Value) {
        use serde_json::Value as J;
        match (base, top) {
            (J::Object(b), J::Object(t)) => {
                for (k, v) in t {
                    match (b.get_mut(k), v) {
                        (_, J::Null) => drop(b.remove(k)),
                        (Some(old @ J::Object(_)), J::Object(_)) => over(old, v),
                        _ => {
                            let mut fresh = J::Object(serde_json::Map::new());
                            match v {
                                J::Object(_) => over(&mut fresh, v),
                                _ => fresh = v.clone(),
                            }
                            b.insert(k.clone(), fresh);
                        }
                    }
                }
            }
            (b, t) => *b = t.clone(),
        }
    }

    fn sorted(v: &serde_json::Value) -> serde_json::Value {
        match v {
            serde_json::Value::Object(m) => {
                let mut keys: Vec<_> = m.iter().collect();
                keys.sort_by(|a, b| a.0.cmp(b.0));
                serde_json::Value::Object(
                    keys.into_iter()
                        .map(|(k, v)| (k.clone(), sorted(v)))
                        .collect(),
                )
            }
            v => v.clone(),
        }
    }

    proptest! {
        #[test]
        fn merging_is_laying_one_over_the_other(layers in proptest::collection::vec(root(), 1..5)) {
            let nodes: Vec<Node> = layers.iter().map(|l| node("x", &l.to_string())).collect();
            let levels = [Level::Defaults, Level::Environment, Level::App, Level::Host, Level::Set];
            let laid: Vec<Layer<'_>> = nodes.iter().zip(levels).map(|(n, l)| Layer::new(l, "", n)).collect();
            let mut expected = serde_json::json!({});
            for layer in &layers {
                over(&mut expected, layer);
            }
            let (merged, findings) = run(&laid);
            prop_assert_eq!(findings, "");
            prop_assert_eq!(sorted(&merged.node.to_json()), sorted(&expected));
            // Every value that is left knows a place that says exactly this.
            for (path, provenance) in merged.origins.iter() {
                let mut at = Some(&expected);
                for key in path.split('.') {
                    at = at.and_then(|v| v.get(key));
                }
                let said = &provenance.from.value;
                match at {
                    None => prop_assert_eq!(said, "null"),
                    Some(v) if v.is_object() => prop_assert!(v.as_object().unwrap().is_empty()),
                    Some(v) => prop_assert_eq!(said, &v.to_string().replace(',', ", ")),
                }
            }
        }
    }
}
