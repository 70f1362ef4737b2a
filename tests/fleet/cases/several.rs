//! Several apps in one command, gated by commands in their containers. To add a case: one more command line on the same shop.

use crate::support::shop::{FIRST, LBS, SECOND, Shop, WEB};

/// `script/test --long` only: the default run must stay under 20 minutes.
mod long {
    use super::*;

    #[test]
    #[ignore = "needs the fleet and --long"]
    fn apps_are_checked_first_and_brought_in_the_order_of_the_line() {
        let shop = Shop::empty();
        let gates = |shop: &Shop, from: &str, to: &str| {
            shop.project.edit("inventories/defaults.yml", from, to);
        };
        let plain = "      - { http: /healthz, every: 200ms";
        let good = format!("      - {{ command: [/app, healthcheck], within: 20s }}\n{plain}");
        gates(&shop, plain, &good);
        shop.with_web();

        // The tag of the last one is wrong: the first is not begun.
        let (app, web) = (format!("app@{FIRST}"), "web@2.0.0-7-1a2b3c4");
        let refused = shop.run(&["staging", &app, "web@2.0.0-7-0000000"]);
        refused
            .assert_code(2)
            .assert_says(&["has no tag 2.0.0-7-0000000"]);
        assert_eq!(shop.ids("web1"), Vec::<String>::new());

        let both = shop.run(&["staging", web, &app]);
        both.assert_code(0);
        let at = |word: &str| both.said().find(word).expect("an app's block");
        assert!(
            at("staging web  #1") < at("staging app  #1"),
            "{}",
            both.said()
        );
        for lb in LBS {
            assert!(shop.serves(lb, WEB).contains("2.0.0-7-1a2b3c4"));
        }
        shop.assert_serving(FIRST);

        // A command that never passes: unwound, and the rest is not begun.
        let bad = good.replace(
            "[/app, healthcheck], within: 20s",
            "[/app/none], within: 4s",
        );
        gates(&shop, &good, &bad);
        let failed = shop.run(&["staging", &format!("app@{SECOND}"), "web@2.0.1-8-5d6e7f8"]);
        failed.assert_code(1).assert_says(&[
            "/app/none",
            "the container cannot run it",
            "app ended the row: not begun: web",
        ]);
        shop.assert_serving(FIRST);
    }
}
