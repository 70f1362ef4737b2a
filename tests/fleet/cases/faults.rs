//! Hosts, daemons, disks, registries and load balancers that fail in the middle of a deploy: how the run ends, what serves,
//! what was lost. To add one: a row of `ROWS`, in which a fault comes at a line of the journals and is taken back after it.

/// `script/test --long` only: the default run must stay under 20 minutes.
mod long {
    use crate::support::journal::Journals;
    use crate::support::load::Load;
    use crate::support::shop::{Cases, FIRST, SECOND, Shop};
    use crate::support::tool::Answer;
    use std::time::{Duration, Instant};

    /// When a fault comes.
    #[derive(Clone, Copy, PartialEq)]
    enum At {
        /// A host has begun to pull.
        Pull,
        /// The candidate is being brought up.
        Up,
        /// Both load balancers have switched: it bakes.
        Bake,
    }

    impl At {
        /// Lines of which one more than before has to be in the journal of each host.
        fn lines(self) -> &'static [(&'static str, &'static str)] {
            match self {
                Self::Pull => &[("web4", " pull ")],
                Self::Up => &[("web4", " replace ")],
                Self::Bake => &[("lb1", "done "), ("lb2", "done ")],
            }
        }
    }

    struct Row {
        name: &'static str,
        at: At,
        host: &'static str,
        /// A fault of `script/fleet`, or a script for root on the host.
        fault: Fault,
        code: i32,
        says: &'static [&'static str],
    }

    enum Fault {
        Fleet(&'static str, Option<&'static str>),
        Script(&'static str, &'static str),
    }
    use Fault::{Fleet, Script};

    /// sshd of the host answers nobody any more, open connections included; what it serves is served on.
    const SSH_LOST: Fault = Script(
        "iptables -I INPUT -p tcp --dport 22 -j DROP; iptables -I OUTPUT -p tcp --sport 22 -j DROP",
        "iptables -F INPUT; iptables -F OUTPUT",
    );

    /// Each ends with the old release in service everywhere and without a lost request.
    const BEFORE: [Row; 8] = [
        Row {
            name: "the registry is gone for a host that pulls",
            at: At::Pull,
            host: "web4",
            fault: Script(
                "iptables -I OUTPUT -p tcp --dport 5000 -j REJECT --reject-with tcp-reset",
                "iptables -F OUTPUT",
            ),
            code: 1,
            says: &["failed", "web4"],
        },
        Row {
            name: "the disk is full while images are pulled",
            at: At::Pull,
            host: "web4",
            fault: Fleet("fill-disk", Some("free-disk")),
            code: 1,
            says: &["failed", "web4"],
        },
        Row {
            name: "the daemon is killed while the candidate is brought up",
            at: At::Up,
            host: "web4",
            fault: Fleet("kill-docker", Some("start-docker")),
            code: 1,
            says: &["failed", "web4"],
        },
        Row {
            name: "the host is cut off while it pulls",
            at: At::Pull,
            host: "web4",
            fault: Fleet("cut", Some("heal")),
            code: 1,
            says: &["failed", "web4"],
        },
        Row {
            name: "the host is rebooted while the candidate is brought up",
            at: At::Up,
            host: "web4",
            fault: Fleet("reboot", None),
            code: 1,
            says: &["failed", "web4"],
        },
        Row {
            name: "the host loses its power while the candidate is brought up",
            at: At::Up,
            host: "web4",
            fault: Fleet("power-cut", None),
            code: 1,
            says: &["failed", "web4"],
        },
        Row {
            name: "a load balancer is lost for ssh before the commit",
            at: At::Up,
            host: "lb2",
            fault: SSH_LOST,
            code: 1,
            says: &["failed", "lb2"],
        },
        Row {
            name: "a host of the slot that serves is lost for ssh meanwhile",
            at: At::Up,
            host: "web1",
            fault: SSH_LOST,
            code: 0,
            says: &["succeeded"],
        },
    ];

    fn hit(shop: &Shop, row: &Row) {
        match row.fault {
            Fleet(fault, _) => shop.fleet.fault(fault, &[row.host]),
            Script(script, _) => drop(shop.sh(row.host, script)),
        }
    }

    fn heal(shop: &Shop, row: &Row) {
        match row.fault {
            Fleet(_, Some(back)) => shop.fleet.fault(back, &[row.host]),
            Fleet(_, None) => {}
            Script(_, back) => drop(shop.sh(row.host, back)),
        }
    }

    /// A deploy of the second release with a fault; the fault is taken back when the run has ended.
    fn run(shop: &Shop, row: &Row) -> Answer {
        if row.at == At::Pull {
            // What is there need not be pulled.
            shop.sh("web4", "docker image prune -af");
        }
        let journals = Journals::of(shop);
        let begun: Vec<_> = row
            .at
            .lines()
            .iter()
            .map(|(h, w)| (*h, *w, journals.of_host(h, w)))
            .collect();
        let started = Instant::now();
        let child = shop.tool(&["staging", &format!("app@{SECOND}")]).start();
        for (host, word, count) in begun {
            journals.wait_for_line(host, word, count + 1);
        }
        hit(shop, row);
        let answer = Answer::of_child(child, started);
        heal(shop, row);
        eprintln!("{}: {} after {:?}", row.name, answer.code, answer.took);
        answer
    }

    /// What the run left is finished, and the first release serves from a fleet that is whole.
    fn clean(shop: &Shop) {
        let end = Instant::now() + Duration::from_secs(90);
        loop {
            let resumed = shop.run(&["resume", "staging", "app"]);
            if [0, 1, 5].contains(&resumed.code) {
                break;
            }
            assert!(Instant::now() < end, "{}", resumed.said());
            std::thread::sleep(Duration::from_secs(2));
        }
        // It serves already; 1 where the slot that failed holds nothing to go back to.
        let back = shop.deploy(FIRST);
        assert!([0, 1].contains(&back.code), "{}", back.said());
        shop.assert_serving(FIRST);
    }

    fn ended(load: Load) {
        load.go_on(Duration::from_secs(1));
        load.stop().assert_good();
    }

    #[test]
    #[ignore = "needs the fleet and --long"]
    fn a_fault_before_the_switch_is_noticed_by_nobody() {
        let shop = Shop::serving(FIRST);
        let mut cases = Cases::default();
        for row in &BEFORE {
            cases.case(row.name, || {
                let load = shop.load(&["--floor", "500"]);
                let answer = run(&shop, row);
                let stopped =
                    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| ended(load)));
                answer.assert_code(row.code).assert_says(row.says);
                shop.assert_serving(if row.code == 0 { SECOND } else { FIRST });
                if let Err(lost) = stopped {
                    std::panic::resume_unwind(lost);
                }
            });
            cases.case("and the next run finds the fleet free", || clean(&shop));
        }
        cases.assert_all();
    }

    #[test]
    #[ignore = "needs the fleet and --long"]
    fn a_fault_after_the_switch_leads_back_or_says_what_is_left() {
        let shop = Shop::serving(FIRST);
        shop.project
            .edit("inventories/staging.yml", "bake: 3s", "bake: 15s");
        let mut cases = Cases::default();
        let rows = [
            Row {
                name: "a member that serves loses its power",
                at: At::Bake,
                host: "web4",
                fault: Fleet("power-cut", None),
                code: 5,
                says: &["rolled_back", "web4"],
            },
            Row {
                name: "a member that serves is rebooted",
                at: At::Bake,
                host: "web4",
                fault: Fleet("reboot", None),
                code: 5,
                says: &["rolled_back", "web4"],
            },
            Row {
                name: "a load balancer cannot be told to go back",
                at: At::Bake,
                host: "lb2",
                fault: SSH_LOST,
                code: 6,
                says: &["mixed", "lb2"],
            },
        ];
        for row in &rows {
            cases.case(row.name, || {
                let answer = run(&shop, row);
                answer.assert_code(row.code).assert_says(row.says);
                if row.code == 5 {
                    shop.assert_serving(FIRST);
                }
            });
            cases.case("and a person leads all of them to one end", || {
                let end = Instant::now() + Duration::from_secs(90);
                while !shop
                    .run(&[
                        "switch",
                        "staging",
                        "app",
                        "--to",
                        "blue",
                        "--take-over",
                        "-m",
                        "all",
                    ])
                    .said()
                    .contains("blue")
                {
                    assert!(Instant::now() < end, "no switch");
                    std::thread::sleep(Duration::from_secs(2));
                }
                clean(&shop);
                let load = shop.load(&["--floor", "500"]);
                ended(load);
            });
        }
        cases.assert_all();
    }
}
